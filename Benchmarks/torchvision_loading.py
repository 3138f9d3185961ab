#!/usr/bin/env python3
"""Loads the training images of a folder with torchvision and Pillow: what LoadingImages does with Tapestry.

Prints {"images_per_second": ...} of the fastest of the passes after one that warms up, in one thread.
"""
import argparse
import json
import os
import random
import time

import torch

# torchvision registers what its compiled operators are to give; where these are for another build of torch they are
# not there, and its transforms of Pillow's images need none of them.
OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms"):
    OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import datasets, transforms  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--passes", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    images = datasets.ImageFolder(os.path.join(options.folder, "train"), transforms.Compose([
        transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]))
    fastest = 0.0
    for number in range(options.passes + 1):
        order = random.Random(number).sample(range(len(images)), len(images))
        start = time.perf_counter()
        for index in order:
            images[index]
        if number:
            fastest = max(fastest, len(order) / (time.perf_counter() - start))
    print(json.dumps({"images_per_second": fastest}))


if __name__ == "__main__":
    main()
