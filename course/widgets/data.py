"""The data: browse the digits, see their numbers, their mean, and what a change does to them."""

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from course.datasets import augment
from course.widgets.explorer import DigitExplorer, one_of
from course.widgets.picture import Picture
from course.widgets.theme import new_figure
from course.widgets.tiles import Tiles

_COLUMNS, _ROWS = 12, 5
_PAGE = _COLUMNS * _ROWS
CHANGES = {
    "none": lambda images: images,
    "shifted by 3 pixels": lambda images: augment.shift(images, 3, 3),
    "turned by 20°": lambda images: augment.rotate(images, 20),
    "noise of 0.3": lambda images: augment.add_noise(images, 0.3, seed=0),
    "covered by 8 × 8": lambda images: augment.occlude(images, 8),
}


class DataBrowser(DigitExplorer):
    """Digits by class, page by page; one of them large, with the number under the pointer.

    images (N, C, H, W), labels (N,). `show_class` is 'all' or a class from '0' to '9'; `page`
    counts from 0; `digit` is the index of the large one; `change` is what is done to all of them.
    """

    title = "The digits"

    show_class = traitlets.Unicode("all")
    page = traitlets.Int(0, min=0)
    change = traitlets.Enum(list(CHANGES), "none")

    def __init__(self, images, labels):
        super().__init__(images, labels)
        self._picture = Picture(
            scale=1.5, clickable=True, watches_pointer=True, hint="click a digit to see it large"
        )
        self._picture.observe(self._choose, "clicked")
        self._picture.observe(self._point, "pointed")
        shown = ipywidgets.Dropdown(options=self._classes(), description="class")
        self._pages = ipywidgets.BoundedIntText(0, 0, 0, description="page")
        digit = ipywidgets.BoundedIntText(0, 0, len(self._images) - 1, description="digit no.")
        change = ipywidgets.Dropdown(options=list(CHANGES), description="change")
        traitlets.link((self, "show_class"), (shown, "value"))
        traitlets.link((self, "page"), (self._pages, "value"))
        traitlets.link((self, "digit"), (digit, "value"))
        traitlets.link((self, "change"), (change, "value"))
        boxes = [shown, self._pages, digit, change]
        for box in boxes:
            box.layout.width = "195px"
            box.style.description_width = "60px"
        self._says = ipywidgets.HTML()
        self._pixel = ipywidgets.HTML()
        controls = ipywidgets.HBox(boxes, layout={"flex_flow": "row wrap"})
        self.children = [controls, self._picture, self._pixel, self._says]
        self.observe(self._first_page, "show_class")
        self.observe(self._redraw, ["show_class", "page", "digit", "change"])
        self._redraw()

    def _classes(self):
        return ["all", *map(str, np.unique(self._labels))]

    @traitlets.validate("show_class")
    def _check_class(self, proposal):
        return one_of(proposal.value, self._classes(), "class")

    def chosen(self) -> np.ndarray:
        """Indices of the digits of the class."""
        if self.show_class == "all":
            return np.arange(len(self._labels))
        return np.flatnonzero(self._labels == int(self.show_class))

    def mean_digit(self) -> np.ndarray:
        """The mean of all digits of the class: (H, W)."""
        return self._images[self.chosen(), 0].mean(axis=0)

    def _changed(self, indices):
        return CHANGES[self.change](self._images[indices])[:, 0]

    def _on_page(self):
        return self.chosen()[self.page * _PAGE : (self.page + 1) * _PAGE]

    def _first_page(self, change):
        self.page = 0
        self.digit = int(self.chosen()[0])

    def _redraw(self, change=None):
        last = max(0, -(-len(self.chosen()) // _PAGE) - 1)
        if self.page > last:
            self.page = last
            return
        self._pages.max = last
        self._picture.show(self.figure(), self.description())
        self._says.value = f"<div role='status'>{self.description()}</div>"

    def _choose(self, change):
        found = self._picture.located(change.new)
        if found is not None and found[0].get_label() == "tiles":
            k = self._tiles.index(found[1], found[2])
            if k is not None:
                self.digit = int(self._on_page()[k])

    def _point(self, change):
        found = self._picture.located(change.new)
        if found is None or found[0].get_label() not in ("digit", "mean"):
            return
        kind = found[0].get_label()
        picture = self._changed([self.digit])[0] if kind == "digit" else self.mean_digit()
        row, column = round(found[2]), round(found[1])
        if 0 <= row < picture.shape[0] and 0 <= column < picture.shape[1]:
            self._pixel.value = f"row {row}, column {column}: {picture[row, column]:.3f}"

    def figure(self) -> Figure:
        """A page of digits; the chosen one and the mean, large."""
        indices = self._on_page()
        self._tiles = Tiles(self._changed(indices), _COLUMNS)
        figure = new_figure(10, 5)
        grid = figure.add_gridspec(2, 2, width_ratios=[3, 1.25])
        tiles = figure.add_subplot(grid[:, 0], label="tiles")
        chosen = np.flatnonzero(indices == self.digit)
        self._tiles.draw(
            tiles,
            [str(self._labels[k]) for k in indices],
            chosen[0] if len(chosen) else None,
            cmap="gray_r", vmin=0, vmax=1,
        )  # fmt: skip
        what = "all digits" if self.show_class == "all" else f"the class {self.show_class}"
        for place, (label, picture, title) in enumerate(
            [
                (
                    "digit",
                    self._changed([self.digit])[0],
                    f"digit no. {self.digit}, a {self._labels[self.digit]}",
                ),
                ("mean", self.mean_digit(), f"the mean of {what}"),
            ]
        ):
            axes = figure.add_subplot(grid[place, 1], label=label)
            axes.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
            axes.set_title(title, fontsize=10)
            axes.set(xticks=[0, 27], yticks=[0, 27])
        return figure

    def description(self) -> str:
        """Which digits are seen."""
        what = "all classes" if self.show_class == "all" else f"class {self.show_class}"
        count = len(self.chosen())
        first = self.page * _PAGE
        changed = "" if self.change == "none" else f", {self.change}"
        return (
            f"{count:,} digits of {what}{changed}; no. {first + 1} to "
            f"{min(first + _PAGE, count)} of them are shown. Chosen: digit no. {self.digit}, a "
            f"{self._labels[self.digit]}."
        )
