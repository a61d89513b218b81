"""A symbol that can be trained: it owns the parameters, and binds the graph to each batch shape."""

import logging
import warnings

import numpy as np

from course import log, model
from course import optimizer as optimizers
from course.base_module import BaseModule
from course.context import Context, cpu
from course.executor import GRAD_REQS, Executor
from course.initializer import InitDesc, Uniform
from course.io import DataDesc
from course.kernels.threads import computing
from course.layers import ShapeError
from course.layers.base import kernel_ready
from course.ndarray import NDArray
from course.training_state import TrainingState, checksum

_MOST_EXECUTORS = 3  # the bound shapes, and the last batches of another size


class Module(BaseModule):
    """A network with its parameters. `fit` does everything; or step by step: `bind`,
    `init_params`, `init_optimizer`, and for each batch `forward`, `backward`, `update`.

    `data_names` and `label_names` are the inputs; all other arguments of the symbol are
    parameters. Those in `fixed_param_names` are not trained. `logger` is where `fit` writes.
    Raises ValueError for names that the symbol does not have.
    """

    def __init__(
        self,
        symbol,
        data_names=("data",),
        label_names=("softmax_label",),
        logger=logging,
        context=None,
        fixed_param_names=None,
    ):
        contexts = context if isinstance(context, (list, tuple)) else [context or cpu()]
        if len(contexts) != 1 or not isinstance(contexts[0], Context):
            raise ValueError(f"context must be mx.cpu(), got {context!r}")
        self.symbol = symbol
        self.logger = logger
        arguments = symbol.list_arguments()
        self.data_names = list(data_names or ())
        self.label_names = [name for name in label_names or () if name in arguments]
        self._check_names(arguments, label_names or (), fixed_param_names or ())
        inputs = {*self.data_names, *self.label_names}
        self.param_names = [name for name in arguments if name not in inputs]
        self.aux_names = symbol.list_auxiliary_states()
        self.fixed_param_names = set(fixed_param_names or ())
        self.output_names = symbol.list_outputs()
        self.binded = self.params_initialized = self.optimizer_initialized = False
        self.for_training = self.inputs_need_grad = False
        self._arg_params: dict[str, np.ndarray] = {}
        self._aux_params: dict[str, np.ndarray] = {}
        self._executors: dict[tuple, Executor] = {}
        self._monitor = None
        self._optimizer_settings = None
        self._pending_state = None

    def _check_names(self, arguments, label_names, fixed_param_names):
        for kind, names in (("data", self.data_names), ("fixed_param", fixed_param_names)):
            for name in names:
                if name not in arguments:
                    raise ValueError(
                        f"{kind}_names={list(names)}: the symbol has no input {name!r}; "
                        f"it has {', '.join(arguments)}"
                    )
        known = {*self.data_names, *self.label_names}
        for name in arguments:
            if name.endswith("_label") and name not in known:
                raise ValueError(
                    f"the symbol's input {name!r} looks like a label, but label_names="
                    f"{list(label_names)}; give the loss name='softmax', or pass "
                    f"label_names=[{name!r}]"
                )

    # ---- shapes

    def bind(
        self,
        data_shapes,
        label_shapes=None,
        for_training=True,
        inputs_need_grad=False,
        force_rebind=False,
        shared_module=None,
        grad_req="write",
    ) -> None:
        """Allocate all arrays for inputs of these shapes; the parameters stay, if there are any.

        Shapes are DataDesc or (name, shape) pairs. `shared_module`: use that module's parameters.
        `grad_req`: 'write', 'add' or 'null', for all parameters, or a dict by name. A second
        call is ignored, with a warning, unless `force_rebind`. Raises ShapeError if they do not
        fit the network or its parameters.
        """
        if self.binded and not force_rebind:
            if _shapes(data_shapes) != _shapes(self.data_shapes):
                self._logger().warning("Already bound, ignoring bind()")
            return
        descriptions = _describe(data_shapes, self.data_names, "data")
        labels = _describe(label_shapes or [], self.label_names, "label")
        sizes = {desc.shape[0] for desc in (*descriptions, *labels) if desc.shape}
        if len(sizes) > 1:
            shapes = ", ".join(f"{desc.name} {desc.shape}" for desc in (*descriptions, *labels))
            raise ShapeError(f"the inputs must have the same batch size, got {shapes}")
        if shared_module is not None:
            self._arg_params = shared_module._arg_params
            self._aux_params = shared_module._aux_params
            self.params_initialized = shared_module.params_initialized
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self._grad_req = self._grad_reqs(grad_req)
        self._dtype = np.result_type(*(desc.dtype for desc in descriptions), np.float32)
        if self._dtype != np.float64:
            self._dtype = np.dtype(np.float32)
        for params in (self._arg_params, self._aux_params):  # a file may hold another dtype
            params.update({key: kernel_ready(params[key], self._dtype) for key in params})
        self._executors = {}
        self._executor = self._make_executor({desc.name: desc.shape for desc in descriptions})
        self.data_shapes, self.label_shapes = descriptions, labels
        self.binded = True

    def _must_rebind(self, train_data):
        """For `fit`: whether the module is bound to other shapes, or not for training."""
        if not self.binded:
            return False
        other = _shapes(train_data.provide_data) != _shapes(self.data_shapes)
        return other or not self.for_training

    def _grad_reqs(self, grad_req):
        names = [name for name in self.param_names if name not in self.fixed_param_names]
        if isinstance(grad_req, dict):
            wanted = {name: grad_req.get(name, "write") for name in names}
        else:
            wanted = dict.fromkeys(names, grad_req)
        wrong = [req for req in wanted.values() if req not in GRAD_REQS]
        if wrong:
            raise ValueError(f"grad_req must be one of {', '.join(GRAD_REQS)}, got {wrong[0]!r}")
        if not self.for_training:
            wanted = {}
        reqs = {name: wanted.get(name, "null") for name in self.symbol.list_arguments()}
        if self.inputs_need_grad:
            reqs |= dict.fromkeys(self.data_names, "write")
        return reqs

    def _make_executor(self, data_shapes):
        executor = Executor(
            self.symbol,
            data_shapes,
            grad_req=self._grad_req,
            args=self._arg_params,
            states=self._aux_params,
            dtype=self._dtype,
        )
        for name in self.param_names:
            self._arg_params[name] = executor.arg_dict[name]
        for name in self.aux_names:
            self._aux_params[name] = executor.aux_dict[name]
        if self._monitor is not None:
            self._monitor.install(executor)
        self._executors[tuple(data_shapes[name] for name in self.data_names)] = executor
        return executor

    def _executor_for(self, shapes: tuple):
        """The graph bound to these shapes of the data; made on first need."""
        if shapes not in self._executors:
            if len(self._executors) >= _MOST_EXECUTORS:
                bound = tuple(desc.shape for desc in self.data_shapes)
                del self._executors[next(key for key in self._executors if key != bound)]
            self._make_executor(dict(zip(self.data_names, shapes, strict=True)))
        return self._executors[shapes]

    @property
    def output_shapes(self):
        """[(name, shape)] of the outputs."""
        self._check_bound()
        known = self.symbol.infer_all_shapes({desc.name: desc.shape for desc in self.data_shapes})
        nodes = self.symbol.outputs
        return [(node.output_name, known[node.name]) for node in nodes]

    # ---- parameters

    def init_params(
        self,
        initializer=None,
        arg_params=None,
        aux_params=None,
        allow_missing=False,
        force_init=False,
        allow_extra=False,
    ) -> None:
        """Fill the parameters: from `arg_params` and `aux_params` where given, else by the rule.

        The rule is Uniform(0.01) unless given; biases become 0. Ignored with a warning if there
        are parameters already, unless `force_init`. Raises ValueError for a parameter that is
        missing (unless `allow_missing`), unknown (unless `allow_extra`) or of another shape.
        """
        self._check_bound()
        if self.params_initialized and not force_init:
            warnings.warn(
                "Parameters already initialized and force_init=False. init_params call ignored.",
                stacklevel=2,
            )
            return
        initializer = Uniform(0.01) if initializer is None else initializer
        hints = {n.name: n.attrs["__init__"] for n in self.symbol.nodes() if "__init__" in n.attrs}
        plan = []
        for own, given in ((self._arg_params, arg_params), (self._aux_params, aux_params)):
            names = self.param_names if own is self._arg_params else self.aux_names
            _check_given(own, given, names, allow_missing, allow_extra)
            plan += [(name, own[name], (given or {}).get(name)) for name in sorted(names)]
        for name, array, value in plan:
            if value is not None:
                array[...] = value
            elif name in hints:
                hints[name].fill(array)
            else:
                initializer(InitDesc(name), array)
        self.params_initialized = True

    def get_params(self):
        """(arg_params, aux_params): copies of the parameters and auxiliary states, by name."""
        self._check_ready()
        return (
            {name: self._arg_params[name].copy().view(NDArray) for name in self.param_names},
            {name: self._aux_params[name].copy().view(NDArray) for name in self.aux_names},
        )

    def set_params(
        self, arg_params, aux_params, allow_missing=False, force_init=True, allow_extra=False
    ) -> None:
        """Take over these parameters; `allow_missing` keeps the present ones of the others."""
        self._check_bound()
        kept = (self._arg_params, self._aux_params)
        if allow_missing and self.params_initialized:
            arg_params = {**{name: kept[0][name] for name in self.param_names}, **arg_params}
            aux_params = {**{name: kept[1][name] for name in self.aux_names}, **(aux_params or {})}
        self.init_params(None, arg_params, aux_params or {}, allow_missing, force_init, allow_extra)

    # ---- training, step by step

    def init_optimizer(
        self,
        kvstore="local",
        optimizer="sgd",
        optimizer_params=(("learning_rate", 0.01),),
        force_init=False,
    ) -> None:
        """Choose how `update` moves the parameters: a name with settings, or an Optimizer.

        A named optimizer's gradients are averaged: rescale_grad is 1 / batch size unless given.
        An Optimizer is used as it is. `kvstore` is accepted and means nothing here.
        """
        self._check_ready()
        if self.optimizer_initialized and not force_init:
            self._logger().warning("optimizer already initialized, ignoring...")
            return
        batch_size = self.data_shapes[0].shape[0]
        names = dict(enumerate(self.param_names))
        if isinstance(optimizer, str):
            settings = {"rescale_grad": 1.0 / batch_size, **dict(optimizer_params)}
            created = optimizers.create(optimizer, param_idx2name=names, **settings)
        elif isinstance(optimizer, optimizers.Optimizer):
            created = optimizer
            created.idx2name = created.idx2name or names
            if abs(created.rescale_grad * batch_size - 1) > 1e-6:
                warnings.warn(
                    f"the optimizer's rescale_grad is {created.rescale_grad:g}, not 1 / batch "
                    f"size = {1 / batch_size:g}: the gradients are sums over the batch, so the "
                    "steps may be far too large. Is this intended?",
                    stacklevel=2,
                )
        else:
            raise TypeError(f"optimizer must be a name or an Optimizer, got {optimizer!r}")
        for node in self.symbol.nodes():
            for key, factors in (
                ("__lr_mult__", created.lr_mult),
                ("__wd_mult__", created.wd_mult),
            ):
                if key in node.attrs:
                    factors.setdefault(node.name, node.attrs[key])
        self._optimizer = created
        self._optimizer_settings = (optimizer, dict(optimizer_params), batch_size)
        self._states = {
            index: created.create_state(index, self._arg_params[name])
            for index, name in enumerate(self.param_names)
            if self._grad_req[name] != "null"
        }
        self.optimizer_initialized = False
        if self._pending_state is not None:
            self._pending_state.restore(created, self._states, self.param_names)
            self._pending_state = None
        self.optimizer_initialized = True

    def _follow_optimizer(self, optimizer, optimizer_params):
        """For `fit`: a second call with the same settings goes on with the optimizer's state."""
        settings = (optimizer, dict(optimizer_params), self.data_shapes[0].shape[0])
        if not self.optimizer_initialized or settings != self._optimizer_settings:
            self.init_optimizer("local", optimizer, optimizer_params, force_init=True)

    def forward(self, data_batch, is_train=None) -> None:
        """Compute the outputs for a batch; it may have another batch size than the bound one.

        `data_batch` has lists `.data` and `.label` (None or empty for prediction).
        """
        self._check_ready()
        is_train = self.for_training if is_train is None else is_train
        inputs = dict(zip(self.data_names, self._listed(data_batch.data), strict=True))
        shapes = tuple(np.shape(inputs[name]) for name in self.data_names)
        for desc, shape in zip(self.data_shapes, shapes, strict=True):
            if shape[1:] != tuple(desc.shape[1:]):
                raise ShapeError(
                    f"{desc.name}: expected a batch of shape (N, "
                    f"{', '.join(map(str, desc.shape[1:]))}), got {shape}"
                )
        executor = self._executor_for(shapes)
        labels = getattr(data_batch, "label", None)
        for name, label in zip(self.label_names, labels or (), strict=False):
            inputs[name] = _fitting_label(label, executor.arg_dict[name].shape, name)
        executor.forward(is_train=is_train, **inputs)
        self._executor = executor

    def _listed(self, data):
        if len(data) != len(self.data_names):
            raise ValueError(
                f"expected {len(self.data_names)} data arrays ({', '.join(self.data_names)}), "
                f"got {len(data)}"
            )
        return data

    def backward(self, out_grads=None) -> None:
        """Compute the gradients for the batch of the last `forward` in training."""
        self._check_ready()
        if not self.for_training:
            raise RuntimeError("re-bind with for_training=True to run backward")
        self._executor.backward(out_grads)

    def update(self) -> None:
        """Move the parameters by the optimizer's rule and the last gradients."""
        self._check_ready()
        if not self.optimizer_initialized:
            raise RuntimeError("call init_optimizer before update")
        gradients = self._executor.grad_dict
        with computing:
            for index, name in enumerate(self.param_names):
                if name in gradients:
                    self._optimizer.update(
                        index, self._arg_params[name], gradients[name], self._states[index]
                    )

    def _raw_outputs(self):
        return self._executor.outputs

    def get_outputs(self, merge_multi_context=True) -> list[NDArray]:
        """Copies of the outputs of the last `forward`."""
        self._check_ready()
        return [output.copy().view(NDArray) for output in self._executor.outputs]

    def get_input_grads(self, merge_multi_context=True) -> list[NDArray]:
        """Copies of dL/d(data) of the last `backward`; needs bind(inputs_need_grad=True)."""
        self._check_ready()
        if not self.inputs_need_grad:
            raise RuntimeError("bind with inputs_need_grad=True to get the inputs' gradients")
        gradients = self._executor.grad_dict
        return [gradients[name].copy().view(NDArray) for name in self.data_names]

    def update_metric(self, eval_metric, labels) -> None:
        """Count the outputs of the last `forward` against these labels."""
        eval_metric.update(labels, self._executor.outputs)

    def install_monitor(self, monitor) -> None:
        """Let a Monitor see each layer's output."""
        self._check_bound()
        self._monitor = monitor
        for executor in self._executors.values():
            monitor.install(executor)

    # ---- files

    def save_checkpoint(self, prefix, epoch, save_optimizer_states=False) -> None:
        """Write `prefix-symbol.json`, `prefix-0007.params` and, if asked, `prefix-0007.states`.

        With the states, a run that is taken up again equals one that never stopped, bit for bit.
        """
        name = f"{prefix}-{epoch:04d}.states"
        if save_optimizer_states:
            self.save_optimizer_states(name)  # first: where there is a .params file, all is there
        model.save_checkpoint(prefix, epoch, self.symbol, *self.get_params())
        if save_optimizer_states:
            log.info('Saved optimizer state to "%s"', name)

    @classmethod
    def load(cls, prefix, epoch, load_optimizer_states=False, **kwargs) -> "Module":
        """The module from the files of `save_checkpoint`; `kwargs` go to Module. Bind it next.

        To train on with `load_optimizer_states`, call `fit` as before with `begin_epoch=epoch`
        (but what an iterator with 'roll_over' held back is not in the files).
        Raises ValueError for files that are damaged or do not belong together.
        """
        net, arg_params, aux_params = model.load_checkpoint(prefix, epoch)
        module = cls(net, **kwargs)
        for own, given, names in (
            (module._arg_params, arg_params, module.param_names),
            (module._aux_params, aux_params, module.aux_names),
        ):
            missing = [name for name in names if name not in given]
            if missing:
                raise ValueError(f"{prefix}-{epoch:04d}.params holds no {missing[0]}")
            own.update({name: given[name] for name in names})
        module.params_initialized = True
        if load_optimizer_states:
            state = TrainingState.load(f"{prefix}-{epoch:04d}.states")
            if state.checksum != checksum(module._all_params()):
                raise ValueError(
                    f"{state.source} was not saved together with {prefix}-{epoch:04d}.params; was "
                    "the writing cut off? Load an earlier epoch, or leave the states out"
                )
            module._pending_state = state
        return module

    def save_params(self, fname) -> None:
        """Write the parameters to a `.params` or `.safetensors` file."""
        model.save_params(fname, *self.get_params())

    def load_params(self, fname) -> None:
        """Take over the parameters from a `.params` or `.safetensors` file."""
        self.set_params(*model.load_params(fname))

    def save_optimizer_states(self, fname) -> None:
        """Write the optimizer's state (momentum and so on) and that of the random numbers."""
        if not self.optimizer_initialized:
            raise RuntimeError("there is no optimizer yet: call init_optimizer or fit first")
        params = self._all_params()
        TrainingState.capture(self._optimizer, self._states, self.param_names, params).save(fname)

    def load_optimizer_states(self, fname) -> None:
        """Take over the optimizer's state and that of the random numbers.

        Raises ValueError if the file is damaged, or of another optimizer or network.
        """
        if not self.optimizer_initialized:
            raise RuntimeError("call init_optimizer before load_optimizer_states")
        TrainingState.load(fname).restore(self._optimizer, self._states, self.param_names)

    def _all_params(self):
        return {**self._arg_params, **self._aux_params}

    # ---- checks

    def _check_bound(self):
        if not self.binded:
            raise RuntimeError(
                "this module is not bound to shapes yet: call bind(data_shapes=...) or fit first"
            )

    def _check_ready(self):
        if not (self.binded and self.params_initialized):
            raise RuntimeError(
                "this module has no parameters yet: call fit, or bind(data_shapes=...) and then "
                "init_params(); after Module.load, bind is enough"
            )

    def _logger(self):
        return logging.getLogger() if self.logger is logging else self.logger


def _shapes(descriptions):
    return [(desc[0], tuple(desc[1])) for desc in descriptions]


def _describe(shapes, names, kind):
    """DataDesc for each name, in the module's order."""
    given = [desc if isinstance(desc, DataDesc) else DataDesc(*desc) for desc in shapes]
    by_name = {desc.name: desc for desc in given}
    if kind == "label":
        return [by_name[name] for name in names if name in by_name]
    if sorted(by_name) != sorted(names):
        raise ValueError(
            f"Data provided by data_shapes don't match names specified by data_names "
            f"({sorted(by_name)} vs. {sorted(names)})"
        )
    return [by_name[name] for name in names]


def _check_given(own, given, names, allow_missing, allow_extra):
    if given is None:
        return
    extra = sorted(set(given) - set(names))
    if extra and not allow_extra:
        raise ValueError(
            f'Find name "{extra[0]}" that is not in the arguments: {", ".join(names)}; '
            "allow_extra=True passes over it"
        )
    for name in names:
        if name not in given:
            if not allow_missing:
                raise ValueError(f"{name} is not presented; allow_missing=True initialises it")
        elif np.shape(given[name]) != own[name].shape:
            raise ShapeError(
                f"{name}: expected shape {own[name].shape}, got {np.shape(given[name])}"
            )


def _fitting_label(label, shape, name):
    """Labels (N, 1) or (1, N) where (N,) is bound, and the like, are taken for what they mean."""
    array = np.asarray(label)
    if array.shape != shape and array.size == np.prod(shape):
        return array.reshape(shape)
    if array.shape != shape:
        raise ShapeError(f"{name}: expected {shape[0]} labels, of shape {shape}, got {array.shape}")
    return array
