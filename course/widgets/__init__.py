"""Widgets for a notebook: see a network learn, look inside it, draw for it.

>>> from course import widgets
>>> live = widgets.LivePlot()
"""

from course.widgets.data import DataBrowser
from course.widgets.diagram import NetworkDiagram
from course.widgets.draw import DrawDigit
from course.widgets.explorer import Explorer
from course.widgets.gallery import Gallery, gallery
from course.widgets.inspector import Inspector
from course.widgets.live import LivePlot
from course.widgets.maps import FeatureMaps
from course.widgets.mistakes import Mistakes
from course.widgets.points import DigitMap
from course.widgets.steps import ConvolutionSteps
from course.widgets.surgery import Surgery
from course.widgets.trainer import Trainer

__all__ = [
    "ConvolutionSteps",
    "DataBrowser",
    "DigitMap",
    "DrawDigit",
    "Explorer",
    "FeatureMaps",
    "Gallery",
    "Inspector",
    "LivePlot",
    "Mistakes",
    "NetworkDiagram",
    "Surgery",
    "Trainer",
    "gallery",
]
