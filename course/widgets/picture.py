"""A matplotlib figure on the page, redrawn without flicker, with a text alternative."""

import io
import threading
from pathlib import Path

import anywidget
import traitlets
from matplotlib.figure import Figure

from course.widgets.theme import recolour

_PIXELS_PER_INCH = 96  # of CSS
_FOLDER = Path(__file__).parent

# Two threads may want to draw at once (a trainer's and the page's); matplotlib is not made for it.
drawing = threading.RLock()


class Picture(anywidget.AnyWidget):
    """An image with alternative text, which knows where it was clicked.

    `show` puts a Figure into it. `clicked` and `pointed` are (x, y) from the top left corner, each
    from 0 to 1; `located` turns them into the coordinates of the axes there. The page sets
    `dark`, and the picture redraws itself.
    """

    _esm = _FOLDER / "picture.js"
    _css = _FOLDER / "picture.css"

    png = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode(help="shown where the pointer rests").tag(sync=True)
    width = traitlets.Int(0, help="in CSS pixels").tag(sync=True)
    clickable = traitlets.Bool(False).tag(sync=True)
    watches_pointer = traitlets.Bool(False).tag(sync=True)
    dark = traitlets.Bool(False).tag(sync=True)
    clicked = traitlets.List(traitlets.Float(), help="(x, y) of the last click").tag(sync=True)
    pointed = traitlets.List(traitlets.Float(), help="(x, y) of the pointer").tag(sync=True)

    def __init__(self, scale: float = 1.5, **settings):
        """`scale`: pixels of the image for each pixel of the page; more is sharper, and slower."""
        super().__init__(**settings)
        self._scale = scale
        self._figure = None
        self._drawn_dark = False  # figures come with black text

    def show(self, figure: Figure, alt: str) -> None:
        """Draw the Figure; `alt` says what it shows."""
        self._figure, self._drawn_dark = figure, False
        for axes in figure.axes:
            axes.patch.set_facecolor("none")
        width = round(figure.get_figwidth() * _PIXELS_PER_INCH)
        with drawing, self.hold_sync():
            self.png = self._render()
            # Laid out once, it stays where it is when the theme changes.
            figure.set_layout_engine("none")
            self.alt = alt
            self.width = width

    @traitlets.observe("dark")
    def _follow_theme(self, change):
        if self._figure is not None:
            with drawing:
                self.png = self._render()

    def _render(self) -> bytes:
        if self.dark != self._drawn_dark:  # it takes as long as a third of the drawing
            recolour(self._figure, self.dark)
            self._drawn_dark = self.dark
        file = io.BytesIO()
        # Fast rather than small: the picture goes no further than to the page.
        self._figure.savefig(
            file, format="png", dpi=_PIXELS_PER_INCH * self._scale,
            pil_kwargs={"compress_level": 1},
        )  # fmt: skip
        return file.getvalue()

    def located(self, place):
        """(axes, x, y) in data coordinates of the axes at `place`, or None beside all axes."""
        if self._figure is None or len(place) != 2:
            return None
        width, height = self._figure.bbox.size
        pixel = (place[0] * width, (1 - place[1]) * height)
        for axes in self._figure.axes:
            if axes.bbox.contains(*pixel):
                x, y = axes.transData.inverted().transform(pixel)
                return axes, float(x), float(y)
        return None
