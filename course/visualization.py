"""A network as a table (`print_summary`) and as a picture; pictures in a notebook (`show`)."""

import io
import math

import numpy as np

from course.arguments import flag, whole_number
from course.graph import Node, Symbol
from course.layers.base import times

_COLUMNS = ("Layer (type)", "Output Shape", "Param #", "Previous Layer")

# A palette that colour-blind people can tell apart (Okabe and Ito, 2008), by kind of layer.
_COLOURS = {
    "null": "#FFFFFF",
    "FullyConnected": "#E69F00",
    "Convolution": "#E69F00",
    "Activation": "#56B4E9",
    "Pooling": "#009E73",
    "BatchNorm": "#F0E442",
    "Dropout": "#F0E442",
    "Flatten": "#CCCCCC",
    "SoftmaxOutput": "#CC79A7",
    "softmax": "#CC79A7",
}


def print_summary(symbol: Symbol, shape=None, line_length=120, positions=(0.44, 0.64, 0.74, 1.0)):
    """Print a table of the layers: output shape (without the batch), parameters, what feeds them.

    `shape`: the inputs' shapes, such as {'data': (1, 1, 28, 28)}; without it, shapes and
    parameter counts are left blank. Raises ValueError if it does not suffice.
    """
    shapes = _all_shapes(symbol, shape)
    line_length = whole_number(line_length, "line_length", 20, 10_000)
    if len(positions) != len(_COLUMNS):
        raise ValueError(f"positions must be {len(_COLUMNS)} parts of the line, got {positions!r}")
    stops = [int(line_length * position) for position in positions]

    def line(fields):
        text = ""
        for field, stop in zip(fields, stops, strict=True):
            text = (text + str(field))[: stop - 1].ljust(stop)
        print(text.rstrip())

    print("_" * line_length)
    line(_COLUMNS)
    print("=" * line_length)
    shown = _shown(symbol)
    total = 0
    for k, node in enumerate(shown):
        before = [child.name for child in node.inputs if child in shown]
        size = parameter_count(node, shapes)
        total += size
        output = "x".join(map(str, shapes[node.name][1:])) if shapes else ""
        fields = (f"{node.name}({node.op or 'null'})", output, size if shapes else "")
        line((*fields, before[0] if before else ""))
        for other in before[1:]:
            line(("", "", "", other))
        print("=" * line_length if k == len(shown) - 1 else "_" * line_length)
    print(f"Total params: {total}" if shapes else "Total params: unknown without shape=")
    print("_" * line_length)


def plot_network(symbol: Symbol, title="plot", shape=None, hide_weights=True):
    """A matplotlib Figure of the graph, data at the bottom, as in MXNet's pictures.

    With `shape` ({'data': (1, 1, 28, 28)}) the arrows carry the shapes, without the batch.
    `hide_weights=False` draws the parameters too.
    """
    from matplotlib.figure import Figure

    shapes = _all_shapes(symbol, shape)
    nodes = _shown(symbol) if flag(hide_weights, "hide_weights") else symbol.nodes()
    place = _places(nodes)
    width = 1 + max(x for x, _ in place.values())
    height = 1 + max(y for _, y in place.values())
    figure = Figure(figsize=(2.6 * width + 0.6, 0.85 * height + 0.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(-0.6, width - 0.4), ylim=(-0.6, height - 0.4), title=title)
    axes.set_axis_off()
    for node in nodes:
        style = {"boxstyle": "round,pad=0.45", "facecolor": _COLOURS.get(node.op or "null", "#DDD")}
        axes.annotate(
            _label(node), place[id(node)], ha="center", va="center", fontsize=9, bbox=style,
            color="black",
        )  # fmt: skip
        for child in node.inputs:
            if id(child) not in place:
                continue
            (x0, y0), (x1, y1) = place[id(child)], place[id(node)]
            neighbours = y1 - y0 == 1
            bend = "arc3,rad=0" if neighbours else "arc3,rad=0.6"
            arrow = {"arrowstyle": "-|>", "color": "#444", "connectionstyle": bend}
            arrow |= {"shrinkA": 17, "shrinkB": 17}
            axes.annotate("", (x1, y1), (x0, y0), arrowprops=arrow)
            if shapes and neighbours:
                middle = ((x0 + x1) / 2 + 0.04, (y0 + y1) / 2)
                text = times(shapes[child.name][1:])
                axes.annotate(text, middle, fontsize=8, va="center", color="#444")
    return figure


def parameter_count(node: Node, shapes: dict) -> int:
    """How many numbers the layer learns, from inferred shapes. States are not counted."""
    if not shapes or node.op is None:
        return 0
    layer = node.layer()
    first = len(layer.input_names)
    learned = node.inputs[first : first + len(layer.param_names)]
    return sum(math.prod(shapes[child.name]) for child in learned)


def _all_shapes(symbol, shape):
    if not isinstance(symbol, Symbol):
        raise TypeError(f"symbol must be a network such as mx.networks.mlp(), got {symbol!r:.200}")
    if shape is None:
        return {}
    if not isinstance(shape, dict):
        raise TypeError(f"shape must be a dict such as {{'data': (1, 784)}}, got {shape!r:.200}")
    shapes = symbol.infer_all_shapes(shape)
    if any(node.name not in shapes for node in symbol.nodes()):
        raise ValueError("Input shape is incomplete: give the shape of each input of the network")
    return shapes


def _shown(symbol):
    """The layers, and the variables that are data: not parameters, states or labels."""
    hidden = set()
    order = symbol.nodes()
    for node in order:
        if node.op is not None:
            layer = node.layer()
            data = [name for name in layer.input_names if name != "label"]
            hidden.update(id(child) for child in node.inputs[len(data) :])
    return [node for node in order if node.op is not None or id(node) not in hidden]


def _places(nodes):
    """Coordinates: a node stands above all that feed it; neighbours in a row side by side."""
    level, filled, place = {}, {}, {}
    for node in nodes:
        below = [level[id(child)] for child in node.inputs if id(child) in level]
        row = 1 + max(below, default=-1)
        level[id(node)] = row
        place[id(node)] = (filled.get(row, 0), row)
        filled[row] = filled.get(row, 0) + 1
    return place


def _label(node):
    if node.op is None:
        return node.name
    layer = node.layer()
    if node.op == "FullyConnected":
        return f"{node.name}\nFullyConnected {layer.num_hidden}"
    if node.op == "Convolution":
        window = f"{times(layer.kernel)}/{layer.stride[0]}, {layer.num_filter}"
        return f"{node.name}\nConvolution {window}"
    if node.op == "Activation":
        return f"{node.name}\nActivation {layer.act_type}"
    if node.op == "Pooling":
        window = "global" if layer.global_pool else f"{times(layer.kernel)}/{layer.stride[0]}"
        return f"{node.name}\nPooling {layer.pool_type}, {window}"
    return f"{node.name}\n{node.op}"


def plot_predictions(images, probabilities, labels=None, columns=8):
    """A matplotlib Figure of digits, each with the predicted class and its probability.

    images (N, 1, H, W) or (N, H, W) from 0 to 1, probabilities (N, classes), labels (N,): wrong
    predictions are framed, and say what it is. Raises ValueError if the lengths differ.
    """
    from matplotlib.figure import Figure

    columns = whole_number(columns, "columns", 1, 100)
    images, probabilities = np.asarray(images), np.asarray(probabilities)
    if images.ndim < 3 or probabilities.ndim != 2:
        raise ValueError(
            "expected images of shape (N, H, W) and probabilities of shape (N, classes), got "
            f"{images.shape} and {probabilities.shape}"
        )
    count = len(images)
    if len(probabilities) != count or (labels is not None and len(labels) != count):
        raise ValueError(
            f"expected probabilities and labels for each of the {count} images, got "
            f"{len(probabilities)} and {'none' if labels is None else len(labels)}"
        )
    rows = -(-count // columns)
    figure = Figure(figsize=(1.3 * columns, 1.62 * rows), layout="constrained")
    for k, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set(xticks=[], yticks=[])
        if k >= count:
            axes.set_axis_off()
            continue
        axes.imshow(images[k].reshape(images[k].shape[-2:]), cmap="gray_r", vmin=0, vmax=1)
        guess = int(probabilities[k].argmax())
        title = f"{guess}  {probabilities[k][guess]:.0%}"
        wrong = labels is not None and guess != int(labels[k])
        if wrong:
            title += f"\nit is {int(labels[k])}"
        for spine in axes.spines.values():
            spine.set(color="#D55E00" if wrong else "#BBBBBB", linewidth=3 if wrong else 0.8)
        axes.set_title(title, fontsize=9, color="#D55E00" if wrong else "black")
    return figure


def png(figure, dpi=110) -> bytes:
    """The Figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def show(figure, alt: str) -> None:
    """Show a matplotlib Figure below the cell, with `alt` for those who cannot see it.

    Outside a notebook the text is printed.
    """
    from IPython.display import display

    bundle = {"image/png": png(figure), "text/plain": alt}
    display(bundle, metadata={"image/png": {"alt": alt}}, raw=True)
