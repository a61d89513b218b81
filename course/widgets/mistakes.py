"""Where a network is wrong: a confusion matrix whose cells open."""

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course.widgets.explorer import DigitExplorer
from course.widgets.inspector import Inspector
from course.widgets.picture import Picture
from course.widgets.theme import new_figure
from course.widgets.tiles import Tiles

_COLUMNS, _ROWS = 8, 3


class Mistakes(DigitExplorer):
    """The confusion matrix of a module; a cell shows its digits, the surest first.

    images (N, C, H, W), labels (N,) from 0 to 9. `truth` and `guess` say which cell is open; at
    first it is the most frequent mistake.
    """

    title = "Mistakes"

    truth = traitlets.Int(0, min=0, max=9)
    guess = traitlets.Int(0, min=0, max=9)

    def __init__(self, module, images, labels):
        self._inspector = Inspector(module)
        super().__init__(images, labels)
        self._picture = Picture(scale=1.5, clickable=True, hint="click a cell to open it")
        self._picture.observe(self._choose, "clicked")
        boxes = []
        for name, text in (("truth", "it is a"), ("guess", "read as a")):
            box = ipywidgets.Dropdown(options=list(range(10)), description=text)
            traitlets.link((self, name), (box, "value"))
            boxes.append(box)
        self._says = ipywidgets.HTML()
        self._table = ipywidgets.HTML()
        details = ipywidgets.Accordion([self._table], titles=("Scores of each class",))
        controls = ipywidgets.HBox(boxes, layout={"flex_flow": "row wrap"})
        self.children = [controls, self._picture, self._says, details]
        self.observe(self._redraw, ["truth", "guess"])
        self.refresh()

    def refresh(self) -> None:
        """Predict again, with the module's present parameters."""
        self._inspector.refresh()
        self.probabilities = self._inspector.probabilities(self._images)
        self._guesses = self.probabilities.argmax(axis=1)
        wrong = self.confusion() * (1 - np.eye(10, dtype=int))
        with self.hold_trait_notifications():
            self.truth, self.guess = map(int, np.unravel_index(wrong.argmax(), wrong.shape))
        self._table.value = self._scores_table()
        self._redraw()

    def confusion(self) -> np.ndarray:
        """How many digits of each class (row) were read as each (column): (10, 10)."""
        matrix = np.zeros((10, 10), int)
        np.add.at(matrix, (self._labels, self._guesses), 1)
        return matrix

    def scores(self) -> dict[str, np.ndarray]:
        """Precision, recall and F1 of each class, (10,) each; NaN where there is no digit."""
        matrix = self.confusion()
        right = np.diag(matrix)
        with np.errstate(invalid="ignore"):
            precision, recall = right / matrix.sum(axis=0), right / matrix.sum(axis=1)
            f1 = 2 * right / (matrix.sum(axis=0) + matrix.sum(axis=1))
        return {"precision": precision, "recall": recall, "F1": f1}

    def cell(self) -> np.ndarray:
        """Indices of the digits in the open cell, those that the network is surest of first."""
        here = np.flatnonzero((self._labels == self.truth) & (self._guesses == self.guess))
        return here[np.argsort(-self.probabilities[here, self.guess], kind="stable")]

    def _choose(self, change):
        found = self._picture.located(change.new)
        if found is not None and found[0].get_label() == "confusion":
            with self.hold_trait_notifications():
                self.truth = int(np.clip(round(found[2]), 0, 9))
                self.guess = int(np.clip(round(found[1]), 0, 9))

    def _redraw(self, change=None):
        self._picture.show(self.figure(), self.description())
        self._says.value = f"<div role='status'>{self.description()}</div>"

    def _scores_table(self):
        rows = "".join(
            f"<tr><th scope='row'>{k}</th>"
            + "".join(f"<td>{_percent(values[k])}</td>" for values in self.scores().values())
            + f"<td>{count}</td></tr>"
            for k, count in enumerate(np.bincount(self._labels, minlength=10))
        )
        heads = "".join(f"<th>{name}</th>" for name in ("class", *self.scores(), "digits"))
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"

    def figure(self) -> Figure:
        """The matrix, and the digits of the open cell."""
        matrix = self.confusion()
        figure = new_figure(10, 4.8)
        axes, cell = figure.subplots(1, 2, width_ratios=[1, 1.05])
        axes.set_label("confusion")
        # The mistakes are few: coloured on their own scale, the right ones are written only.
        mistakes = matrix.astype(float)
        np.fill_diagonal(mistakes, np.nan)
        most = max(1.0, float(np.nanmax(mistakes)))
        axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=most * 2)
        for truth, guess in np.ndindex(matrix.shape):
            if matrix[truth, guess]:
                colour = "black" if truth == guess else "#111111"
                axes.text(
                    guess, truth, matrix[truth, guess], ha="center", va="center",
                    fontsize=9, color=colour,
                )  # fmt: skip
        axes.add_patch(
            Rectangle(
                (self.guess - 0.5, self.truth - 0.5), 1, 1, fill=False, edgecolor="#0072B2", lw=3
            )
        )
        axes.set(xticks=range(10), yticks=range(10), xlabel="read as", ylabel="it is")
        axes.set_title(
            f"{(self._labels == self._guesses).mean():.1%} of {len(self._labels):,} right"
        )
        self._draw_cell(cell)
        return figure

    def _draw_cell(self, axes):
        shown = self.cell()[: _COLUMNS * _ROWS]
        axes.set_axis_off()
        count = len(self.cell())
        more = f", the surest {len(shown)}" if count > len(shown) else ""
        axes.set_title(f"{self.truth} read as {self.guess}: {count} digits{more}")
        if count:
            captions = [f"{self.probabilities[k, self.guess]:.0%}" for k in shown]
            Tiles(self._images[shown, 0], _COLUMNS if count > 12 else 4).draw(
                axes, captions, cmap="gray_r", vmin=0, vmax=1
            )

    def description(self) -> str:
        """The accuracy, and what the open cell holds."""
        right = (self._labels == self._guesses).mean()
        cell = self.cell()
        text = f"{right:.1%} of {len(self._labels):,} digits are read rightly. "
        text += f"{len(cell)} times a {self.truth} is read as a {self.guess}"
        if len(cell):
            text += f", with a probability up to {self.probabilities[cell[0], self.guess]:.0%}"
        return text + "."


def _percent(share):
    return "–" if np.isnan(share) else f"{share:.1%}"
