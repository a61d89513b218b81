"""Convolution and max-pooling, step by step: one window, its products, their sum."""

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from course.layers import Convolution, Pooling
from course.widgets.explorer import Explorer
from course.widgets.picture import Picture
from course.widgets.theme import new_figure

FILTERS = {
    "upright edges": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "level edges": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "mean": [[1 / 9] * 3] * 3,
    "copy": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}


class ConvolutionSteps(Explorer):
    """A window slides over a picture: the numbers in it, times the filter, added up.

    image (H, W) or (1, H, W). `mode` is 'convolution' or 'max pooling'; `position` counts the
    windows, row by row; `kernel`, `stride`, `pad` and, for a convolution, `weight` (kernel ×
    kernel, a list of lists) may be changed.
    """

    title = "Convolution, step by step"

    mode = traitlets.Enum(["convolution", "max pooling"], "convolution")
    kernel = traitlets.Int(3, min=1, max=5)
    stride = traitlets.Int(1, min=1, max=4)
    pad = traitlets.Int(0, min=0, max=2)
    position = traitlets.Int(0, min=0)
    weight = traitlets.List(FILTERS["upright edges"], help="the filter, row by row")

    def __init__(self, image, **settings):
        self.image = np.asarray(image, dtype=np.float32)
        if self.image.ndim > 2 and self.image.size == np.prod(self.image.shape[-2:]):
            self.image = self.image.reshape(self.image.shape[-2:])
        if self.image.ndim != 2 or min(self.image.shape) < 5:
            raise ValueError(
                f"expected one picture of shape (H, W), at least 5 × 5, got {np.shape(image)}"
            )
        super().__init__(**settings)
        if "weight" in settings:
            self.kernel = len(self.weight)
        self._fit_weight()
        self._picture = Picture(scale=1.5, clickable=True, hint="click where the window should be")
        self._picture.observe(self._choose, "clicked")
        self._make_controls()
        self.observe(self._fit_weight, "kernel")
        self.observe(self._redraw, ["mode", "kernel", "stride", "pad", "weight", "position"])
        self._redraw()

    def _make_controls(self):
        mode = ipywidgets.ToggleButtons(options=["convolution", "max pooling"])
        self._preset = ipywidgets.Dropdown(options=list(FILTERS), description="filter")
        self._preset.observe(self._choose_filter, "value")
        self._slider = ipywidgets.IntSlider(
            description="window no.",
            max=self.position + 1,
            layout={"width": "420px"},
            continuous_update=True,
        )
        # Three windows a second.
        self._play = ipywidgets.Play(interval=300, max=self.position + 1, description="slide")
        traitlets.link((self, "mode"), (mode, "value"))
        traitlets.link((self, "position"), (self._slider, "value"))
        traitlets.link((self._slider, "value"), (self._play, "value"))
        numbers = []
        for name, most in (("kernel", 5), ("stride", 4), ("pad", 2)):
            box = ipywidgets.BoundedIntText(
                min=int(name != "pad"), max=most, description=name, layout={"width": "150px"}
            )
            traitlets.link((self, name), (box, "value"))
            numbers.append(box)
        self._weights = ipywidgets.VBox()
        self._says = ipywidgets.HTML()
        wrap = {"flex_flow": "row wrap"}
        self._filter = ipywidgets.VBox([self._preset, self._weights])
        self.children = [
            ipywidgets.HBox([mode, *numbers], layout=wrap),
            ipywidgets.HBox([self._play, self._slider], layout=wrap),
            self._picture,
            self._says,
            self._filter,
        ]
        self._show_weights()

    # ---- the numbers, by the course's own layers

    def output(self) -> np.ndarray:
        """What the layer makes of the picture: (P, Q)."""
        window = {"kernel": (self.kernel,) * 2, "stride": (self.stride,) * 2}
        window["pad"] = (self.pad,) * 2
        if self.mode == "max pooling":
            layer = Pooling(pool_type="max", **window)
        else:
            layer = Convolution(num_filter=1, no_bias=True, **window)
            layer.params = {"weight": np.array(self.weight, np.float32)[None, None]}
        return np.array(layer.forward(self.image[None, None], training=False))[0, 0]

    def window(self) -> np.ndarray:
        """The numbers under the window: (kernel, kernel)."""
        empty = -np.inf if self.mode == "max pooling" else 0
        top, left = self._corner()
        padded = np.pad(self.image, self.pad, constant_values=empty)
        return padded[top : top + self.kernel, left : left + self.kernel]

    def _place(self):
        """(p, q), row and column of the output."""
        return divmod(self.position, self._columns)

    def _corner(self):
        p, q = self._place()
        return p * self.stride, q * self.stride

    # ---- what it shows

    @traitlets.validate("weight")
    def _check_weight(self, proposal):
        try:
            weight = np.array(proposal.value, dtype=float)
        except (TypeError, ValueError):
            weight = np.zeros(0)
        size = len(weight)
        if weight.shape != (size, size) or not 1 <= size <= 5 or not np.isfinite(weight).all():
            raise traitlets.TraitError(
                "weight must be a square of 1 × 1 to 5 × 5 numbers, a list of rows, got "
                f"{proposal.value!r:.60}"
            )
        return weight.tolist()

    def _choose_filter(self, change):
        if change.new is None:  # one of the student's own
            return
        values = FILTERS[change.new]
        with self.hold_trait_notifications():
            self.kernel = len(values)
            self.weight = [list(row) for row in values]

    def _fit_weight(self, change=None):
        """A larger or smaller filter: the old one in the middle, cut or with zeros around."""
        old, size = np.array(self.weight), self.kernel
        if len(old) == size:
            return
        new = np.zeros((size, size))
        both = min(size, len(old))
        to, since = (size - both) // 2, (len(old) - both) // 2
        new[to : to + both, to : to + both] = old[since : since + both, since : since + both]
        self.weight = new.tolist()

    def _show_weights(self):
        """The boxes stay while they can: who types in one goes on in the next."""
        if len(self._weights.children) != self.kernel:
            self._weights.children = [
                ipywidgets.HBox([self._weight_box(i, j) for j in range(self.kernel)])
                for i in range(self.kernel)
            ]
        for row, boxes in zip(self.weight, self._weights.children, strict=True):
            for value, box in zip(row, boxes.children, strict=True):
                box.value = round(value, 3)
        known = (
            name
            for name, values in FILTERS.items()
            if len(values) == self.kernel and np.allclose(values, self.weight)
        )
        self._preset.value = next(known, None)

    def _weight_box(self, i, j):
        def change(event):
            if event.new != round(self.weight[i][j], 3):
                rows = [list(row) for row in self.weight]
                rows[i][j] = event.new
                self.weight = rows

        box = ipywidgets.FloatText(layout={"width": "70px"}, step=0.5)
        box.value = round(self.weight[i][j], 3)
        box.tooltip = f"weight at row {i}, column {j}"
        box.observe(change, "value")
        return box

    def _redraw(self, change=None):
        if self.mode == "max pooling" and self.pad >= self.kernel:
            self.pad = self.kernel - 1  # a window of padding alone has no largest number
            return
        if len(self.weight) != self.kernel:
            if change is not None and change.name == "weight":
                self.kernel = len(self.weight)  # comes back here
            return
        self._result = self.output()
        self._columns = self._result.shape[1]
        last = self._result.size - 1
        if self.position > last:
            self.position = last
            return
        self._slider.max = self._play.max = last
        if change is not None and change.name in ("weight", "kernel"):
            self._show_weights()
        self._filter.layout.display = "none" if self.mode == "max pooling" else ""
        self._picture.show(self.figure(), self.description())
        self._says.value = f"<div role='status'>{self.description()}</div>"

    def _choose(self, change):
        found = self._picture.located(change.new)
        if found is None or found[0].get_label() not in ("input", "output"):
            return
        axes, x, y = found
        rows, columns = self._result.shape
        if axes.get_label() == "input":  # the window whose middle is there
            x, y = ((at + self.pad - (self.kernel - 1) / 2) / self.stride for at in (x, y))
        p, q = np.clip(round(y), 0, rows - 1), np.clip(round(x), 0, columns - 1)
        self.position = int(p * columns + q)

    def figure(self) -> Figure:
        """The picture with the window; the numbers; the output so far."""
        figure = new_figure(10, 5.2)
        grid = figure.add_gridspec(2, 6, height_ratios=[3, 2.2])
        self._draw_input(figure.add_subplot(grid[0, :3], label="input"))
        self._draw_output(figure.add_subplot(grid[0, 3:], label="output"))
        window = self.window()
        if self.mode == "max pooling":
            self._draw_numbers(figure.add_subplot(grid[1, 1:3]), window, "the window", "gray_r")
            axes = figure.add_subplot(grid[1, 3:5])
            self._write(axes, f"largest = {window.max():.2f}")
            return figure
        weight = np.array(self.weight)
        for k, (numbers, name, colours) in enumerate(
            [
                (window, "the window", "gray_r"),
                (weight, "× the filter", "PuOr"),
                (window * weight, "= products", "PuOr"),
            ]
        ):
            axes = figure.add_subplot(grid[1, 2 * k : 2 * k + 2])
            self._draw_numbers(axes, numbers, name, colours)
        axes.set_xlabel(f"their sum: {(window * weight).sum():.2f}", fontsize=11)
        return figure

    def _draw_input(self, axes):
        axes.imshow(self.image, cmap="gray_r", vmin=0, vmax=1)
        top, left = self._corner()
        corner = (left - self.pad - 0.5, top - self.pad - 0.5)
        axes.add_patch(
            Rectangle(corner, self.kernel, self.kernel, fill=False, edgecolor="#D55E00", lw=2.5)
        )
        height, width = self.image.shape
        axes.set_xlim(-self.pad - 0.7, width + self.pad - 0.3)
        axes.set_ylim(height + self.pad - 0.3, -self.pad - 0.7)
        axes.set(title=f"input {height}×{width}", xlabel="column", ylabel="row")

    def _draw_output(self, axes):
        shown = np.full(self._result.size, np.nan)
        shown[: self.position + 1] = self._result.flat[: self.position + 1]
        limit = float(np.abs(self._result).max()) or 1.0
        image = axes.imshow(shown.reshape(self._result.shape), cmap="PuOr", vmin=-limit, vmax=limit)
        p, q = self._place()
        axes.add_patch(Rectangle((q - 0.5, p - 0.5), 1, 1, fill=False, edgecolor="#D55E00", lw=2.5))
        rows, columns = self._result.shape
        axes.set(title=f"output {rows}×{columns}, so far", xlabel="column q", ylabel="row p")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(7, integer=True))
        axes.figure.colorbar(image, ax=axes, shrink=0.8)

    def _draw_numbers(self, axes, numbers, name, colours):
        limit = float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0)) or 1.0
        low = 0 if colours == "gray_r" else -2.2 * limit
        # Pale colours, on which near-black numbers can be read.
        axes.imshow(np.nan_to_num(numbers, neginf=0), cmap=colours, vmin=low, vmax=2.2 * limit)
        for i, j in np.ndindex(numbers.shape):
            text = "pad" if np.isinf(numbers[i, j]) else f"{round(float(numbers[i, j]), 2) + 0:g}"
            dark = numbers[i, j] > 0.8 * limit and colours == "gray_r"
            axes.text(j, i, text, ha="center", va="center", color="white" if dark else "#111111")
        axes.set(title=name, xticks=[], yticks=[])

    def _write(self, axes, text):
        axes.set_axis_off()
        axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=14)

    def description(self) -> str:
        """The window and its result."""
        p, q = self._place()
        top, left = self._corner()
        what = "largest number" if self.mode == "max pooling" else "sum of the products"
        return (
            f"Window {self.position + 1} of {self._result.size}: rows {top - self.pad} to "
            f"{top - self.pad + self.kernel - 1}, columns {left - self.pad} to "
            f"{left - self.pad + self.kernel - 1}; the {what} is {self._result[p, q]:.2f}."
        )
