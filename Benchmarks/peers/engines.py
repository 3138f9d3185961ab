#!/usr/bin/env python3
"""The process in which a peer runs one network: engines.py PROGRAM FILE.onnx BATCH THREADS PRECISION

Prints a line of JSON with what the program is set to and the network's logits for some images; then for every line that
it reads, a number of seconds, a line with the times in milliseconds of as many calls as fit, at least seven.
"""
import json
import sys
import time

import numpy


class OnnxRuntime:
    """All optimisations, batch fixed, inputs and outputs bound; its threads spin while it works, as by default."""

    def __init__(self, path, images, threads, precision):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_free_dimension_override_by_name("N", len(images))
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("images", images)
        self.binding.bind_output("logits")
        self.settings = (f"{onnxruntime.__version__}: CPU provider, all optimisations, {threads} threads within "
                         "operators, fixed batch, bound values")

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def logits(self):
        return self.binding.copy_outputs_to_cpu()[0]


class OpenVINO:
    """Batch fixed, hint for latency, as many threads as the others have."""

    def __init__(self, path, images, threads, precision):
        import openvino
        core = openvino.Core()
        model = core.read_model(path)
        model.reshape(list(images.shape))
        hint = {"fp32": "f32", "bf16": "bf16"}[precision]
        compiled = core.compile_model(model, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": hint,
            # Two processors of a machine may be two threads of one core, of which the hint would leave one idle.
            "ENABLE_HYPER_THREADING": True})
        self.request = compiled.create_infer_request()
        self.request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
        used = compiled.get_property("INFERENCE_NUM_THREADS"), compiled.get_property("INFERENCE_PRECISION_HINT")
        self.settings = (f"{openvino.__version__.split('-')[0]}: CPU, hint for latency, {used[0]} threads, "
                         f"{used[1].to_string()}, fixed batch")

    def run(self):
        self.request.infer()

    def logits(self):
        return self.request.get_output_tensor().data


class PyTorch:
    """Channels last, in the faster of two forms: eager, and frozen by TorchScript with oneDNN's fusions."""

    def __init__(self, path, images, threads, precision):
        import warnings
        import torch
        from torch_graph import TorchGraph
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        eager = TorchGraph(path).eval().to(memory_format=torch.channels_last)
        self.images = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(eager, self.images)))
        forms = {"eager": eager, "frozen TorchScript": frozen}
        fastest = min(forms, key=lambda name: numpy.median(times(lambda: forms[name](self.images), 0.3)))
        self.model = forms[fastest]
        self.settings = f"{torch.__version__}: {fastest}, channels last, {threads} threads"

    def run(self):
        self.result = self.model(self.images)

    def logits(self):
        return self.result.numpy()


PROGRAMS = {"ONNX Runtime": OnnxRuntime, "OpenVINO": OpenVINO, "PyTorch": PyTorch}


def times(call, seconds):
    """The milliseconds of calls, after some that wake threads and touch memory."""
    for _ in range(3):
        call()
    seen = []
    end = time.perf_counter() + seconds
    while len(seen) < 7 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        seen.append((time.perf_counter() - start) * 1e3)
    return seen


def say(document):
    print(json.dumps(document), flush=True)


def main():
    program, path, batch, threads, precision = sys.argv[1:]
    import onnx
    shape = [dimension.dim_value for dimension in onnx.load(path).graph.input[0].type.tensor_type.shape.dim][1:]
    images = numpy.random.default_rng(1).uniform(-1, 1, (int(batch), *shape)).astype(numpy.float32)
    engine = PROGRAMS[program](path, images, int(threads), precision)
    engine.run()
    say({"settings": engine.settings, "logits": engine.logits()[:4].tolist()})
    for line in sys.stdin:
        say(times(engine.run, json.loads(line)))


if __name__ == "__main__":
    main()
