"""Damage a network or its digits, and see what it minds."""

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from course.datasets import augment
from course.widgets.explorer import DigitExplorer
from course.widgets.inspector import Inspector
from course.widgets.picture import Picture
from course.widgets.theme import COLOURS, new_figure

_MOST = 500  # digits that the accuracy is measured on: fast enough to follow a slider


class Surgery(DigitExplorer):
    """Silence filters and neurons, shift, turn, blur with noise or cover the digits.

    images (N, C, H, W), labels (N,). `silenced` are pairs (layer, unit); `right`, `down` pixels,
    `turn` degrees, `noise` a standard deviation, `cover` the side of a square. `accuracy` is that
    of the damaged network on the damaged digits, `probabilities` its answer for `digit`.
    """

    title = "Surgery"

    silenced = traitlets.List(help="(layer, unit) pairs that put out 0")
    right = traitlets.Int(0)
    down = traitlets.Int(0)
    turn = traitlets.Float(0)
    noise = traitlets.Float(0, min=0)
    cover = traitlets.Int(0, min=0)
    accuracy = traitlets.Float()
    probabilities = traitlets.Any()

    def __init__(self, module, images, labels):
        self._inspector = Inspector(module)
        super().__init__(images, labels, most=_MOST)
        weights = self._inspector.get_weights()
        self._sizes = {
            name: len(weights[f"{name}_weight"])
            for name in self._inspector.layers
            if f"{name}_weight" in weights
        }
        healthy = self._inspector.probabilities(self._images)
        self._healthy = healthy
        self.healthy_accuracy = float((healthy.argmax(axis=1) == self._labels).mean())
        self._picture = Picture(scale=1.5)
        self._make_controls()
        damages = ["silenced", "right", "down", "turn", "noise", "cover"]
        self.observe(self._operate, damages)
        self.observe(self._redraw, "digit")
        self._operate()

    def _make_controls(self):
        def linked(box, name):
            traitlets.link((self, name), (box, "value"))
            box.style.description_width = "100px"
            box.layout.width = "265px"
            return box

        self._layer = ipywidgets.Dropdown(options=list(self._sizes), description="layer")
        self._layer.layout.width = "220px"
        self._unit = ipywidgets.BoundedIntText(0, 0, 0, description="filter or neuron")
        self._unit.style.description_width = "initial"
        self._unit.layout.width = "190px"
        self._layer.observe(self._limit_unit, "value")
        silence = ipywidgets.Button(description="Silence it", icon="volume-off")
        heal = ipywidgets.Button(description="Heal all", icon="medkit")
        silence.on_click(lambda _: self.silence(self._layer.value, self._unit.value))
        heal.on_click(lambda _: self.heal())
        wrap = {"flex_flow": "row wrap"}
        sliders = [
            linked(ipywidgets.IntSlider(0, -10, 10, description="to the right, px"), "right"),
            linked(ipywidgets.IntSlider(0, -10, 10, description="down, px"), "down"),
            linked(
                ipywidgets.FloatSlider(0, min=-90, max=90, step=5, description="turn, °"), "turn"
            ),
            linked(
                ipywidgets.FloatSlider(0, min=0, max=1, step=0.05, description="noise"), "noise"
            ),
            linked(ipywidgets.IntSlider(0, 0, 20, description="cover, px"), "cover"),
        ]
        digit = ipywidgets.BoundedIntText(0, 0, len(self._images) - 1, description="digit no.")
        linked(digit, "digit")
        self._says = ipywidgets.HTML()
        self.children = [
            ipywidgets.HBox([self._layer, self._unit, silence, heal], layout=wrap),
            ipywidgets.HBox([digit, *sliders], layout=wrap),
            self._picture,
            self._says,
        ]
        self._limit_unit()

    def silence(self, layer: str, unit: int) -> None:
        """The filter or neuron puts out 0 from now on. Raises ValueError if there is none."""
        if layer not in self._sizes or not 0 <= unit < self._sizes[layer]:
            raise ValueError(
                f"there is no unit {unit} in a layer {layer!r}; the layers have "
                + ", ".join(f"{name}: {size}" for name, size in self._sizes.items())
            )
        if (layer, unit) not in self.silenced:
            self.silenced = [*self.silenced, (layer, unit)]

    def heal(self) -> None:
        """Take back all damage."""
        with self.hold_trait_notifications():
            self.silenced = []
            self.right = self.down = self.cover = 0
            self.turn = self.noise = 0.0

    def damaged(self) -> np.ndarray:
        """The digits as the network gets them now."""
        images = self._images
        if self.turn:
            images = augment.rotate(images, self.turn)
        if self.right or self.down:
            images = augment.shift(images, self.right, self.down)
        if self.noise:
            images = augment.add_noise(images, self.noise, seed=0)
        return augment.occlude(images, self.cover) if self.cover else images

    def _operate(self, change=None):
        self._inspector.refresh()
        weights = self._inspector.get_weights()
        for layer, unit in self.silenced:
            # Without weights and bias its sum is 0, and relu, tanh and the next layer make
            # nothing of that.
            for name in (f"{layer}_weight", f"{layer}_bias"):
                if name in weights:
                    weights[name][unit] = 0
        self._inspector.set_weights(weights)
        self._damaged = self.damaged()
        self._answers = self._inspector.probabilities(self._damaged)
        self.accuracy = float((self._answers.argmax(axis=1) == self._labels).mean())
        self._redraw()

    def _redraw(self, change=None):
        self.probabilities = self._answers[self.digit]
        self._picture.show(self.figure(), self.description())
        self._says.value = f"<div role='status'>{self.description()}</div>"

    def _limit_unit(self, change=None):
        self._unit.value = 0
        self._unit.max = self._sizes[self._layer.value] - 1

    def figure(self) -> Figure:
        """Accuracy, the digit, and its probabilities, before and after."""
        figure = new_figure(10, 3.2)
        scores, digit, bars = figure.subplots(1, 3, width_ratios=[1.6, 2, 4])
        values = [self.healthy_accuracy, self.accuracy]
        # A list: matplotlib 3.8 takes a tuple of two for a colour and its transparency.
        scores.bar(["before", "after"], values, color=list(COLOURS[:2]))
        for k, value in enumerate(values):
            scores.annotate(f"{value:.1%}", (k, value), ha="center", va="bottom")
        scores.set(ylim=(0, 1.12), title=f"accuracy, {len(self._images)} digits", ylabel="accuracy")
        scores.set_yticks([0, 0.5, 1])
        scores.yaxis.set_major_formatter(PercentFormatter(1))
        digit.imshow(self._damaged[self.digit, 0], cmap="gray_r", vmin=0, vmax=1)
        digit.set(title=f"digit no. {self.digit}, a {self._labels[self.digit]}")
        digit.set(xticks=[], yticks=[])
        places = np.arange(10)
        bars.bar(places - 0.2, self._healthy[self.digit], 0.4, color=COLOURS[0], label="before")
        bars.bar(places + 0.2, self.probabilities, 0.4, color=COLOURS[1], label="after")
        bars.set(xticks=places, ylim=(0, 1), xlabel="digit", title="what the network reads in it")
        bars.set_ylabel("probability")
        bars.yaxis.set_major_formatter(PercentFormatter(1))
        bars.legend(frameon=False)
        for axes in (scores, bars):
            axes.spines[["top", "right"]].set_visible(False)
        return figure

    def description(self) -> str:
        """The accuracy before and after, and what the digit is read as."""
        before, after = self._healthy[self.digit].argmax(), self.probabilities.argmax()
        units = ", ".join(f"{unit} of {layer}" for layer, unit in self.silenced)
        silenced = f" Silenced: no. {units}." if units else ""
        return (
            f"Accuracy {self.healthy_accuracy:.1%} before, {self.accuracy:.1%} after. Digit no. "
            f"{self.digit}, a {self._labels[self.digit]}, was read as {before} and is read as "
            f"{after} ({self.probabilities.max():.0%}).{silenced}"
        )
