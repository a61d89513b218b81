"""The machinery of the checks, and the checks of the assignments, with right and wrong answers."""

import importlib
import signal
import threading
import time
import warnings

import numpy as np
import pytest

from course.checks import grading
from course.checks.exercise import (
    Wrong,
    call,
    call_within,
    exercise,
    expect_close,
    expect_parts,
    expect_shape,
    numeric_gradient,
    time_limit,
)

# ---- the verdict ---------------------------------------------------------------------------


@exercise("double")
def double(function, seed=0):
    """double(data) -> 2 data."""
    data = np.random.default_rng(seed).normal(0, 1, 3)
    expect_close(call(function, data), 2 * data, mistakes={"you squared it": data**2})


def test_a_right_answer_gives_a_plain_true_and_says_so(capsys):
    assert double(lambda data: data + data) is True
    assert capsys.readouterr().out == "✓ double: right.\n"


def test_a_wrong_answer_gives_a_plain_false_and_the_hint_that_fits(capsys):
    assert double(lambda data: data * data) is False
    assert capsys.readouterr().out == "✗ double: you squared it\n"


def test_under_validate_the_hint_goes_where_nbgrader_shows_it(capsys, monkeypatch):
    monkeypatch.setenv("NBGRADER_VALIDATING", "1")
    assert double(lambda data: data * data) is False
    assert capsys.readouterr().err == "✗ double: you squared it\n"


def test_another_wrong_answer_is_told_where_and_by_how_much(capsys):
    assert double(lambda data: np.array([2, 2, 2]) * data + [0, 0, 1]) is False
    assert "the result at [2] should be" in capsys.readouterr().out


def test_a_seed_gives_other_numbers():
    seen = []
    for seed in (0, 1):
        double(lambda data: seen.append(data) or data, seed=seed)
    assert not np.array_equal(*seen)


# ---- calling what a student wrote ----------------------------------------------------------


def hint_of(function, *args, **settings):
    with pytest.raises(Wrong) as caught:
        call(function, *args, **settings)
    return str(caught.value)


def not_yet(data):
    raise NotImplementedError


def misspelt(data):
    return dat  # noqa: F821  the mistake that is tested


def reshaped(data):
    return data.reshape(7, 7)


def leaves(data):
    raise SystemExit


def returns_nothing(data):
    data.sum()


def writes(data):
    data[0] = 5
    return data


def writes_into_a_part(data, settings):
    settings["bias"][0] = 5
    return data


def test_hints_for_what_can_happen_in_a_call():
    data = np.ones(3)
    assert "not yet written" in hint_of(not_yet, data)
    assert "NameError: name 'dat' is not defined" in hint_of(misspelt, data)
    assert "return dat" in hint_of(misspelt, data)
    assert "SystemExit" in hint_of(leaves, data)
    assert "does the function end in `return`?" in hint_of(returns_nothing, data)
    assert "it changed the array" in hint_of(writes, data)
    assert "it changed the array" in hint_of(writes_into_a_part, data, {"bias": np.zeros(2)})
    assert "expected a function, got int" in hint_of(3, data)
    assert "takes 1 positional argument but 2 were given" in hint_of(misspelt, data, data)


def test_the_line_in_a_hint_is_the_students_not_one_in_numpy():
    assert "return data.reshape(7, 7)" in hint_of(reshaped, np.ones(3))
    assert "np.stack([data, data[1:]])" in hint_of(
        lambda data: np.stack([data, data[1:]]), np.ones(3)
    )


def test_nan_in_the_input_is_no_change():
    assert call(lambda data: 1.0, np.array([np.nan])) == 1.0


def test_what_it_writes_into_its_arguments_does_not_reach_the_check():
    data = np.ones(3)
    hint_of(writes, data)
    assert data.tolist() == [1, 1, 1]


def test_warnings_are_not_shown():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(lambda data: np.isinf(np.exp(data)).all(), np.array([1e4]))


def endless(data):
    while True:
        data = data + 1


def test_a_loop_that_does_not_end_is_stopped():
    start = time.monotonic()
    with pytest.raises(Wrong, match=r"not finished after 0\.2 s; does each loop end\?"):
        call_within(0.2, endless, 1)
    assert time.monotonic() - start < 10


def test_a_loop_that_does_not_end_is_stopped_in_the_background_too():
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts `command &`
    try:
        with pytest.raises(Wrong, match=r"not finished after 0\.2 s"):
            call_within(0.2, endless, 1)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)


def test_the_limit_can_be_set(monkeypatch):
    monkeypatch.setenv("COURSE_CHECK_SECONDS", "0.1")
    assert time_limit() == 0.1
    assert "not finished after 0.1 s" in hint_of(endless, 1)


def test_a_students_own_interrupt_goes_through():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(interrupted)


def test_no_interrupt_comes_after_the_call():
    for _ in range(20):
        assert call_within(0.05, lambda: 1) == 1
    limit = threading.Event()
    assert not limit.wait(0.2)  # longer than each limit above


def test_in_another_thread_a_call_works_without_a_limit():
    results = []
    thread = threading.Thread(target=lambda: results.append(call(lambda: 7)))
    thread.start()
    thread.join(30)
    assert results == [7]


# ---- comparing -----------------------------------------------------------------------------


def test_shapes_and_numbers_are_asked_for():
    assert expect_shape([[1, 2]], (1, 2)).tolist() == [[1, 2]]
    for got, match in {
        "words": "array of numbers, got str",
        (1, 2): r"shape \(3,\), got \(2,\)",
        (1, 2, np.nan): "NaN or infinity",
    }.items():
        with pytest.raises(Wrong, match=match):
            expect_shape(got, (3,))
    with pytest.raises(Wrong, match=r"should be one number, got an array of shape \(2,\)"):
        expect_shape([1, 2], ())


def test_parts_are_asked_for():
    assert expect_parts([1, 2], ("a", "b")) == (1, 2)
    with pytest.raises(Wrong, match="it should return a, b, got 1 parts"):
        expect_parts((1,), ("a", "b"))
    assert expect_parts(np.ones(2), ("a", "b")) == (1, 1)
    with pytest.raises(Wrong, match="it should return a, b, got 3 parts"):
        expect_parts(np.ones(3), ("a", "b"))
    with pytest.raises(Wrong, match="it should return a, b, got float"):
        expect_parts(1.0, ("a", "b"))


def test_the_right_answer_is_never_minus_nothing():
    with pytest.raises(Wrong, match="should be 0, got 1"):
        expect_close(1, -0.0)


def test_close_is_measured_against_the_largest_number():
    expect_close([1000.001, 0], [1000, 0], tolerance=1e-5)
    with pytest.raises(Wrong, match="should be 1000, got 1001"):
        expect_close([1001, 0], [1000, 0], tolerance=1e-5)


def test_a_numeric_gradient_is_that_of_a_known_function():
    at = np.array([[1.0, 2.0], [3.0, -4.0]])
    # Central differences are exact for squares, up to rounding of about 1e-16 / 1e-5.
    np.testing.assert_allclose(numeric_gradient(lambda x: (x**2).sum(), at), 2 * at, atol=1e-9)


# ---- what the assignments' test cells use --------------------------------------------------


def test_points_are_shared_by_plain_truth():
    assert grading.points(6, [True, True, False]) == 4
    assert grading.points(6, [True, "yes", np.True_]) == 2
    assert grading.points(3, [True]) == 3


def test_hidden_seeds_differ_by_number_and_by_the_teachers_word(monkeypatch):
    monkeypatch.setenv("COURSE_GRADING_SEED", "a")
    first = [grading.seed(number) for number in range(5)]
    monkeypatch.setenv("COURSE_GRADING_SEED", "b")
    second = [grading.seed(number) for number in range(5)]
    assert len({0, *first, *second}) == 11


def test_overwritten_checks_are_read_anew(monkeypatch):
    pipeline = importlib.import_module("course.checks.pipeline")
    monkeypatch.setattr(pipeline, "split", lambda *_: True)
    exercises = importlib.import_module("course.checks.exercise")
    monkeypatch.setattr(exercises, "expect_close", lambda *_: None)
    fresh = importlib.reload(grading).checks("pipeline")
    assert fresh.split(lambda *_: None) is False
    assert fresh.to_network(lambda images: images[:, None] / 300) is False


@pytest.mark.parametrize("name", ["exp", "abs", "array_equal", "sum", "log"])
def test_overwritten_functions_of_numpy_are_named(monkeypatch, name):
    monkeypatch.setattr(np, name, lambda *_, **__: 1.0)
    with pytest.raises(RuntimeError, match=f"np.{name} no longer does what it should"):
        grading.checks("network")
