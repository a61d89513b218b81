"""Draw a digit, and see what networks read in it."""

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from course.datasets.drawing import like_mnist, rasterise
from course.widgets.explorer import Explorer
from course.widgets.inspector import Inspector, as_inspectors
from course.widgets.pad import Pad
from course.widgets.picture import Picture
from course.widgets.theme import COLOURS, new_figure

_CLASSES = np.arange(10)


class DrawDigit(Explorer):
    """A pad, the drawing as the network gets it, and the probability of each digit.

    modules: a Module, or several by name, {"MLP": mlp, "LeNet": lenet}. `drawing` is the picture
    (28, 28), 0 paper and 1 ink, centred and scaled as MNIST's are unless `like_mnist` is False;
    `probabilities` the answers by name, (10,) each. `strokes` may be set, too.
    """

    title = "Draw a digit"

    strokes = traitlets.List(help="lists of points (x, y) from 0 to 1")
    like_mnist = traitlets.Bool(True, help="centre and scale the drawing as MNIST's digits are")
    drawing = traitlets.Any(help="the picture that the networks get, (28, 28)")
    probabilities = traitlets.Dict(help="name of the network -> (10,) probabilities")

    def __init__(self, modules):
        self._inspectors: dict[str, Inspector] = as_inspectors(modules)
        self.pad = Pad()
        self._picture = Picture(scale=1.5)
        self._prepare = ipywidgets.Checkbox(
            True, description="centre and scale like MNIST", indent=False
        )
        self._says = ipywidgets.HTML()
        super().__init__()
        traitlets.link((self, "strokes"), (self.pad, "strokes"))
        traitlets.link((self, "like_mnist"), (self._prepare, "value"))
        left = ipywidgets.VBox([self.pad, self._prepare])
        self.children = [
            ipywidgets.HBox([left, self._picture], layout={"flex_flow": "row wrap"}),
            self._says,
        ]
        self._read()

    def refresh(self) -> None:
        """Read the drawing again, with the networks' present parameters."""
        for inspector in self._inspectors.values():
            inspector.refresh()
        self._read()

    @traitlets.observe("strokes", "like_mnist")
    def _read(self, change=None):
        picture = rasterise(self.strokes, self.pad.pen)
        if self.like_mnist:
            self.drawing = like_mnist(picture)
        else:
            self.drawing = picture.reshape(28, 4, 28, 4).mean(axis=(1, 3))
        images = self.drawing[None, None]
        self.probabilities = {
            name: inspector.probabilities(images)[0] for name, inspector in self._inspectors.items()
        }
        self._picture.show(self.figure(), self.description())
        self._says.value = f"<div role='status' aria-live='polite'>{self.description()}</div>"

    def figure(self) -> Figure:
        """The drawing as the network gets it, and a bar for each digit's probability."""
        count = len(self._inspectors)
        # Beside the pad even where a file browser takes its part of 1280 pixels.
        figure = new_figure(2.2 + 1.55 * count, 3)
        digit, *bars = figure.subplots(1, 1 + count, width_ratios=[2.2] + [1.55] * count)
        digit.imshow(self.drawing, cmap="gray_r", vmin=0, vmax=1)
        digit.set_title("what it gets", fontsize=11)
        digit.set(xticks=[0, 27], yticks=[0, 27])
        if self.like_mnist:
            digit.add_patch(_box())
        for axes, colour, (name, values) in zip(
            bars, COLOURS, self.probabilities.items(), strict=False
        ):
            shown = values if self.strokes else np.zeros(10)
            axes.barh(_CLASSES, shown, color=colour)
            axes.set(xlim=(0, 1), yticks=_CLASSES, xlabel="probability")
            axes.set_title(name, fontsize=11)
            axes.xaxis.set_major_formatter(PercentFormatter(1))
            axes.set_xticks([0, 0.5, 1])
            axes.invert_yaxis()
            axes.spines[["top", "right"]].set_visible(False)
        return figure

    def description(self) -> str:
        """What each network reads."""
        if not self.strokes:
            return "The pad is empty: draw a digit from 0 to 9."
        return " ".join(
            f"{name} reads a {values.argmax()} ({values.max():.0%})."
            for name, values in self.probabilities.items()
        )


def _box():
    """The 20 × 20 pixels that the digit was scaled to, where they would be if it were centred."""
    return Rectangle((4, 4), 20, 20, fill=False, edgecolor="#0072B2", linestyle=":")
