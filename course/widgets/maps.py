"""Filters and feature maps: what a layer's weights look like, and what it makes of a digit."""

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from course.widgets.explorer import DigitExplorer, one_of
from course.widgets.inspector import Inspector
from course.widgets.picture import Picture
from course.widgets.theme import new_figure
from course.widgets.tiles import Tiles

_MOST = 64  # maps, filters or neurons in one picture
_SHOWN = 10  # digits that excite a filter most
_COLUMNS = 16


class FeatureMaps(DigitExplorer):
    """Any layer of a module: its weights as images, and its output for one digit.

    images (N, C, H, W), labels (N,): the digits to choose from. `layer`, `digit` (an index) and
    `unit` (a filter or neuron, whose favourite digits are shown) say what is seen. drawing: a
    DrawDigit; with `from_pad` its drawing takes the place of the digit.
    """

    title = "Filters and feature maps"

    layer = traitlets.Unicode()
    unit = traitlets.Int(0, min=0)
    from_pad = traitlets.Bool(False, help="use the drawing instead of a digit of the data")

    def __init__(self, module, images, labels, drawing=None):
        self._inspector = Inspector(module)
        self._drawing = drawing
        self._excitement: dict[str, np.ndarray] = {}
        blank = np.zeros((1, *self._inspector.image_shape), np.float32)
        self._layers = [
            name
            for name in self._inspector.layers
            if self._inspector.output(name, blank).ndim in (2, 4)
        ]
        super().__init__(images, labels, layer=self._layers[0])
        self._picture = Picture(scale=1.5, clickable=True, hint="click a picture to choose it")
        self._make_controls()
        self._picture.observe(self._choose, "clicked")
        self.observe(self._redraw, ["layer", "digit", "unit", "from_pad"])
        if drawing is not None:
            drawing.observe(self._follow_drawing, "drawing")
        self._redraw()

    @traitlets.validate("layer")
    def _check_layer(self, proposal):
        return one_of(proposal.value, self._layers, "layer")

    def _make_controls(self):
        layer = ipywidgets.Dropdown(options=self._layers, description="layer")
        digit = ipywidgets.BoundedIntText(0, 0, len(self._images) - 1, description="digit no.")
        self._unit_box = ipywidgets.BoundedIntText(0, 0, 0, description="filter")
        for box in (layer, digit, self._unit_box):
            box.layout.width = "220px"
        pad = ipywidgets.Checkbox(description="use my drawing", indent=False)
        pad.layout.display = "" if self._drawing is not None else "none"
        traitlets.link((self, "layer"), (layer, "value"))
        traitlets.link((self, "digit"), (digit, "value"))
        traitlets.link((self, "unit"), (self._unit_box, "value"))
        traitlets.link((self, "from_pad"), (pad, "value"))
        controls = ipywidgets.HBox([layer, digit, self._unit_box, pad])
        controls.layout.flex_flow = "row wrap"
        self._says = ipywidgets.HTML()
        self.children = [controls, self._picture, self._says]

    def refresh(self) -> None:
        """Look again, at the module's present parameters."""
        self._inspector.refresh()
        self._excitement.clear()
        self._redraw()

    # ---- the numbers

    @property
    def image(self) -> np.ndarray:
        """The digit that goes through the network: (C, H, W)."""
        if self.from_pad and self._drawing is not None:
            return np.asarray(self._drawing.drawing, np.float32)[None]
        return self._images[self.digit]

    def maps(self) -> np.ndarray:
        """The layer's output for the digit: (channels, H, W), or (neurons,)."""
        return self._inspector.output(self.layer, self.image[None])[0]

    def weights(self) -> np.ndarray | None:
        """The layer's weights as images (filters, H, W): of a convolution, the mean over its input
        channels; of neurons on the picture itself, one image each. None where that is no image.
        """
        weight = self._inspector.get_weights().get(f"{self.layer}_weight")
        if weight is None:
            return None
        if weight.ndim == 4:
            return weight.mean(axis=1)
        _, height, width = self._inspector.image_shape
        if weight.shape[1] == height * width:
            return weight.reshape(-1, height, width)
        return None

    def favourites(self) -> np.ndarray:
        """Indices of the digits that excite `unit` most: those with its largest outputs."""
        if self.layer not in self._excitement:
            output = self._inspector.output(self.layer, self._images)
            self._excitement[self.layer] = output.reshape(*output.shape[:2], -1).max(axis=2)
        scores = self._excitement[self.layer][:, self.unit]
        return np.argsort(-scores, kind="stable")[:_SHOWN]

    # ---- the picture

    def _follow_drawing(self, change):
        if self.from_pad:
            self._redraw()

    def _redraw(self, change=None):
        count = len(self.maps())
        self._unit_box.description = "filter" if self.maps().ndim == 3 else "neuron"
        if self.unit >= count:
            self.unit = 0  # comes back here
            return
        self._unit_box.max = count - 1
        self._picture.show(self.figure(), self.description())
        self._says.value = f"<div role='status'>{self.description()}</div>"

    def _choose(self, change):
        found = self._picture.located(change.new)
        if found is None:
            return
        axes, x, y = found
        kind = axes.get_label()
        if kind == "neurons":
            self.unit = int(np.clip(round(x), 0, len(self.maps()) - 1))
        elif kind in self._tiles:
            k = self._tiles[kind].index(x, y)
            if k is None:
                return
            if kind == "favourites":
                self.from_pad = False
                self.digit = int(self.favourites()[k])
            else:
                self.unit = k

    def figure(self) -> Figure:
        """The digit; the digits that excite the chosen unit most; the weights; the maps."""
        maps, weights = self.maps(), self.weights()
        self._tiles = {"favourites": Tiles(self._images[self.favourites(), 0], _SHOWN)}
        if maps.ndim == 3:
            self._tiles["output"] = Tiles(maps[:_MOST], _COLUMNS)
        if weights is not None:
            self._tiles["weights"] = Tiles(weights[:_MOST], _COLUMNS)
        rows = [what for what in ("weights", "output") if what in self._tiles]
        heights = [9 * self._tiles[what].aspect + 0.3 for what in rows]
        if maps.ndim == 1:
            rows.append("neurons")
            heights.append(1.8)
        figure = new_figure(10, 1.7 + sum(heights))
        top, *below = figure.add_gridspec(1 + len(rows), 1, height_ratios=[1.4, *heights])
        digit, favourites = top.subgridspec(1, 2, width_ratios=[1, 6]).subplots()
        self._draw_digit(digit)
        favourites.set_label("favourites")
        favourites.set_title(f"what excites {self._unit_name()} most", fontsize=10)
        captions = [str(self._labels[k]) for k in self.favourites()]
        self._tiles["favourites"].draw(favourites, captions, cmap="gray_r", vmin=0, vmax=1)
        for what, place in zip(rows, below, strict=True):
            axes = figure.add_subplot(place, label=what)
            if what == "neurons":
                self._draw_neurons(axes, maps)
            else:
                self._draw_units(axes, what, weights if what == "weights" else maps)
        return figure

    def _draw_digit(self, axes):
        axes.imshow(self.image[0], cmap="gray_r", vmin=0, vmax=1)
        what = "your drawing" if self.from_pad else f"digit no. {self.digit}"
        axes.set_title(what, fontsize=10)
        axes.set(xticks=[], yticks=[])

    def _draw_units(self, axes, what, values):
        number = {"weights": "weight", "output": "activation"}[what]
        more = f", {_MOST} of them" if len(values) > _MOST else ""
        kind = "filters" if self.maps().ndim == 3 else "neurons"
        limit = float(np.abs(values).max()) or 1.0
        axes.set_title(f"{what} of {self.layer} ({len(values)} {kind}{more})", fontsize=10)
        tiles = self._tiles[what]
        captions = [str(k) for k in range(len(tiles.pictures))]
        image = tiles.draw(axes, captions, self.unit, cmap="PuOr", vmin=-limit, vmax=limit)
        axes.figure.colorbar(image, ax=axes, label=number, pad=0.01, aspect=12)

    def _draw_neurons(self, axes, values):
        colours = np.where(np.arange(len(values)) == self.unit, "#D55E00", "#0072B2")
        axes.bar(np.arange(len(values)), values, color=colours, width=0.9)
        axes.set(xlabel="neuron", ylabel="activation", xlim=(-0.6, len(values) - 0.4))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(f"output of {self.layer} ({len(values)} neurons)", fontsize=10)

    def _unit_name(self):
        kind = "filter" if self.maps().ndim == 3 else "neuron"
        return f"{kind} {self.unit} of {self.layer}"

    def description(self) -> str:
        """The layer, the digit, the strongest units."""
        maps = self.maps()
        strength = maps.reshape(len(maps), -1).max(axis=1)
        strongest = ", ".join(map(str, np.argsort(-strength)[:3]))
        what = "your drawing" if self.from_pad else f"a {self._labels[self.digit]}"
        seen = ", ".join(str(self._labels[k]) for k in self.favourites())
        return (
            f"Layer {self.layer} for {what}: {len(maps)} outputs, the strongest are no. "
            f"{strongest}. {self._unit_name().capitalize()} answers most to these digits: {seen}."
        )
