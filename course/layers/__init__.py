"""The layers: what each one computes, and its gradients, side by side.

Each works alone on numpy arrays:

>>> import numpy as np
>>> import course as mx
>>> layer = mx.layers.FullyConnected(num_hidden=2)
>>> layer.params["weight"] = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
>>> layer.params["bias"] = np.array([0.5, 0.0])
>>> layer.forward(np.array([[1.0, 1.0, 1.0]]))
array([[6.5, 1. ]])
>>> layer.backward(np.array([[1.0, 1.0]]))
array([[1., 3., 3.]])
>>> layer.grads["bias"]
array([1., 1.])
"""

from course.layers.activation import Activation
from course.layers.arithmetic import (
    Add,
    AddScalar,
    Concat,
    Multiply,
    MultiplyScalar,
    ReverseSubtractScalar,
    Subtract,
    SubtractScalar,
)
from course.layers.base import Layer, ShapeError, Shapes
from course.layers.convolution import Convolution
from course.layers.dense import Flatten, FullyConnected
from course.layers.normalization import BatchNorm, Dropout
from course.layers.pooling import Pooling
from course.layers.softmax import Softmax, SoftmaxOutput

__all__ = [
    "Activation",
    "Add",
    "AddScalar",
    "BatchNorm",
    "Concat",
    "Convolution",
    "Dropout",
    "Flatten",
    "FullyConnected",
    "Layer",
    "Multiply",
    "MultiplyScalar",
    "Pooling",
    "ReverseSubtractScalar",
    "ShapeError",
    "Shapes",
    "Softmax",
    "SoftmaxOutput",
    "Subtract",
    "SubtractScalar",
]
