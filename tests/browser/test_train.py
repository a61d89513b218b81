"""Training in a browser: buttons, and JupyterLab's own stop button."""

import re

import pytest

START = """
import course as mx
from course import widgets
mnist = mx.test_utils.get_mnist("sample")
train = mx.io.NDArrayIter(mnist["train_data"], mnist["train_label"], 100, shuffle=True)
test = mx.io.NDArrayIter(mnist["test_data"], mnist["test_label"], 100)
"""
TRAINER = """
trainer = widgets.Trainer(mx.mod.Module(mx.networks.lenet()), train, test, num_epoch=1000,
                          initializer=mx.init.Xavier())
trainer
"""
JOIN = "trainer.start(); trainer.join()"
STATE = "print(trainer.status, trainer.module.score(test, 'acc'))"
FIT = """
live = widgets.LivePlot()
module = mx.mod.Module(mx.networks.lenet())
module.fit(train, num_epoch=1000, initializer=mx.init.Xavier(), **live.callbacks("LeNet"))
"""
FIT_ON = """
before = live.runs["LeNet"].batches
module.fit(train, num_epoch=1, **live.callbacks("LeNet"))
print(before, "and then", live.runs["LeNet"].batches, len(module.predict(test)))
"""


@pytest.fixture(scope="module")
def page(open_notebook):
    page = open_notebook("train", START, TRAINER, JOIN, STATE, FIT, FIT_ON)
    page.run_cell(0)
    return page


@pytest.fixture(scope="module")
def trainer(page):
    page.run_cell(1)
    return page.output(1)


def button(trainer, name):
    """The button with this name, which begins with the letter that is its icon."""
    return trainer.get_by_role("button", name=re.compile(rf"{name}$"))


def press(trainer, name):
    button(trainer, name).click()


def batches(page, trainer, at_least):
    """Wait until the curves tell of so many batches; how many they tell of."""
    page.tab.wait_for_function(
        r"""([output, least]) => {
            const found = output.textContent.match(/network: ([\d,]+) batches/);
            return found && Number(found[1].replace(',', '')) >= least;
        }""",
        arg=[trainer.element_handle(), at_least],
        timeout=60_000,
    )
    found = re.search(r"network: ([\d,]+) batches", trainer.text_content())
    return int(found[1].replace(",", ""))


def test_start_stop_and_resume(page, trainer, screenshots):
    picture = trainer.locator("img.course-picture")
    before = picture.get_attribute("src")
    press(trainer, "Start")
    batches(page, trainer, 1)
    page.changed(picture, "src", before)
    assert button(trainer, "Start").is_disabled()
    press(trainer, "Stop")
    page.says(1, "Stopped.")
    at_rest = batches(page, trainer, 1)
    press(trainer, "One batch")
    assert batches(page, trainer, at_rest + 1) == at_rest + 1
    page.says(1, "Stopped.")
    press(trainer, "Resume")
    assert batches(page, trainer, at_rest + 2) > at_rest + 1
    page.tab.screenshot(path=screenshots / "train.png")
    press(trainer, "Stop")
    page.says(1, "Stopped.")
    page.run_cell(3)
    assert "stopped [('accuracy'" in page.output(3).inner_text()


def test_the_stop_button_stops_training_that_runs_in_the_background(page, trainer):
    at_rest = batches(page, trainer, 0)
    press(trainer, "Resume")
    batches(page, trainer, at_rest + 2)
    page.wait_until_idle()
    page.interrupt()  # no cell is running
    page.says(1, "Stopped.")
    assert button(trainer, "Resume").is_enabled()
    page.run_cell(3)
    assert "stopped [('accuracy'" in page.output(3).inner_text()


def test_the_stop_button_ends_a_join(page, trainer):
    at_rest = batches(page, trainer, 0)
    page.start_cell(2)
    batches(page, trainer, at_rest + 2)
    page.interrupt()
    page.says(1, "Stopped.")
    page.wait_until_idle()
    page.run_cell(3)
    assert "stopped [('accuracy'" in page.output(3).inner_text()


def test_the_stop_button_ends_fit_and_the_next_fit_goes_on(page, screenshots):
    page.start_cell(4)
    page.says(4, re.compile(r"LeNet: [\d,]+ batches, loss"), seconds=60)
    picture = page.output(4).locator("img.course-picture")
    page.changed(picture, "src", picture.get_attribute("src"))
    page.interrupt()
    page.says(4, re.compile("KeyboardInterrupt: stopped after batch"))
    page.wait_until_idle()
    page.output(4).screenshot(path=screenshots / "fit-stopped.png")
    page.run_cell(5)
    found = re.search(r"(\d+) and then (\d+) (\d+)", page.output(5).inner_text())
    before, after, digits = map(int, found.groups())
    assert before > 0
    assert (after - before, digits) == (40, 1000)
