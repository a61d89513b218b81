"""A neural-network library to be read, which speaks the API of the MXNet MNIST tutorial.

>>> import course as mx
>>> net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=10, name="fc")
>>> mx.sym.SoftmaxOutput(net, name="softmax").list_arguments()
['data', 'fc_weight', 'fc_bias', 'softmax_label']
"""

import importlib.util
import sys

for _needed in ("numpy", "numba", "scipy"):
    if importlib.util.find_spec(_needed) is None:
        raise ModuleNotFoundError(
            f"{_needed} is not installed for {sys.executable}: in the folder of the README, run "
            f"{sys.executable} -m pip install .",
            name=_needed,
        )

from course import (
    callback,
    context,
    initializer,
    io,
    layers,
    lr_scheduler,
    metric,
    model,
    module,
    monitor,
    name,
    networks,
    onnx,
    optimizer,
    random,
    symbol,
    test_utils,
    visualization,
)
from course import ndarray as nd
from course.context import Context, cpu, current_context, gpu, num_gpus
from course.feedforward import SGD, FeedForward, chain, fit, get_mnist_providers, predict
from course.kernels.threads import get_num_threads, set_num_threads
from course.layers import ShapeError
from course.symbol import (
    Activation,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    Group,
    Pooling,
    Softmax,
    SoftmaxOutput,
    Variable,
)

# The short names that MXNet's users know.
sym = symbol
mod = module
init = initializer
viz = visualization
mon = monitor
rnd = random
ndarray = nd

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Activation",
    "BatchNorm",
    "Concat",
    "Context",
    "Convolution",
    "Dropout",
    "FeedForward",
    "Flatten",
    "FullyConnected",
    "Group",
    "Pooling",
    "ShapeError",
    "Softmax",
    "SoftmaxOutput",
    "Variable",
    "callback",
    "chain",
    "context",
    "cpu",
    "current_context",
    "fit",
    "get_mnist_providers",
    "get_num_threads",
    "gpu",
    "init",
    "initializer",
    "io",
    "layers",
    "lr_scheduler",
    "metric",
    "mod",
    "model",
    "module",
    "mon",
    "monitor",
    "name",
    "nd",
    "ndarray",
    "networks",
    "num_gpus",
    "onnx",
    "optimizer",
    "predict",
    "random",
    "rnd",
    "set_num_threads",
    "sym",
    "symbol",
    "test_utils",
    "visualization",
    "viz",
]
