"""Lets Tapestry and its peers take turns at the networks of figures.py."""
import collections
import contextlib
import dataclasses
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

from peers.figures import FIGURES, PREDICT, PREDICT_LIMIT_MS, RESNET20, TAPESTRY
from peers.networks import Networks
from rows import Row

ROOT = pathlib.Path(__file__).parents[2]
# How long a peer runs before the next one's turn; `tapestry bench` takes as long for each network.
TURN_SECONDS = 1.0
# How far the logits of programs in single precision may be apart, as a share of the largest.
TOLERANCE = 1e-3


class Engine:
    """A peer's process, which waits between its turns."""

    def __init__(self, contender, path, batch, threads):
        self.contender = contender
        command = [sys.executable, pathlib.Path(__file__).with_name("engines.py"), contender.program, path, str(batch),
                   str(threads), contender.precision]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = self.read()
        self.settings, self.logits = told["settings"], numpy.array(told["logits"])

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.contender.program} ended with status {self.process.wait()}")
        return json.loads(line)

    def turn(self):
        print(TURN_SECONDS, file=self.process.stdin, flush=True)
        return quantiles(self.read())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def quantiles(times):
    return tuple(float(numpy.quantile(times, share)) for share in (0.5, 0.1, 0.9))


class Contest:
    """The rows of figures.py that can be measured here. The keys of `settings` say what the peers were set to."""

    def __init__(self, tapestry, threads, rounds, checkpoints, say):
        self.tapestry, self.threads, self.rounds = tapestry, threads, rounds
        self.checkpoints = checkpoints
        self.say = say
        # In the order in which they came.
        self.settings = {}
        self.precisions = {"fp32": True}

    def rows(self, is_wanted):
        """A row for each wanted figure, those of one architecture and batch measured together, turn by turn."""
        groups = collections.defaultdict(list)
        for figure in FIGURES:
            if is_wanted(figure.name):
                groups[figure.ours.network.arch, figure.batch].append(figure)
        with tempfile.TemporaryDirectory() as folder:
            networks = Networks(self.tapestry, pathlib.Path(folder), self.checkpoints)
            for (arch, batch), figures in groups.items():
                figures = [self.possible(figure, networks) for figure in figures]
                if figures := [figure for figure in figures if figure]:
                    self.say(f"{arch}, batch {batch}")
                    yield from self.group(figures, batch, networks)
            if is_wanted(PREDICT):
                yield self.predict(networks)

    def possible(self, figure, networks):
        """The figure without the rivals that cannot run here; None if it cannot be measured."""
        reason = self.lack(figure.ours, networks)
        rivals = tuple(rival for rival in figure.rivals if not self.lack(rival, networks))
        if reason or not rivals:
            self.say(f"SKIPPED: {figure.name}: {reason or 'no peer is here'}")
            return None
        return dataclasses.replace(figure, rivals=rivals)

    def lack(self, contender, networks):
        """What a contender lacks to run here; None if it can."""
        if contender.program == "PyTorch" and importlib.util.find_spec("torch") is None:
            return "PyTorch is not here"
        if contender.program == TAPESTRY and not self.computes(contender.precision):
            return f"tapestry bench does not compute in {contender.precision} here"
        if not networks.has(contender.network):
            return f"TAPESTRY_CHECKPOINTS names no folder with {contender.network.checkpoint}"
        return None

    def computes(self, precision):
        """Whether the built tapestry has kernels for it that run on this machine."""
        if precision not in self.precisions:
            command = [self.tapestry, "bench", "--arch", "ask/resnet8", "--batch", "1", "--precision", precision]
            self.precisions[precision] = subprocess.run(command, capture_output=True).returncode == 0
        return self.precisions[precision]

    def group(self, figures, batch, networks):
        contenders = list(dict.fromkeys(one for figure in figures for one in (figure.ours, *figure.rivals)))
        own = [one for one in contenders if one.program == TAPESTRY]
        paths = {one: networks.model(one.network) for one in own}
        seen, macs = collections.defaultdict(list), {}
        with contextlib.ExitStack() as stack:
            engines = []
            for one in contenders:
                if one.program != TAPESTRY:
                    engines.append(Engine(one, networks.onnx(one.network), batch, self.threads))
                    stack.callback(engines[-1].close)
            self.check(engines)
            for _ in range(self.rounds):
                for precision in dict.fromkeys(one.precision for one in own):
                    subjects = [one for one in own if one.precision == precision]
                    rows = self.bench([paths[one] for one in subjects], batch, precision)
                    for one, row in zip(subjects, rows, strict=True):
                        seen[one].append((row["median_ms"], row["p10_ms"], row["p90_ms"]))
                        macs[one] = row["macs"]
                for engine in engines:
                    seen[engine.contender].append(engine.turn())
        times = {one: [statistics.median(column) for column in zip(*turns)] for one, turns in seen.items()}
        if engines:
            self.say(", ".join(f"{engine.contender} {times[engine.contender][0]:.4g} ms" for engine in engines))
        for figure in figures:
            yield outcome(figure, times, macs)

    def check(self, engines):
        """Remembers what the peers are set to; ends the program if two do not compute the same network."""
        for engine in engines:
            self.settings[f"{engine.contender} {engine.settings}"] = True
        exact = [engine for engine in engines if engine.contender.precision == "fp32"]
        for engine in exact[1:]:
            apart = numpy.abs(engine.logits - exact[0].logits).max()
            if not apart <= TOLERANCE * numpy.abs(exact[0].logits).max():
                raise SystemExit(f"{engine.contender} and {exact[0].contender} differ by {apart} in the logits of "
                                 f"{engine.contender.network}")

    def bench(self, models, batch, precision):
        """What `tapestry bench` measures of the models, in their order."""
        command = [self.tapestry, "bench", *models, "--batch", str(batch), "--threads", str(self.threads),
                   "--precision", precision, "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
        return json.loads(done.stdout)

    def predict(self, networks):
        """The time of a whole process."""
        path = networks.folder / "deployed.safetensors"
        networks.convert(networks.model(RESNET20), "-o", path)
        command = [self.tapestry, "predict", path, ROOT / "Tests/Fixtures/images/rgb.png", "--normalize", "ask"]
        times = []
        for _ in range(10 * self.rounds + 1):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append((time.perf_counter() - start) * 1e3)
        # The first reads the program from disk.
        median, low, high = quantiles(times[1:])
        return Row(PREDICT, "ms", median, PREDICT_LIMIT_MS, "limit", PREDICT_LIMIT_MS / median, 1.0, (low, high))


def outcome(figure, times, macs):
    """What the times of contenders, each a median and its range, make of a figure."""
    rival = min(figure.rivals, key=lambda one: times[one][0])
    ours, peer = times[figure.ours], times[rival]
    if figure.is_share_of_theory:
        speedup, theory = peer[0] / ours[0], macs[rival] / macs[figure.ours]
        return Row(figure.name, "times", speedup, theory, f"theory over {rival}", speedup / theory, figure.target)
    return Row(figure.name, "ms", ours[0], peer[0], str(rival), peer[0] / ours[0], figure.target, tuple(ours[1:]),
               tuple(peer[1:]))
