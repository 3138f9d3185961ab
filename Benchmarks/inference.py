#!/usr/bin/env python3
"""Compares inference by Tapestry's runtime (`tapestry bench`) with PyTorch's, on the same networks, turn by turn.

PyTorch's figure is that of the dense network, whatever the method of ours: an any-shape kernel is to it a dense one
with zeros. It gets batch norms folded, channels-last images, and the faster of two forms: eager, and frozen by
TorchScript with oneDNN's fusions. With one thread PyTorch's figure is processor time, so that a busy machine does it no
wrong. A row is {"name", "unit", "ours", "peer", "peer_name", "ratio"}; times are medians over the rounds.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time
import warnings

import torch
from torch.fx.experimental.optimization import fuse

from pytorch_training import VGG, ResNet

NETWORKS = {"resnet20": lambda: ResNet(20, None, 10), "vgg16": lambda: VGG(None, 10)}


def peers(arch, batch):
    """PyTorch's forms of the dense network, each a function without arguments."""
    model = fuse(NETWORKS[arch]().eval()).to(memory_format=torch.channels_last)
    images = torch.rand(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, images)))
    return {"PyTorch, eager": lambda: model(images), "PyTorch, TorchScript": lambda: traced(images)}


def seconds(call, clock, budget=0.7):
    """The median time of a call."""
    for _ in range(5):
        call()
    times = []
    end = time.perf_counter() + budget
    while len(times) < 7 or time.perf_counter() < end:
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times)


def ours(options, arch, batch):
    """Median seconds of each method."""
    command = [options.tapestry, "bench", "--arch", f"ask/{arch}", "--batch", str(batch), "--threads",
               str(options.threads), "--json"]
    for method in options.methods.split(" "):
        command += ["--method", method]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return {row["method"]: row["median_ms"] / 1e3 for row in json.loads(done.stdout)}


def compare(options, arch, batch):
    calls = peers(arch, batch)
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    seen = {}
    for _ in range(options.rounds):
        figures = ours(options, arch, batch) | {name: seconds(call, clock) for name, call in calls.items()}
        for name, figure in figures.items():
            seen.setdefault(name, []).append(figure)
    medians = {name: statistics.median(times) for name, times in seen.items()}
    best = min(calls, key=medians.get)
    return [{"name": f"{arch} {method}, batch {batch}", "unit": "ms", "ours": medians[method] * 1e3,
             "peer": medians[best] * 1e3, "peer_name": best, "ratio": medians[best] / medians[method]}
            for method in options.methods.split(" ")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tapestry", type=pathlib.Path, required=True, help="the built tapestry")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--archs", default="resnet20 vgg16")
    parser.add_argument("--methods", default="dense ask:ASK_5a ask:ASK_4a ask:ASK_2 hetconv:4")
    parser.add_argument("--batches", default="1 64")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    with torch.inference_mode():
        for arch in options.archs.split():
            for batch in options.batches.split():
                rows += compare(options, arch, int(batch))
                if not options.json:
                    for row in rows[-len(options.methods.split()):]:
                        print("{name:32} {ours:9.4g} {unit}   {peer_name}, dense: {peer:.4g} {unit}   {ratio:.2f}x"
                              .format(**row), flush=True)
    if options.json:
        print(json.dumps(rows))


main()
