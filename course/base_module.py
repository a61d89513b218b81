"""The training loop: `fit`, `score` and `predict`, in terms of forward, backward and update."""

import math
import signal
import threading
import time
import warnings

import numpy as np

from course import log, metric, random
from course.arguments import whole_number
from course.callback import BatchEndParam
from course.io import DataIter, NDArrayIter
from course.kernels.threads import blas_on_one_thread, computing
from course.ndarray import NDArray


class BaseModule:
    """What can be trained. `Module` adds the arrays; this class knows only how to use them."""

    # ---- training

    def fit(
        self,
        train_data,
        eval_data=None,
        eval_metric="acc",
        epoch_end_callback=None,
        batch_end_callback=None,
        kvstore="local",
        optimizer="sgd",
        optimizer_params=(("learning_rate", 0.01),),
        eval_end_callback=None,
        eval_batch_end_callback=None,
        initializer=None,
        arg_params=None,
        aux_params=None,
        allow_missing=False,
        force_rebind=False,
        force_init=False,
        begin_epoch=0,
        num_epoch=None,
        validation_metric=None,
        monitor=None,
    ):
        """Train from epoch `begin_epoch` up to, not including, `num_epoch`.

        Each epoch takes each batch of `train_data` once: forward, backward, update. Then the
        metric of the training batches is logged, and that of `eval_data`. A second call goes on
        from the present parameters, with the optimizer's state unless its settings or the batch
        size change. The initializer is Uniform(0.01) unless given. `kvstore` means nothing here.

        Ctrl-C stops after the batch at hand; the parameters are kept. Raises ValueError without
        `num_epoch`. Warns once if the outputs become NaN.
        """
        if num_epoch is None:
            raise ValueError("please specify number of epochs: fit(..., num_epoch=10)")
        begin_epoch = whole_number(begin_epoch, "begin_epoch", 0)
        num_epoch = whole_number(num_epoch, "num_epoch", 0)
        _check_iterator(train_data, "train_data")
        if eval_data is not None:
            _check_iterator(eval_data, "eval_data")
        if len(train_data.provide_label or ()) < len(self.label_names):
            raise ValueError(
                f"train_data has no labels, but the network's loss needs {self.label_names[0]}: "
                "mx.io.NDArrayIter(images, labels, 100)"
            )
        train_metric = metric.create(eval_metric)
        validation_metric = metric.create(validation_metric or eval_metric)
        warned = False
        comfort = "; the parameters are kept, and fit goes on from them"
        with _InterruptsWait(comfort) as interrupts, blas_on_one_thread:
            self.bind(
                data_shapes=train_data.provide_data,
                label_shapes=train_data.provide_label,
                for_training=True,
                force_rebind=force_rebind or self._must_rebind(train_data),
            )
            if monitor is not None:
                self.install_monitor(monitor)
            if not self.params_initialized or force_init or arg_params or aux_params:
                self.init_params(initializer, arg_params, aux_params, allow_missing, True)
            self._follow_optimizer(optimizer, optimizer_params)
            interrupts.stop_after("the preparations")
            for epoch in range(begin_epoch, num_epoch):
                start = time.perf_counter()
                train_data.reset()
                train_metric.reset()
                for nbatch, batch in enumerate(train_data):
                    if monitor is not None:
                        monitor.tic()
                    with computing:  # until the metric has its numbers: others may predict then
                        self.forward_backward(batch)
                        self.update()
                        warned = warned or self._warn_of_nan(epoch, nbatch)
                        self._update_metric(train_metric, batch)
                    if monitor is not None:
                        monitor.toc_print()
                    if batch_end_callback is not None:
                        # `locals` in MXNet's sense: what the loop knows, for who asks.
                        param = BatchEndParam(epoch, nbatch, train_metric, locals())
                        _call(batch_end_callback, param)
                    interrupts.stop_after(f"batch {nbatch} of epoch {epoch}")
                for name, value in train_metric.get_global_name_value():
                    log.info("Epoch[%d] Train-%s=%f", epoch, name, value, logger=self.logger)
                seconds = time.perf_counter() - start
                log.info("Epoch[%d] Time cost=%.3f", epoch, seconds, logger=self.logger)
                if epoch_end_callback is not None:
                    _call(epoch_end_callback, epoch, self.symbol, *self.get_params())
                if eval_data is not None:
                    count = self._score(
                        eval_data, validation_metric, None, eval_batch_end_callback, epoch
                    )
                    param = BatchEndParam(epoch, count, validation_metric, locals())
                    _call(eval_end_callback, param)
                    for name, value in validation_metric.get_name_value():
                        log.info(
                            "Epoch[%d] Validation-%s=%f", epoch, name, value, logger=self.logger
                        )
                interrupts.stop_after(f"epoch {epoch}")
            train_data.reset()
        interrupts.stop_after("the last epoch")

    def forward_backward(self, data_batch) -> None:
        """Forward in training, then backward."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def _warn_of_nan(self, epoch, nbatch) -> bool:
        if not any(math.isnan(output.sum()) for output in self._raw_outputs()):
            return False
        warnings.warn(
            f"the outputs became NaN in epoch {epoch}, batch {nbatch}: the learning rate is "
            "probably too high, or the data holds NaN or infinity; training from here on is "
            "in vain",
            RuntimeWarning,
            stacklevel=3,
        )
        return True

    def _update_metric(self, eval_metric, batch) -> None:
        """Count the batch, without the samples that only fill it up."""
        outputs, labels = self._raw_outputs(), batch.label or []
        rows = _real_rows(batch)
        if rows is not None:
            outputs = [output[:rows] for output in outputs]
            labels = [label[:rows] for label in labels]
        eval_metric.update(labels, outputs)

    # ---- scoring and prediction

    def score(
        self,
        eval_data,
        eval_metric,
        num_batch=None,
        batch_end_callback=None,
        score_end_callback=None,
        reset=True,
        epoch=0,
    ):
        """The metric on `eval_data`: [('accuracy', 0.97)].

        Samples that only fill up the last batch are left out (MXNet counts them again).
        """
        self._check_ready()
        _check_iterator(eval_data, "eval_data")
        eval_metric = metric.create(eval_metric)
        with _InterruptsWait() as interrupts, blas_on_one_thread:
            count = self._score(
                eval_data, eval_metric, num_batch, batch_end_callback, epoch, reset, interrupts
            )
        interrupts.stop_after("the last batch")
        _call(score_end_callback, BatchEndParam(epoch, count, eval_metric, locals()))
        return eval_metric.get_name_value()

    def _score(
        self, eval_data, eval_metric, num_batch, callback, epoch, reset=True, interrupts=None
    ):
        """Count the batches in the metric; how many there were."""
        eval_metric.reset()
        count = 0
        with random.kept():  # training goes on the same, however often it is looked at
            if reset:
                eval_data.reset()
            for nbatch, batch in enumerate(_first(eval_data, num_batch)):
                with computing:  # no other thread's forward between this one and its outputs
                    self.forward(batch, is_train=False)
                    self._update_metric(eval_metric, batch)
                if callback is not None:
                    _call(callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
                count = nbatch + 1
                if interrupts is not None:
                    interrupts.stop_after(f"batch {nbatch}")
        return count

    def iter_predict(self, eval_data, num_batch=None, reset=True):
        """Yields (outputs, batch number, batch) for each batch, without its padding."""
        self._check_ready()
        eval_data = self._as_iterator(eval_data)
        if reset:
            eval_data.reset()
        for nbatch, batch in enumerate(_first(eval_data, num_batch)):
            rows = _real_rows(batch)
            with computing:
                self.forward(batch, is_train=False)
                outputs = [output[:rows].copy().view(NDArray) for output in self._raw_outputs()]
            yield outputs, nbatch, batch

    def predict(
        self, eval_data, num_batch=None, merge_batches=True, reset=True, always_output_list=False
    ):
        """The outputs for all of `eval_data`, an iterator or a numpy array: one row a sample.

        A list if the network has several outputs, or with `always_output_list`. With
        `merge_batches=False`, a list of the lists of each batch.
        """
        batches = []
        with _InterruptsWait() as interrupts, blas_on_one_thread:
            for outputs, nbatch, _ in self.iter_predict(eval_data, num_batch, reset):
                batches.append(outputs)
                interrupts.stop_after(f"batch {nbatch}")
        interrupts.stop_after("the last batch")
        if not merge_batches or not batches:
            return batches
        merged = [np.concatenate(parts).view(NDArray) for parts in zip(*batches, strict=True)]
        return merged if len(merged) > 1 or always_output_list else merged[0]

    def _as_iterator(self, data):
        if isinstance(data, np.ndarray):
            shape = self.data_shapes[0].shape
            if data.shape[1:] != tuple(shape[1:]) or data.ndim != len(shape):
                raise ValueError(
                    f"expected an array of shape (N, {', '.join(map(str, shape[1:]))}), "
                    f"got {data.shape}"
                )
            batch_size = max(1, min(len(data), shape[0]))
            return NDArrayIter(data, None, batch_size, data_name=self.data_names[0])
        _check_iterator(data, "eval_data")
        return data


def _check_iterator(data, what):
    if not isinstance(data, DataIter) and not all(
        hasattr(data, needed) for needed in ("reset", "__iter__", "provide_data")
    ):
        raise TypeError(
            f"{what} must be a data iterator, such as mx.io.NDArrayIter(images, labels, 100), "
            f"got {type(data).__name__}"
        )


def _real_rows(batch) -> int | None:
    """How many of the batch's rows are samples; None: all of them."""
    filler = getattr(batch, "filler", getattr(batch, "pad", None))
    return len(batch.data[0]) - filler if filler else None


def _first(batches, count):
    """The first `count` batches, or all of them; asks for no batch that it does not yield."""
    if count is None:
        yield from batches
        return
    for _, batch in zip(range(count), batches, strict=False):
        yield batch


def _call(callbacks, *args):
    if callbacks is None:
        return
    for callback in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        callback(*args)


class _InterruptsWait:
    """In this block Ctrl-C is noted; `stop_after` gives it its way where nothing is half done.

    A second one stops at once, but for `computing`, which ends its batch. In other threads than
    the main one Python delivers no signals.
    """

    def __init__(self, comfort=""):
        self._comfort = comfort

    def __enter__(self):
        self._pressed = False
        self._usual = None
        if threading.current_thread() is threading.main_thread():
            self._usual = signal.getsignal(signal.SIGINT)
        if callable(self._usual):  # else it is ignored, or handled outside Python
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception):
        if callable(self._usual):
            signal.signal(signal.SIGINT, self._usual)

    def _note(self, number, frame):
        if self._pressed:
            self._usual(number, frame)
        self._pressed = True

    def stop_after(self, what) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self._pressed:
            raise KeyboardInterrupt(f"stopped after {what}{self._comfort}")
