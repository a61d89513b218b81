"""The training loop: `fit`, `score` and `predict`, in terms of forward, backward and update."""

import math
import signal
import threading
import time
import warnings
from contextlib import contextmanager

import numpy as np

from course import log, metric
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
        _check_iterator(train_data, "train_data")
        if eval_data is not None:
            _check_iterator(eval_data, "eval_data")
        self.bind(
            data_shapes=train_data.provide_data,
            label_shapes=train_data.provide_label,
            for_training=True,
            force_rebind=force_rebind or self._must_rebind(train_data),
        )
        if monitor is not None:
            self.install_monitor(monitor)
        if not self.params_initialized or force_init or arg_params or aux_params:
            self.init_params(initializer, arg_params, aux_params, allow_missing, force_init=True)
        self._follow_optimizer(optimizer, optimizer_params)
        train_metric = metric.create(eval_metric)
        validation_metric = metric.create(validation_metric or eval_metric)
        warned = False
        with _interrupts_wait() as interrupted, blas_on_one_thread:
            for epoch in range(begin_epoch, num_epoch):
                start = time.perf_counter()
                train_data.reset()
                train_metric.reset()
                for nbatch, batch in enumerate(train_data):
                    if monitor is not None:
                        monitor.tic()
                    with computing:
                        self.forward_backward(batch)
                        self.update()
                    if monitor is not None:
                        monitor.toc_print()
                    warned = warned or self._warn_of_nan(epoch, nbatch)
                    self._update_metric(train_metric, batch)
                    if batch_end_callback is not None:
                        # `locals` in MXNet's sense: what the loop knows, for who asks.
                        param = BatchEndParam(epoch, nbatch, train_metric, locals())
                        _call(batch_end_callback, param)
                    _stop_if(interrupted, f"batch {nbatch} of epoch {epoch}")
                for name, value in train_metric.get_global_name_value():
                    log.info("Epoch[%d] Train-%s=%f", epoch, name, value, logger=self.logger)
                seconds = time.perf_counter() - start
                log.info("Epoch[%d] Time cost=%.3f", epoch, seconds, logger=self.logger)
                if epoch_end_callback is not None:
                    _call(epoch_end_callback, epoch, self.symbol, *self.get_params())
                if eval_data is not None:
                    result = self.score(
                        eval_data,
                        validation_metric,
                        batch_end_callback=eval_batch_end_callback,
                        score_end_callback=eval_end_callback,
                        epoch=epoch,
                    )
                    for name, value in result:
                        log.info(
                            "Epoch[%d] Validation-%s=%f", epoch, name, value, logger=self.logger
                        )
                _stop_if(interrupted, f"epoch {epoch}")
        train_data.reset()

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
        eval_metric.reset()
        if reset:
            eval_data.reset()
        count = 0
        with blas_on_one_thread:
            for nbatch, batch in enumerate(_first(eval_data, num_batch)):
                self.forward(batch, is_train=False)
                self._update_metric(eval_metric, batch)
                param = BatchEndParam(epoch, nbatch, eval_metric, locals())
                _call(batch_end_callback, param)
                count = nbatch + 1
        _call(score_end_callback, BatchEndParam(epoch, count, eval_metric, locals()))
        return eval_metric.get_name_value()

    def iter_predict(self, eval_data, num_batch=None, reset=True):
        """Yields (outputs, batch number, batch) for each batch, without its padding."""
        self._check_ready()
        eval_data = self._as_iterator(eval_data)
        if reset:
            eval_data.reset()
        for nbatch, batch in enumerate(_first(eval_data, num_batch)):
            self.forward(batch, is_train=False)
            rows = _real_rows(batch)
            outputs = [output[:rows].copy().view(NDArray) for output in self._raw_outputs()]
            yield outputs, nbatch, batch

    def predict(
        self, eval_data, num_batch=None, merge_batches=True, reset=True, always_output_list=False
    ):
        """The outputs for all of `eval_data`, an iterator or a numpy array: one row a sample.

        A list if the network has several outputs, or with `always_output_list`. With
        `merge_batches=False`, a list of the lists of each batch.
        """
        with blas_on_one_thread:
            batches = [out for out, _, _ in self.iter_predict(eval_data, num_batch, reset)]
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


def _stop_if(interrupted, where):
    if interrupted.is_set():
        raise KeyboardInterrupt(
            f"stopped after {where}; the parameters are kept, and fit goes on from them"
        )


@contextmanager
def _interrupts_wait():
    """Ctrl-C sets the event that this yields, instead of stopping in the middle of an update.

    A second one stops at once. In other threads than the main one Python delivers no signals.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual):  # ignored, or handled outside Python
        yield event
        return

    def note(number, frame):
        if event.is_set():
            usual(number, frame)
        event.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, usual)
