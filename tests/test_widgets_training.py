"""Live curves and the trainer: what they count, show and say, and that they stop and go on."""

import json
import math
import threading

import numpy as np
import pytest
import traitlets

import course as mx
from course import widgets
from course.widgets.history import Curve, Run, advice
from tests.networks import blobs, mlp
from tests.test_threads import in_new_process
from tests.widget_parts import (
    check_dark_theme,
    check_still_picture,
    control,
    output_of,
    picture_in,
    spoken,
)

SECONDS = 60  # until a test gives up on another thread


def blob_iterator(count=200, batch_size=20, kind=mx.io.NDArrayIter):
    data, label = blobs(count, np.random.default_rng(0))
    return kind(data, label, batch_size, shuffle=False)


def small_module():
    return mx.mod.Module(mlp(hidden=(8,), classes=3))


def small_trainer(**settings):
    settings = {"num_epoch": 3, "initializer": mx.init.Xavier(), **settings}
    return widgets.Trainer(small_module(), settings.pop("train", blob_iterator()), **settings)


class Gate(mx.io.NDArrayIter):
    """An iterator that waits at batch `at` until `opened` is set; `reached` says it is there."""

    at = 3

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.reached, self.opened, self.count = threading.Event(), threading.Event(), 0

    def next(self):
        if self.count == self.at:
            self.reached.set()
            assert self.opened.wait(SECONDS)
        self.count += 1
        return super().next()


class Broken(mx.io.NDArrayIter):
    """An iterator with a defect in its fourth batch, until it is mended."""

    whole = False
    count = 0

    def next(self):
        self.count += 1
        if self.count == 4 and not self.whole:
            raise OSError("the disk is gone")
        return super().next()


def fit(module, live, name, train=None, **settings):
    settings = {"num_epoch": 2, "initializer": mx.init.Xavier(), **settings}
    train = train or blob_iterator()
    module.fit(train, optimizer_params={"learning_rate": 0.1}, **settings, **live.callbacks(name))
    return live.runs[name]


def params_of(module):
    return {name: value.copy() for name, value in module.get_params()[0].items()}


# ---- curves


def test_curves_have_the_numbers_of_the_training():
    live, seen = widgets.LivePlot(share=1e9), []  # so much time that each batch is measured
    module, train = small_module(), blob_iterator()
    callbacks = live.callbacks("MLP")

    def also(param):
        probabilities = np.asarray(module.get_outputs()[0])
        labels = param.locals["batch"].label[0].astype(int)
        chosen = probabilities[np.arange(len(labels)), labels]
        seen.append((-np.log(chosen).mean(), (probabilities.argmax(axis=1) == labels).mean()))

    callbacks["batch_end_callback"] = [callbacks["batch_end_callback"], also]
    module.fit(
        train, eval_data=blob_iterator(40), num_epoch=2, initializer=mx.init.Xavier(),
        optimizer_params={"learning_rate": 0.1}, **callbacks,
    )  # fmt: skip
    run = live.runs["MLP"]
    assert run.batches == 20
    assert run.loss.x == list(range(1, 21))
    # Adam's corrected average, written as what it is: weights 0.9^age, their sum 1.
    weight = 0.9 ** np.arange(20)[::-1]
    expected = (weight[:, None] * seen).sum(axis=0) / weight.sum()
    np.testing.assert_allclose([run.loss.y[-1], run.accuracy.y[-1]], expected, rtol=1e-5)
    assert run.train.x == run.validation.x == [10, 20]
    score = dict(module.score(blob_iterator(40), "acc"))["accuracy"]
    assert run.validation.y[-1] == pytest.approx(score)
    assert f"validation accuracy {score:.1%}" in live.description()


def test_several_runs_lie_one_over_the_other():
    live = widgets.LivePlot()
    fit(small_module(), live, "one")
    fit(small_module(), live, "two")
    loss, accuracy = live.figure().axes
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["one", "two"]
    assert len({line.get_color() for line in loss.lines}) == 2
    for axes in (loss, accuracy):
        assert axes.get_xlabel() == "batches"
        assert axes.get_ylabel()
    assert live.description().startswith("one: 20 batches")
    assert "two: 20 batches" in picture_in(live).alt


def test_the_legend_of_accuracies_names_each_kind_of_curve_once():
    live = widgets.LivePlot()
    legends = []
    for name, validation in (("one", None), ("two", None), ("three", blob_iterator(40))):
        fit(small_module(), live, name, eval_data=validation)
        legend = live.figure().axes[1].get_legend()
        legends.append([text.get_text() for text in legend.get_texts()])
    assert legends == [["training"], ["training"], ["training", "validation"]]


def test_a_second_fit_goes_on_and_another_module_begins_anew():
    live, module = widgets.LivePlot(), small_module()
    assert fit(module, live, "MLP").batches == 20
    assert fit(module, live, "MLP").batches == 40
    assert fit(small_module(), live, "MLP").batches == 20


def test_what_the_live_plot_says_ends_with_the_last_numbers():
    live = widgets.LivePlot()
    run = fit(small_module(), live, "MLP", eval_data=blob_iterator(40))
    assert f"MLP: 20 batches, loss {run.loss.y[-1]:.3f}" in spoken(live)
    assert "samples a second" in spoken(live)
    assert "left" not in spoken(live)
    assert f"loss {run.loss.y[-1]:.3f}" in picture_in(live).alt


def test_the_live_plot_draws_as_often_as_its_share_allows():
    module, drawn = small_module(), []
    live = widgets.LivePlot(share=1e-9)
    picture_in(live).observe(lambda change: drawn.append(change), "png")
    fit(module, live, "MLP", num_epoch=5)
    assert 1 <= len(drawn) <= 3  # at the first batch, the last, and the end of the last epoch


def test_a_live_plot_without_a_share_is_refused():
    with pytest.raises(ValueError, match="share must be above 0, got 0"):
        widgets.LivePlot(share=0)


def test_before_training_there_is_no_still_picture_and_after_it_there_is():
    live = widgets.LivePlot()
    data, *_ = output_of(live)
    assert "image/png" not in data
    assert "Nothing has been trained yet." in spoken(live)
    fit(small_module(), live, "MLP")
    check_still_picture(live, "Training curves")
    check_dark_theme(live)


def test_a_long_curve_is_thinned_evenly():
    curve = Curve()
    for x in range(10_000):
        curve.add(x, -x)
    assert 500 <= len(curve.x) <= 1001
    assert curve.x == list(range(0, 10_000, curve.every))
    assert curve.y == [-x for x in curve.x]


# ---- advice


def trained_like(loss=(), train=(), validation=(), last=1.0):
    run = Run("network", last_loss=last)
    for curve, values in ((run.loss, loss), (run.train, train), (run.validation, validation)):
        for x, y in enumerate(values):
            curve.add(x, y)
    return run


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (trained_like(last=math.nan), "The loss is NaN: the learning rate is probably too high; "
                                      "try 0.1"),
        (trained_like([4.0] * 30), "worse than guessing (ln 10 = 2.30)"),
        (trained_like([0.1], [0.9, 0.95, 0.99], [0.93, 0.95, 0.92]), "it is memorising"),
        (trained_like([0.1], [0.9, 0.95, 0.99], [0.89, 0.9, 0.91]), "8% above validation"),
        (trained_like([0.1], [0.98] * 4, [0.97] * 4), "has learned what it will learn"),
        (trained_like([2.3] * 300), "stays where guessing is"),
        (trained_like([1.0] * 300, [0.7, 0.8, 0.85], [0.7, 0.8, 0.85]), ""),
        (trained_like(), ""),
    ],
)  # fmt: skip
def test_the_advice_fits_the_curves(run, words):
    assert (words in advice(run, learning_rate=1.0)) if words else advice(run, 1.0) == ""


# ---- the trainer


def test_the_trainer_trains_as_fit_does():
    mx.random.seed(1)
    by_fit = small_module()
    by_fit.fit(
        blob_iterator(), num_epoch=3, initializer=mx.init.Xavier(),
        optimizer_params={"learning_rate": 0.1, "momentum": 0.9},
    )  # fmt: skip
    mx.random.seed(1)
    trainer = small_trainer(eval_data=blob_iterator(40), momentum=0.9)
    assert trainer.status == "ready"
    trainer.start()
    assert trainer.join(SECONDS)
    assert trainer.status == "finished"
    expected = by_fit.get_params()[0]
    for name, value in trainer.module.get_params()[0].items():
        np.testing.assert_array_equal(value, expected[name])
    run = trainer.plot.runs["network"]
    assert (run.batches, len(run.train.y), len(run.validation.y)) == (30, 3, 3)
    score = dict(trainer.module.score(blob_iterator(40), "acc"))["accuracy"]
    assert run.validation.y[-1] == pytest.approx(score)


def test_stop_ends_after_the_batch_at_hand_and_start_goes_on():
    whole = small_trainer(num_epoch=1)
    whole.start()
    whole.join(SECONDS)
    mx.random.seed(0)
    train = blob_iterator(kind=Gate)
    trainer = small_trainer(train=train, num_epoch=1)
    trainer.start()
    assert train.reached.wait(SECONDS)
    assert trainer.status == "running"
    control(trainer, "Stop").click()
    train.opened.set()
    assert trainer.join(SECONDS)
    assert trainer.status == "stopped"
    batches = trainer.plot.runs["network"].batches
    assert train.at <= batches <= train.at + 1
    assert len(trainer.module.predict(blobs(5, np.random.default_rng(2))[0])) == 5
    control(trainer, "Resume").click()
    assert trainer.join(SECONDS)
    assert trainer.status == "finished"
    # As if it had never stopped.
    expected = whole.module.get_params()[0]
    for name, value in trainer.module.get_params()[0].items():
        np.testing.assert_array_equal(value, expected[name])


def test_step_trains_single_batches():
    trainer = small_trainer()
    trainer.step()
    assert (trainer.status, trainer.plot.runs["network"].batches) == ("stopped", 1)
    before = params_of(trainer.module)
    trainer.step(4)
    assert trainer.plot.runs["network"].batches == 5
    assert any((value != before[name]).any() for name, value in params_of(trainer.module).items())
    control(trainer, "One batch").click()
    assert trainer.join(SECONDS)
    assert trainer.plot.runs["network"].batches == 6


def test_the_learning_rate_changes_with_the_next_batch():
    trainer = small_trainer()
    trainer.step()
    before = params_of(trainer.module)
    trainer.learning_rate = 1e-30  # no step at all, in float32
    trainer.step(3)
    assert all((value == before[name]).all() for name, value in params_of(trainer.module).items())
    control(trainer, "learning rate").value = 0.5
    assert trainer.learning_rate == 0.5
    trainer.step()
    assert any((value != before[name]).any() for name, value in params_of(trainer.module).items())


def test_the_learning_rate_can_be_changed_while_it_runs():
    train = blob_iterator(kind=Gate)
    trainer = small_trainer(train=train, num_epoch=1)
    trainer.start()
    assert train.reached.wait(SECONDS)
    before = params_of(trainer.module)
    trainer.learning_rate = 1e-30
    train.opened.set()
    assert trainer.join(SECONDS)
    assert trainer.status == "finished"
    assert all((value == before[name]).all() for name, value in params_of(trainer.module).items())


@pytest.mark.parametrize("rate", [0, -1.0, math.nan, math.inf])
def test_a_learning_rate_that_is_none_is_refused_and_the_old_one_stays(rate):
    trainer = small_trainer()
    with pytest.raises(traitlets.TraitError, match="learning_rate must be above 0"):
        trainer.learning_rate = rate
    assert trainer.learning_rate == 0.1


@pytest.mark.parametrize("rate", [1e-7, 300.0])
def test_a_learning_rate_beyond_the_slider_is_kept(rate):
    trainer = small_trainer()
    trainer.learning_rate = rate
    assert trainer.learning_rate == rate
    assert control(trainer, "learning rate").value == rate
    assert small_trainer(learning_rate=rate).learning_rate == rate


def test_reset_begins_anew_with_empty_curves():
    trainer = small_trainer()
    trainer.step(15)
    control(trainer, "Start afresh").click()
    assert (trainer.status, trainer.advice, trainer.plot.runs) == ("ready", "", {})
    start = params_of(trainer.module)
    trainer.start()
    trainer.join(SECONDS)
    assert trainer.plot.runs["network"].batches == 30
    assert any((value != start[name]).any() for name, value in params_of(trainer.module).items())


def test_start_after_the_end_trains_as_many_epochs_more():
    trainer = small_trainer(num_epoch=1)
    for expected in (10, 20):
        trainer.start()
        trainer.join(SECONDS)
        assert (trainer.status, trainer.plot.runs["network"].batches) == ("finished", expected)


def test_what_goes_wrong_in_the_thread_is_told_and_raised_and_can_be_mended():
    train = blob_iterator(kind=Broken)
    trainer = small_trainer(train=train)
    trainer.start()
    with pytest.raises(OSError, match="the disk is gone"):
        trainer.join(SECONDS)
    assert (trainer.status, trainer.advice) == ("failed", "OSError: the disk is gone")
    assert "the disk is gone" in spoken(trainer)
    assert trainer.plot.runs["network"].batches == 3
    train.whole = True
    trainer.start()
    assert trainer.join(SECONDS)
    assert trainer.status == "finished"


def test_a_loss_of_nan_stops_and_says_why():
    trainer = small_trainer(learning_rate=1e30, num_epoch=10_000)
    with np.errstate(all="ignore"):
        trainer.start()
        assert trainer.join(SECONDS)
    assert trainer.status == "stopped"
    assert "The loss is NaN: the learning rate is probably too high; try 1e+29" in trainer.advice
    assert "NaN" in spoken(trainer)
    assert trainer.plot.runs["network"].batches < 100_000


def test_ctrl_c_in_join_stops_the_training():
    code = """
import json, os, signal, threading
from tests.test_widgets_training import Gate, SECONDS, blob_iterator, small_trainer
train = blob_iterator(kind=Gate)
trainer = small_trainer(train=train, num_epoch=100)
def press():
    assert train.reached.wait(SECONDS)
    train.at = -1
    os.kill(os.getpid(), signal.SIGINT)
    train.opened.set()
trainer.start()
threading.Thread(target=press).start()
ended = trainer.join(SECONDS)
stopped = trainer.status
trainer.step()
print(json.dumps([ended, stopped, trainer.plot.runs["network"].batches > 3]))
"""
    assert in_new_process(code) == [True, "stopped", True]


def test_join_waits_no_longer_than_asked():
    train = blob_iterator(kind=Gate)
    trainer = small_trainer(train=train, num_epoch=1)
    assert trainer.join(0)  # nothing to wait for
    trainer.start()
    assert train.reached.wait(SECONDS)
    assert not trainer.join(0.01)
    train.opened.set()
    assert trainer.join(SECONDS)


def test_no_thread_is_left_and_the_interpreter_ends_while_it_trains():
    before = set(threading.enumerate())
    trainer = small_trainer()
    trainer.start()
    (thread,) = set(threading.enumerate()) - before
    trainer.join(SECONDS)
    thread.join(SECONDS)
    assert not thread.is_alive()
    code = """
import json
from tests.test_widgets_training import blob_iterator, small_trainer
trainer = small_trainer(num_epoch=100000)
trainer.start()
print(json.dumps(trainer.status), flush=True)
"""
    assert in_new_process(code) == "running"


def test_the_buttons_are_those_that_can_be_pressed():
    train = blob_iterator(kind=Gate)
    trainer = small_trainer(train=train, num_epoch=1)

    def enabled():
        names = ("Start", "Resume", "Stop", "One batch", "Start afresh")
        buttons = [part for part in trainer.children[0].children if part.description in names]
        return [button.description for button in buttons if not button.disabled]

    assert enabled() == ["Start", "One batch", "Start afresh"]
    trainer.start()
    assert train.reached.wait(SECONDS)
    assert enabled() == ["Stop"]
    trainer.stop(wait=False)
    train.opened.set()
    trainer.join(SECONDS)
    assert enabled() == ["Resume", "One batch", "Start afresh"]
    assert "Stopped." in spoken(trainer)


def test_two_trainers_share_a_plot_and_a_new_one_begins_its_curve_anew():
    plot = widgets.LivePlot()
    for name in ("one", "two", "one"):
        trainer = small_trainer(plot=plot, name=name, num_epoch=1)
        trainer.start()
        trainer.join(SECONDS)
    assert {name: run.batches for name, run in plot.runs.items()} == {"one": 10, "two": 10}


def test_filler_of_the_last_batch_does_not_count():
    data, label = blobs(30, np.random.default_rng(0))
    module = small_module()
    trainer = widgets.Trainer(
        module, mx.io.NDArrayIter(data, label, 20), num_epoch=1, learning_rate=1e-30,
        initializer=mx.init.Xavier(),
    )  # fmt: skip
    trainer.start()
    trainer.join(SECONDS)
    # Nothing was learned: the accuracy of the epoch is that of the 30 samples.
    right = (np.asarray(module.predict(data)).argmax(axis=1) == label).mean()
    assert trainer.plot.runs["network"].train.y == [pytest.approx(right)]
    assert trainer.plot.runs["network"].samples <= 30


def test_the_trainer_keeps_a_still_picture_with_its_advice():
    trainer = small_trainer(learning_rate=1e30)
    with np.errstate(all="ignore"):
        trainer.start()
        trainer.join(SECONDS)
    check_still_picture(trainer, "Trainer")
    assert "NaN" in trainer.description()


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="num_epoch must be at least 1, got 0"):
        small_trainer(num_epoch=0)


LOOKING_WHILE_IT_TRAINS = """
import json
import numba
import course as mx
from course import widgets
from tests.widget_parts import digits, trained
images, labels = digits(60)
train = mx.io.NDArrayIter(images, labels, 20)
trainer = widgets.Trainer(trained("lenet"), train, num_epoch=1000)
trainer.start()
draw = widgets.DrawDigit(trained("lenet"))
maps = widgets.FeatureMaps(trained("lenet"), images, labels)
diagram = widgets.NetworkDiagram(trained("lenet"), images, labels)
for step in range(3):
    draw.strokes = [[(0.3, 0.2), (0.7, 0.2 + step / 20), (0.5, 0.8)]]
    draw.refresh()
    maps.refresh()
    diagram.refresh()
running = trainer.status
trainer.stop()
print(json.dumps([numba.threading_layer(), running, trainer.status]))
"""


def test_widgets_predict_while_a_thread_trains_even_with_the_work_queue():
    found = in_new_process(LOOKING_WHILE_IT_TRAINS, NUMBA_THREADING_LAYER="workqueue")
    assert found == ["workqueue", "running", "stopped"]


def test_the_status_trait_can_be_watched():
    seen = []
    trainer = small_trainer(num_epoch=1)
    trainer.observe(lambda change: seen.append(change.new), "status")
    trainer.start()
    trainer.join(SECONDS)
    assert seen == ["running", "finished"]
    assert json.dumps(seen)
