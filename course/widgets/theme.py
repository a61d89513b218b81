"""Colours that colour-blind people can tell apart, on a light page and on a dark one."""

from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

# Okabe and Ito, "Color Universal Design" (2008); black is for text, yellow is too pale for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

# Ten classes need ten colours: four more, of other lightness (after Tol, "Colour schemes", 2021).
# Where they are used, the digit itself is written too.
CLASS_COLOURS = (*COLOURS, "#AA4499", "#767676", "#999933", "#C4455F")

_INK = {False: "#000000", True: "#dddddd"}


def new_figure(width: float, height: float) -> Figure:
    """A transparent Figure of this size in inches, laid out without overlaps; text is black."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def recolour(figure: Figure, dark: bool) -> None:
    """Make everything that is written or drawn in black readable on a dark page, or back."""
    ink = _INK[dark]

    def is_ink(colour):
        return to_hex(colour) in _INK.values()

    for artist in figure.findobj(lambda artist: isinstance(artist, Text | Line2D)):
        if is_ink(artist.get_color()):
            artist.set_color(ink)
    for axes in figure.axes:
        for spine in axes.spines.values():
            if is_ink(spine.get_edgecolor()):
                spine.set_edgecolor(ink)
        axes.tick_params(which="both", color=ink, labelcolor=ink)
