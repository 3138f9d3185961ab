"""Training by Tapestry (the program training-steps) beside training by PyTorch (pytorch_training.py), turn by turn.

The two programs take turns, so that whatever else the machine does falls on both; each figure is the median over the
rounds.
"""
import functools
import json
import pathlib
import statistics
import subprocess
import sys

from rows import Row

PEER = pathlib.Path(__file__).with_name("pytorch_training.py")
# Steps timed, after one to warm up: enough for seconds of work each.
STEPS = {"resnet20": 12, "vgg16": 3}
SHAPE = {"resnet20": "ask:ASK_4a", "vgg16": "ask:ASK_5a"}


def figures(trainer, threads, rounds):
    """The name of each row, and the function that measures it."""
    for arch in STEPS:
        for method in ("dense", SHAPE[arch]):
            if arch == "resnet20":
                name = f"train {arch} {method}, equal losses"
                yield name, functools.partial(equal_losses, name, trainer, threads, arch, method)
            for precision in ("fp32", "bf16"):
                name = f"train {arch} {method} {precision}"
                yield name, functools.partial(speed, name, trainer, threads, rounds, arch, method, precision)


def lines(command):
    """The JSON documents that a program prints, one a line: its steps, and at last what they come to."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"failed with status {done.returncode}: {' '.join(map(str, command))}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def equal_losses(name, trainer, threads, arch, method, steps=50, limit=1e-3):
    """For how many float32 steps, from equal weights on equal images, the losses are within `limit` of the peer's.

    At the recipe's learning rate training is chaotic: one rounding grows to per cents within tens of steps. Only equal
    arithmetic passes, so the peer of an ASK layer is the masked form, which is what Tapestry computes on these layers.
    """
    arguments = ["--arch", arch, "--method", method, "--precision", "fp32", "--batch-size", "128",
                 "--steps", str(steps), "--warm-up", "1", "--threads", str(threads)]
    ours = lines([trainer, *arguments])[:-1]
    peer = lines([sys.executable, PEER, *arguments, "--form", "sliced" if method == "dense" else "masked"])[:-1]
    apart = [abs(a["loss"] - b["loss"]) > limit * abs(b["loss"]) for a, b in zip(ours, peer, strict=True)]
    equal = apart.index(True) if True in apart else steps
    return Row(name, "steps", equal, steps, "PyTorch", equal / steps, 1.0)


def speed(name, trainer, threads, rounds, arch, method, precision):
    arguments = ["--arch", arch, "--method", method, "--precision", precision, "--batch-size", "128",
                 "--steps", str(STEPS[arch] + 1), "--warm-up", "1", "--threads", str(threads)]
    # The peer of an ASK layer is the faster of the two ways in which PyTorch can run it.
    forms = ["sliced"] if method == "dense" else ["masked", "sliced"]
    programs = {"ours": [trainer, *arguments]}
    programs |= {form: [sys.executable, PEER, *arguments, "--form", form] for form in forms}
    seen = {program: [] for program in programs}
    for _ in range(rounds):
        for program, command in programs.items():
            seen[program].append(lines(command)[-1]["images_per_second"])
    speeds = {program: statistics.median(values) for program, values in seen.items()}
    best = max(forms, key=speeds.get)
    return Row(name, "images/s", speeds["ours"], speeds[best], "PyTorch" if method == "dense" else f"PyTorch, {best}",
               speeds["ours"] / speeds[best], 1.0)
