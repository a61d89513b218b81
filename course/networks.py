"""The two networks of the tutorial, ready made, and trained."""

from pathlib import Path

from course import model
from course.arguments import choice, whole_number
from course.module import Module
from course.symbol import (
    Activation,
    Convolution,
    Flatten,
    FullyConnected,
    Pooling,
    SoftmaxOutput,
    Symbol,
    var,
)

TRAINED = Path(__file__).with_name("trained")


def mlp() -> Symbol:
    """The multilayer perceptron 784-128-64-10 with relu."""
    net = Flatten(var("data"), name="flatten")
    net = FullyConnected(net, num_hidden=128, name="fc1")
    net = Activation(net, act_type="relu", name="relu1")
    net = FullyConnected(net, num_hidden=64, name="fc2")
    net = Activation(net, act_type="relu", name="relu2")
    net = FullyConnected(net, num_hidden=10, name="fc3")
    return SoftmaxOutput(net, name="softmax")


def lenet() -> Symbol:
    """The convolutional network 20-50-500-10 with tanh, after LeCun et al. (1998)."""
    net = Convolution(var("data"), kernel=(5, 5), num_filter=20, name="conv1")
    net = Activation(net, act_type="tanh", name="tanh1")
    net = Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name="pool1")
    net = Convolution(net, kernel=(5, 5), num_filter=50, name="conv2")
    net = Activation(net, act_type="tanh", name="tanh2")
    net = Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name="pool2")
    net = FullyConnected(Flatten(net, name="flatten"), num_hidden=500, name="fc1")
    net = Activation(net, act_type="tanh", name="tanh3")
    net = FullyConnected(net, num_hidden=10, name="fc2")
    return SoftmaxOutput(net, name="softmax")


def trained(name: str, batch_size: int = 100) -> Module:
    """The network "mlp" or "lenet" with parameters that read 97 % and 99 % of the test digits.

    Trained with the tutorial's settings on MNIST's 60,000 training digits, by
    `tests/tools/make_trained.py`. Bound to batches (batch_size, 1, 28, 28), for prediction and for
    training on. Raises ValueError for another name.
    """
    networks = {"mlp": mlp, "lenet": lenet}
    choice(name, "name", networks)
    batch_size = whole_number(batch_size, "batch_size", 1)
    module = Module(networks[name]())
    module.bind([("data", (batch_size, 1, 28, 28))], [("softmax_label", (batch_size,))])
    module.set_params(*model.load_params(TRAINED / f"{name}.params"))
    return module
