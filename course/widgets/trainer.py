"""Training with buttons: start, stop, one batch at a time, another learning rate while it runs.

A kernel that is busy in `fit` hears no button. So the training runs in a thread of its own, and
speaks with the page through traits alone.
"""

import math
import threading
import time
from html import escape

import ipywidgets
import traitlets

from course import metric
from course import optimizer as optimizers
from course.kernels.threads import blas_on_one_thread, computing
from course.widgets.explorer import Explorer
from course.widgets.history import advice
from course.widgets.live import LivePlot
from course.widgets.stopping import stop_with_the_kernel

_PATIENCE = 0.2  # seconds; on Windows nothing interrupts a longer wait for a thread


class Trainer(Explorer):
    """Trains a module in the background.

    module: any Module; it is bound and initialised if it is not yet. train, eval_data: iterators.
    `start`, `stop`, `step` and `join` do what the buttons do. `status` is 'ready', 'running',
    'stopped', 'finished' or 'failed'; `learning_rate` can be changed at any time. The module
    always holds the parameters of a finished batch.
    """

    title = "Trainer"

    status = traitlets.Enum(["ready", "running", "stopped", "finished", "failed"], "ready")
    learning_rate = traitlets.Float(0.1, help="the step size; takes effect with the next batch")
    advice = traitlets.Unicode(help="what to make of the curves")

    def __init__(
        self,
        module,
        train,
        eval_data=None,
        learning_rate=0.1,
        num_epoch=5,
        name="network",
        optimizer="sgd",
        initializer=None,
        plot=None,
        **optimizer_params,
    ):
        """`plot`: a LivePlot of another trainer, to compare. `optimizer_params` as for `fit`."""
        if num_epoch < 1:
            raise ValueError(f"num_epoch must be at least 1, got {num_epoch!r}")
        self.module, self.name, self.num_epoch = module, name, num_epoch
        self._train, self._eval_data, self._initializer = train, eval_data, initializer
        self._optimizer = optimizers.create(
            optimizer,
            learning_rate=learning_rate,
            **{"rescale_grad": 1 / train.batch_size, **optimizer_params},
        )
        self.plot = plot or LivePlot()
        self.plot.embed()
        self.plot.forget(name)
        self._batches = None
        self._thread = None
        self._error = None
        self._wanted = threading.Event()
        # Not Thread.join: up to Python 3.12, one that is interrupted takes the thread for ended.
        self._ended = threading.Event()
        self._ended.set()
        row = self._make_controls()
        super().__init__([row, self.plot, self._says], learning_rate=learning_rate)
        traitlets.link((self, "learning_rate"), (self._rate, "value"))
        self._show_state()

    def _make_controls(self):
        self._start_button = ipywidgets.Button(description="Start", icon="play")
        self._stop_button = ipywidgets.Button(description="Stop", icon="stop")
        self._step_button = ipywidgets.Button(description="One batch", icon="step-forward")
        self._rate = ipywidgets.FloatLogSlider(
            description="learning rate", base=10, min=-4, max=1, step=0.1, readout_format=".2g",
            style={"description_width": "initial"},
        )  # fmt: skip
        self._reset_button = ipywidgets.Button(description="Start afresh", icon="refresh")
        self._says = ipywidgets.HTML()
        self._start_button.on_click(lambda _: self.start())
        self._stop_button.on_click(lambda _: self.stop(wait=False))
        self._step_button.on_click(lambda _: self._begin(1))
        self._reset_button.on_click(lambda _: self.reset())
        row = [self._start_button, self._stop_button, self._step_button, self._reset_button]
        return ipywidgets.HBox([*row, self._rate], layout={"flex_flow": "row wrap"})

    # ---- what the buttons do

    def start(self) -> None:
        """Train in the background, from where it stopped; after the last epoch, as many more."""
        self._begin(math.inf)

    def step(self, count: int = 1) -> None:
        """Train `count` batches, and wait for them."""
        self._begin(count)
        self.join()

    def stop(self, wait: bool = True) -> None:
        """End after the batch at hand. With `wait`, return when it has ended."""
        self._wanted.clear()
        if wait and self._thread is not threading.current_thread():
            self._ended.wait()

    def reset(self) -> None:
        """Stop, and begin anew with new initial parameters and empty curves."""
        self.stop()
        self.plot.forget(self.name)
        self._batches = None
        if self.module.binded:
            self.module.init_params(self._initializer, force_init=True)
            self._set_optimizer()
        self.advice = ""
        self.status = "ready"
        self.plot.redraw()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the training ends, or `timeout` seconds; whether it has ended.

        Ctrl-C, or the kernel's interrupt button, stops the training. Raises what went wrong in it.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        try:
            while not self._ended.is_set() and (left := end - time.monotonic()) > 0:
                self._ended.wait(min(left, _PATIENCE))
        except KeyboardInterrupt:
            self.stop()
        if not self._ended.is_set():
            return False
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return True

    def _begin(self, count):
        if self.status == "running":
            return
        self._error = None
        self._wanted.set()
        self._ended.clear()
        self.status = "running"
        self._thread = threading.Thread(target=self._work, args=(count,), daemon=True)
        stop_with_the_kernel(self)
        self._thread.start()

    # ---- the thread

    def _work(self, count):
        try:
            try:
                with blas_on_one_thread:
                    status = self._train_batches(count)
            except Exception as error:
                self._error, self._batches = error, None
                self.advice = f"{type(error).__name__}: {error}"
                status = "failed"
            self._wanted.clear()
            self.plot.redraw()
            self.status = status
        finally:
            self._ended.set()

    def _train_batches(self, count):
        if self._batches is None:
            self._batches = self._epochs()
        done = 0
        while self._wanted.is_set() and done < count:
            if next(self._batches, None) is None:
                self._batches = None
                return "finished"
            done += 1
            run = self.plot.runs[self.name]
            self.advice = advice(run, self.learning_rate)
            if math.isnan(run.last_loss):
                return "stopped"
        return "stopped"

    def _epochs(self):
        """Yields after each batch."""
        self._prepare()
        total = len(self._train)
        accuracy = metric.Accuracy()
        for epoch in range(self.num_epoch):
            self._train.reset()
            accuracy.reset()
            for nbatch, batch in enumerate(self._train):
                left = (self.num_epoch - epoch) * total - nbatch - 1
                # All in one turn: no other prediction with this module may come in between.
                with computing:
                    self.module.forward_backward(batch)
                    self.module.update()
                    # Without the rows that only fill the last batch up.
                    rows = self._train.batch_size - (batch.pad or 0)
                    outputs, labels = self.module.get_outputs()[0][:rows], batch.label[0][:rows]
                    accuracy.update([labels], [outputs])
                    if nbatch == total - 1:
                        train = accuracy.get()[1]
                        validation = self._score()
                self.plot.after_batch(
                    self.name, lambda outputs=outputs: outputs, labels, left, pause=not nbatch
                )
                if nbatch == total - 1:
                    self.plot.after_epoch(self.name, train, validation)
                yield epoch, nbatch

    def _prepare(self):
        module = self.module
        if not module.binded:
            module.bind(self._train.provide_data, self._train.provide_label)
        if not module.params_initialized:
            module.init_params(self._initializer)
        if not self._has_optimizer:
            self._set_optimizer()

    _has_optimizer = False

    def _set_optimizer(self):
        self.module.init_optimizer(optimizer=self._optimizer, force_init=True)
        self._has_optimizer = True

    def _score(self):
        if self._eval_data is None:
            return None
        return self.module.score(self._eval_data, "acc")[0][1]

    # ---- what it shows

    @traitlets.validate("learning_rate")
    def _check_rate(self, proposal):
        if not 0 < proposal.value < math.inf:
            raise traitlets.TraitError(f"learning_rate must be above 0, got {proposal.value!r}")
        return proposal.value

    @traitlets.observe("learning_rate")
    def _change_rate(self, change):
        # The slider would pull a rate beyond its ends back.
        self._rate.min = min(self._rate.min, math.floor(math.log10(change.new)))
        self._rate.max = max(self._rate.max, math.ceil(math.log10(change.new)))
        self._optimizer.set_learning_rate(change.new)

    @traitlets.observe("status", "advice")
    def _show_state(self, change=None):
        running = self.status == "running"
        self._start_button.disabled = self._step_button.disabled = running
        self._reset_button.disabled = running
        self._stop_button.disabled = not running
        self._start_button.description = "Resume" if self.status == "stopped" else "Start"
        state = {"ready": "Ready to train", "running": "Training"}.get(self.status, self.status)
        text = f"<b>{state.capitalize()}.</b> {escape(self.advice)}"
        self._says.value = f"<div role='status' aria-live='polite'>{text}</div>"

    def is_empty(self) -> bool:
        """Whether nothing has been trained yet."""
        return self.plot.is_empty()

    def figure(self):
        """The curves."""
        return self.plot.figure()

    def description(self) -> str:
        """The latest numbers, and the advice."""
        return f"{self.plot.description()} {self.advice}".rstrip()
