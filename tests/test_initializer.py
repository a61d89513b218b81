import math

import numpy as np
import pytest

import course as mx
from course.random import generator

RULES = ["Uniform", "Normal", "Xavier", "MSRAPrelu", "Orthogonal", "Zero", "One", "Constant"]


def filled(rule, shape=(200, 300), dtype=np.float32, name="fc_weight"):
    array = np.full(shape, np.nan, dtype)
    rule(name, array)
    return array


# ---- which parameter gets what


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("name", "value"),
    [("fc_bias", 0), ("bn_beta", 0), ("bn_moving_mean", 0), ("bn_gamma", 1), ("bn_moving_var", 1)],
)
def test_the_end_of_the_name_decides(rule, name, value):
    assert (filled(getattr(mx.init, rule)(), (5,), name=name) == value).all()


def test_an_unknown_name_says_what_to_do():
    with pytest.raises(ValueError, match=r"'scale'.*mx\.sym\.var\(name, init=\.\.\.\)"):
        mx.init.Uniform()("scale", np.zeros(3))


def test_fill_follows_the_rule_whatever_the_name():
    array = np.zeros(3)
    mx.init.Constant(4).fill(array)
    assert array.tolist() == [4, 4, 4]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES)
def test_arrays_are_filled_in_place_and_keep_their_dtype(rule, dtype):
    array = filled(getattr(mx.init, rule)(), (6, 4, 3, 3), dtype)
    assert array.dtype == dtype
    assert np.isfinite(array).all()


@pytest.mark.parametrize("rule", ["Uniform", "Normal", "Xavier", "MSRAPrelu", "Orthogonal"])
def test_one_seed_gives_the_same_weights(rule):
    mx.random.seed(7)
    first = filled(getattr(mx.init, rule)())
    mx.random.seed(7)
    np.testing.assert_array_equal(first, filled(getattr(mx.init, rule)()))
    assert not np.array_equal(first, filled(getattr(mx.init, rule)()))


def test_draws_come_from_the_courses_generator():
    array = filled(mx.init.Uniform(0.5), (4, 3), np.float64)
    mx.random.seed(0)  # as the fixture of every test does
    np.testing.assert_array_equal(array, generator().uniform(-0.5, 0.5, (4, 3)))


# ---- how the numbers are spread: 60,000 of them, so that a deviation is within one percent


def test_uniform_is_even_within_its_scale():
    array = filled(mx.init.Uniform())
    assert 0.0699 < np.abs(array).max() <= np.float32(0.07)
    assert array.std() == pytest.approx(0.07 / math.sqrt(3), rel=0.01)


def test_normal_has_its_deviation():
    array = filled(mx.init.Normal())
    assert array.mean() == pytest.approx(0, abs=3e-4)
    assert array.std() == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize(
    ("factor_type", "factor"), [("in", 30 * 25), ("out", 80 * 25), ("avg", 55 * 25)]
)
def test_xavier_counts_the_window_of_a_convolution(factor_type, factor):
    bound = math.sqrt(3 / factor)
    uniform = filled(mx.init.Xavier(factor_type=factor_type), (80, 30, 5, 5))
    assert bound * 0.999 < np.abs(uniform).max() <= bound * 1.000001
    gaussian = filled(mx.init.Xavier("gaussian", factor_type, 2), (80, 30, 5, 5))
    assert gaussian.std() == pytest.approx(math.sqrt(2 / factor), rel=0.01)


def test_msra_prelu_is_gaussian_with_the_slopes_magnitude():
    array = filled(mx.init.MSRAPrelu("in", slope=0.5))
    assert array.std() == pytest.approx(math.sqrt(2 / 1.25 / 300), rel=0.01)
    assert np.abs(array).max() > 3.5 * array.std()


@pytest.mark.parametrize("rand_type", ["uniform", "normal"])
@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (6, 5, 2, 2)])
def test_orthogonal_rows_or_columns_are_orthonormal_up_to_the_scale(shape, rand_type):
    matrix = filled(mx.init.Orthogonal(2.0, rand_type), shape, np.float64).reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(6), atol=1e-12)


# ---- choosing


def test_mixed_takes_the_first_pattern_that_matches_the_beginning():
    rule = mx.init.Mixed(["fc1", ".*"], [mx.init.One(), "zeros"])
    assert filled(rule, (2,), name="fc1_weight").tolist() == [1, 1]
    assert filled(rule, (2,), name="my_fc1_weight").tolist() == [0, 0]


def test_mixed_says_so_if_nothing_matches():
    rule = mx.init.Mixed(["bias"], [mx.init.Zero()])
    with pytest.raises(ValueError, match=r"no pattern matches the parameter 'fc1_bias'.*'\.\*'"):
        rule("fc1_bias", np.zeros(2))


@pytest.mark.parametrize(("name", "rule"), [("Xavier", mx.init.Xavier), ("zeros", mx.init.Zero)])
def test_create_from_a_name_or_an_instance(name, rule):
    made = mx.init.create(name)
    assert type(made) is rule
    assert mx.init.create(made) is made


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mx.init.create("glorot"), "'glorot'; known are .*xavier"),
        (lambda: mx.init.create(5), "unknown initializer 5"),
        (lambda: mx.init.Uniform(-1), "scale must be a finite number at least 0, got -1"),
        (lambda: mx.init.Normal(math.nan), "sigma must be"),
        (lambda: mx.init.Xavier("cauchy"), "rnd_type must be one of uniform, gaussian"),
        (lambda: mx.init.Xavier(factor_type="both"), "factor_type must be one of avg, in, out"),
        (lambda: mx.init.Xavier(magnitude=-3), "magnitude must be"),
        (lambda: mx.init.Orthogonal(rand_type="cauchy"), "rand_type must be one of"),
        (lambda: mx.init.Mixed(["a", "b"], [mx.init.Zero()]), "got 2 patterns and 1 rules"),
        (lambda: filled(mx.init.Xavier(), (5,)), r"at least two axes .* got \(5,\)"),
    ],
)
def test_wrong_values_are_explained(make, message):
    with pytest.raises(ValueError, match=message):
        make()
