"""The functions that make symbols: `mx.sym.FullyConnected(data, num_hidden=10)` and the others.

Each takes symbols for the layer's inputs and parameters, which become variables where they are
left out, and the settings of the layer of the same name in `layers/`.
"""

from course.arguments import number, whole_number
from course.graph import Node, Symbol, apply, load, load_json

__all__ = [
    "Activation", "BatchNorm", "Concat", "Convolution", "Dropout", "Flatten", "FullyConnected",
    "Group", "Node", "Pooling", "Softmax", "SoftmaxOutput", "Symbol", "Variable", "concat",
    "flatten", "load", "load_json", "softmax", "var",
]  # fmt: skip


def var(name, shape=None, init=None, lr_mult=None, wd_mult=None) -> Symbol:
    """A variable: a place for data, labels or parameters.

    `init` (an Initializer), `lr_mult` and `wd_mult` (factors on learning rate and weight decay)
    hold for this variable alone; `shape` helps `infer_shape`. Raises TypeError unless `name` is
    a string and `init` a rule, ValueError for numbers that make no sense.
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"a variable's name must be a string, got {name!r}")
    if shape is not None:
        if not isinstance(shape, (tuple, list)):
            raise TypeError(f"shape must be a tuple, got {shape!r}")
        shape = tuple(whole_number(size, "each size of shape") for size in shape)
    if init is not None and not hasattr(init, "fill"):
        raise TypeError(f"init must be a rule such as mx.init.Xavier(), got {init!r}")
    for key, value in (("lr_mult", lr_mult), ("wd_mult", wd_mult)):
        if value is not None:
            number(value, key, low=0)
    hints = {"__shape__": shape, "__init__": init, "__lr_mult__": lr_mult, "__wd_mult__": wd_mult}
    return Symbol([Node(None, name, {k: v for k, v in hints.items() if v is not None}, [])])


Variable = var


def Group(symbols) -> Symbol:
    """Several symbols as one, with all their outputs. Raises TypeError if one is no symbol."""
    symbols = list(symbols) if hasattr(symbols, "__iter__") else [symbols]
    if not symbols or not all(isinstance(symbol, Symbol) for symbol in symbols):
        raise TypeError(f"expected a list of symbols, got {symbols!r}")
    return Symbol([node for symbol in symbols for node in symbol.outputs])


def Flatten(data=None, name=None) -> Symbol:
    """Each image as one row; see `layers.Flatten`."""
    return apply("Flatten", {"data": data}, {}, name)


flatten = Flatten


def FullyConnected(
    data=None, weight=None, bias=None, num_hidden=None, no_bias=False, flatten=True, name=None
) -> Symbol:
    """data weightᵀ + bias; see `layers.FullyConnected`."""
    inputs = {"data": data, "weight": weight, "bias": bias}
    attrs = {"num_hidden": num_hidden, "no_bias": no_bias, "flatten": flatten}
    return apply("FullyConnected", inputs, attrs, name)


def Activation(data=None, act_type=None, name=None) -> Symbol:
    """relu, sigmoid, tanh, softrelu or softsign; see `layers.Activation`."""
    return apply("Activation", {"data": data}, {"act_type": act_type}, name)


def Convolution(
    data=None,
    weight=None,
    bias=None,
    kernel=None,
    num_filter=None,
    stride=None,
    pad=None,
    dilate=None,
    num_group=1,
    no_bias=False,
    name=None,
    workspace=None,
    cudnn_tune=None,
    cudnn_off=None,
) -> Symbol:
    """Windows of weights slid over each image; see `layers.Convolution`.

    `workspace`, `cudnn_tune` and `cudnn_off` are accepted and mean nothing here.
    """
    inputs = {"data": data, "weight": weight, "bias": bias}
    attrs = {"kernel": kernel, "num_filter": num_filter, "stride": stride, "pad": pad}
    attrs |= {"dilate": dilate, "num_group": num_group, "no_bias": no_bias}
    if kernel is None:
        raise ValueError("kernel is missing: give a pair (rows, columns), such as (5, 5)")
    return apply("Convolution", inputs, attrs, name)


def Pooling(
    data=None,
    kernel=None,
    pool_type="max",
    global_pool=False,
    stride=None,
    pad=None,
    pooling_convention="valid",
    count_include_pad=True,
    name=None,
    cudnn_off=None,
) -> Symbol:
    """One number a window: max, avg or sum; see `layers.Pooling`. The stride is 1 unless given."""
    attrs = {"kernel": kernel, "pool_type": pool_type, "global_pool": global_pool}
    attrs |= {"stride": stride, "pad": pad, "pooling_convention": pooling_convention}
    attrs |= {"count_include_pad": count_include_pad}
    return apply("Pooling", {"data": data}, attrs, name)


def Dropout(data=None, p=0.5, name=None) -> Symbol:
    """Zeros with probability p in training; see `layers.Dropout`."""
    return apply("Dropout", {"data": data}, {"p": p}, name)


def BatchNorm(
    data=None,
    gamma=None,
    beta=None,
    moving_mean=None,
    moving_var=None,
    eps=1e-3,
    momentum=0.9,
    fix_gamma=True,
    use_global_stats=False,
    name=None,
) -> Symbol:
    """Normalises each channel; see `layers.BatchNorm`."""
    inputs = {"data": data, "gamma": gamma, "beta": beta}
    inputs |= {"moving_mean": moving_mean, "moving_var": moving_var}
    attrs = {"eps": eps, "momentum": momentum, "fix_gamma": fix_gamma}
    return apply("BatchNorm", inputs, attrs | {"use_global_stats": use_global_stats}, name)


def Concat(*data: Symbol, dim=1, name=None) -> Symbol:
    """The inputs one after the other along axis `dim`; see `layers.Concat`."""
    inputs = {f"arg{k}": symbol for k, symbol in enumerate(data)}
    return apply("Concat", inputs, {"num_args": len(data), "dim": dim}, name)


concat = Concat


def softmax(data=None, name=None) -> Symbol:
    """Scores become probabilities, along the last axis; see `layers.Softmax`."""
    return apply("softmax", {"data": data}, {}, name)


def SoftmaxOutput(
    data=None,
    label=None,
    grad_scale=1.0,
    ignore_label=-1,
    use_ignore=False,
    normalization="null",
    name=None,
) -> Symbol:
    """Softmax with the gradient of the cross-entropy; see `layers.SoftmaxOutput`.

    Without `label` it makes the variable `<name>_label`; `Module` looks for `softmax_label`.
    """
    attrs = {"grad_scale": grad_scale, "ignore_label": ignore_label}
    attrs |= {"use_ignore": use_ignore, "normalization": normalization}
    return apply("SoftmaxOutput", {"data": data, "label": label}, attrs, name)


Softmax = SoftmaxOutput  # its former name, which the tutorial's Julia version uses
