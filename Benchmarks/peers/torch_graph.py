"""A deployed network's ONNX file as a module of PyTorch: the operators that `tapestry convert` writes."""
import onnx
from onnx import numpy_helper
import torch
from torch import nn
import torch.nn.functional as F


class TorchGraph(nn.Module):
    def __init__(self, path):
        super().__init__()
        graph = onnx.load(path).graph
        self.nodes = [(node.op_type, list(node.input), node.output[0],
                       {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute})
                      for node in graph.node]
        self.inputs, self.outputs = graph.input[0].name, graph.output[0].name
        # Names of buffers may have no dots.
        self.buffer_names = {}
        for index, tensor in enumerate(graph.initializer):
            self.buffer_names[tensor.name] = f"constant{index}"
            self.register_buffer(f"constant{index}", torch.from_numpy(numpy_helper.to_array(tensor).copy()))
        self.fuse_swish()

    def fuse_swish(self):
        """x * sigmoid(x) as the one operator that PyTorch has for it."""
        gates = {output: inputs[0] for kind, inputs, output, _ in self.nodes if kind == "Sigmoid"}
        takers = [name for _, inputs, _, _ in self.nodes for name in inputs]
        fused = set()
        for index, (kind, inputs, output, _) in enumerate(self.nodes):
            if kind == "Mul" and gates.get(inputs[1]) == inputs[0] and takers.count(inputs[1]) == 1:
                self.nodes[index] = ("Swish", inputs[:1], output, {})
                fused.add(inputs[1])
        self.nodes = [node for node in self.nodes if node[2] not in fused]

    def forward(self, images):
        values = {self.inputs: images}
        values |= {name: getattr(self, buffer) for name, buffer in self.buffer_names.items()}
        for kind, inputs, output, attributes in self.nodes:
            values[output] = OPERATORS[kind](*(values[name] for name in inputs), **attributes)
        return values[self.outputs]


def convolution(x, weight, bias=None, *, kernel_shape, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1):
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, strides, (top, left), dilations, group)


def average_pool(x, *, kernel_shape, strides, pads, count_include_pad):
    return F.avg_pool2d(x, kernel_shape, strides, pads[:2], count_include_pad=bool(count_include_pad))


def batch_norm(x, weight, bias, mean, variance, *, epsilon):
    return F.batch_norm(x, mean, variance, weight, bias, eps=epsilon)


def pad(x, pads):
    # PyTorch begins with the last axis.
    before, after = pads.tolist()[:x.dim()], pads.tolist()[x.dim():]
    return F.pad(x, [side for pair in zip(reversed(before), reversed(after)) for side in pair])


def slice_axes(x, starts, ends, axes):
    for start, end, axis in zip(starts.tolist(), ends.tolist(), axes.tolist()):
        x = x.narrow(axis, start, end - start)
    return x


OPERATORS = {
    "Conv": convolution,
    "Gemm": lambda x, weight, bias=None, *, transB: F.linear(x, weight, bias),
    "BatchNormalization": batch_norm,
    "Relu": F.relu, "Sigmoid": torch.sigmoid, "Swish": F.silu, "Add": torch.add, "Mul": torch.mul,
    "MaxPool": lambda x, *, kernel_shape, strides, pads: F.max_pool2d(x, kernel_shape, strides, pads[:2]),
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda x: F.adaptive_avg_pool2d(x, 1),
    "Flatten": lambda x: torch.flatten(x, 1),
    "Unsqueeze": lambda x, axes: x[:, :, None, None],
    "Pad": pad, "Slice": slice_axes, "Identity": lambda x: x,
}
