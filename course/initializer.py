"""How parameters begin: the rules that fill weights before the first step."""

import json
import math
import re

import numpy as np

from course import random
from course.arguments import choice, number


class InitDesc(str):
    """A parameter's name; MXNet hands attributes along with it."""

    def __new__(cls, name, attrs=None):
        """The name with its attributes."""
        description = super().__new__(cls, name)
        description.attrs = attrs or {}
        return description


class Initializer:
    """A rule: `rule(name, array)` fills the array in place, deciding by the end of the name.

    `..._weight` follows the rule; bias, beta, moving_mean become 0; gamma, moving_var become 1.
    Raises ValueError for other names; `rule.fill(array)` follows the rule whatever the name.
    """

    def __call__(self, name: str, array: np.ndarray) -> None:
        """Fill the array in place."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a parameter must be a string, got {name!r:.80}")
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            raise TypeError(f"{name}: expected an array of floats to fill, got {array!r:.80}")
        if name.endswith("weight"):
            self.fill(array)
        elif name.endswith(("bias", "beta", "moving_mean", "running_mean", "min")):
            array[...] = 0
        elif name.endswith(("gamma", "moving_var", "running_var", "max")):
            array[...] = 1
        else:
            raise ValueError(
                f"no rule for the parameter {name!r}: its name should end in weight, bias, gamma "
                "or beta; otherwise give its variable a rule of its own, mx.sym.var(name, init=...)"
            )

    def fill(self, array: np.ndarray) -> None:
        """Fill the array in place by the rule, whatever it is called."""
        raise NotImplementedError

    def dumps(self) -> str:
        """The rule as JSON: its name and settings."""
        return json.dumps([type(self).__name__.lower(), vars(self)])

    def __repr__(self):
        settings = ", ".join(f"{key}={value!r}" for key, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class Zero(Initializer):
    """All 0."""

    def fill(self, array):
        array[...] = 0


class One(Initializer):
    """All 1."""

    def fill(self, array):
        array[...] = 1


class Constant(Initializer):
    """All the same number."""

    def __init__(self, value=0.0):
        self.value = number(value, "value")

    def fill(self, array):
        array[...] = self.value


class Uniform(Initializer):
    """Evenly distributed between -scale and scale."""

    def __init__(self, scale=0.07):
        self.scale = number(scale, "scale", low=0)

    def fill(self, array):
        array[...] = random.generator().uniform(-self.scale, self.scale, array.shape)


class Normal(Initializer):
    """Normally distributed with mean 0 and standard deviation sigma."""

    def __init__(self, sigma=0.01):
        self.sigma = number(sigma, "sigma", low=0)

    def fill(self, array):
        array[...] = random.generator().normal(0, self.sigma, array.shape)


class Orthogonal(Initializer):
    """`scale` times a matrix with orthonormal rows or columns (Saxe et al., 2013)."""

    def __init__(self, scale=1.414, rand_type="uniform"):
        self.scale = number(scale, "scale", low=0)
        self.rand_type = choice(rand_type, "rand_type", ("uniform", "normal"))

    def fill(self, array):
        rows = len(array)
        shape = (rows, array.size // rows)
        draw = random.generator()
        start = (
            draw.uniform(-1, 1, shape) if self.rand_type == "uniform" else draw.normal(size=shape)
        )
        u, _, v = np.linalg.svd(start, full_matrices=False)
        matrix = u if u.shape == shape else v
        array[...] = self.scale * matrix.reshape(array.shape)


class Xavier(Initializer):
    """A spread that keeps the signal's size from layer to layer (Glorot and Bengio, 2010).

    scale = √(magnitude / factor), where factor is the number of inputs of a neuron ('in'), of
    outputs ('out') or their mean ('avg'); uniform in ±scale, or gaussian with that deviation.
    """

    def __init__(self, rnd_type="uniform", factor_type="avg", magnitude=3):
        self.rnd_type = choice(rnd_type, "rnd_type", ("uniform", "gaussian"))
        self.factor_type = choice(factor_type, "factor_type", ("avg", "in", "out"))
        self.magnitude = number(magnitude, "magnitude", low=0)

    def fill(self, array):
        if array.ndim < 2:
            raise ValueError(
                f"Xavier needs a weight with at least two axes (outputs, inputs), got {array.shape}"
            )
        window = math.prod(array.shape[2:])
        outputs, inputs = array.shape[0] * window, array.shape[1] * window
        factor = {"avg": (inputs + outputs) / 2, "in": inputs, "out": outputs}[self.factor_type]
        scale = math.sqrt(self.magnitude / factor)
        if self.rnd_type == "uniform":
            array[...] = random.generator().uniform(-scale, scale, array.shape)
        else:
            array[...] = random.generator().normal(0, scale, array.shape)


class MSRAPrelu(Xavier):
    """Gaussian Xavier with magnitude 2 / (1 + slope²), for (leaky) relu (He et al., 2015)."""

    def __init__(self, factor_type="avg", slope=0.25):
        super().__init__("gaussian", factor_type, 2 / (1 + number(slope, "slope") ** 2))


class Mixed:
    """The first rule whose pattern matches the beginning of the name (`re.match`).

    Mixed(['.*bias', '.*'], [Zero(), Uniform(0.1)]). As with any
    rule, biases become 0 whichever matches. Raises ValueError if no pattern does; end with '.*'.
    """

    def __init__(self, patterns, initializers):
        for name, given in (("patterns", patterns), ("initializers", initializers)):
            if not isinstance(given, (list, tuple)):
                raise TypeError(f"{name} must be a list, got {given!r}")
        if not all(isinstance(pattern, str) for pattern in patterns):
            raise TypeError(f"patterns must be regular expressions, got {patterns!r}")
        if len(patterns) != len(initializers):
            raise ValueError(
                f"expected one rule for each pattern, got {len(patterns)} patterns and "
                f"{len(initializers)} rules"
            )
        self._rules = [
            (re.compile(p), create(i)) for p, i in zip(patterns, initializers, strict=True)
        ]

    def __call__(self, name: str, array: np.ndarray) -> None:
        """Fill the array in place."""
        for pattern, rule in self._rules:
            if pattern.match(name):
                rule(name, array)
                return
        raise ValueError(f"no pattern matches the parameter {name!r}; end the patterns with '.*'")


def create(rule):
    """A rule from its name, such as 'xavier'; a rule is returned as it is."""
    if callable(rule) and not isinstance(rule, type):
        return rule
    names = {
        "zero": Zero, "zeros": Zero, "one": One, "ones": One, "constant": Constant,
        "uniform": Uniform, "normal": Normal, "orthogonal": Orthogonal, "xavier": Xavier,
        "msraprelu": MSRAPrelu,
    }  # fmt: skip
    if not isinstance(rule, str) or rule.lower() not in names:
        raise ValueError(f"unknown initializer {rule!r}; known are {', '.join(names)}")
    return names[rule.lower()]()
