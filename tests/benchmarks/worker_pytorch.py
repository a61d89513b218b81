"""PyTorch's contestants: eager, channels_last and compile."""

import sys

import torch
from protocol import Worker
from torch import nn
from torch.nn import functional as F


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
        nn.Linear(64, 10),
    )  # fmt: skip


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.Tanh(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10),
    )  # fmt: skip


NETWORKS = {"mlp": (mlp, ("fc1", "fc2", "fc3")), "lenet": (lenet, ("conv1", "conv2", "fc1", "fc2"))}


class PyTorch(Worker):
    def __init__(self, mode):
        self.mode = mode

    def load(self, folder):
        super().load(folder)
        for name in ("train_data", "train_label", "test_data"):
            setattr(self, name, torch.from_numpy(getattr(self, name)))
        self.train_label = self.train_label.long()
        if self.mode == "channels_last":
            self.train_data = self.train_data.contiguous(memory_format=torch.channels_last)
            self.test_data = self.test_data.contiguous(memory_format=torch.channels_last)

    def setup(self, network, batch_size, momentum, parameters):
        make, names = NETWORKS[network]
        model = make()
        layers = [layer for layer in model if hasattr(layer, "weight")]
        for name, layer in zip(names, layers, strict=True):
            layer.weight.data = torch.from_numpy(parameters[f"{name}_weight"].copy())
            layer.bias.data = torch.from_numpy(parameters[f"{name}_bias"].copy())
        if self.mode == "channels_last":
            model = model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
        self.model = torch.compile(model) if self.mode == "compile" else model
        self.batch_size = batch_size
        return {}

    def epoch(self, order):
        right = 0
        order = torch.from_numpy(order)
        size = self.batch_size
        count = len(order) // size * size
        for start in range(0, count, size):
            chosen = order[start : start + size]
            data, label = self.train_data[chosen], self.train_label[chosen]
            self.optimizer.zero_grad()
            logits = self.model(data)
            F.cross_entropy(logits, label).backward()
            self.optimizer.step()
            right += (logits.detach().argmax(dim=1) == label).sum().item()
        return right / count

    def probabilities(self):
        with torch.inference_mode():
            batches = self.test_data.split(100)
            return torch.cat([F.softmax(self.model(batch), dim=1) for batch in batches]).numpy()

    def about(self):
        return {
            "version": torch.__version__,
            "threads": torch.get_num_threads(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }


if __name__ == "__main__":
    PyTorch(sys.argv[2]).run(sys.argv[1])
