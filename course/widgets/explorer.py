"""What all widgets have in common: a text and a still picture for pages where no widget runs."""

import base64

import ipywidgets
from matplotlib.figure import Figure

from course.visualization import png
from course.widgets.picture import Picture


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


def picture_of(explorer: Explorer, **settings) -> Picture:
    """A Picture that shows the explorer's figure."""
    picture = Picture(**settings)
    picture.show(explorer.figure(), explorer.description())
    return picture
