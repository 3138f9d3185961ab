"""Loading large images as training does by Tapestry (the program loading-images) beside torchvision with Pillow.

Both read the same files, of the extents and sizes of ImageNet's, in one thread, and take turns.
"""
import functools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy
from PIL import Image

from rows import Row

PEER = pathlib.Path(__file__).with_name("torchvision_loading.py")
NAME = "load images of 500x375, random resized crop, one thread"
# Of ImageNet's the median has 500x375 pixels and the mean some 110 kB.
EXTENTS = ((500, 375), (500, 375), (375, 500), (500, 333), (500, 400), (640, 480))
COUNT = 240


def figures(loader, rounds):
    """The name of each row, and the function that measures it."""
    yield NAME, functools.partial(speed, loader, rounds)


def speed(loader, rounds):
    with tempfile.TemporaryDirectory() as folder:
        write_images(pathlib.Path(folder))
        programs = {"ours": [loader, folder], "peer": [sys.executable, PEER, folder]}
        seen = {program: [] for program in programs}
        for _ in range(rounds):
            for program, command in programs.items():
                output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
                seen[program].append(json.loads(output)["images_per_second"])
    ours, peer = (statistics.median(seen[program]) for program in programs)
    return Row(NAME, "images/s", ours, peer, "torchvision, Pillow", ours / peer, 1.5)


def write_images(folder):
    """Pictures with detail at every scale, as photographs have, so that their files are about as large."""
    random = numpy.random.default_rng(1)
    for number in range(COUNT):
        width, height = EXTENTS[number % len(EXTENTS)]
        pixels = numpy.zeros((height, width, 3), numpy.float32)
        for step, strength in ((64, 60), (16, 25), (8, 14), (4, 12), (2, 14), (1, 17)):
            extents = (height // step + 1, width // step + 1)
            grey = random.normal(0, strength, (*extents, 1))
            noise = numpy.clip(2 * (grey + random.normal(0, strength / 5, (*extents, 3))) + 128, 0, 255)
            layer = Image.fromarray(noise.astype(numpy.uint8)).resize((width, height), Image.Resampling.BICUBIC)
            pixels += (numpy.asarray(layer, numpy.float32) - 128) / 2
        place = folder / "train" / f"class{number % 8}"
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(numpy.clip(pixels + 128, 0, 255).astype(numpy.uint8))
        image.save(place / f"{number:04}.jpg", quality=90)
