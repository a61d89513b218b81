"""Export to ONNX, the format in which other systems take a trained network over.

>>> import course as mx
>>> module = mx.networks.trained("lenet")
>>> mx.onnx.export(module, "lenet.onnx")  # doctest: +SKIP

What each operator means stands at https://onnx.ai/onnx/operators/. A loss becomes what it
predicts, and dropout does nothing; the labels are no input.
"""

import importlib
import math
from typing import NamedTuple

import numpy as np

from course.files import replacing
from course.graph import Symbol
from course.layers import Layer, ShapeError

OPSET = 17  # of 2022: what is newer is not needed, and older runtimes can read the file
_IR_VERSION = 8
_ACTIVATIONS = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softrelu": "Softplus",
    "softsign": "Softsign",
    "tanh": "Tanh",
}


def export(module, fname) -> None:
    """Write a module's network and parameters to an ONNX file, complete or not at all.

    The inputs and outputs have the module's names and the shapes that it is bound to; the batch
    size stays open where the network allows it. All numbers are float32. Raises RuntimeError if
    the module has no parameters yet, ImportError without the package onnx.
    """
    library = _onnx()
    arg_params, aux_params = module.get_params()
    shapes = {desc.name: desc.shape for desc in (*module.data_shapes, *module.label_shapes)}
    graph = _Graph(library, module.symbol, {**arg_params, **aux_params}, shapes)
    model = library.helper.make_model(
        graph.to_onnx(),
        producer_name="course",
        opset_imports=[library.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    library.checker.check_model(model, full_check=True)
    with replacing(fname) as file:
        file.write(model.SerializeToString())


def _onnx():
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError("exporting needs the package onnx: pip install onnx") from error


class _Step(NamedTuple):
    """A layer with the names of what feeds it, in the order of the graph, and the shapes."""

    layer: Layer
    inputs: list[str]
    data: tuple[int, ...]
    output: tuple[int, ...]


class _Graph:
    """The nodes and constants of an ONNX graph, as they are added."""

    def __init__(self, library, symbol: Symbol, params: dict, shapes: dict):
        self.helper = library.helper
        self.numpy_helper = library.numpy_helper
        self.float32 = library.TensorProto.FLOAT
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []
        needed = _needed(symbol)
        variables = [node.name for node in needed if node.op is None]
        self.names = set(variables)
        known = {**shapes, **{key: np.shape(value) for key, value in params.items()}}
        self.shapes = symbol.infer_all_shapes(known)
        self.larger = self._one_sample_more(symbol, known, shapes)
        edges = {}
        for node in needed:
            if node.op is not None:
                layer = node.layer()
                fed = [edges[child.name] for child in node.inputs if child.name in edges]
                data = self.shapes[node.inputs[0].name]
                step = _Step(layer, fed, data, self.shapes[node.name])
                edges[node.name] = _CONVERSIONS[node.op](self, step)
                continue
            edges[node.name] = node.name
            if node.name in params:
                self.constant(node.name, params[node.name], new=False)
            else:
                self.inputs.append(self._description(node.name, node.name))
        for node in symbol.outputs:
            self._add_output(node, edges[node.name])

    def to_onnx(self):
        """The finished graph."""
        return self.helper.make_graph(
            self.nodes, "network", self.inputs, self.outputs, self.constants
        )

    def add(self, op: str, inputs: list[str], name: str, **attrs) -> str:
        """Add a node; the name of its output."""
        output = self._new_name(f"{name}_output")
        name = output.removesuffix("_output")  # as unique as the output's
        self.nodes.append(self.helper.make_node(op, inputs, [output], name, **attrs))
        return output

    def constant(self, name: str, value, dtype=np.float32, new=True) -> str:
        """Add numbers that are part of the file; their name."""
        name = self._new_name(name) if new else name
        self.constants.append(self.numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def _new_name(self, name):
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def _add_output(self, node, edge):
        taken = {output.name for output in self.outputs}
        if node.op is None or edge in taken:  # an output is made by a node, and has its own name
            edge = self.add("Identity", [edge], node.name)
        self.outputs.append(self._description(edge, node.name))

    def _one_sample_more(self, symbol, known, inputs):
        """All shapes if the batch had one sample more: what differs from them depends on it."""
        more = {key: (shape[0] + 1, *shape[1:]) for key, shape in inputs.items() if shape}
        try:
            return symbol.infer_all_shapes({**known, **more})
        except ShapeError:  # a parameter has the batch's shape
            return self.shapes

    def _description(self, edge, name):
        dims = []
        for size, larger in zip(self.shapes[name], self.larger[name], strict=True):
            open_size = "batch" if larger == size + 1 else None
            dims.append(size if larger == size else open_size)
        return self.helper.make_tensor_value_info(edge, self.float32, dims)


def _needed(symbol):
    """The nodes that a prediction needs: all but the labels and what leads to them alone."""
    order = symbol.nodes()
    wanted = {node.name for node in symbol.outputs}
    for node in reversed(order):
        if node.name in wanted:
            wanted.update(child.name for child in _feeding(node))
    return [node for node in order if node.name in wanted]


def _feeding(node):
    return node.inputs[:1] if node.op == "SoftmaxOutput" else node.inputs


# ---- one function an operator: adds its nodes, returns the name of the output


def _activation(graph, step):
    return graph.add(_ACTIVATIONS[step.layer.act_type], step.inputs, step.layer.name)


def _batch_norm(graph, step):
    name, inputs = step.layer.name, list(step.inputs)
    if step.layer.fix_gamma:
        inputs[1] = graph.constant(f"{name}_fixed_gamma", np.ones(step.data[1]))
    return graph.add("BatchNormalization", inputs, name, epsilon=float(step.layer.eps))


def _concat(graph, step):
    return graph.add("Concat", step.inputs, step.layer.name, axis=step.layer.dim)


def _convolution(graph, step):
    layer = step.layer
    return graph.add(
        "Conv",
        step.inputs,
        layer.name,
        kernel_shape=layer.kernel,
        strides=layer.stride,
        dilations=layer.dilate,
        pads=layer.pad * 2,
        group=layer.num_group,
    )


def _flatten(graph, step):
    return graph.add("Flatten", step.inputs, step.layer.name, axis=1)


def _fully_connected(graph, step):
    name, (data, weight, *bias) = step.layer.name, step.inputs
    if step.layer.flatten and len(step.data) > 2:
        data = graph.add("Flatten", [data], f"{name}_flatten", axis=1)
    if step.layer.flatten or len(step.data) == 2:
        return graph.add("Gemm", [data, weight, *bias], name, transB=1)
    transposed = graph.add("Transpose", [weight], f"{name}_transpose", perm=(1, 0))
    if not bias:
        return graph.add("MatMul", [data, transposed], name)
    product = graph.add("MatMul", [data, transposed], f"{name}_product")
    return graph.add("Add", [product, *bias], name)


def _identity(graph, step):
    return graph.add("Identity", step.inputs, step.layer.name)


def _pooling(graph, step):
    """Windows with padding before and behind, so that they count just as in `layers.Pooling`.

    A sum is an average times a number, and so is an average that leaves padding out.
    """
    layer, size, positions = step.layer, step.data[2:], step.output[2:]
    kernel, stride, pad = layer.kernel, layer.stride, layer.pad
    if layer.global_pool:
        kernel, stride, pad = size, (1, 1), (0, 0)
    reach = [
        max((positions[side] - 1) * stride[side] + kernel[side], size[side] + pad[side])
        for side in range(2)
    ]
    behind = tuple(reach[side] - size[side] - pad[side] for side in range(2))
    is_max = layer.pool_type == "max"
    data = step.inputs[0]
    if any(behind[side] >= kernel[side] for side in range(2)):  # more than a runtime pads itself
        pads = graph.constant(f"{layer.name}_pads", (0, 0, *pad, 0, 0, *behind), np.int64)
        empty = graph.constant(f"{layer.name}_empty", -math.inf if is_max else 0)
        data = graph.add("Pad", [data, pads, empty], f"{layer.name}_pad")
        pad = behind = (0, 0)
    windows = {"kernel_shape": kernel, "strides": stride, "pads": pad + behind}
    if is_max:
        op, correction = "Add", _only_padding(layer, size, positions)
        pooled = "MaxPool"
    else:
        op, correction = "Mul", math.prod(kernel) * _weights(layer, size, kernel, stride, positions)
        pooled = "AveragePool"
        windows["count_include_pad"] = 1
    if np.all(correction == (0 if is_max else 1)):
        return graph.add(pooled, [data], layer.name, **windows)
    plain = graph.add(pooled, [data], f"{layer.name}_windows", **windows)
    number = graph.constant(f"{layer.name}_correction", correction)
    return graph.add(op, [plain, number], layer.name)


def _only_padding(layer, size, positions):
    """-∞ for each window that lies in the padding, where a runtime may say -3.4e38; else 0."""
    if layer.global_pool:
        return np.zeros(positions)
    outside = [
        np.arange(positions[side]) * layer.stride[side] >= size[side] + layer.pad[side]
        for side in range(2)
    ]
    return np.where(np.logical_or.outer(*outside), -math.inf, 0)


def _weights(layer, size, kernel, stride, positions):
    """1 over what each window's sum is divided by."""
    if layer.pool_type == "sum":
        return np.ones(positions)
    pad = (0, 0) if layer.global_pool else layer.pad
    counts = []
    for side in range(2):
        first = np.arange(positions[side]) * stride[side] - pad[side]
        end = np.minimum(first + kernel[side], size[side] + pad[side])
        if not layer.count_include_pad:
            first, end = np.maximum(first, 0), np.minimum(end, size[side])
        counts.append(np.maximum(end - first, 1))
    return 1 / np.outer(*counts)


def _softmax(graph, step):
    return graph.add("Softmax", step.inputs[:1], step.layer.name, axis=-1)


def _two_inputs(op):
    return lambda graph, step: graph.add(op, step.inputs, step.layer.name)


def _with_scalar(op, scalar_first=False):
    def convert(graph, step):
        scalar = graph.constant(f"{step.layer.name}_scalar", step.layer.scalar)
        inputs = [scalar, *step.inputs] if scalar_first else [*step.inputs, scalar]
        return graph.add(op, inputs, step.layer.name)

    return convert


_CONVERSIONS = {
    "Activation": _activation,
    "BatchNorm": _batch_norm,
    "Concat": _concat,
    "Convolution": _convolution,
    "Dropout": _identity,
    "Flatten": _flatten,
    "FullyConnected": _fully_connected,
    "Pooling": _pooling,
    "SoftmaxOutput": _softmax,
    "softmax": _softmax,
    "elemwise_add": _two_inputs("Add"),
    "elemwise_sub": _two_inputs("Sub"),
    "elemwise_mul": _two_inputs("Mul"),
    "_plus_scalar": _with_scalar("Add"),
    "_minus_scalar": _with_scalar("Sub"),
    "_rminus_scalar": _with_scalar("Sub", scalar_first=True),
    "_mul_scalar": _with_scalar("Mul"),
}
