"""Operators: the names that layers have in a graph and in MXNet's files, and their settings."""

import inspect

from course import layers
from course.layers import Layer

# Operator names as MXNet's JSON files have them, and the layer that computes each.
OPERATORS: dict[str, type[Layer]] = {
    "Activation": layers.Activation,
    "BatchNorm": layers.BatchNorm,
    "Concat": layers.Concat,
    "Convolution": layers.Convolution,
    "Dropout": layers.Dropout,
    "Flatten": layers.Flatten,
    "FullyConnected": layers.FullyConnected,
    "Pooling": layers.Pooling,
    "SoftmaxOutput": layers.SoftmaxOutput,
    "softmax": layers.Softmax,
    "elemwise_add": layers.Add,
    "elemwise_sub": layers.Subtract,
    "elemwise_mul": layers.Multiply,
    "_plus_scalar": layers.AddScalar,
    "_minus_scalar": layers.SubtractScalar,
    "_rminus_scalar": layers.ReverseSubtractScalar,
    "_mul_scalar": layers.MultiplyScalar,
}
# What MXNet's files say besides: of no meaning here, or of meaning only with other values.
_MEANINGLESS = {"workspace", "cudnn_tune", "cudnn_off", "p_value", "is_int"}
_AS_HERE = {
    ("BatchNorm", "axis"): (1,),
    ("BatchNorm", "output_mean_var"): (False,),
    ("Convolution", "layout"): (None, "NCHW"),
    ("Dropout", "axes"): ((), None),
    ("Dropout", "mode"): ("training",),
    ("Pooling", "layout"): (None, "NCHW"),
    ("SoftmaxOutput", "multi_output"): (False,),
    ("SoftmaxOutput", "out_grad"): (False,),
    ("SoftmaxOutput", "preserve_shape"): (False,),
    ("SoftmaxOutput", "smooth_alpha"): (0,),
    ("softmax", "axis"): (-1,),
    ("softmax", "dtype"): (None,),
    ("softmax", "temperature"): (None, 1),
    ("softmax", "use_length"): (False,),
}


def make_layer(op: str, attrs: dict, node_name: str | None) -> Layer:
    """The layer of an operator; settings that are none of it are left out.

    Raises ValueError for a setting that is missing or makes no sense.
    """
    accepted = inspect.signature(OPERATORS[op]).parameters
    missing = [
        key
        for key, parameter in accepted.items()
        if parameter.default is inspect.Parameter.empty and key not in attrs
    ]
    if missing:
        raise ValueError(f"{node_name or op}: {missing[0]} is missing")
    known = {key: value for key, value in attrs.items() if key in accepted and key != "name"}
    return OPERATORS[op](**known, name=node_name)


def check_settings(op: str, attrs: dict, node_name: str, inputs: int) -> None:
    """Check what a file says about a layer with so many inputs, parameters and states.

    Raises ValueError for a setting that this library has not, or that makes no sense.
    """
    accepted = [key for key in inspect.signature(OPERATORS[op]).parameters if key != "name"]
    for key, value in attrs.items():
        if key in accepted or key in _MEANINGLESS or key.startswith("__"):
            continue
        if value not in _AS_HERE.get((op, key), ()):
            raise ValueError(
                f"{node_name}: {key}={value!r:.80} is not known here: {op} takes "
                f"{', '.join(accepted) or 'no settings'}"
            )
    if attrs.get("num_args", inputs) != inputs:
        raise ValueError(f"{node_name} has {inputs} inputs, but another num_args")
    try:
        layer = make_layer(op, attrs, node_name)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{node_name:.80}: wrong settings for {op}: {error}") from error
    slots = len(layer.input_names + layer.param_names + layer.state_names)
    if inputs != slots:
        raise ValueError(f"{node_name} has {inputs} inputs, expected {slots}")
