"""Widgets that look into a network: feature maps, convolution step by step, surgery."""

import numpy as np
import pytest
import torch
import traitlets

import course as mx
from course import widgets
from course.datasets import augment
from tests.widget_parts import (
    check_dark_theme,
    check_still_picture,
    click,
    control,
    digits,
    parts,
    picture_in,
    spoken,
    trained,
)

IMAGES, LABELS = digits(120)


def internal(name, layer, images):
    """What a layer puts out, by a module of its own."""
    whole = trained(name)
    part = mx.mod.Module(whole.symbol.get_internals()[f"{layer}_output"])
    part.bind([("data", images.shape)], for_training=False)
    params, states = whole.get_params()
    part.set_params(params, states, allow_extra=True)
    return np.asarray(part.predict(images))


# ---- feature maps


@pytest.fixture(scope="module")
def maps():
    return widgets.FeatureMaps(trained("lenet"), IMAGES, LABELS)


@pytest.fixture(autouse=True)
def at_the_beginning(request):
    if "maps" in request.fixturenames:
        maps = request.getfixturevalue("maps")
        maps.layer, maps.digit, maps.unit = "conv1", 0, 0


@pytest.mark.parametrize("layer", ["conv1", "pool1", "conv2", "fc1", "softmax"])
def test_maps_are_the_layers_outputs_for_the_digit(maps, layer):
    maps.layer, maps.digit = layer, 3
    expected = internal("lenet", layer, IMAGES[3:4])[0]
    np.testing.assert_allclose(maps.maps(), expected, rtol=1e-4, atol=1e-5)


def test_weights_are_those_of_the_module(maps):
    params = trained("lenet").get_params()[0]
    np.testing.assert_array_equal(maps.weights(), params["conv1_weight"][:, 0])
    maps.layer = "conv2"
    np.testing.assert_allclose(maps.weights(), params["conv2_weight"].mean(axis=1))
    maps.layer = "tanh1"
    assert maps.weights() is None
    maps.layer = "fc2"  # 500 numbers are no picture
    assert maps.weights() is None
    dense = widgets.FeatureMaps(trained("mlp"), IMAGES[:10], LABELS[:10])
    dense.layer = "fc1"
    expected = trained("mlp").get_params()[0]["fc1_weight"].reshape(-1, 28, 28)
    np.testing.assert_array_equal(dense.weights(), expected)


@pytest.mark.parametrize(("layer", "unit"), [("conv1", 4), ("conv2", 17), ("fc1", 33)])
def test_favourites_are_the_digits_with_the_largest_outputs(maps, layer, unit):
    maps.layer = layer
    maps.unit = unit
    output = internal("lenet", layer, IMAGES)
    largest = [(-float(output[n, unit].max()), n) for n in range(len(IMAGES))]
    expected = [n for _, n in sorted(largest)[:10]]
    found = maps.favourites().tolist()
    largest = dict((n, score) for score, n in largest)
    np.testing.assert_allclose([largest[n] for n in found], [largest[n] for n in expected], 1e-4)


def test_controls_drive_the_picture(maps):
    seen = {picture_in(maps).png}
    control(maps, "layer").value = "conv2"
    seen.add(picture_in(maps).png)
    control(maps, "digit no.").value = 7
    seen.add(picture_in(maps).png)
    control(maps, "filter").value = 3
    seen.add(picture_in(maps).png)
    assert len(seen) == 4
    assert (maps.layer, maps.digit, maps.unit) == ("conv2", 7, 3)
    assert f"Layer conv2 for a {LABELS[7]}" in picture_in(maps).alt
    assert "Filter 3 of conv2" in spoken(maps)


def test_a_click_chooses_a_filter_or_a_digit(maps):
    # 20 filters of 5 × 5 in a row of 16: the second row begins with no. 16.
    click(maps, "weights", 2, 9)
    assert maps.unit == 16
    click(maps, "output", 40, 10)  # maps of 24 × 24 stand 26 apart
    assert maps.unit == 1
    third = int(maps.favourites()[2])
    click(maps, "favourites", 70, 10)  # digits of 28 × 28 stand 30 apart
    assert maps.digit == third
    maps.layer = "fc1"
    click(maps, "neurons", 250, float(maps.maps().max()) / 2)
    assert abs(maps.unit - 250) <= 2


def test_a_layer_with_fewer_filters_takes_a_filter_it_has(maps):
    maps.layer = "conv2"
    maps.unit = 49
    maps.layer = "conv1"
    assert maps.unit == 0


def test_the_drawing_can_take_the_place_of_the_digit():
    draw = widgets.DrawDigit(trained("mlp"))
    maps = widgets.FeatureMaps(trained("lenet"), IMAGES[:10], LABELS[:10], drawing=draw)
    control(maps, "use my drawing").value = True
    assert "your drawing" in maps.description()
    before = picture_in(maps).png
    draw.strokes = [[(0.3, 0.2), (0.7, 0.8)]]
    assert picture_in(maps).png != before
    np.testing.assert_array_equal(maps.image[0], draw.drawing)
    maps.from_pad = False
    np.testing.assert_array_equal(maps.image, IMAGES[0])


def test_feature_maps_have_a_still_picture_and_a_dark_one(maps):
    check_still_picture(maps, "Filters and feature maps")
    check_dark_theme(maps)


# ---- convolution, step by step


def by_torch(steps):
    image = torch.from_numpy(steps.image)[None, None]
    if steps.mode == "max pooling":
        pool = torch.nn.functional.max_pool2d
        return pool(image, steps.kernel, steps.stride, steps.pad)[0, 0].numpy()
    weight = torch.tensor(steps.weight, dtype=torch.float32)[None, None]
    conv = torch.nn.functional.conv2d
    return conv(image, weight, stride=steps.stride, padding=steps.pad)[0, 0].numpy()


@pytest.mark.parametrize("mode", ["convolution", "max pooling"])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 1, 0), (5, 2, 2), (2, 3, 1), (4, 4, 0)])
def test_the_output_is_pytorchs_and_the_window_makes_it(mode, kernel, stride, pad):
    steps = widgets.ConvolutionSteps(IMAGES[1], mode=mode)
    steps.kernel, steps.stride, steps.pad = kernel, stride, pad
    output = steps.output()
    np.testing.assert_allclose(output, by_torch(steps), atol=1e-5)
    for position in (0, output.size // 2, output.size - 1):
        steps.position = position
        p, q = divmod(position, output.shape[1])
        total, largest = 0.0, -np.inf
        for i in range(kernel):
            for j in range(kernel):
                row, column = p * stride + i - pad, q * stride + j - pad
                inside = 0 <= row < 28 and 0 <= column < 28
                value = steps.image[row, column] if inside else 0.0
                total += value * steps.weight[i][j]
                largest = max(largest, value if inside else -np.inf)
        expected = largest if mode == "max pooling" else total
        assert output[p, q] == pytest.approx(expected, abs=1e-5)
        assert steps.window().shape == (kernel, kernel)
        assert f"is {output[p, q]:.2f}." in picture_in(steps).alt


def test_steps_controls_drive_the_picture():
    steps = widgets.ConvolutionSteps(IMAGES[0])
    seen = {picture_in(steps).png}
    for name, value in (("window no.", 300), ("kernel", 5), ("stride", 2), ("pad", 1),
                        ("filter", "mean")):  # fmt: skip
        control(steps, name).value = value
        seen.add(picture_in(steps).png)
    assert len(seen) == 6
    assert (steps.stride, steps.pad, steps.kernel) == (2, 1, 3)
    np.testing.assert_allclose(steps.weight, 1 / 9)


def test_weights_can_be_typed_in():
    steps = widgets.ConvolutionSteps(IMAGES[0])
    box = weight_box(steps, 1, 1)
    before = picture_in(steps).png
    box.value = 4.0
    assert steps.weight[1][1] == 4
    assert picture_in(steps).png != before
    assert control(steps, "filter").value is None  # none of those with a name
    assert weight_box(steps, 1, 1) is box  # not a new one: the focus stays
    control(steps, "filter").value = "upright edges"
    assert steps.weight[1][1] == box.value == 0


def test_a_filter_keeps_more_digits_than_its_boxes_show():
    steps = widgets.ConvolutionSteps(IMAGES[0])
    control(steps, "filter").value = "mean"
    assert weight_box(steps, 0, 0).value == 0.111
    np.testing.assert_allclose(steps.weight, 1 / 9, rtol=1e-12)
    weight_box(steps, 2, 2).value = 1.0
    assert steps.weight[0][0] == pytest.approx(1 / 9, rel=1e-12)


def weight_box(steps, row, column):
    name = f"weight at row {row}, column {column}"
    (box,) = [part for part in parts(steps) if getattr(part, "tooltip", None) == name]
    return box


def test_settings_can_be_given_at_the_start():
    steps = widgets.ConvolutionSteps(IMAGES[0], weight=[[1, 2], [3, 4]], position=30, stride=2)
    assert (steps.kernel, steps.position, steps.stride) == (2, 30, 2)
    assert np.shape(widgets.ConvolutionSteps(IMAGES[0], kernel=5).weight) == (5, 5)


def test_a_weight_of_another_size_changes_the_kernel_and_the_other_way_round():
    steps = widgets.ConvolutionSteps(IMAGES[0])
    steps.weight = [[1, 2], [3, 4]]
    assert steps.kernel == 2
    steps.kernel = 4
    np.testing.assert_array_equal(np.array(steps.weight)[1:3, 1:3], [[1, 2], [3, 4]])
    assert np.abs(steps.weight).sum() == 10
    np.testing.assert_allclose(steps.output(), by_torch(steps), atol=1e-5)


def test_the_window_stays_inside_when_there_are_fewer():
    steps = widgets.ConvolutionSteps(IMAGES[0], position=600)
    steps.stride = 4
    assert steps.position == steps.output().size - 1
    assert control(steps, "window no.").max == steps.output().size - 1


def test_a_click_moves_the_window():
    steps = widgets.ConvolutionSteps(IMAGES[0])
    click(steps, "output", 7, 4)
    assert steps.position == 4 * 26 + 7
    click(steps, "input", 11, 21)  # the middle of the window that begins at 20, 10
    assert steps.position == 20 * 26 + 10


@pytest.mark.parametrize("image", [np.zeros((2, 28, 28)), np.zeros(28), np.zeros((4, 9)), []])
def test_what_is_no_single_picture_is_refused(image):
    with pytest.raises(ValueError, match=r"expected one picture of shape \(H, W\)"):
        widgets.ConvolutionSteps(image)


@pytest.mark.parametrize(
    "weight", [[[1, 2, 3]] * 2, [], [[1, 2], [3]], [["a"]], [[float("nan")]], [[0] * 6] * 6]
)
def test_a_weight_that_is_no_square_is_refused(weight):
    steps = widgets.ConvolutionSteps(IMAGES[0])
    with pytest.raises(traitlets.TraitError, match="weight must be"):
        steps.weight = weight
    assert len(steps.weight) == 3


@pytest.mark.parametrize("mode", ["convolution", "max pooling"])
def test_steps_have_a_still_picture_and_a_dark_one(mode):
    steps = widgets.ConvolutionSteps(IMAGES[0], mode=mode, position=230)
    check_still_picture(steps, "Convolution, step by step")
    check_dark_theme(steps)


# ---- surgery


@pytest.fixture
def surgery():
    return widgets.Surgery(trained("mlp"), IMAGES, LABELS)


def answers(module, images):
    return np.asarray(module.predict(images))


def test_the_healthy_network_answers_as_it_does_itself(surgery):
    expected = answers(trained("mlp"), IMAGES)
    accuracy = (expected.argmax(axis=1) == LABELS).mean()
    assert surgery.accuracy == surgery.healthy_accuracy == pytest.approx(accuracy)
    np.testing.assert_allclose(surgery.probabilities, expected[0], rtol=1e-4, atol=1e-6)


def test_a_silenced_neuron_puts_out_nothing():
    module = trained("mlp")
    surgery = widgets.Surgery(module, IMAGES, LABELS)
    params, states = module.get_params()
    for unit in range(0, 128, 2):
        surgery.silenced = [*surgery.silenced, ("fc1", unit)]
        if unit == 6:
            break
    # The same by hand, in numpy: relu, and nothing from those neurons.
    value = {name: np.array(array, np.float64) for name, array in params.items()}
    hidden = np.maximum(IMAGES.reshape(-1, 784) @ value["fc1_weight"].T + value["fc1_bias"], 0)
    hidden[:, [0, 2, 4, 6]] = 0
    hidden = np.maximum(hidden @ value["fc2_weight"].T + value["fc2_bias"], 0)
    logits = hidden @ value["fc3_weight"].T + value["fc3_bias"]
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(surgery.probabilities, expected[0], rtol=1e-3, atol=1e-5)
    assert surgery.accuracy == pytest.approx((expected.argmax(axis=1) == LABELS).mean())
    for name, array in module.get_params()[0].items():  # the module itself is left alone
        np.testing.assert_array_equal(array, params[name])
    assert states == {}


def test_silence_and_heal_by_button(surgery):
    control(surgery, "layer").value = "fc2"
    control(surgery, "filter or neuron").value = 5
    control(surgery, "Silence it").click()
    control(surgery, "Silence it").click()  # it is silent already
    assert surgery.silenced == [("fc2", 5)]
    assert "Silenced: no. 5 of fc2." in picture_in(surgery).alt
    control(surgery, "noise").value = 0.5
    control(surgery, "Heal all").click()
    assert (surgery.silenced, surgery.noise) == ([], 0)
    assert surgery.accuracy == surgery.healthy_accuracy


@pytest.mark.parametrize(("layer", "unit"), [("fc1", 128), ("fc1", -1), ("relu1", 0), ("fc9", 0)])
def test_what_is_not_there_cannot_be_silenced(surgery, layer, unit):
    with pytest.raises(ValueError, match=f"there is no unit {unit} in a layer '{layer}'"):
        surgery.silence(layer, unit)


@pytest.mark.parametrize(
    ("slider", "value", "change"),
    [
        ("to the right, px", 4, lambda images: augment.shift(images, 4, 0)),
        ("down, px", -3, lambda images: augment.shift(images, 0, -3)),
        ("turn, °", 30, lambda images: augment.rotate(images, 30)),
        ("noise", 0.4, lambda images: augment.add_noise(images, 0.4, seed=0)),
        ("cover, px", 8, lambda images: augment.occlude(images, 8)),
    ],
)
def test_each_slider_damages_the_digits_and_the_answer_follows(surgery, slider, value, change):
    before = picture_in(surgery).png, picture_in(surgery).alt
    control(surgery, slider).value = value
    expected = answers(trained("mlp"), change(IMAGES))
    np.testing.assert_allclose(surgery.probabilities, expected[0], rtol=1e-3, atol=1e-5)
    assert surgery.accuracy == pytest.approx((expected.argmax(axis=1) == LABELS).mean())
    assert picture_in(surgery).png != before[0]
    assert picture_in(surgery).alt != before[1]


def test_another_digit_is_shown(surgery):
    control(surgery, "digit no.").value = 9
    assert f"Digit no. 9, a {LABELS[9]}" in picture_in(surgery).alt
    with pytest.raises(traitlets.TraitError, match="digit must be from 0 to 119, got 120"):
        surgery.digit = 120
    assert surgery.digit == 9


def test_surgery_has_a_still_picture_and_a_dark_one(surgery):
    check_still_picture(surgery, "Surgery")
    check_dark_theme(surgery)


@pytest.mark.parametrize("kind", [widgets.FeatureMaps, widgets.Surgery])
@pytest.mark.parametrize("count", [0, 5])
def test_images_and_labels_must_fit_together(kind, count):
    with pytest.raises(ValueError, match="expected as many labels as images"):
        kind(trained("mlp"), IMAGES[:count], LABELS[:0])


def test_a_module_without_parameters_is_refused():
    module = mx.mod.Module(mx.networks.mlp())
    with pytest.raises(RuntimeError, match="this module has no parameters yet"):
        widgets.Surgery(module, IMAGES, LABELS)
