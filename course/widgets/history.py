"""What happened during training, batch by batch and epoch by epoch, in numbers."""

import math
from dataclasses import dataclass, field

import numpy as np

_SMOOTHING = 0.9  # how much of the average a new batch leaves
_MOST_POINTS = 1000


@dataclass
class Curve:
    """Points (x in batches, y), thinned out by half whenever they become too many to draw."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    every: int = 1
    seen: int = 0

    def add(self, x: float, y: float) -> None:
        """One more point; only each `every`th is kept."""
        if self.seen % self.every == 0:
            self.x.append(x)
            self.y.append(y)
        self.seen += 1
        if len(self.x) > _MOST_POINTS:
            self.x, self.y = self.x[::2], self.y[::2]
            self.every *= 2


class Average:
    """The exponential average, corrected for its start (Kingma and Ba, 2015, section 3)."""

    def __init__(self):
        self._sum = self._weight = 0.0

    def add(self, value: float) -> float:
        """The average with this value."""
        self._sum = _SMOOTHING * self._sum + (1 - _SMOOTHING) * value
        self._weight = _SMOOTHING * self._weight + (1 - _SMOOTHING)
        return self._sum / self._weight


@dataclass
class Run:
    """The record of one network's training.

    `loss` (cross-entropy) and `accuracy` are of single batches, smoothed; `train` and
    `validation` are the accuracies of whole epochs. `seconds` leaves out pauses.
    """

    name: str
    loss: Curve = field(default_factory=Curve)
    accuracy: Curve = field(default_factory=Curve)
    train: Curve = field(default_factory=Curve)
    validation: Curve = field(default_factory=Curve)
    last_loss: float = 0.0
    batches: int = 0
    samples: int = 0
    seconds: float = 0.0

    def __post_init__(self):
        self._loss, self._accuracy = Average(), Average()

    def count(self, samples: int, seconds: float) -> None:
        """One more batch is done; `seconds` since the one before it, 0 if there was none."""
        self.batches += 1
        if seconds > 0:
            self.samples += samples
            self.seconds += seconds

    def measure(self, probabilities: np.ndarray, labels: np.ndarray) -> None:
        """A point of the curves, from the last batch: probabilities (N, classes), labels (N,)."""
        labels = np.asarray(labels).astype(np.intp, copy=False)
        chosen = probabilities[np.arange(len(labels)), labels]
        # As in the metric: log 0 is kept out.
        self.last_loss = float(-np.log(np.maximum(chosen, 1e-12)).mean())
        self.loss.add(self.batches, self._loss.add(self.last_loss))
        right = float((probabilities.argmax(axis=1) == labels).mean())
        self.accuracy.add(self.batches, self._accuracy.add(right))

    @property
    def speed(self) -> float:
        """Samples a second; NaN before any."""
        return self.samples / self.seconds if self.seconds > 0 else math.nan


def advice(run: Run, learning_rate: float | None = None, classes: int = 10) -> str:
    """What to make of the curves, in plain words; empty if there is nothing to say."""
    if math.isnan(run.last_loss):
        rate = f"; try {learning_rate / 10:g}" if learning_rate else ""
        return f"The loss is NaN: the learning rate is probably too high{rate}. Start afresh."
    loss, train, validation = run.loss.y, run.train.y, run.validation.y
    if len(loss) >= 20 and loss[-1] > 1.5 * math.log(classes):
        rate = f", such as {learning_rate / 3:.2g}" if learning_rate else ""
        return (
            f"The loss is {loss[-1]:.2f}, worse than guessing (ln {classes} = "
            f"{math.log(classes):.2f}): the steps are too large; try a lower learning rate{rate}."
        )
    if len(validation) >= 3 and len(train) >= 3:
        falls = validation[-1] < max(validation) - 0.003 and validation[-1] < validation[-2]
        if falls and train[-1] > train[-3]:
            return (
                "Training accuracy rises, validation accuracy falls: it is memorising. Stop here, "
                "or use more data, weight decay or dropout."
            )
        if train[-1] - validation[-1] > 0.05:
            return (
                f"Training accuracy is {train[-1] - validation[-1]:.0%} above validation accuracy: "
                "it knows the training digits better than digits."
            )
        if max(train) - min(train[-3:]) < 0.002 and train[-1] > 0.9:
            return "The accuracy hardly changes any more: it has learned what it will learn."
    if len(loss) >= 200 and abs(loss[-1] - loss[len(loss) // 2]) < 0.02 and loss[-1] > 2:
        return (
            "The loss stays where guessing is: the weights began too small or the learning rate "
            "is too low. Wait, or try a higher learning rate or Xavier's initial weights."
        )
    return ""
