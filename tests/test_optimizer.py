import math

import numpy as np
import pytest
import torch

import course as mx

STEPS = 10


def trajectory(optimizer, weight, grads, name="fc_weight"):
    """The weight after one update for each gradient."""
    weight = weight.copy()
    state = optimizer.create_state(name, weight)
    for grad in grads:
        optimizer.update(name, weight, grad, state)
    return weight


def torch_trajectory(optimizer, weight, grads, **settings):
    parameter = torch.nn.Parameter(torch.from_numpy(weight.copy()))
    optimizer = optimizer([parameter], **settings)
    for grad in grads:
        parameter.grad = torch.from_numpy(grad.copy())
        optimizer.step()
    return parameter.detach().numpy()


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def problem(request, rng):
    weight = rng.standard_normal((4, 3)).astype(request.param)
    grads = rng.standard_normal((STEPS, 4, 3)).astype(request.param)
    # Ten steps of a few operations each: some ten roundings.
    return weight, grads, 1e-5 if request.param == np.float32 else 1e-12


# ---- the rules. With a tiny epsilon it does not matter that PyTorch adds it after the root.


@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (lambda: mx.optimizer.SGD(), torch.optim.SGD, {}),
        (lambda: mx.optimizer.SGD(wd=0.1), torch.optim.SGD, {"weight_decay": 0.1}),
        (lambda: mx.optimizer.SGD(momentum=0.9, wd=0.1), torch.optim.SGD,
         {"momentum": 0.9, "weight_decay": 0.1}),
        (lambda: mx.optimizer.NAG(momentum=0.9, wd=0.1), torch.optim.SGD,
         {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
        (lambda: mx.optimizer.NAG(wd=0.1), torch.optim.SGD, {"weight_decay": 0.1}),
        (lambda: mx.optimizer.Adam(0.01, epsilon=1e-14, wd=0.1), torch.optim.Adam,
         {"eps": 1e-14, "weight_decay": 0.1}),
        (lambda: mx.optimizer.Adam(0.01, beta1=0.5, beta2=0.9, epsilon=1e-14), torch.optim.Adam,
         {"eps": 1e-14, "betas": (0.5, 0.9)}),
        (lambda: mx.optimizer.RMSProp(0.01, epsilon=1e-28, wd=0.1), torch.optim.RMSprop,
         {"eps": 1e-14, "weight_decay": 0.1, "alpha": 0.9}),
        (lambda: mx.optimizer.RMSProp(0.01, 0.8, 0.7, epsilon=1e-28, centered=True),
         torch.optim.RMSprop, {"eps": 1e-14, "alpha": 0.8, "momentum": 0.7, "centered": True}),
        (lambda: mx.optimizer.AdaGrad(eps=1e-28), torch.optim.Adagrad, {"eps": 1e-14}),
    ],
)  # fmt: skip
def test_ten_steps_are_those_of_pytorch(ours, theirs, settings, problem):
    weight, grads, tolerance = problem
    expected = torch_trajectory(theirs, weight, grads, lr=0.01, **settings)
    np.testing.assert_allclose(trajectory(ours(), weight, grads), expected, tolerance, tolerance)


def test_ten_steps_of_adadelta_are_those_of_pytorch(problem):
    weight, grads, tolerance = problem
    settings = {"lr": 1.0, "rho": 0.8, "eps": 1e-5}
    expected = torch_trajectory(torch.optim.Adadelta, weight, grads, **settings)
    actual = trajectory(mx.optimizer.AdaDelta(rho=0.8), weight, grads)
    np.testing.assert_allclose(actual, expected, tolerance, tolerance)


def clipped_gradients(weight, grad, clip, decay_inside):
    """rescale_grad 0.5 and weight decay 0.1: g as MXNet's documentation defines it for a rule."""
    if decay_inside:
        return np.clip(0.5 * grad + 0.1 * weight, -clip, clip)
    return np.clip(0.5 * grad, -clip, clip)


def by_the_formula(rule, weight, grads, clip):
    """One weight after another, in Python floats, with MXNet's places for epsilon and decay."""
    result = []
    for w, gs in zip(weight.ravel().tolist(), grads.reshape(STEPS, -1).T.tolist(), strict=True):
        a = b = c = 0.0
        for t, grad in enumerate(gs, 1):
            g = clipped_gradients(w, grad, clip, rule in ("adam", "rmsprop", "centered"))
            if rule == "sgd":
                w -= 0.01 * (g + 0.1 * w)
            elif rule == "momentum":
                a = 0.9 * a - 0.01 * (g + 0.1 * w)
                w += a
            elif rule == "nag":
                step = 0.01 * (g + 0.1 * w)
                a = 0.9 * a - step
                w += 0.9 * a - step
            elif rule == "adam":
                a = 0.9 * a + 0.1 * g
                b = 0.999 * b + 0.001 * g * g
                rate = 0.01 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                w -= rate * a / (math.sqrt(b) + 0.01)
            elif rule == "rmsprop":
                a = 0.9 * a + 0.1 * g * g
                w -= 0.01 * g / math.sqrt(a + 0.01)
            elif rule == "centered":
                a = 0.9 * a + 0.1 * g * g
                b = 0.9 * b + 0.1 * g
                c = 0.9 * c - 0.01 * g / math.sqrt(a - b * b + 0.01)
                w += c
            elif rule == "adagrad":
                a += g * g
                w -= 0.01 * (g / math.sqrt(a + 0.01) + 0.1 * w)
            else:
                a = 0.9 * a + 0.1 * g * g
                d = math.sqrt(b + 0.01) / math.sqrt(a + 0.01) * g
                b = 0.9 * b + 0.1 * d * d
                w -= d + 0.1 * w
        result.append(w)
    return np.reshape(result, weight.shape)


@pytest.mark.parametrize("clip", [None, 0.3])
@pytest.mark.parametrize(
    ("rule", "optimizer", "settings"),
    [
        ("sgd", "sgd", {}),
        ("momentum", "sgd", {"momentum": 0.9}),
        ("nag", "nag", {"momentum": 0.9}),
        ("adam", "adam", {"epsilon": 0.01}),
        ("rmsprop", "rmsprop", {"epsilon": 0.01}),
        ("centered", "rmsprop", {"epsilon": 0.01, "centered": True}),
        ("adagrad", "adagrad", {"eps": 0.01}),
        ("adadelta", "adadelta", {"epsilon": 0.01}),
    ],
)
def test_rescaling_clipping_decay_and_epsilon_are_where_mxnet_has_them(
    rule, optimizer, settings, clip, problem
):
    weight, grads, tolerance = problem
    settings |= {"learning_rate": 0.01, "wd": 0.1, "rescale_grad": 0.5, "clip_gradient": clip}
    actual = trajectory(mx.optimizer.create(optimizer, **settings), weight, grads)
    expected = by_the_formula(rule, weight, grads, math.inf if clip is None else clip)
    np.testing.assert_allclose(actual, expected, tolerance, tolerance)


def test_clipping_comes_before_weight_decay():
    sgd = mx.optimizer.SGD(learning_rate=1.0, wd=0.1, clip_gradient=1.0)
    assert trajectory(sgd, np.array([10.0]), [np.array([5.0])]) == 8


def test_the_learning_rate_is_inside_the_velocity():
    sgd = mx.optimizer.SGD(learning_rate=1.0, momentum=0.5)
    weight, velocity = np.zeros(1), np.zeros(1)
    sgd.update("w", weight, np.ones(1), velocity)
    sgd.set_learning_rate(0.0)
    sgd.update("w", weight, np.ones(1), velocity)
    assert weight == -1.5  # the first step goes on at half its speed


@pytest.mark.parametrize("name", ["sgd", "nag", "adam", "rmsprop", "adagrad", "adadelta"])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_nan_goes_through_and_stays_where_it_is(name, clip):
    optimizer = mx.optimizer.create(name, clip_gradient=clip)
    weight = trajectory(optimizer, np.ones(3), [np.array([1.0, np.nan, 1.0])])
    assert np.isnan(weight).tolist() == [False, True, False]


def test_centered_rmsprop_survives_equal_large_gradients():
    grads = np.full((50, 1), 3e3, np.float32)  # the variance is rounded to below zero
    weight = trajectory(mx.optimizer.RMSProp(centered=True), np.zeros(1, np.float32), grads)
    assert np.isfinite(weight).all()


# ---- which parameters, and when


@pytest.mark.parametrize(
    ("name", "expected"),
    [("fc_weight", 0.89995), ("bn_gamma", 0.89995), ("fc_bias", 0.9), ("bn_beta", 0.9)],
)
def test_weight_decay_leaves_biases_alone(name, expected):
    sgd = mx.optimizer.SGD(learning_rate=0.1, wd=5e-4)
    assert trajectory(sgd, np.ones(1), [np.ones(1)], name) == pytest.approx(expected, rel=1e-12)


def test_numbers_stand_for_names_and_nameless_parameters_decay():
    sgd = mx.optimizer.SGD(learning_rate=0.1, wd=5e-4, param_idx2name={0: "fc_bias"})
    assert trajectory(sgd, np.ones(1), [np.ones(1)], 0) == pytest.approx(0.9, rel=1e-12)
    assert trajectory(sgd, np.ones(1), [np.ones(1)], 1) == pytest.approx(0.89995, rel=1e-12)


def test_weight_decay_for_every_parameter_if_asked():
    sgd = mx.optimizer.SGD(learning_rate=0.1, wd=5e-4, decay_all=True)
    weight = trajectory(sgd, np.ones(1), [np.ones(1)], "fc_bias")
    assert weight == pytest.approx(0.89995, rel=1e-12)


def test_multipliers_by_name_or_number():
    sgd = mx.optimizer.SGD(learning_rate=0.1, wd=0.5, param_idx2name={3: "fc_bias"})
    sgd.set_lr_mult({"fc_bias": 2.0})
    sgd.set_wd_mult({3: 1.0})
    assert trajectory(sgd, np.ones(1), [np.ones(1)], 3) == pytest.approx(1 - 0.2 * 1.5)


def test_num_update_is_the_most_often_updated_parameters_count():
    sgd = mx.optimizer.SGD(begin_num_update=10)
    for name in ("a", "b", "a"):
        sgd.update(name, np.ones(1), np.ones(1), None)
    assert sgd.num_update == 12


def test_a_scheduler_sees_one_at_the_first_update():
    seen = []
    sgd = mx.optimizer.SGD(lr_scheduler=lambda count: seen.append(count) or 0.5)
    weight = trajectory(sgd, np.zeros(1), [np.ones(1)] * 3)
    assert (seen, weight) == ([1, 2, 3], -1.5)
    assert sgd.learning_rate == 0.5


def test_a_scheduler_starts_from_the_learning_rate():
    scheduler = mx.lr_scheduler.FactorScheduler(1, 0.5)
    sgd = mx.optimizer.SGD(learning_rate=0.8, lr_scheduler=scheduler)
    assert trajectory(sgd, np.zeros(1), [np.ones(1)] * 2) == pytest.approx(-0.8 - 0.4)


def test_a_scheduler_keeps_its_own_base_rate_where_none_is_given():
    scheduler = mx.lr_scheduler.FactorScheduler(1, 0.5, base_lr=0.3)
    assert mx.optimizer.SGD(lr_scheduler=scheduler).learning_rate == 0.3


@pytest.mark.parametrize(("name", "rate"), [("sgd", 0.01), ("adam", 0.001), ("rmsprop", 0.001)])
def test_default_learning_rates(name, rate):
    assert mx.optimizer.create(name).learning_rate == rate


def test_the_weight_keeps_its_dtype_and_takes_a_gradient_of_another():
    weight = np.ones(3, np.float32)
    mx.optimizer.SGD(learning_rate=0.5).update("w", weight, np.ones(3), None)
    assert weight.dtype == np.float32
    assert weight.tolist() == [0.5, 0.5, 0.5]


# ---- mistakes


def test_names_in_any_case():
    assert isinstance(mx.optimizer.create("AdaGrad"), mx.optimizer.AdaGrad)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"optimizer 'sdg'; there are sgd, nag, adam"):
        mx.optimizer.create("sdg")


@pytest.mark.parametrize("make", [mx.optimizer.SGD, lambda **kw: mx.optimizer.create("sgd", **kw)])
def test_an_unknown_parameter_is_named_with_those_that_exist(make):
    with pytest.raises(TypeError, match=r"SGD has no parameter 'lr'; it takes momentum, .*wd"):
        make(lr=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": -0.1}, "learning_rate must be a finite number at least 0, got -0.1"),
        ({"learning_rate": math.nan}, "learning_rate must be"),
        ({"learning_rate": "0.1"}, "learning_rate must be"),
        ({"momentum": 1.0}, "momentum must be a finite number at least 0 and below 1, got 1.0"),
        ({"wd": -1}, "wd must be"),
        ({"rescale_grad": math.inf}, "rescale_grad must be a finite number, got inf"),
        ({"clip_gradient": 0}, "None means no clipping"),
        ({"clip_gradient": -1}, "clip_gradient must be"),
        ({"lr_scheduler": 0.1}, "lr_scheduler must be a function"),
    ],
)
def test_values_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        mx.optimizer.SGD(**settings)


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"fc_weight: the gradient must have .* \(2, 3\), got \(3"):
        mx.optimizer.SGD().update("fc_weight", np.ones((2, 3)), np.ones((3, 2)), None)


@pytest.mark.parametrize("weight", [np.ones((2, 4))[:, ::2], np.ones((2, 2), int)])
def test_a_weight_that_cannot_be_changed_in_place_is_refused(weight):
    with pytest.raises(ValueError, match="contiguous, writeable array of float32 or float64"):
        mx.optimizer.SGD().update("w", weight, np.ones((2, 2)), None)


def test_a_read_only_weight_is_refused():
    weight = np.ones(2)
    weight.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        mx.optimizer.SGD().update("w", weight, np.ones(2), None)


def test_a_scheduled_learning_rate_cannot_be_set():
    sgd = mx.optimizer.SGD(lr_scheduler=mx.lr_scheduler.FactorScheduler(5))
    with pytest.raises(ValueError, match="decided by lr_scheduler"):
        sgd.set_learning_rate(0.1)
