"""This project's contestant."""

import logging
import sys

import numba
import numpy as np
from protocol import Worker

import course as mx


class InOrder(mx.io.DataIter):
    """Batches in a given order."""

    def __init__(self, data, label, batch_size):
        super().__init__(batch_size)
        self.data, self.label = data, label
        self.order = np.arange(len(data))
        self.provide_data = [mx.io.DataDesc("data", (batch_size, *data.shape[1:]))]
        self.provide_label = [mx.io.DataDesc("softmax_label", (batch_size,))]
        self.reset()

    def reset(self):
        self.at = 0

    def next(self):
        chosen = self.order[self.at : self.at + self.batch_size]
        if len(chosen) < self.batch_size:
            raise StopIteration
        self.at += self.batch_size
        return mx.io.DataBatch([self.data[chosen]], [self.label[chosen]])


class Course(Worker):
    def setup(self, network, batch_size, momentum, parameters):
        quiet = logging.getLogger("benchmark")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self.settings = {"learning_rate": 0.1, "momentum": momentum}
        self.module = mx.mod.Module(getattr(mx.networks, network)(), logger=quiet)
        self.train = InOrder(self.train_data, self.train_label.astype(np.float32), batch_size)
        self.test = mx.io.NDArrayIter(self.test_data, None, 100)
        self.module.bind(self.train.provide_data, self.train.provide_label)
        self.module.init_params(arg_params=parameters)
        return {}

    def epoch(self, order):
        self.train.order = order
        metric = mx.metric.Accuracy()
        self.module.fit(self.train, eval_metric=metric, optimizer_params=self.settings, num_epoch=1)
        return metric.get_global()[1]

    def probabilities(self):
        return self.module.predict(self.test)

    def about(self):
        return {
            "version": mx.__version__,
            "numba": numba.__version__,
            "threads": mx.get_num_threads(),
            "threading layer": numba.threading_layer(),
        }


if __name__ == "__main__":
    Course().run(sys.argv[1])
