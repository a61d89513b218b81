"""The graph: layers and the edges between them, before any number is computed.

A symbol stands for the output of a layer (or of several). The graph is a DAG: a symbol may be
used any number of times. `infer_shape` walks through it; `Module` binds it to arrays. The
functions that make symbols are in `symbol.py`.
"""

import inspect
import json
import warnings
from pathlib import Path

from course import graph_json, name
from course.files import replacing
from course.layers import Layer, ShapeError
from course.operators import OPERATORS, make_layer


class Node:
    """A variable (`op` None) or a layer of the graph, with the nodes that feed it.

    `inputs` are in the order of the layer's inputs, parameters and states.
    """

    def __init__(self, op: str | None, name: str, attrs: dict, inputs: list["Node"]):
        self.op = op
        self.name = name
        self.attrs = attrs
        self.inputs = inputs

    def layer(self) -> Layer:
        """A new layer that computes this node."""
        return make_layer(self.op, self.attrs, self.name)

    @property
    def output_name(self) -> str:
        """`<name>_output`, or a variable's own name."""
        return self.name if self.op is None else f"{self.name}_output"


class Symbol:
    """One output of a graph, or a group of several."""

    def __init__(self, outputs: list[Node]):
        self._outputs = outputs

    @property
    def name(self) -> str | None:
        """The name of the layer; None for a group."""
        return self._outputs[0].name if len(self._outputs) == 1 else None

    @property
    def outputs(self) -> list[Node]:
        """The nodes whose outputs this symbol stands for."""
        return list(self._outputs)

    def __repr__(self):
        if self.name is not None:
            return f"<Symbol {self.name}>"
        return f"<Symbol group [{', '.join(node.name for node in self._outputs)}]>"

    def __len__(self):
        return len(self._outputs)

    def __iter__(self):
        return (Symbol([node]) for node in self._outputs)

    def __getitem__(self, index: int | str) -> "Symbol":
        """One output, by number or by name. Raises IndexError or ValueError if there is none."""
        if isinstance(index, str):
            names = self.list_outputs()
            if index not in names:
                raise ValueError(f"no output is named {index!r}; there are {', '.join(names)}")
            index = names.index(index)
        return Symbol([self._outputs[index]])

    # ---- the graph

    def nodes(self) -> list[Node]:
        """All nodes, each after those that feed it (depth first, as MXNet orders them).

        Raises ValueError if two of them have the same name.
        """
        order: list[Node] = []
        seen: set[int] = set()
        stack = [(node, False) for node in reversed(self._outputs)]
        while stack:
            node, inputs_done = stack.pop()
            if inputs_done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(node.inputs))
        names = [node.name for node in order]
        if len(set(names)) < len(names):
            twice = next(text for text in names if names.count(text) > 1)
            raise ValueError(
                f"two different nodes are named {twice!r}; give each layer its own name, and use "
                "one variable in both places where the same value is meant"
            )
        return order

    def _variables(self) -> tuple[list[Node], list[Node]]:
        """The variables among the nodes: arguments, and auxiliary states.

        Raises ValueError if a layer's parameter is none.
        """
        order = self.nodes()
        states = set()
        for node in order:
            if node.op is None:
                continue
            layer = node.layer()
            slots = node.inputs[len(layer.input_names) :]
            for key, child in zip(layer.param_names + layer.state_names, slots, strict=True):
                if child.op is not None:
                    raise ValueError(
                        f"{node.name}: {key} must be a variable, such as mx.sym.Variable({key!r}), "
                        f"but {child.name} is computed; the library cannot learn through it"
                    )
            states.update(id(state) for state in slots[len(layer.param_names) :])
        variables = [node for node in order if node.op is None]
        arguments = [node for node in variables if id(node) not in states]
        return arguments, [node for node in variables if id(node) in states]

    def list_arguments(self) -> list[str]:
        """Names of the inputs and parameters, depth first."""
        return [node.name for node in self._variables()[0]]

    def list_auxiliary_states(self) -> list[str]:
        """Names of the arrays that `forward` itself updates, such as moving averages."""
        return [node.name for node in self._variables()[1]]

    def list_inputs(self) -> list[str]:
        """Arguments, then auxiliary states."""
        return self.list_arguments() + self.list_auxiliary_states()

    def list_outputs(self) -> list[str]:
        """Names of the outputs."""
        return [node.output_name for node in self._outputs]

    def get_internals(self) -> "Symbol":
        """A group of the outputs of all nodes: `net.get_internals()['fc1_output']`."""
        return Symbol(self.nodes())

    def get_children(self) -> "Symbol | None":
        """A group of what feeds this layer; None for a variable."""
        children = [child for node in self._outputs for child in node.inputs]
        return Symbol(children) if children else None

    def attr(self, key: str) -> str | None:
        """One attribute of the layer as text, or None."""
        return self.list_attr().get(key)

    def list_attr(self) -> dict[str, str]:
        """The attributes of the layer as text. Raises ValueError for a group."""
        if len(self._outputs) != 1:
            raise ValueError("a group has no attributes of its own; pick one output of it")
        return graph_json.as_text(self._outputs[0].attrs)

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """The attributes of all nodes that have any, by node name."""
        return {node.name: graph_json.as_text(node.attrs) for node in self.nodes() if node.attrs}

    # ---- shapes

    def infer_shape(self, *positional: tuple[int, ...] | None, **shapes: tuple[int, ...]):
        """(argument shapes, output shapes, auxiliary shapes), in the order of the list_ methods.

        Known shapes come by name, or by position as in `list_arguments`. If they do not suffice,
        warns and returns (None, None, None). Raises ShapeError, which names the layer.
        """
        if positional and shapes:
            raise ValueError("give the shapes by position or by name, not both")
        if positional:
            given = zip(self.list_arguments(), positional, strict=False)
            shapes = {key: shape for key, shape in given if shape is not None}
        known = self.infer_all_shapes(shapes)
        arguments, states = self._variables()
        missing = [node.name for node in arguments if node.name not in known]
        if missing:
            warnings.warn(
                f"cannot decide the shapes of {', '.join(missing)}; give more of them",
                stacklevel=2,
            )
            return None, None, None
        return (
            [known[node.name] for node in arguments],
            [known[node.name] for node in self._outputs],
            [known[node.name] for node in states],
        )

    def infer_all_shapes(self, given: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """The shape of each node's output, by node name, as far as it can be decided."""
        order = self.nodes()
        shapes = self._checked_shapes(order, given)
        for node in order:
            if node.op is None:
                continue
            layer = node.layer()
            data = node.inputs[: len(layer.input_names)]
            inputs = [shapes.get(child.name) for child in data]
            unknown = [key for key, s in zip(layer.input_names, inputs, strict=True) if s is None]
            if len(unknown) == len(inputs) or any(key not in layer.follows for key in unknown):
                continue
            found = layer.infer_shape(*inputs)
            for child, shape in zip(data, found.inputs, strict=True):
                shapes.setdefault(child.name, shape)
            slots = node.inputs[len(data) :]
            wanted = {**found.params, **found.states}
            for child, (key, shape) in zip(slots, wanted.items(), strict=True):
                layer.check_param(key, shapes.setdefault(child.name, shape), shape)
            shapes[node.name] = found.output
        return shapes

    def _checked_shapes(self, order, given):
        names = [node.name for node in order if node.op is None]
        shapes = {}
        for node in order:
            if node.op is None and node.attrs.get("__shape__"):
                shapes[node.name] = tuple(node.attrs["__shape__"])
        for key, shape in given.items():
            if key not in names:
                raise ValueError(f"there is no input {key!r}; there are {', '.join(names)}")
            if not isinstance(shape, (tuple, list)):
                raise TypeError(f"the shape of {key} must be a tuple, got {shape!r}")
            if any(not isinstance(size, int) or size < 0 for size in map(_as_int, shape)):
                raise ShapeError(f"the shape of {key} must be of whole numbers, got {shape}")
            shapes[key] = tuple(map(_as_int, shape))
        return shapes

    # ---- composition

    def __call__(self, **replacements: "Symbol") -> "Symbol":
        """A copy of the graph with variables replaced by other symbols: net(data=other)."""
        unknown = set(replacements) - set(self.list_arguments())
        if unknown:
            raise ValueError(
                f"there is no argument {sorted(unknown)[0]!r} to replace; "
                f"there are {', '.join(self.list_arguments())}"
            )
        copies: dict[int, Node] = {}
        for node in self.nodes():
            if node.op is None and node.name in replacements:
                copies[id(node)] = _single(replacements[node.name], node.name)
            elif node.op is None:
                copies[id(node)] = node
            else:
                inputs = [copies[id(child)] for child in node.inputs]
                copies[id(node)] = Node(node.op, node.name, node.attrs, inputs)
        return Symbol([copies[id(node)] for node in self._outputs])

    def __add__(self, other):
        return _binary(self, other, "elemwise_add", "_plus_scalar", "_plus")

    __radd__ = __add__

    def __sub__(self, other):
        return _binary(self, other, "elemwise_sub", "_minus_scalar", "_minus")

    def __rsub__(self, other):
        return _binary(self, other, "elemwise_sub", "_rminus_scalar", "_rminus")

    def __mul__(self, other):
        return _binary(self, other, "elemwise_mul", "_mul_scalar", "_mul")

    __rmul__ = __mul__

    def __neg__(self):
        return self * -1.0

    # ---- files

    def tojson(self) -> str:
        """The graph in MXNet's JSON format."""
        order = self.nodes()
        index = {id(node): k for k, node in enumerate(order)}
        entries = []
        for node in order:
            inputs = [[index[id(child)], 0, 0] for child in node.inputs]
            entry = {"op": node.op or "null", "name": node.name, "inputs": inputs}
            if node.attrs:
                entry["attrs"] = graph_json.as_text(node.attrs)
            entries.append(entry)
        graph = {
            "nodes": entries,
            "arg_nodes": [k for k, node in enumerate(order) if node.op is None],
            "node_row_ptr": list(range(len(order) + 1)),
            "heads": [[index[id(node)], 0, 0] for node in self._outputs],
            "attrs": {"mxnet_version": ["int", 10901]},
        }
        return json.dumps(graph, indent=2)

    def save(self, fname: str | Path) -> None:
        """Write the graph to a file, in MXNet's JSON format; complete or not at all."""
        with replacing(fname) as file:
            file.write(self.tojson().encode())


# ---- making symbols


def apply(op: str, inputs: dict, attrs: dict, given_name: str | None, hint=None) -> Symbol:
    """The symbol of a layer `op`; inputs that are None become variables named after it."""
    for key, symbol in inputs.items():
        if symbol is not None and not isinstance(symbol, Symbol):
            raise TypeError(f"{op}: {key} must be a symbol, got {type(symbol).__name__}")
    defaults = inspect.signature(OPERATORS[op]).parameters
    attrs = {k: v for k, v in attrs.items() if v is not None and v != defaults[k].default}
    layer = make_layer(op, attrs, given_name)  # checks the attributes before a name is used up
    node_name = name.current().get(given_name, hint or op.lower())
    nodes = []
    for key in (*layer.input_names, *layer.param_names, *layer.state_names):
        symbol = inputs.get(key)
        node = Node(None, f"{node_name}_{key}", {}, []) if symbol is None else _single(symbol, key)
        nodes.append(node)
    return Symbol([Node(op, node_name, attrs, nodes)])


def _single(symbol: Symbol, key: str) -> Node:
    if len(symbol.outputs) != 1:
        raise ValueError(f"{key} must be one symbol, got a group of {len(symbol.outputs)}")
    return symbol.outputs[0]


def _binary(symbol, other, op, scalar_op, hint):
    if isinstance(other, Symbol):
        return apply(op, {"lhs": symbol, "rhs": other}, {}, None, hint)
    if isinstance(other, (int, float)) and not isinstance(other, bool):
        return apply(scalar_op, {"data": symbol}, {"scalar": other}, None, f"{hint}scalar")
    return NotImplemented


# ---- reading JSON


def load(fname: str | Path) -> Symbol:
    """The graph from a file that `save`, or MXNet 1.x, wrote. Raises ValueError if it is none."""
    size = Path(fname).stat().st_size
    with Path(fname).open("rb") as file:  # no more of it than it takes to refuse it
        text = file.read(min(size, graph_json.LONGEST_TEXT) + 1)
    return load_json(text, source=str(fname))


def load_json(text: str | bytes, source: str = "the text") -> Symbol:
    """The graph from MXNet's JSON format. Raises ValueError if the text is none.

    Settings that this library does not know are an error too, unless they say what it does anyway.
    """
    entries, heads = graph_json.read(text, source)
    nodes: list[Node] = []
    for entry in entries:
        inputs = [nodes[index] for index in entry.inputs]
        nodes.append(Node(entry.op, entry.name, entry.attrs, inputs))
    symbol = Symbol([nodes[index] for index in heads])
    try:
        symbol.list_arguments()
    except ValueError as error:
        raise ValueError(f"{source}: {error!s:.500}") from error
    return symbol


def _as_int(size):
    return int(size) if hasattr(size, "__index__") else size
