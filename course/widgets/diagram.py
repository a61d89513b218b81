"""The network as a diagram whose boxes open: weights, gradients and activations as histograms."""

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course import random
from course.executor import Executor
from course.layers.base import times
from course.visualization import parameter_count
from course.widgets.explorer import DigitExplorer, one_of
from course.widgets.inspector import Inspector
from course.widgets.picture import Picture
from course.widgets.theme import COLOURS, new_figure

_BATCH = 100
_BOX_COLOURS = {"FullyConnected": "#F6CF8F", "Convolution": "#F6CF8F", "Pooling": "#A5DBC8"}


class NetworkDiagram(DigitExplorer):
    """The layers of a module with their shapes and parameter counts; `layer` is the open one.

    images (N, C, H, W), labels (N,): the first hundred go through the network, forward and back,
    for the histograms.
    """

    title = "The network"

    layer = traitlets.Unicode()

    def __init__(self, module, images, labels):
        self._inspector = Inspector(module)
        self._nodes = [node for node in module.symbol.nodes() if node.op is not None]
        shape = (1, *self._inspector.image_shape)
        self._shapes = module.symbol.infer_all_shapes({module.data_names[0]: shape})
        super().__init__(images, labels, most=_BATCH, layer=self._nodes[0].name)
        box = ipywidgets.Dropdown(options=[node.name for node in self._nodes], description="layer")
        traitlets.link((self, "layer"), (box, "value"))
        self._picture = Picture(scale=1.5, clickable=True, hint="click a layer to open it")
        self._picture.observe(self._choose, "clicked")
        self._says = ipywidgets.HTML()
        self.children = [box, self._picture, self._says]
        self.observe(self._redraw, "layer")
        self.refresh()

    @traitlets.validate("layer")
    def _check_layer(self, proposal):
        return one_of(proposal.value, [node.name for node in self._nodes], "layer")

    def refresh(self) -> None:
        """Go through the network again, with the module's present parameters."""
        self._inspector.refresh()
        self._gradients = self._compute_gradients()
        self._redraw()

    def _compute_gradients(self):
        """dL/d(parameter) by name, summed over the batch."""
        module = self._inspector.module
        weights = self._inspector.get_weights()
        executor = Executor(
            module.symbol,
            {module.data_names[0]: self._images.shape},
            args=weights,
            states={name: np.array(value) for name, value in module.get_params()[1].items()},
        )
        inputs = {module.data_names[0]: self._images}
        inputs |= {name: self._labels for name in module.label_names}
        # Dropout draws random numbers; what is drawn here must not change the training.
        chance = random.generator().bit_generator
        before = chance.state
        executor.forward(is_train=True, **inputs)
        executor.backward()
        chance.state = before
        return {name: executor.grad_dict[name] for name in weights}

    def numbers(self) -> dict[str, np.ndarray]:
        """What the histograms of the open layer show, by name."""
        weights = self._inspector.get_weights()
        found = {}
        for kind in ("weight", "bias"):
            name = f"{self.layer}_{kind}"
            if name in weights:
                found[name] = weights[name]
                found[f"gradient of {name}"] = self._gradients[name] / len(self._images)
        found[f"output of {self.layer}"] = self._inspector.output(self.layer, self._images)
        return found

    def _choose(self, change):
        found = self._picture.located(change.new)
        if found is not None and found[0].get_label() == "diagram":
            row = round(-found[2])
            if 0 <= row < len(self._nodes):
                self.layer = self._nodes[row].name

    def _redraw(self, change=None):
        self._picture.show(self.figure(), self.description())
        self._says.value = f"<div role='status'>{self.description()}</div>"

    def figure(self) -> Figure:
        """The layers, one below the other, and the histograms of the open one."""
        numbers = self.numbers()
        figure = new_figure(10, max(4.5, 0.48 * len(self._nodes)))
        grid = figure.add_gridspec(len(numbers), 2, width_ratios=[1, 1.15])
        self._draw_layers(figure.add_subplot(grid[:, 0], label="diagram"))
        for k, (name, values) in enumerate(numbers.items()):
            axes = figure.add_subplot(grid[k, 1])
            colour = COLOURS[1] if name.startswith("gradient") else COLOURS[0]
            axes.hist(np.ravel(values), bins=60, color=colour)
            axes.set_title(f"{name}, {values.size:,} numbers", fontsize=9)
            axes.tick_params(labelsize=8)
            axes.set_ylabel("count", fontsize=8)
            axes.spines[["top", "right"]].set_visible(False)
        return figure

    def _draw_layers(self, axes):
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(-len(self._nodes) + 0.4, 0.6))
        for k, node in enumerate(self._nodes):
            edge, width = ("#D55E00", 3) if node.name == self.layer else ("#767676", 1)
            colour = _BOX_COLOURS.get(node.op, "#BFE0F5")
            axes.add_patch(
                FancyBboxPatch(
                    (0.04, -k - 0.28), 0.5, 0.56, boxstyle="round,pad=0,rounding_size=0.02",
                    mutation_aspect=len(self._nodes), facecolor=colour, edgecolor=edge, lw=width,
                )
            )  # fmt: skip
            axes.text(0.29, -k, f"{node.name}  {node.op}", ha="center", va="center", fontsize=8,
                      color="#111111")  # fmt: skip
            size = parameter_count(node, self._shapes)
            shape = times(self._shapes[node.name][1:])
            text = shape + (f"\n{size:,} parameters" if size else "")
            axes.text(0.58, -k, text, va="center", fontsize=8)

    def description(self) -> str:
        """The network in numbers, and the open layer."""
        total = sum(parameter_count(node, self._shapes) for node in self._nodes)
        shape = times(self._shapes[self.layer][1:])
        spread = ", ".join(
            f"{name} from {values.min():.2g} to {values.max():.2g}"
            for name, values in self.numbers().items()
        )
        return (
            f"{len(self._nodes)} layers with {total:,} parameters. {self.layer} puts out {shape} "
            f"numbers a digit; {spread}."
        )
