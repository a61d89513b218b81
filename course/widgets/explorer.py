"""What all widgets have in common: a text and a still picture for pages where no widget runs."""

import base64

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from course.visualization import png


class Explorer(ipywidgets.VBox):
    """Controls and pictures, one below the other.

    A subclass gives `title`, what it is in a few words; `figure()`, the present state as a still
    picture; `description()`, the same in words.
    """

    title = "A widget"

    def figure(self) -> Figure:
        """What it shows now, as a matplotlib Figure."""
        raise NotImplementedError

    def description(self) -> str:
        """What it shows now, in a sentence or two, for those who cannot see it."""
        raise NotImplementedError

    def is_empty(self) -> bool:
        """Whether there is nothing to show yet."""
        return False

    def _repr_mimebundle_(self, **kwargs):
        """The live widget, and beside it the still picture that GitHub and others show."""
        bundle = super()._repr_mimebundle_(**kwargs)
        # The same text each time, so that two runs of a notebook can be compared.
        bundle["text/plain"] = f"{self.title} (a widget: run this cell to use it)"
        if self.is_empty():
            return bundle
        figure = self.figure()
        figure.set_facecolor("white")
        bundle["image/png"] = base64.b64encode(png(figure, dpi=96)).decode()
        return bundle, {"image/png": {"alt": self.description()}}


class DigitExplorer(Explorer):
    """An Explorer of digits: images (N, C, H, W), labels (N,).

    `digit` is the index of the one that is looked at. The first `most` digits are used. Raises
    ValueError for other shapes, and for fewer than `least`.
    """

    digit = traitlets.Int(0, min=0)

    def __init__(self, images, labels, most=None, least=1, **settings):
        images, labels = np.asarray(images, np.float32), np.asarray(labels)
        if len(images) != len(labels) or len(images) < least:
            raise ValueError(
                f"expected as many labels as images, and at least {least}, got {len(labels)} and "
                f"{len(images)}"
            )
        if images.ndim != 4 or labels.ndim != 1:
            raise ValueError(
                "expected images of shape (N, C, H, W) and labels of shape (N,), got "
                f"{images.shape} and {labels.shape}"
            )
        self._images, self._labels = images[:most], labels[:most].astype(int)
        super().__init__(**settings)

    @traitlets.validate("digit")
    def _check_digit(self, proposal):
        if proposal.value >= len(self._images):
            raise traitlets.TraitError(
                f"digit must be from 0 to {len(self._images) - 1}, got {proposal.value}"
            )
        return proposal.value


def one_of(value: str, names, what: str) -> str:
    """The value. Raises TraitError unless it is one of the names."""
    if value not in names:
        raise traitlets.TraitError(f"there is no {what} {value!r}; there are {', '.join(names)}")
    return value
