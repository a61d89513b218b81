"""Makes tests/mxnet_checkpoint with MXNet 1.9.1 itself: a network, trained, and what it predicts.

Run by the Python that MXNet is installed in; see tests/benchmarks/environments.py.
"""

from pathlib import Path

import mxnet as mx
import numpy as np

FOLDER = Path(__file__).parents[1] / "mxnet_checkpoint"


def network():
    net = mx.sym.Convolution(
        mx.sym.var("data"), kernel=(3, 3), num_filter=4, pad=(1, 1), layout="NCHW", name="conv1"
    )
    net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn1")
    net = mx.sym.Activation(net, act_type="relu", name="relu1")
    net = mx.sym.Pooling(
        net,
        kernel=(2, 2),
        stride=(2, 2),
        pool_type="avg",
        pooling_convention="full",
        name="pool1",
    )
    net = mx.sym.Concat(net * 2.0 + 1.0, 1.0 - net, mx.sym.Dropout(net, p=0.3), dim=1, name="cat")
    weight = mx.sym.var("fc1_weight", init=mx.init.Normal(0.2), lr_mult=2.0)
    net = mx.sym.FullyConnected(net, weight=weight, num_hidden=5, name="fc1")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def main():
    mx.random.seed(0)
    rng = np.random.RandomState(0)
    data = rng.rand(8, 2, 7, 7).astype("float32")
    label = rng.randint(0, 5, 8).astype("float32")
    iterator = mx.io.NDArrayIter(data, label, 4)
    module = mx.mod.Module(network())
    module.fit(
        iterator,
        num_epoch=3,
        initializer=mx.init.Xavier(),
        optimizer_params={"learning_rate": 0.02, "momentum": 0.9},
    )
    FOLDER.mkdir(exist_ok=True)
    module.save_checkpoint(str(FOLDER / "mxnet"), 3)
    probabilities = module.predict(iterator).asnumpy()
    np.savez(FOLDER / "predictions.npz", data=data, probabilities=probabilities)


if __name__ == "__main__":
    main()
