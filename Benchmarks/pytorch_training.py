#!/usr/bin/env python3
"""The peer: plain, idiomatic, fast PyTorch training of ASK's VGG-16 and ResNet, measured step by step.

Prints JSON lines: {"step": n, "loss": x} for every step, then one line of totals with images_per_second over the
steps after the warm-up. The program TrainingSteps takes the same options and prints the same lines.

Everything is a function of the options, so that another implementation can be compared number by number:

* Initial weights: the hash rule. Parameter p is the p-th entry of the state dict in ASK's published form (`X.weight` of
  a dense convolution, `X.conv{g}.weight` of an ASK layer), num_batches_tracked not counted; element i, row-major:
      h = (p*1000003 + i*7919 + 12345) mod 2^32;  h ^= h >> 16;  h = h*0x45d9f3b mod 2^32;  h ^= h >> 16
      u = h / 2^32 - 0.5   in double precision, rounded to float32 once at the end
  convolution and linear weights u*2*sqrt(2/fan_in), batch-norm weights 1 + 0.2u, running variances 1 + 0.4u, others 0.2u.
* Synthetic batch of step s, from 0: image element i of the flat NCHW batch is 4u with p = 999 + s; image i has label
  (7i + s) mod classes.
* --batches FILE instead: little-endian int32 magic 0x54504254, count, batch, height, width, channels; then for every
  batch float32 images in NHWC order and int64 labels. Steps beyond `count` start again from the first.
* SGD, learning rate 0.1, momentum 0.9, weight decay 1e-4 on every parameter, mean cross-entropy, channels-last.

--self-check FOLDER compares the evaluation-mode logits with FOLDER/logits_hash.{json,safetensors}.
"""
import argparse
import json
import pathlib
import statistics
import struct
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ASK = {name: [[int(tap) for tap in taps] for taps in sets.split()] for name, sets in {
    "ASK_7": "1245689 2345678", "ASK_6": "124568 234568 245678 245689", "ASK_5a": "24568",
    "ASK_5b": "24568 24568 24568 13579", "ASK_4a": "1245 2356 4578 5689", "ASK_4b": "2456 2568 4568 2458",
    "ASK_3a": "245 256 458 568", "ASK_3b": "258 456", "ASK_2": "25 45 56 58"}.items()}
VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]


class SlicedASK(nn.Module):
    """The published layer: per group, the shifted inputs of its taps side by side, then a 1x1 convolution."""

    def __init__(self, inputs, outputs, stride, sets):
        super().__init__()
        self.sets, self.stride = sets, stride
        for group, taps in enumerate(sets):
            self.add_module(f"conv{group}", nn.Conv2d(inputs * len(taps), outputs // len(sets), 1, stride, bias=False))

    def forward(self, x):
        height, width = x.shape[2:]
        padded = F.pad(x, (1, 1, 1, 1))
        outputs = []
        for group, taps in enumerate(self.sets):
            slices = [padded[:, :, (t - 1) // 3:(t - 1) // 3 + height, (t - 1) % 3:(t - 1) % 3 + width] for t in taps]
            outputs.append(getattr(self, f"conv{group}")(torch.cat(slices, 1)))
        return torch.cat(outputs, 1)


class MaskedASK(nn.Conv2d):
    """The same function as a dense 3x3 convolution whose weights off the support are zero and get no gradient."""

    def __init__(self, sliced, inputs, outputs, stride, sets):
        super().__init__(inputs, outputs, 3, stride, 1, bias=False)
        mask = torch.zeros(outputs, 1, 3, 3)
        share = outputs // len(sets)
        with torch.no_grad():
            self.weight.zero_()
            for group, taps in enumerate(sets):
                rows = slice(group * share, (group + 1) * share)
                compact = getattr(sliced, f"conv{group}").weight.view(share, len(taps), inputs)
                for index, tap in enumerate(taps):
                    self.weight[rows, :, (tap - 1) // 3, (tap - 1) % 3] = compact[:, index]
                    mask[rows, :, (tap - 1) // 3, (tap - 1) % 3] = 1
        self.weight.register_hook(lambda gradient: gradient * mask)


def convolution(inputs, outputs, stride, sets):
    if sets is None:
        return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    layer = SlicedASK(inputs, outputs, stride, sets)
    layer.masked = lambda: MaskedASK(layer, inputs, outputs, stride, sets)
    return layer


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, sets):
        super().__init__()
        self.added, self.stride = outputs - inputs, stride
        self.conv1, self.bn1 = convolution(inputs, outputs, stride, sets), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = convolution(outputs, outputs, 1, sets), nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:  # as published, no gradient flows back through a down-sampling shortcut
            x = F.pad(F.avg_pool2d(x.detach(), 2), (0, 0, 0, 0, 0, self.added))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, depth, sets, classes):
        super().__init__()
        self.conv1, self.bn1 = convolution(3, 16, 1, sets), nn.BatchNorm2d(16)
        inputs = 16
        for stage, width in enumerate((16, 32, 64), 1):
            blocks = []
            for index in range((depth - 2) // 6):
                blocks.append(Block(inputs, width, 2 if stage > 1 and index == 0 else 1, sets))
                inputs = width
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(F.avg_pool2d(x, 8).flatten(1))


class VGG(nn.Module):
    def __init__(self, sets, classes):
        super().__init__()
        layers, inputs = [], 3
        for width in VGG16:
            if width == "M":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [convolution(inputs, width, 1, sets), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                inputs = width
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Linear(512, classes))

    def forward(self, x):
        return self.classifier(F.avg_pool2d(self.feature(x), 2).flatten(1))


def hash_uniform(p, count):
    h = (p * 1000003 + np.arange(count, dtype=np.uint64) * 7919 + 12345) & 0xFFFFFFFF
    h ^= h >> 16
    h = h * 0x45D9F3B & 0xFFFFFFFF
    h ^= h >> 16
    return h / 2.0**32 - 0.5


def set_hash_weights(model, gain=1.0):
    p = 0
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        u = hash_uniform(p, tensor.numel())
        owner = model.get_submodule(name.rpartition(".")[0])
        if name.endswith("running_var"):
            u = 1 + 0.4 * u
        elif name.endswith("weight") and isinstance(owner, (nn.Conv2d, nn.Linear)):
            u = u * 2 * np.sqrt(2 / tensor[0].numel()) * gain
        elif name.endswith("weight"):
            u = 1 + 0.2 * u
        else:
            u = 0.2 * u
        tensor.copy_(torch.from_numpy(u.astype(np.float32)).view(tensor.shape))
        p += 1


def make_model(arch, method, form, classes, gain=1.0):
    sets = None if method == "dense" else ASK[method.removeprefix("ask:")]
    model = VGG(sets, classes) if arch == "vgg16" else ResNet(int(arch.removeprefix("resnet")), sets, classes)
    set_hash_weights(model, gain)
    if form == "masked":
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, SlicedASK):
                    setattr(module, name, child.masked())
    return model.to(memory_format=torch.channels_last)


def synthetic(step, batch, classes, size=32, channels=3):
    images = (4 * hash_uniform(999 + step, batch * channels * size * size)).astype(np.float32)
    images = torch.from_numpy(images).view(batch, channels, size, size).contiguous(memory_format=torch.channels_last)
    return images, torch.tensor([(7 * i + step) % classes for i in range(batch)])


def read_batches(path):
    with open(path, "rb") as file:
        magic, count, batch, height, width, channels = struct.unpack("<6i", file.read(24))
        if magic != 0x54504254:
            raise SystemExit(f"{path}: not a file of batches (magic {magic:#x}, expected 0x54504254)")
        for _ in range(count):
            images = np.fromfile(file, "<f4", batch * height * width * channels)
            labels = np.fromfile(file, "<i8", batch)
            # NHWC in memory is what PyTorch calls NCHW in channels-last format.
            yield torch.from_numpy(images).view(batch, height, width, channels).permute(0, 3, 1, 2), torch.from_numpy(labels)


def train(options):
    if options.threads:
        torch.set_num_threads(options.threads)
    model = make_model(options.arch, options.method, options.form, options.classes).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True)
    if options.batches:
        batches = list(read_batches(options.batches))
    else:
        batches = [synthetic(step, options.batch_size, options.classes) for step in range(options.steps)]
    times = []
    for step in range(options.steps):
        began = time.perf_counter()
        images, labels = batches[step % len(batches)]
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.item()
        times.append(time.perf_counter() - began)
        print(json.dumps({"step": step, "loss": value}), flush=True)
    timed = times[min(options.warm_up, len(times) - 1):]
    print(json.dumps({
        "arch": options.arch, "method": options.method, "form": options.form, "precision": options.precision,
        "batch_size": len(labels), "threads": torch.get_num_threads(), "timed_steps": len(timed),
        "images_per_second": len(labels) * len(timed) / sum(timed),
        "median_step_ms": 1e3 * statistics.median(timed), "torch": torch.__version__}))


def self_check(folder):
    """The logits of every ASK entry in both forms, against the recorded ones."""
    description = json.loads((folder / "logits_hash.json").read_text())
    data = (folder / "logits_hash.safetensors").read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    failed = False
    for entry in description["networks"]:
        if not entry["network"].startswith("ask."):
            continue
        _, arch, shape, *_ = entry["network"].split(".")
        begin, end = header[entry["tensor"]]["data_offsets"]
        expected = torch.frombuffer(bytearray(data[start + begin:start + end]), dtype=torch.float32)
        images, _ = synthetic(0, entry["input"][0], 10)
        method = "dense" if shape == "3x3" else f"ask:{shape}"
        for form in ("sliced", "masked"):
            model = make_model(arch, method, form, entry["num_classes"], entry["gain"]).eval()
            with torch.no_grad():
                difference = (model(images).flatten() - expected).abs().max().item()
            passed = difference <= 1e-4 * (1 + entry["logits_rms"])
            failed |= not passed
            print(json.dumps({"network": entry["network"], "form": form, "difference": difference, "passed": passed}))
    raise SystemExit(1 if failed else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="resnet20", help="vgg16 or resnet20, resnet32, … (6n+2)")
    parser.add_argument("--method", default="dense", help="dense or ask:ASK_5a …")
    parser.add_argument("--form", choices=["sliced", "masked"], default="sliced", help="how PyTorch runs an ASK layer")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warm-up", type=int, default=5, help="steps at the start that are not timed")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--batches", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--self-check", type=pathlib.Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.self_check:
        self_check(options.self_check)
    train(options)


if __name__ == "__main__":
    main()
