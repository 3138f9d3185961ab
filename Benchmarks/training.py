"""Training by Tapestry (the program training-steps) beside training by PyTorch (pytorch_training.py), turn by turn.

The two programs take turns, so that whatever else the machine does falls on both; each figure is the median over the
rounds.
"""
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys

from rows import Row

PEER = pathlib.Path(__file__).with_name("pytorch_training.py")
# Steps timed, after one to warm up: enough for seconds of work each.
STEPS = {"resnet20": 12, "vgg16": 3}
# Against PyTorch's dense network, in the layout that is fastest there: the ratios to reach in fp32 and in bf16.
TARGETS = {
    "resnet20": {"dense": (1.6, 1.6), "ask:ASK_5a": (2.2, 2.0), "ask:ASK_4a": (1.8, 1.5)},
    "vgg16": {"dense": (1.6, 1.6), "ask:ASK_5a": (2.2, 2.0), "ask:ASK_2": (3.0, 2.5), "hetconv:4": (2.5, 2.0)},
}
# Against the published layers, of slices and concatenations, in fp32.
PUBLISHED = {"ask:ASK_5a": 6.0, "ask:ASK_4a": 15.0}


def figures(trainer, threads, rounds):
    """The name of each row, and the function that measures it."""
    for method in ("dense", "ask:ASK_4a"):
        name = f"train resnet20 {method}, equal losses"
        yield name, functools.partial(equal_losses, name, trainer, threads, "resnet20", method)
    for arch, methods in TARGETS.items():
        for method, targets in methods.items():
            for precision, target in zip(("fp32", "bf16"), targets):
                name = f"train {arch} {method} {precision}"
                peer = ("dense", "sliced", "PyTorch, dense")
                yield name, functools.partial(
                    speed, name, trainer, threads, rounds, arch, method, precision, peer, target)
    for method, target in PUBLISHED.items():
        name = f"train resnet20 {method} fp32, published layer"
        peer = (method, "sliced", "PyTorch, published layer")
        yield name, functools.partial(
            speed, name, trainer, threads, rounds, "resnet20", method, "fp32", peer, target)
    for arch in STEPS:
        name = f"train {arch} dense fp32, memory"
        yield name, functools.partial(memory, name, trainer, threads, arch)


def run(command):
    """The JSON documents that a program prints, one a line, and the most memory that it had, in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process.stdout as output:
        documents = [json.loads(line) for line in output]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed with status {process.returncode}: {' '.join(map(str, command))}")
    return documents, usage.ru_maxrss * 1024


def arguments(arch, method, precision, steps, threads):
    return ["--arch", arch, "--method", method, "--precision", precision, "--batch-size", "128",
            "--steps", str(steps), "--warm-up", "1", "--threads", str(threads)]


def equal_losses(name, trainer, threads, arch, method, steps=50, limit=1e-3):
    """For how many float32 steps, from equal weights on equal images, the losses are within `limit` of the peer's.

    At the recipe's learning rate training is chaotic: one rounding grows to per cents within tens of steps. Only equal
    arithmetic passes: that of libtorch, and for an ASK layer the masked form, which is what Tapestry asks of it here.
    """
    given = arguments(arch, method, "fp32", steps, threads)
    ours = run([trainer, *given, "--engine", "torch"])[0][:-1]
    peer = run([sys.executable, PEER, *given, "--form", "sliced" if method == "dense" else "masked"])[0][:-1]
    apart = [abs(a["loss"] - b["loss"]) > limit * abs(b["loss"]) for a, b in zip(ours, peer, strict=True)]
    equal = apart.index(True) if True in apart else steps
    return Row(name, "steps", equal, steps, "PyTorch", equal / steps, 1.0)


def speed(name, trainer, threads, rounds, arch, method, precision, peer, target):
    peer_method, form, who = peer
    steps = STEPS[arch] + 1
    programs = {
        "ours": [trainer, *arguments(arch, method, precision, steps, threads)],
        "peer": [sys.executable, PEER, *arguments(arch, peer_method, precision, steps, threads), "--form", form],
    }
    seen = {program: [] for program in programs}
    for _ in range(rounds):
        for program, command in programs.items():
            seen[program].append(run(command)[0][-1]["images_per_second"])
    speeds = {program: statistics.median(values) for program, values in seen.items()}
    return Row(name, "images/s", speeds["ours"], speeds["peer"], who, speeds["ours"] / speeds["peer"], target)


def memory(name, trainer, threads, arch):
    """The most memory of a whole process that trains, libraries and all."""
    given = arguments(arch, "dense", "fp32", 3, threads)
    ours, peer = (run(command)[1] / 2**20 for command in
                  ([trainer, *given], [sys.executable, PEER, *given, "--form", "sliced"]))
    return Row(name, "MiB", ours, peer, "PyTorch", peer / ours, 1 / 0.8)
