"""Widgets for a notebook: see a network learn, look inside it, draw for it.

>>> from course import widgets
>>> live = widgets.LivePlot()
"""

from course.widgets.live import LivePlot
from course.widgets.trainer import Trainer

__all__ = ["LivePlot", "Trainer"]
