"""The two networks of the tutorial, ready made."""

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
