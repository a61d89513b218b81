"""What tests of widgets do as a page would: find controls, click on pictures, look at outputs."""

import base64
import io
from functools import cache
from itertools import product

import ipywidgets
import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

import course as mx
from course.widgets.picture import Picture


@cache
def digits(count=200):
    """The first digits of the sample's test part: images (count, 1, 28, 28), labels (count,)."""
    mnist = mx.test_utils.get_mnist("sample")
    return mnist["test_data"][:count], mnist["test_label"][:count].astype(int)


@cache
def trained(name):
    """A trained network; tests must not change it."""
    return mx.networks.trained(name)


def parts(widget):
    """All widgets inside a widget, itself included, from top to bottom."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def control(widget, description):
    """The control with this description."""
    found = [part for part in parts(widget) if getattr(part, "description", None) == description]
    assert len(found) == 1, f"{len(found)} controls are called {description!r}"
    return found[0]


def picture_in(widget) -> Picture:
    """The only picture."""
    (picture,) = [part for part in parts(widget) if isinstance(part, Picture)]
    return picture


def spoken(widget) -> str:
    """All the text that stands beside the controls."""
    return " ".join(part.value for part in parts(widget) if isinstance(part, ipywidgets.HTML))


def place_of(picture, label, x, y):
    """Where on the picture the point (x, y) of the axes called `label` is, from 0 to 1 each."""
    middle, best = np.array([0.5, 0.5]), None
    for span, count in ((0.5, 41), (0.05, 41), (0.005, 11)):  # from coarse to fine
        steps = np.linspace(-span, span, count)
        least = np.inf
        for place in (middle + np.array(by) for by in product(steps, steps)):
            axes, *at = picture.located(place.tolist()) or (None,)
            if axes is not None and axes.get_label() == label:
                distance = np.hypot(at[0] - x, at[1] - y)
                if distance < least:
                    best, least = place, distance
        assert best is not None, f"the picture has no axes called {label!r}"
        middle = best
    return best.tolist()


def click(widget, label, x, y):
    """Click on a point of the picture's axes called `label`."""
    picture = picture_in(widget)
    picture.clicked = place_of(picture, label, x, y)


def pixels(png: bytes) -> np.ndarray:
    """A PNG file as (H, W, 4), from 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def output_of(widget):
    """(data, metadata) of the output that a notebook keeps of a widget."""
    return InteractiveShell.instance().display_formatter.format(widget)


def check_still_picture(widget, title):
    """A notebook's output has a picture, its alternative text, and a text that stays the same."""
    data, metadata = output_of(widget)
    assert data["text/plain"] == f"{title} (a widget: run this cell to use it)"
    assert "application/vnd.jupyter.widget-view+json" in data
    picture = pixels(base64.b64decode(data["image/png"]))
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 10  # there is something on it
    assert (picture[0, 0] == 255).all()  # white paper, also on a dark page
    assert metadata["image/png"]["alt"] == widget.description()
    assert len(widget.description()) > 20


def check_dark_theme(widget):
    """On a dark page the picture is drawn anew, with light text; and back."""
    picture = picture_in(widget)
    light = pixels(picture.png)
    picture.dark = True
    dark = pixels(picture.png)
    picture.dark = False
    assert (pixels(picture.png) == light).all()
    # Black letters beside the axes: titles, labels, numbers.
    height, width, _ = light.shape
    black = np.argwhere((light[..., 3] == 255) & (light[..., :3].max(axis=2) == 0))
    letters = [
        (row, column)
        for row, column in black[:: max(1, len(black) // 500)]
        if picture.located([column / width, row / height]) is None
    ]
    assert letters
    assert min(dark[place][:3].min() for place in letters) > 150
