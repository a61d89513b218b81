"""A pad to draw a digit on, with mouse, finger, pen or keys."""

from pathlib import Path

import anywidget
import traitlets

_FOLDER = Path(__file__).parent


class Pad(anywidget.AnyWidget):
    """A square to draw in. `strokes` are lists of points (x, y) from 0 to 1, in both directions.

    The keys do all that the pointer does: arrows move the pen (with shift in small steps), space
    puts it down or lifts it, U takes back a stroke, C clears. So do its two buttons, in the page:
    asked by way of Python, they would overtake a stroke that is still on its way.
    """

    _esm = _FOLDER / "pad.js"
    _css = _FOLDER / "pad.css"

    strokes = traitlets.List(help="lists of points (x, y) from 0 to 1").tag(sync=True)
    pen = traitlets.Float(0.08, help="the width of the line, where the pad is 1").tag(sync=True)

    def undo(self) -> None:
        """Take back the last stroke."""
        self.strokes = self.strokes[:-1]

    def clear(self) -> None:
        """Take back all strokes."""
        self.strokes = []
