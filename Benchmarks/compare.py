#!/usr/bin/env python3
"""Compares training by Tapestry (the program TrainingSteps) with training by PyTorch (pytorch_training.py), side by side.

The two programs take turns, so that whatever else the machine does falls on both; each figure is the median over the
rounds. A row is {"name", "unit", "ours", "peer", "peer_name", "ratio", "target", "met"}; ratio = ours / peer.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).with_name("pytorch_training.py")
# Steps timed, after one to warm up: enough for seconds of work each.
STEPS = {"resnet20": 12, "vgg16": 3}
SHAPE = {"resnet20": "ask:ASK_4a", "vgg16": "ask:ASK_5a"}


def lines(command):
    """The JSON documents that a program prints, one a line: its steps, and at last what they come to."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"failed with status {done.returncode}: {' '.join(map(str, command))}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare_losses(options, arch, method, steps=50, limit=1e-3):
    """How far the losses of the same float32 steps, from the same weights on the same images, are apart at most.

    At the recipe's learning rate training is chaotic: one rounding grows to per cents within tens of steps. Only equal
    arithmetic passes, so the peer of an ASK layer is the masked form, which is what Tapestry computes on these layers.
    """
    arguments = ["--arch", arch, "--method", method, "--precision", "fp32", "--batch-size", "128", "--steps", str(steps),
                 "--warm-up", "1", "--threads", str(options.threads)]
    ours = lines([options.trainer, *arguments])[:-1]
    peer = lines([sys.executable, PEER, *arguments, "--form", "sliced" if method == "dense" else "masked"])[:-1]
    worst = max(abs(a["loss"] - b["loss"]) / abs(b["loss"]) for a, b in zip(ours, peer, strict=True))
    return {"name": f"losses of {steps} steps {arch} {method}", "unit": "relative", "ours": worst, "peer": 0.0,
            "peer_name": "PyTorch", "ratio": limit / max(worst, 1e-9), "target": limit, "met": worst <= limit}


def compare(options, arch, method, precision):
    steps = STEPS[arch]
    arguments = ["--arch", arch, "--method", method, "--precision", precision, "--batch-size", "128",
                 "--steps", str(steps + 1), "--warm-up", "1", "--threads", str(options.threads)]
    # The peer of an ASK layer is the faster of the two ways in which PyTorch can run it.
    forms = ["sliced"] if method == "dense" else ["masked", "sliced"]
    programs = {"ours": [options.trainer, *arguments]}
    programs |= {form: [sys.executable, PEER, *arguments, "--form", form] for form in forms}
    seen = {name: [] for name in programs}
    for _ in range(options.rounds):
        for name, command in programs.items():
            seen[name].append(lines(command)[-1]["images_per_second"])
    speed = {name: statistics.median(values) for name, values in seen.items()}
    best = max(forms, key=speed.get)
    ratio = speed["ours"] / speed[best]
    return {"name": f"train {arch} {method} {precision}", "unit": "images/s", "ours": speed["ours"], "peer": speed[best],
            "peer_name": "PyTorch" if method == "dense" else f"PyTorch, {best}", "ratio": ratio, "target": 1.0,
            "met": ratio >= 1.0}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", type=pathlib.Path, required=True, help="the built training-steps")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="only the rows whose name contains this")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []

    def show(name, make):
        if options.only not in name:
            return
        row = make()
        rows.append(row)
        print("{name:38} {ours:10.4g} {unit}   {peer_name}: {peer:.4g}   {ratio:.2f}x (target {target})".format(**row),
              file=sys.stderr if options.json else sys.stdout, flush=True)

    for arch in STEPS:
        for method in ("dense", SHAPE[arch]):
            if arch == "resnet20":
                show(f"losses {arch} {method}", lambda: compare_losses(options, arch, method))
            for precision in ("fp32", "bf16"):
                show(f"train {arch} {method} {precision}", lambda: compare(options, arch, method, precision))
    if options.json:
        print(json.dumps(rows))


main()
