"""Live training curves: a callback for `fit`, redrawn without flicker while it runs."""

import time
import weakref
from html import escape
from itertools import cycle

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from course.widgets.explorer import Explorer
from course.widgets.history import Run, advice
from course.widgets.picture import Picture
from course.widgets.theme import COLOURS

_LEAST_INTERVAL = 0.25  # seconds between two pictures: more often, the eye sees no more
# A Run's accuracy of each epoch: the curve, its line, its name in the legend.
_CURVES = (("train", "o-", "training"), ("validation", "D--", "validation"))


class _Budget:
    """Lets something happen only as often as its share of the time allows."""

    def __init__(self, share: float):
        self.share = share
        self.next = 0.0

    def allows(self, now: float) -> bool:
        """Whether its turn has come."""
        return now >= self.next

    def spend(self, start: float, least: float = 0.0) -> None:
        """It began at `start` and has just ended; the next turn is when it has paid for itself."""
        now = time.perf_counter()
        self.next = now + max((now - start) / self.share, least)


class LivePlot(Explorer):
    """Loss and accuracy while a network trains: `fit(..., **live.callbacks("LeNet"))`.

    Several names are several curves, one over the other; `runs` holds their numbers. `share` is
    the part of the training time that measuring and drawing may take: where batches are fast, not
    each of them is measured.
    """

    title = "Training curves"

    def __init__(self, share: float = 0.03):
        if not share > 0:
            raise ValueError(f"share must be above 0, got {share!r}")
        self.runs: dict[str, Run] = {}
        self._owners: dict[str, weakref.ref] = {}  # the module behind each name
        # Most of it for the pictures: measuring a batch is a thousand times faster than drawing.
        self._measuring = _Budget(share / 4)
        self._drawing = _Budget(share * 3 / 4)
        self._last = 0.0
        self._shown = False
        self._picture = Picture(scale=1.25)
        self._status = ipywidgets.HTML()
        super().__init__([self._picture, self._status])
        self.redraw()

    # ---- for `fit`

    def callbacks(self, name: str = "network") -> dict:
        """Arguments for `fit`, which records the training under this name.

        A second `fit` of the same module goes on with its curves; another module under the same
        name begins them anew.
        """
        ends = []  # the num_epoch of the fit

        def after_batch(param):
            loop = param.locals
            if self._owners.get(name) != weakref.ref(loop["self"]):
                self.forget(name)
                self._owners[name] = weakref.ref(loop["self"])
            total = _length(loop["train_data"])
            left = (loop["num_epoch"] - param.epoch) * total - param.nbatch - 1 if total else None
            batch = loop["batch"]
            self.after_batch(
                name,
                lambda: loop["self"].get_outputs()[0],
                batch.label[0],
                left=left,
                pause=param.nbatch == 0,
            )
            if param.nbatch + 1 == total:
                last = left == 0 and loop["eval_data"] is None
                self.after_epoch(name, train=param.eval_metric.get_global()[1], last=last)
            ends[:] = [loop["num_epoch"]]

        def after_score(param):
            last = [param.epoch + 1] == ends
            self.after_epoch(name, validation=param.eval_metric.get_global()[1], last=last)

        return {"batch_end_callback": after_batch, "eval_end_callback": after_score}

    # ---- for other loops

    def embed(self) -> None:
        """It is part of another widget, and need not show itself when the training begins."""
        self._shown = True

    def forget(self, name: str) -> None:
        """Begin the curves of this name anew."""
        self.runs.pop(name, None)
        self._owners.pop(name, None)

    def after_batch(self, name, outputs, labels, left=None, pause=False) -> None:
        """Count a batch: `outputs()` gives its probabilities (N, classes), `labels` (N,).

        left: how many batches are still to come, if that is known. pause: the time since the last
        batch was not spent on this one.
        """
        if name not in self.runs:
            self.runs[name] = Run(name)
            if not self._shown:
                self._shown = True
                display(self)
        run, now = self.runs[name], time.perf_counter()
        run.count(len(labels), 0 if pause else now - self._last)
        if self._measuring.allows(now) or left == 0:
            run.measure(outputs(), labels)
            self._measuring.spend(now)
        if self._drawing.allows(now):
            self._draw(name, left)
        self._last = time.perf_counter()

    def after_epoch(self, name, train=None, validation=None, last=False) -> None:
        """The accuracies of an epoch that has ended; `last`: nothing comes after it."""
        if name not in self.runs:
            return
        run = self.runs[name]
        if train is not None:
            run.train.add(run.batches, train)
        if validation is not None:
            run.validation.add(run.batches, validation)
        if last or self._drawing.allows(time.perf_counter()):
            self._draw(name)

    # ---- what it shows

    def redraw(self, status: str = "") -> None:
        """Draw what there is now, and say it in a line below."""
        self._picture.show(self.figure(), self.description())
        self._status.value = f"<div role='status'>{escape(status or self.description())}</div>"

    def _draw(self, name, left=None):
        start = time.perf_counter()
        self.redraw(self._progress(self.runs[name], left))
        self._drawing.spend(start, _LEAST_INTERVAL)

    def _progress(self, run, left):
        parts = [f"{run.name}: {run.batches:,} batches"]
        if run.loss.y:
            parts.append(f"loss {run.loss.y[-1]:.3f}")
            parts.append(f"accuracy {run.accuracy.y[-1]:.1%}")
        if run.seconds > 0:
            parts.append(f"{run.samples / run.seconds:,.0f} samples a second")
            if left:
                parts.append(f"{_duration(left * run.seconds / run.batches)} left")
        text = ", ".join(parts) + "."
        return f"{text} {advice(run)}".rstrip()

    def is_empty(self) -> bool:
        """Whether nothing has been measured yet."""
        return not any(run.loss.y for run in self.runs.values())

    def description(self) -> str:
        """The latest numbers of each run."""
        if not self.runs:
            return "Nothing has been trained yet."
        return " ".join(map(_describe, self.runs.values()))

    def figure(self) -> Figure:
        """Loss on the left, accuracy on the right, over the number of batches."""
        # A fixed layout: to find one takes as long as to draw.
        figure = Figure(figsize=(9, 3.2), facecolor="none")
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.17, top=0.95, wspace=0.22)
        loss, accuracy = figure.subplots(1, 2)
        for run, colour in zip(self.runs.values(), cycle(COLOURS), strict=False):
            loss.plot(run.loss.x, run.loss.y, color=colour, label=run.name)
            accuracy.plot(run.accuracy.x, run.accuracy.y, color=colour, alpha=0.45)
            for name, style, _ in _CURVES:
                curve = getattr(run, name)
                accuracy.plot(curve.x, curve.y, style, color=colour, markersize=4)
        loss.set(xlabel="batches", ylabel="cross-entropy (smoothed)", ylim=(0, None))
        accuracy.set(xlabel="batches", ylabel="accuracy", ylim=(0, 1))
        accuracy.yaxis.set_major_formatter(PercentFormatter(1))
        for axes in (loss, accuracy):
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.25)
        if self.runs:
            loss.legend(frameon=False)
        # The colours are explained on the left; a line for each run would hide the curves.
        drawn = [c for c in _CURVES if any(getattr(run, c[0]).y for run in self.runs.values())]
        for _, style, label in drawn:
            accuracy.plot([], [], style, color="#767676", markersize=4, label=label)
        if drawn:
            accuracy.legend(frameon=False)
        return figure

    def _repr_mimebundle_(self, **kwargs):
        self._shown = True
        return super()._repr_mimebundle_(**kwargs)


def _describe(run):
    text = f"{run.name}: {run.batches:,} batches"
    if run.loss.y:
        text += f", loss {run.loss.y[-1]:.3f}"
    for curve, what in ((run.train, "training"), (run.validation, "validation")):
        if curve.y:
            text += f", {what} accuracy {curve.y[-1]:.1%}"
    return text + "."


def _duration(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _length(iterator):
    """How many batches an epoch has; None if the iterator does not say."""
    return len(iterator) if hasattr(iterator, "__len__") else None
