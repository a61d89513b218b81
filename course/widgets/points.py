"""A map of digits: each layer's numbers for some hundred digits, as points in the plane."""

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from course.pca import principal_components
from course.widgets.explorer import DigitExplorer, one_of
from course.widgets.inspector import Inspector
from course.widgets.picture import Picture
from course.widgets.theme import CLASS_COLOURS, new_figure

_MOST = 500


class DigitMap(DigitExplorer):
    """Points for digits, near where a layer's outputs are alike; the first layers mix them.

    images (N, C, H, W), labels (N,); the first 500 are shown. `layer` is the layer whose outputs
    are seen, 'pixels' the digits themselves; `digit` is the one that is shown large. The plane is
    that of the two principal components of the layer's outputs.
    """

    title = "Map of digits"

    layer = traitlets.Unicode("pixels")

    def __init__(self, module, images, labels):
        self._inspector = Inspector(module)
        self._known: dict[str, tuple] = {}
        super().__init__(images, labels, most=_MOST, least=3)
        layers = ["pixels", *self._inspector.layers]
        slider = ipywidgets.SelectionSlider(
            options=layers, description="layer", layout={"width": "460px"}
        )
        digit = ipywidgets.BoundedIntText(0, 0, len(self._images) - 1, description="digit no.")
        traitlets.link((self, "layer"), (slider, "value"))
        traitlets.link((self, "digit"), (digit, "value"))
        self._picture = Picture(scale=1.5, clickable=True, hint="click a point to see its digit")
        self._picture.observe(self._choose, "clicked")
        self._says = ipywidgets.HTML()
        controls = ipywidgets.HBox([slider, digit], layout={"flex_flow": "row wrap"})
        self.children = [controls, self._picture, self._says]
        self.observe(self._redraw, ["layer", "digit"])
        self._redraw()

    @traitlets.validate("layer")
    def _check_layer(self, proposal):
        return one_of(proposal.value, ["pixels", *self._inspector.layers], "layer")

    def refresh(self) -> None:
        """Look again, at the module's present parameters."""
        self._inspector.refresh()
        self._known.clear()
        self._redraw()

    def places(self):
        """((N, 2) points, share of the variance along each axis (2,)) for the present layer."""
        if self.layer not in self._known:
            if self.layer == "pixels":
                output = self._images
            else:
                output = self._inspector.output(self.layer, self._images)
            self._known[self.layer] = principal_components(output.reshape(len(output), -1))
        return self._known[self.layer]

    def neighbours_agree(self) -> float:
        """The share of digits whose nearest point in the plane is of the same class."""
        points, _ = self.places()
        distances = ((points[:, None] - points[None]) ** 2).sum(axis=2)
        np.fill_diagonal(distances, np.inf)
        return float((self._labels[distances.argmin(axis=1)] == self._labels).mean())

    def _choose(self, change):
        found = self._picture.located(change.new)
        if found is None or found[0].get_label() != "map":
            return
        axes, x, y = found
        points = axes.transData.transform(self.places()[0])
        here = axes.transData.transform((x, y))
        self.digit = int(((points - here) ** 2).sum(axis=1).argmin())

    def _redraw(self, change=None):
        self._picture.show(self.figure(), self.description())
        self._says.value = f"<div role='status'>{self.description()}</div>"

    def figure(self) -> Figure:
        """The map, each point a numeral; the chosen digit beside it."""
        points, shares = self.places()
        figure = new_figure(9.5, 5)
        axes, digit = figure.subplots(1, 2, width_ratios=[4, 1.3])
        axes.set_label("map")
        for label in np.unique(self._labels):
            mine = points[self._labels == label]
            axes.plot(
                mine[:, 0], mine[:, 1], linestyle="none", marker=f"${label}$", markersize=8,
                color=CLASS_COLOURS[label % 10], markeredgewidth=0.3,
            )  # fmt: skip
        axes.plot(*points[self.digit], "o", markersize=20, markerfacecolor="none", color="black")
        axes.set(
            title=f"{len(points)} digits after {self.layer}"
            if self.layer != "pixels"
            else f"{len(points)} digits, as they are",
            xlabel=f"first component ({shares[0]:.0%} of the variance)",
            ylabel=f"second component ({shares[1]:.0%})",
        )
        axes.spines[["top", "right"]].set_visible(False)
        digit.imshow(self._images[self.digit, 0], cmap="gray_r", vmin=0, vmax=1)
        digit.set_title(f"digit no. {self.digit},\na {self._labels[self.digit]}", fontsize=10)
        digit.set(xticks=[], yticks=[])
        return figure

    def description(self) -> str:
        """How well the classes are apart."""
        _, shares = self.places()
        return (
            f"{self.layer}: the two components hold {shares.sum():.0%} of the variance; "
            f"{self.neighbours_agree():.0%} of the digits have a nearest neighbour of their own "
            f"class. Chosen: digit no. {self.digit}, a {self._labels[self.digit]}."
        )
