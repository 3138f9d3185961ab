"""The networks, as files: Tapestry's models, and ONNX files of the same for the peers."""
import json
import subprocess

from safetensors import safe_open
from safetensors.numpy import save_file
import numpy


class Networks:
    """Makes files in a folder by the built tapestry, each once."""

    def __init__(self, tapestry, folder, checkpoints):
        self.tapestry, self.folder, self.checkpoints = tapestry, folder, checkpoints
        self.made = {}

    def has(self, network):
        return network.checkpoint is None or (self.checkpoints and (self.checkpoints / network.checkpoint).exists())

    def model(self, network):
        """The path of the network as a model file, in its form for training: `tapestry bench` deploys it."""
        return self.file(network, "safetensors", self.make_model)

    def onnx(self, network):
        """The path of the deployed network as an ONNX file."""
        return self.file(network, "onnx", lambda network, path: self.convert(self.model(network), "-o", path))

    def file(self, network, extension, make):
        key = (network, extension)
        if key not in self.made:
            path = self.folder / f"{len(self.made)}.{extension}"
            make(network, path)
            self.made[key] = path
        return self.made[key]

    def make_model(self, network, path):
        if network.checkpoint:
            return self.convert(self.checkpoints / network.checkpoint, "--arch", network.arch, "-o", path)
        method = [] if network.method == "dense" else ["--method", network.method]
        self.convert("--arch", network.arch, *method, "--for-training", "-o", path)
        if network.middle != "shift":
            replace_shifts(path, network.middle)

    def convert(self, *arguments):
        command = [self.tapestry, "convert", *arguments, "--inputs", "1"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")


def replace_shifts(path, middle):
    """Puts depthwise convolutions, or nothing, in the place of a model's shifts of 3 x 3."""
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    graph = json.loads(metadata["tapestry.graph"])
    channels = {node["name"]: node["attributes"]["outputChannels"] for node in graph["nodes"]
                if node["kind"] == "convolution"}
    for node in graph["nodes"]:
        if node["kind"] != "shift":
            continue
        if middle == "nothing":
            # A shift within 1 x 1 moves nothing, and is no step of the deployed network.
            node["attributes"]["kernel"] = 1
            continue
        count = channels[node["name"].replace(".shift", ".conv1")]
        fresh = {"kind": "fanInUniform"}
        node |= {"kind": "convolution", "attributes": {
            "inputChannels": count, "outputChannels": count, "groups": count, "hasBias": False, "support": "dense",
            "kernel": {"height": 3, "width": 3}, "stride": {"height": 1, "width": 1},
            "dilation": {"height": 1, "width": 1}, "padding": {side: 1 for side in ("top", "left", "bottom", "right")},
            "weightInitialization": fresh, "biasInitialization": fresh}}
        tensors[f"{node['name']}.weight"] = numpy.full((count, 1, 3, 3), 1 / 9, numpy.float32)
    metadata["tapestry.graph"] = json.dumps(graph)
    # They are of the file as it was.
    for digests in ("tapestry.header", "tapestry.digests"):
        metadata.pop(digests, None)
    save_file(tensors, path, metadata)
