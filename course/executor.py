"""A graph bound to shapes: every array allocated once, then forward and backward fill them.

The plan is the graph as a list of steps, each a layer with numbered slots for its inputs and its
output. Forward goes through the list, backward goes through it in reverse. Where a value is used
twice, its gradients add up.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from course import layers
from course.arguments import numeric
from course.graph import Symbol
from course.kernels.threads import computing
from course.layers import Layer, ShapeError
from course.layers.base import EMPTY, kernel_ready

GRAD_REQS = ("write", "add", "null")


@dataclass
class Step:
    """One layer at work: it reads the input slots and writes the output slot."""

    layer: Layer
    inputs: list[int]
    output: int
    d_inputs: list = field(default_factory=list)  # arrays for dL/d(input); None: not wanted
    sums: list = field(default_factory=list)  # (total, part): afterwards total += part


class Executor:
    """The arrays of a symbol, and the two ways through it.

    shapes: of the inputs (and any parameters), by name. arg_dict, grad_dict, aux_dict: the
    arrays by name; `args` and `states` share existing ones. grad_req, by name: 'write' (the
    default), 'add' to what is there, or 'null'. Raises ShapeError, which names the layer.
    """

    def __init__(
        self,
        symbol: Symbol,
        shapes: dict[str, tuple[int, ...]],
        grad_req: dict[str, str] | None = None,
        args: dict[str, np.ndarray] | None = None,
        states: dict[str, np.ndarray] | None = None,
        dtype=np.float32,
    ):
        self.symbol = symbol
        self.dtype = np.dtype(dtype)
        names = symbol.list_arguments()
        state_names = symbol.list_auxiliary_states()
        given = {**(args or {}), **(states or {})}
        known = {key: array.shape for key, array in given.items() if key not in shapes}
        self._shapes = symbol.infer_all_shapes({**known, **shapes})
        unknown = [key for key in (*names, *state_names) if key not in self._shapes]
        if unknown:
            raise ShapeError(
                f"cannot decide the shape of {unknown[0]}; give the shapes of all inputs"
            )
        for key in names:
            if 0 in self._shapes[key]:
                raise ShapeError(f"{key}: {EMPTY.format(self._shapes[key])}")
        self.arg_dict = {key: self._array(key, args) for key in names}
        self.aux_dict = {key: self._array(key, states) for key in state_names}
        self._grad_req = {key: (grad_req or {}).get(key, "write") for key in names}
        self.grad_dict = {
            key: np.zeros(self._shapes[key], self.dtype)
            for key in names
            if self._grad_req[key] != "null"
        }
        self._monitor = None
        self._trained = False
        self.outputs: list[np.ndarray] = []
        self._plan(reorder=True)

    def _array(self, key, shared):
        if shared and key in shared:
            return shared[key]
        return np.zeros(self._shapes[key], self.dtype)

    # ---- the plan

    def _plan(self, reorder: bool) -> None:
        """Write the graph down as steps, and allocate what they need."""
        order = self.symbol.nodes()
        self._slot_of = {node.name: slot for slot, node in enumerate(order)}
        self._heads = [self._slot_of[node.name] for node in self.symbol.outputs]
        self._slot_shapes = [self._shapes[node.name] for node in order]
        self._names = [node.output_name for node in order]
        self.steps = []
        for slot, node in enumerate(order):
            if node.op is not None:
                layer = node.layer()
                count = len(layer.input_names)
                inputs = [self._slot_of[child.name] for child in node.inputs[:count]]
                rest = (child.name for child in node.inputs[count:])
                layer.params = {key: self.arg_dict[next(rest)] for key in layer.param_names}
                layer.states = {key: self.aux_dict[next(rest)] for key in layer.state_names}
                self.steps.append(Step(layer, inputs, slot))
        self._variables = [
            (node.name, slot) for slot, node in enumerate(order) if node.name in self.arg_dict
        ]
        if reorder:
            self.steps = _pool_before_activation(self.steps, self._heads, self._slot_shapes)
        self._values = [None] * len(order)
        for step in self.steps:
            shapes = step.layer.infer_shape(*(self._slot_shapes[slot] for slot in step.inputs))
            step.layer.prepare(shapes, self.dtype)
            if not step.layer.is_view:
                self._values[step.output] = np.empty(shapes.output, self.dtype)
        self._plan_backward(order)

    def _plan_backward(self, order) -> None:
        """Decide where each gradient is written, and which are sums of several."""
        params_of = {
            self._slot_of[node.name]: [child.name for child in node.inputs]
            for node in order
            if node.op is not None
        }
        wanted = [node.name in self.grad_dict for node in order]
        for step in self.steps:
            names = params_of[step.output]
            wanted[step.output] = any(wanted[slot] for slot in step.inputs) or any(
                name in self.grad_dict for name in names
            )
        uses = Counter(slot for step in self.steps for slot in step.inputs)
        self._gradients: list[np.ndarray | None] = [None] * len(order)
        self._begun: set[int] = set()  # slots that already hold a part of their gradient
        for name, slot in self._variables:
            if name in self.grad_dict:
                self._gradients[slot] = self.grad_dict[name]
                if self._grad_req[name] == "add":
                    self._begun.add(slot)
        # For outputs whose gradient the caller may give: (output, where to, what it is added to).
        self._out_grads = []
        losses = {step.output for step in self.steps if step.layer.is_loss}
        for index, slot in enumerate(self._heads):
            if slot not in losses and wanted[slot]:
                total = self._buffer(slot)
                part = np.empty_like(total) if slot in self._begun else total
                self._begun.add(slot)
                self._out_grads.append((index, part, None if part is total else total))
        for step in reversed(self.steps):
            step.d_inputs, step.sums = [], []
            if not wanted[step.output]:
                continue
            if not step.layer.is_loss:
                self._buffer(step.output)
            for slot in step.inputs:
                if not wanted[slot]:
                    step.d_inputs.append(None)
                    continue
                if step.layer.is_view and uses[slot] == 1 and self._gradients[slot] is None:
                    # The same numbers under another shape: nothing to copy.
                    flat = self._gradients[step.output]
                    self._gradients[slot] = flat.reshape(self._slot_shapes[slot])
                    self._begun.add(slot)
                    step.d_inputs.append(None)
                    continue
                step.d_inputs.append(self._part(step, slot))
            by_key = dict(zip(step.layer.param_names, self._param_slots(step, order), strict=True))
            step.layer.grads = {key: self._part(step, slot) for key, slot in by_key.items()}

    def _param_slots(self, step, order):
        count = len(step.layer.input_names)
        children = order[self._slot_of[step.layer.name]].inputs[count:]
        return [self._slot_of[child.name] for child in children][: len(step.layer.param_names)]

    def _buffer(self, slot: int) -> np.ndarray:
        if self._gradients[slot] is None:
            self._gradients[slot] = np.zeros(self._slot_shapes[slot], self.dtype)
        return self._gradients[slot]

    def _part(self, step: Step, slot: int) -> np.ndarray:
        """Where the step writes its part of a slot's gradient: the first part goes in directly."""
        total = self._buffer(slot)
        if slot not in self._begun:
            self._begun.add(slot)
            return total
        part = np.empty_like(total)
        step.sums.append((total, part))
        return part

    # ---- the two ways

    def forward(self, is_train: bool = False, **inputs: np.ndarray) -> list[np.ndarray]:
        """The outputs for these inputs; the arrays are overwritten by the next call.

        Inputs keep their last values if not given. Raises ShapeError for an input of another
        shape than the bound one, ValueError for an unknown one.
        """
        for key, value in inputs.items():
            self._set_input(key, value)
        with computing:
            for key, slot in self._variables:
                self._values[slot] = self.arg_dict[key]
            for step in self.steps:
                self.run_step(step, is_train)
                if self._monitor is not None:
                    self._monitor(self._names[step.output], self._values[step.output])
        self._trained = is_train
        self.outputs = [self._values[slot] for slot in self._heads]
        return self.outputs

    def run_step(self, step: Step, is_train: bool) -> None:
        """Forward through one layer."""
        arrays = [self._values[slot] for slot in step.inputs]
        if step.layer.is_view:
            self._values[step.output] = arrays[0].reshape(self._slot_shapes[step.output])
        else:
            step.layer.compute(arrays, self._values[step.output], is_train)

    def run_step_backward(self, step: Step) -> None:
        """Backward through one layer: its part of the gradients, added to what is there."""
        step.layer.gradient(self._gradients[step.output], step.d_inputs)
        for total, part in step.sums:
            total += part

    def value(self, slot: int) -> np.ndarray:
        """The array in a slot, as the last forward left it."""
        return self._values[slot]

    def _set_input(self, key, value):
        if key not in self.arg_dict:
            raise ValueError(
                f"there is no input {key!r}; there are {', '.join(sorted(self.arg_dict))}"
            )
        array = kernel_ready(value, self.dtype, key)
        if array.shape != self._shapes[key]:
            raise ShapeError(
                f"{key}: bound to shape {self._shapes[key]}, got {array.shape}; "
                "bind again for another shape"
            )
        self.arg_dict[key] = array

    def backward(self, out_grads=None) -> None:
        """Fill grad_dict, for the inputs of the last forward.

        A loss layer starts the gradient by itself. Without one, `out_grads` is needed: an array
        or a list, dL/d(output) for each output. Raises RuntimeError before a forward in training.
        """
        if not self._trained:
            raise RuntimeError("call forward with is_train=True before backward")
        if out_grads is None:
            has_loss = any(step.layer.is_loss for step in self.steps)
            if not has_loss:
                raise ValueError(
                    f"no layer of {self.symbol!r} is a loss, so backward needs out_grads: "
                    "dL/d(output) for each output"
                )
            self._set_out_grads([0] * len(self._heads))
        else:
            self._set_out_grads(self._checked_out_grads(out_grads))
        with computing:
            for step in reversed(self.steps):
                if step.layer.grads or any(d is not None for d in step.d_inputs):
                    self.run_step_backward(step)

    def _checked_out_grads(self, out_grads):
        given = out_grads if isinstance(out_grads, (list, tuple)) else [out_grads]
        if len(given) != len(self._heads):
            raise ValueError(
                f"expected {len(self._heads)} out_grads, one for each output, got {len(given)}"
            )
        given = [numeric(value, f"out_grads[{index}]") for index, value in enumerate(given)]
        for index, part, _ in self._out_grads:
            if np.shape(given[index]) != part.shape:
                raise ShapeError(
                    f"{self._names[self._heads[index]]}: expected a gradient of shape "
                    f"{part.shape}, got {np.shape(given[index])}"
                )
        return given

    def _set_out_grads(self, values):
        for index, part, total in self._out_grads:
            part[...] = values[index]
            if total is not None:
                total += part

    def set_monitor_callback(self, callback) -> None:
        """Call `callback(name, array)` after each layer; None ends it.

        Layers then run in the graph's own order, so that each one's output can be seen.
        """
        self._monitor = callback
        self._plan(reorder=callback is None)


def _pool_before_activation(steps, heads, shapes):
    """Swap each activation that only feeds a max pooling with it: max f(x) = f(max x).

    All activations here grow with x, so the result is the same, with a quarter of the work for
    2 × 2 windows. Not where the activation's own output is asked for.
    """
    uses = Counter(slot for step in steps for slot in step.inputs)
    producer = {step.output: step for step in steps}
    for pool in steps:
        if not isinstance(pool.layer, layers.Pooling) or pool.layer.pool_type != "max":
            continue
        if pool.layer.pooling_convention != "valid":  # a window of padding alone is -∞, not f(-∞)
            continue
        activation = producer.get(pool.inputs[0])
        if activation is None or not isinstance(activation.layer, layers.Activation):
            continue
        if uses[activation.output] > 1 or activation.output in heads:
            continue
        shapes[activation.output] = shapes[pool.output]
        activation.layer, pool.layer = pool.layer, activation.layer
    return steps
