"""The formats that a stranger's file may have: how each is read, and good files to damage.

`read` returns, or raises ValueError with the file's name; anything else is a bug.
"""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import course as mx
from course import graph
from course.datasets.idx import read_idx
from course.training_state import TrainingState


class Format(NamedTuple):
    """How to read a file of this format, and some small good ones."""

    read: Callable[[Path], object]
    samples: list[bytes]


def read_symbol(path):
    """A graph, and what a user asks of it first."""
    net = graph.load(path)
    net.list_arguments()
    net.tojson()
    return net


def read_states(path):
    """The state of a small optimizer and of the random numbers."""
    optimizer = mx.optimizer.SGD(momentum=0.9)
    states = {0: np.zeros((2, 3), np.float32)}
    TrainingState.load(path).restore(optimizer, states, ["fc_weight"])
    return states


def formats(folder: Path) -> dict[str, Format]:
    """All formats; `folder` is for the files that are made as samples."""
    params = {"fc_weight": np.ones((2, 3), np.float32), "fc_bias": np.zeros(2)}
    states = {"bn_moving_mean": np.zeros(3, np.float16)}
    for name in ("x.params", "x.safetensors"):
        mx.model.save_params(folder / name, params, states)
    optimizer = mx.optimizer.SGD(momentum=0.9)
    optimizer.update_counts = {0: 5}
    memory = {0: np.ones((2, 3), np.float32)}
    TrainingState.capture(optimizer, memory, ["fc_weight"], params).save(folder / "x.states")
    idx = struct.pack(">4B2I", 0, 0, 8, 2, 2, 3) + bytes(6)
    return {
        "params": Format(mx.model.load_params, [(folder / "x.params").read_bytes()]),
        "safetensors": Format(mx.model.load_params, [(folder / "x.safetensors").read_bytes()]),
        "states": Format(read_states, [(folder / "x.states").read_bytes()]),
        "json": Format(read_symbol, [network().tojson().encode(), small_graph()]),
        "idx": Format(read_idx, [idx, gzip.compress(idx, mtime=0)]),
    }


def network():
    net = mx.sym.Convolution(mx.sym.var("data", shape=(1, 1, 9, 9)), kernel=(3, 3), num_filter=2)
    net = mx.sym.Pooling(mx.sym.BatchNorm(net), kernel=(2, 2), pool_type="avg")
    net = mx.sym.Concat(net, 1 - mx.sym.Dropout(net), dim=1)
    weight = mx.sym.var("fc_weight", lr_mult=2.0)
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, weight, num_hidden=3), name="softmax")


def small_graph() -> bytes:
    """Short enough that damage often hits what matters."""
    return (
        b'{"nodes":[{"op":"null","name":"x","inputs":[],"attrs":{"__init__":"[\\"one\\",{}]"}},'
        b'{"op":"Pooling","name":"p","inputs":[[0,0,0]],"attrs":{"kernel":"(2,2)","axis":"1"}}],'
        b'"heads":[[1,0,0]]}'
    ).replace(b',"axis":"1"', b"")
