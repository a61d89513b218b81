"""All widgets at one glance, with the trained networks and the digits of the package."""

import ipywidgets

from course import initializer, io, networks, test_utils
from course.module import Module
from course.widgets.data import DataBrowser
from course.widgets.diagram import NetworkDiagram
from course.widgets.draw import DrawDigit
from course.widgets.explorer import Explorer
from course.widgets.maps import FeatureMaps
from course.widgets.mistakes import Mistakes
from course.widgets.points import DigitMap
from course.widgets.steps import ConvolutionSteps
from course.widgets.surgery import Surgery
from course.widgets.trainer import Trainer


class Gallery(Explorer):
    """A tab for each widget; `widgets` holds them by name. Each is made when its tab is opened."""

    title = "The gallery of widgets"

    def __init__(self):
        mnist = test_utils.get_mnist("sample")
        digits = mnist["test_data"], mnist["test_label"]
        trained = {"MLP": networks.trained("mlp"), "LeNet": networks.trained("lenet")}
        lenet = trained["LeNet"]
        draw = DrawDigit(trained)
        self._makers = {
            "Draw a digit": lambda: draw,
            "Train": lambda: _trainer(mnist),
            "Filters": lambda: FeatureMaps(lenet, *digits, drawing=draw),
            "Convolution": lambda: ConvolutionSteps(digits[0][0], position=245),
            "Surgery": lambda: Surgery(lenet, *digits),
            "Map of digits": lambda: DigitMap(lenet, *digits),
            "Mistakes": lambda: Mistakes(trained["MLP"], *digits),
            "The data": lambda: DataBrowser(*digits),
            "The network": lambda: NetworkDiagram(lenet, *digits),
        }
        self.widgets: dict[str, Explorer] = {}
        # A box for each, filled later: were the tab's own children exchanged, the page would
        # make all that follow anew.
        boxes = [ipywidgets.VBox([ipywidgets.HTML("One moment …")]) for _ in self._makers]
        self.tabs = ipywidgets.Tab(boxes, titles=tuple(self._makers))
        super().__init__([self.tabs])
        self.tabs.observe(self._fill_tab, "selected_index")
        self.tabs.selected_index = 0
        self._fill_tab()

    def show(self, name: str) -> Explorer:
        """The widget with this name, its tab in front. Raises ValueError if there is none."""
        names = list(self._makers)
        if name not in names:
            raise ValueError(f"there is no widget {name!r}; there are {', '.join(names)}")
        self.tabs.selected_index = names.index(name)
        return self.widgets[name]

    def _fill_tab(self, change=None):
        index = self.tabs.selected_index
        if index is None:
            return
        name = list(self._makers)[index]
        if name not in self.widgets:
            self.widgets[name] = self._makers[name]()
            self.tabs.children[index].children = [self.widgets[name]]

    def _opened(self):
        return self.widgets[list(self._makers)[self.tabs.selected_index or 0]]

    def figure(self):
        """That of the widget in front."""
        return self._opened().figure()

    def description(self) -> str:
        """That of the widget in front."""
        return self._opened().description()


def _trainer(mnist):
    train = io.NDArrayIter(mnist["train_data"], mnist["train_label"], 100, shuffle=True)
    test = io.NDArrayIter(mnist["test_data"], mnist["test_label"], 100)
    module = Module(networks.lenet())
    return Trainer(module, train, test, name="LeNet", initializer=initializer.Xavier())


def gallery() -> Gallery:
    """All widgets, for a first look."""
    return Gallery()
