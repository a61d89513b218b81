"""The tutorial's two networks, and numbers that can be learned in a moment."""

import numpy as np

import course as mx


def mlp(hidden=(128, 64), classes=10):
    net = mx.sym.flatten(mx.sym.var("data"))
    for k, size in enumerate(hidden, 1):
        net = mx.sym.FullyConnected(net, num_hidden=size, name=f"fc{k}")
        net = mx.sym.Activation(net, act_type="relu", name=f"relu{k}")
    net = mx.sym.FullyConnected(net, num_hidden=classes, name=f"fc{len(hidden) + 1}")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def lenet(filters=(20, 50), hidden=500, act_type="tanh"):
    net = mx.sym.var("data")
    for k, size in enumerate(filters, 1):
        net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=size, name=f"conv{k}")
        net = mx.sym.Activation(net, act_type=act_type, name=f"act{k}")
        net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), name=f"pool{k}")
    net = mx.sym.FullyConnected(net, num_hidden=hidden, name="fc1")
    net = mx.sym.Activation(net, act_type=act_type, name="act3")
    net = mx.sym.FullyConnected(net, num_hidden=10, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def blobs(count, rng, classes=3, size=(6,)):
    """Points around `classes` centres, and which centre each belongs to."""
    label = rng.integers(0, classes, count)
    centres = rng.standard_normal((classes, *size)) * 3
    return (centres[label] + rng.standard_normal((count, *size))).astype(np.float32), label


def bound(net, data_shape, kind=np.float32, **settings):
    """A module with parameters and an optimizer, ready for `forward`."""
    module = mx.mod.Module(net)
    module.bind([mx.io.DataDesc("data", data_shape, kind)], [("softmax_label", data_shape[:1])])
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer_params={"learning_rate": 0.1, **settings})
    return module
