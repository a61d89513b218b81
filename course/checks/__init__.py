"""Checks that answer at once: each takes what a student wrote, prints a line, returns a bool."""

from course.checks.convolution import (
    convolution,
    convolution_parameters,
    max_pool_backward,
    output_size,
)
from course.checks.data import batches, class_shares, parse_images, to_network
from course.checks.dense import d_logits, network_gradients, relu_backward, sgd_step, softmax
from course.checks.optimizers import dropout, halving, momentum_step, xavier
from course.checks.prediction import centre_of_mass, surest_mistakes, top_digits, vote
from course.checks.scoring import accuracy_with_error, confusion, precision_and_recall, split
from course.checks.speed import distances, im2col, multiplications
from course.checks.welcome import ink, read, read_if_sure

__all__ = [
    "accuracy_with_error",
    "batches",
    "centre_of_mass",
    "class_shares",
    "confusion",
    "convolution",
    "convolution_parameters",
    "d_logits",
    "distances",
    "dropout",
    "halving",
    "im2col",
    "ink",
    "max_pool_backward",
    "momentum_step",
    "multiplications",
    "network_gradients",
    "output_size",
    "parse_images",
    "precision_and_recall",
    "read",
    "read_if_sure",
    "relu_backward",
    "sgd_step",
    "softmax",
    "split",
    "surest_mistakes",
    "to_network",
    "top_digits",
    "vote",
    "xavier",
]
