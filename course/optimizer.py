"""Optimizers: rules by which gradients change weights. The loops are in `kernels/update.py`.

An optimizer keeps no arrays. `create_state` makes what a rule remembers of one parameter (a
velocity, say), and `update` takes it back, so whoever holds the weights holds their states too.
"""

import inspect
import math
from collections.abc import Callable

import numpy as np

from course.arguments import flag, number, numeric, whole_number
from course.kernels import update as kernels

DECAYED = ("_weight", "_gamma")  # endings of the names that weight decay applies to

State = np.ndarray | tuple[np.ndarray, ...] | None


class Optimizer:
    """What all optimizers have in common: learning rate, weight decay, clipping, counting.

    - `rescale_grad`: each gradient is multiplied by it first; 1 / batch size makes of the sum
      over a batch the mean.
    - `wd`: weight decay λ, for parameters named `…_weight` or `…_gamma` and for those whose names
      are not known; for every parameter, biases included, with `decay_all=True`.
    - `clip_gradient`: each gradient is cut to ±clip_gradient; None for no cutting.
    - `learning_rate`: 0.01 if neither it nor a scheduler is given.
    - `lr_scheduler`: a function from the number of updates to the learning rate. It starts from
      `learning_rate` if that is given (Adam and RMSProp always give one), not from its `base_lr`.
    - `param_idx2name`: names of parameters that `update` will refer to by number.
    - `begin_num_update`: the number of updates made earlier, when training is taken up again.

    Raises ValueError for a value that makes no sense, TypeError for an unknown parameter.
    """

    def __init__(
        self,
        rescale_grad: float = 1.0,
        wd: float = 0.0,
        clip_gradient: float | None = None,
        learning_rate: float | None = None,
        lr_scheduler: Callable[[int], float] | None = None,
        param_idx2name: dict[int, str] | None = None,
        begin_num_update: int = 0,
        decay_all: bool = False,
        **unknown,
    ):
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no parameter {', '.join(map(repr, unknown))}; "
                f"it takes {', '.join(_parameters(type(self)))}"
            )
        self.rescale_grad = number(rescale_grad, "rescale_grad")
        self.wd = number(wd, "wd", low=0)
        if clip_gradient is not None and number(clip_gradient, "clip_gradient", low=0) == 0:
            raise ValueError("clip_gradient must be above 0, got 0; None means no clipping")
        self.clip_gradient = clip_gradient
        if lr_scheduler is not None and not callable(lr_scheduler):
            raise ValueError(
                "lr_scheduler must be a function from the number of updates to the learning rate, "
                f"for example lr_scheduler.FactorScheduler(1000, 0.9), got {lr_scheduler!r}"
            )
        self.lr_scheduler = lr_scheduler
        if learning_rate is None:
            learning_rate = getattr(lr_scheduler, "base_lr", 0.01)
        self.lr = number(learning_rate, "learning_rate", low=0)
        if hasattr(lr_scheduler, "base_lr"):
            lr_scheduler.base_lr = self.lr
        self.idx2name = dict(_mapping(param_idx2name or {}, "param_idx2name"))
        self.decay_all = flag(decay_all, "decay_all")
        self.lr_mult = {}
        self.wd_mult = {}
        self.begin_num_update = whole_number(begin_num_update, "begin_num_update")
        self.num_update = self.begin_num_update
        self.update_counts = {}

    @property
    def learning_rate(self) -> float:
        """The learning rate in use: the scheduler's, if there is one."""
        if self.lr_scheduler is not None:
            return self.lr_scheduler(self.num_update)
        return self.lr

    def set_learning_rate(self, lr: float) -> None:
        """Use another learning rate from now on. Raises ValueError if a scheduler decides it."""
        if self.lr_scheduler is not None:
            raise ValueError(
                "the learning rate is decided by lr_scheduler; "
                "change that one, or make the optimizer without it"
            )
        self.lr = number(lr, "learning_rate", low=0)

    def set_lr_mult(self, args_lr_mult: dict[str | int, float]) -> None:
        """Multiply the learning rate of some parameters, given by name or number."""
        self.lr_mult = {
            key: number(value, f"lr_mult of {key}", low=0)
            for key, value in _mapping(args_lr_mult, "args_lr_mult").items()
        }

    def set_wd_mult(self, args_wd_mult: dict[str | int, float]) -> None:
        """Multiply the weight decay of some parameters, given by name or number.

        1 for a bias makes its weight decay the same as that of the weights.
        """
        self.wd_mult = {
            key: number(value, f"wd_mult of {key}", low=0)
            for key, value in _mapping(args_wd_mult, "args_wd_mult").items()
        }

    def create_state(self, index: str | int, weight: np.ndarray) -> State:
        """What the rule remembers of one parameter from step to step; None if nothing."""
        return None

    def update(self, index: str | int, weight: np.ndarray, grad: np.ndarray, state: State) -> None:
        """Take one step: change `weight` and `state` in place.

        `index` is the parameter's name, or its number in `param_idx2name`. The learning rate of a
        scheduler is that of the parameter that has been updated most often, 1 for the first time.
        Raises ValueError if the shapes differ or the weight is not an array that can be changed.
        """
        if not isinstance(weight, np.ndarray):
            raise TypeError(f"{self._name(index)}: the weight must be an array, got {weight!r:.80}")
        grad = numeric(grad, f"{self._name(index)}: the gradient")
        if grad.shape != weight.shape:
            raise ValueError(
                f"{self._name(index)}: the gradient must have the weight's shape {weight.shape}, "
                f"got {grad.shape}"
            )
        if weight.dtype not in (np.float32, np.float64) or not weight.flags.carray:
            raise ValueError(
                f"{self._name(index)}: the weight must be a contiguous, writeable array of float32 "
                f"or float64, got {weight.dtype} with strides {weight.strides}, "
                f"{'' if weight.flags.writeable else 'not '}writeable"
            )
        count = self.update_counts.get(index, self.begin_num_update) + 1
        self.update_counts[index] = count
        self.num_update = max(self.num_update, count)
        if not isinstance(state, tuple):
            state = () if state is None else (state,)
        self.step(
            _flat(weight),
            _flat(np.ascontiguousarray(grad, weight.dtype)),
            *map(_flat, state),
            count=count,
            learning_rate=self.learning_rate * self._multiplier(self.lr_mult, index, 1.0),
            weight_decay=self.wd * self._multiplier(self.wd_mult, index, self._decays(index)),
        )

    def step(self, weight, grad, *states, count, learning_rate, weight_decay):
        """The rule itself, on flat arrays: what each optimizer defines.

        `count` is the number of this parameter's updates, the present one included.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step()")

    def _name(self, index):
        return self.idx2name.get(index, index)

    def _multiplier(self, multipliers, index, default):
        if not multipliers:
            return default
        return multipliers.get(index, multipliers.get(self._name(index), default))

    def _decays(self, index):
        name = self._name(index)
        return float(self.decay_all or not isinstance(name, str) or name.endswith(DECAYED))

    def _scalars(self, dtype, *values):
        """The values, rescale_grad and clip_gradient in the dtype of the arrays.

        A Python float would make the loop calculate in float64.
        """
        clip = math.inf if self.clip_gradient is None else self.clip_gradient
        return [dtype.type(value) for value in (*values, self.rescale_grad, clip)]


def _mapping(value, name):
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict, got {value!r:.200}")
    return value


def _multipliers(given, name):
    factors = _mapping(given, f"args_{name}")
    return {key: number(value, f"{name} of {key}", low=0) for key, value in factors.items()}


def _zeros(weight):
    if not isinstance(weight, np.ndarray):
        raise TypeError(f"the weight must be an array, got {weight!r:.80}")
    return np.zeros(weight.shape, weight.dtype)


def _flat(array):
    return np.asarray(array).reshape(-1)


def _parameters(optimizer):
    """Names of all parameters that an optimizer's class and the classes above it take."""
    names = {}
    for cls in optimizer.__mro__[:-1]:
        names |= inspect.signature(cls).parameters
    return [name for name in names if name not in ("kwargs", "unknown")]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum μ if it is above 0.

    v ← μ v - η (g + λ w),  w ← w + v

    The learning rate is inside the velocity: what has gathered speed keeps it when the rate
    falls. Goodfellow, Bengio and Courville, "Deep Learning" (2016), algorithms 8.1 and 8.2.
    """

    def __init__(self, momentum: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.momentum = number(momentum, "momentum", low=0, below=1)

    def create_state(self, index: str | int, weight: np.ndarray) -> State:
        """The velocity, of the weight's shape; None without momentum."""
        return _zeros(weight) if self.momentum else None

    def step(self, weight, grad, *states, count, learning_rate, weight_decay):
        """See the class."""
        scalars = self._scalars(weight.dtype, learning_rate, weight_decay)
        if states:
            momentum = weight.dtype.type(self.momentum)
            kernels.sgd_momentum(weight, grad, *states, *scalars, momentum)
        else:
            kernels.sgd(weight, grad, *scalars)


class NAG(SGD):
    """Nesterov's accelerated gradient: the gradient counts at once, not only by the velocity.

    v ← μ v - η (g + λ w),  w ← w + μ v - η (g + λ w)

    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning" (2013), written for the weights after the look ahead. Without momentum it is SGD.
    """

    def step(self, weight, grad, *states, count, learning_rate, weight_decay):
        """See the class."""
        scalars = self._scalars(weight.dtype, learning_rate, weight_decay)
        if states:
            kernels.nag(weight, grad, *states, *scalars, weight.dtype.type(self.momentum))
        else:
            kernels.sgd(weight, grad, *scalars)


class Adam(Optimizer):
    """A step of about the learning rate for each weight, whatever the size of its gradients.

    m ← β₁ m + (1 - β₁) g,  s ← β₂ s + (1 - β₂) g²,  w ← w - η_t m / (√s + ε)

    with η_t = η √(1 - β₂ᵗ) / (1 - β₁ᵗ), since m and s start at 0 and are too small at first.
    Weight decay is part of g, inside the clipping. Kingma and Ba, "Adam: a method for stochastic
    optimization" (2015), the form at the end of its section 2.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = number(beta1, "beta1", low=0, below=1)
        self.beta2 = number(beta2, "beta2", low=0, below=1)
        self.epsilon = number(epsilon, "epsilon", low=0)

    def create_state(self, index: str | int, weight: np.ndarray) -> State:
        """Running means of the gradient and of its square."""
        return _zeros(weight), _zeros(weight)

    def step(self, weight, grad, *states, count, learning_rate, weight_decay):
        """See the class."""
        learning_rate *= math.sqrt(1 - self.beta2**count) / (1 - self.beta1**count)
        scalars = self._scalars(weight.dtype, learning_rate, weight_decay)
        betas = (self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, self.epsilon)
        kernels.adam(weight, grad, *states, *scalars, *map(weight.dtype.type, betas))


class RMSProp(Optimizer):
    """The gradient divided by the root of its running mean square.

    s ← γ₁ s + (1 - γ₁) g²,  w ← w - η g / √(s + ε)

    Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5 (2012).
    `centered=True` divides by the standard deviation, √(s - m² + ε) with m the running mean of g,
    and adds momentum γ₂: Graves, "Generating sequences with recurrent neural networks" (2013),
    equations 38 to 45. Weight decay is part of g, inside the clipping.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        gamma1: float = 0.9,
        gamma2: float = 0.9,
        epsilon: float = 1e-8,
        centered: bool = False,
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1 = number(gamma1, "gamma1", low=0, below=1)
        self.gamma2 = number(gamma2, "gamma2", low=0, below=1)
        self.epsilon = number(epsilon, "epsilon", low=0)
        self.centered = flag(centered, "centered")

    def create_state(self, index: str | int, weight: np.ndarray) -> State:
        """Running mean of the square; if centered also the gradient's mean and the velocity."""
        count = 3 if self.centered else 1
        return tuple(_zeros(weight) for _ in range(count))

    def step(self, weight, grad, *states, count, learning_rate, weight_decay):
        """See the class."""
        cast = weight.dtype.type
        scalars = self._scalars(weight.dtype, learning_rate, weight_decay)
        scalars += map(cast, (self.gamma1, 1 - self.gamma1, self.epsilon))
        if self.centered:
            kernels.rmsprop_centered(weight, grad, *states, *scalars, cast(self.gamma2))
        else:
            kernels.rmsprop(weight, grad, *states, *scalars)


class AdaGrad(Optimizer):
    """The gradient divided by the root of the sum of all its squares so far.

    h ← h + g²,  w ← w - η (g / √(h + ε) + λ w)

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization" (2011).
    """

    def __init__(self, eps: float = 1e-7, **kwargs):
        super().__init__(**kwargs)
        self.eps = number(eps, "eps", low=0)

    def create_state(self, index: str | int, weight: np.ndarray) -> State:
        """The sum of the squares."""
        return _zeros(weight)

    def step(self, weight, grad, *states, count, learning_rate, weight_decay):
        """See the class."""
        scalars = self._scalars(weight.dtype, learning_rate, weight_decay)
        kernels.adagrad(weight, grad, *states, *scalars, weight.dtype.type(self.eps))


class AdaDelta(Optimizer):
    """A step in the size of the steps so far: no learning rate; one that is given is not used.

    s ← ρ s + (1 - ρ) g²,  d = g √(u + ε) / √(s + ε),  u ← ρ u + (1 - ρ) d²,  w ← w - d - λ w

    Zeiler, "ADADELTA: an adaptive learning rate method" (2012), algorithm 1.
    """

    def __init__(self, rho: float = 0.9, epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.rho = number(rho, "rho", low=0, below=1)
        self.epsilon = number(epsilon, "epsilon", low=0)

    def create_state(self, index: str | int, weight: np.ndarray) -> State:
        """Running means of the squares of the gradient and of the step."""
        return _zeros(weight), _zeros(weight)

    def step(self, weight, grad, *states, count, learning_rate, weight_decay):
        """See the class."""
        scalars = self._scalars(weight.dtype, weight_decay)
        scalars += map(weight.dtype.type, (self.rho, 1 - self.rho, self.epsilon))
        kernels.adadelta(weight, grad, *states, *scalars)


OPTIMIZERS = {cls.__name__.lower(): cls for cls in (SGD, NAG, Adam, RMSProp, AdaGrad, AdaDelta)}


def create(name: str, **kwargs) -> Optimizer:
    """The optimizer of that name, in upper or lower case, with its parameters.

    Raises ValueError for an unknown name or a bad value, TypeError for an unknown parameter.
    """
    cls = OPTIMIZERS.get(name.lower()) if isinstance(name, str) else None
    if cls is None:
        raise ValueError(f"Cannot find optimizer {name!r}; there are {', '.join(OPTIMIZERS)}")
    return cls(**kwargs)
