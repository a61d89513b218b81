"""From `import` to the first trained LeNet batch, in a process of its own; prints two times."""

import sys
import time

START = time.perf_counter()
if sys.argv[1] == "course":
    import course as mx
else:
    import torch
    from torch import nn
IMPORTED = time.perf_counter()

import numpy as np  # noqa: E402

data = np.random.default_rng(0).random((100, 1, 28, 28), np.float32)
label = np.arange(100) % 10
if sys.argv[1] == "course":
    module = mx.mod.Module(mx.networks.lenet())
    module.bind([("data", data.shape)], [("softmax_label", label.shape)])
    module.init_params()
    module.init_optimizer(optimizer_params={"learning_rate": 0.1})
    module.forward_backward(mx.io.DataBatch([data], [label]))
    module.update()
else:
    from worker_pytorch import lenet

    model = lenet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    nn.functional.cross_entropy(model(torch.from_numpy(data)), torch.from_numpy(label)).backward()
    optimizer.step()
print(IMPORTED - START, time.perf_counter() - START)
