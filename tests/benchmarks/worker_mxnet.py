"""MXNet's contestant: the tutorial's own code."""

import os
import sys

import mxnet as mx
import numpy as np
from protocol import Worker


def mlp():
    net = mx.sym.flatten(mx.sym.var("data"))
    net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=128, name="fc1"), act_type="relu")
    net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=64, name="fc2"), act_type="relu")
    return mx.sym.SoftmaxOutput(
        mx.sym.FullyConnected(net, num_hidden=10, name="fc3"), name="softmax"
    )


def lenet():
    net = mx.sym.var("data")
    for name, filters in (("conv1", 20), ("conv2", 50)):
        net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=filters, name=name)
        net = mx.sym.Activation(net, act_type="tanh")
        net = mx.sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2))
    net = mx.sym.FullyConnected(mx.sym.flatten(net), num_hidden=500, name="fc1")
    net = mx.sym.Activation(net, act_type="tanh")
    return mx.sym.SoftmaxOutput(
        mx.sym.FullyConnected(net, num_hidden=10, name="fc2"), name="softmax"
    )


class MXNet(Worker):
    def setup(self, network, batch_size, momentum, parameters):
        self.batch_size = batch_size
        self.module = mx.mod.Module({"mlp": mlp, "lenet": lenet}[network]())
        self.module.bind([("data", (batch_size, 1, 28, 28))], [("softmax_label", (batch_size,))])
        self.module.init_params(arg_params={k: mx.nd.array(v) for k, v in parameters.items()})
        settings = {"learning_rate": 0.1, "momentum": momentum}
        self.module.init_optimizer(optimizer="sgd", optimizer_params=settings)
        self.test = mx.io.NDArrayIter(self.test_data, None, 100)
        mx.nd.waitall()
        return {}

    def answer(self, question):
        if question["what"] == "epoch":  # the shuffling is not counted for MXNet
            order = self.orders[question["order"]][: question.get("images")]
            self.batches = mx.io.NDArrayIter(
                self.train_data[order], self.train_label[order].astype(np.float32),
                self.batch_size, last_batch_handle="discard",
            )  # fmt: skip
        return super().answer(question)

    def epoch(self, order):
        metric = mx.metric.Accuracy()
        for batch in self.batches:
            self.module.forward_backward(batch)
            self.module.update()
            self.module.update_metric(metric, batch.label)
        mx.nd.waitall()
        return metric.get()[1]

    def probabilities(self):
        return self.module.predict(self.test).asnumpy()

    def about(self):
        return {
            "version": mx.__version__,
            "threads": os.environ.get("OMP_NUM_THREADS", "its default"),
        }


if __name__ == "__main__":
    MXNet().run(sys.argv[1])
