#!/usr/bin/env python3
"""Compares Tapestry with its peers: inference (peers/), training (training.py) and loading images (loading.py). `./dev bench` runs it.

Programs take turns, so that whatever else the machine does falls on all; figures are medians over the rounds. The
result is one table in Markdown, or with --json one document: [{"name", "unit", "ours", "peer", "peer_name", "ratio",
"target", "met"}...], `ratio` better when larger.
"""
import argparse
import json
import os
import pathlib
import sys

from peers.contest import Contest
from rows import markdown
import training


def say(text):
    print(text, file=sys.stderr, flush=True)


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tapestry", type=pathlib.Path, required=True, help="the built tapestry")
    parser.add_argument("--trainer", type=pathlib.Path, help="the built training-steps; without, no rows of training")
    parser.add_argument("--loader", type=pathlib.Path, help="the built loading-images; without, no rows of loading")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--threads", type=positive, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", action="append", default=[], metavar="TEXT",
                        help="only the rows whose name contains this, or that of another --only")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    rows = []

    def is_wanted(name):
        return not options.only or any(text in name for text in options.only)

    def add(row):
        rows.append(row)
        say(f"{row.name}: {row.ours:.4g} {row.unit}, {row.peer_name} {row.peer:.4g}: {row.ratio:.2f} of {row.target:g}")

    checkpoints = os.environ.get("TAPESTRY_CHECKPOINTS")
    contest = Contest(options.tapestry.resolve(), options.threads, options.rounds,
                      pathlib.Path(checkpoints) if checkpoints else None, say)
    for row in contest.rows(is_wanted):
        add(row)
    if options.trainer:
        for name, measure in training.figures(options.trainer, options.threads, options.rounds):
            if is_wanted(name):
                add(measure())
    if options.loader:
        import loading
        for name, measure in loading.figures(options.loader, options.rounds):
            if is_wanted(name):
                add(measure())
    if not rows:
        raise SystemExit("no such row")
    if options.json:
        print(json.dumps([row.document() for row in rows]))
        return
    print(markdown(rows))
    if contest.settings:
        print("\nPeers, as set:\n")
        print("\n".join(f"- {text}" for text in contest.settings))


if __name__ == "__main__":
    main()
