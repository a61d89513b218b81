"""Widgets about digits (the map, mistakes, data), the diagram of the network, the gallery."""

import re

import numpy as np
import pytest
import torch
import traitlets

from course import widgets
from tests.widget_parts import (
    check_dark_theme,
    check_still_picture,
    click,
    control,
    digits,
    output_of,
    parts,
    picture_in,
    place_of,
    spoken,
    trained,
)

IMAGES, LABELS = digits(120)


# ---- the map


@pytest.fixture
def map_of_digits():
    return widgets.DigitMap(trained("lenet"), IMAGES, LABELS)


def test_the_map_is_the_plane_of_the_largest_variance(map_of_digits):
    flat = IMAGES.reshape(len(IMAGES), -1).astype(np.float64)
    u, sizes, _ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    points, shares = map_of_digits.places()
    np.testing.assert_allclose(np.abs(points), np.abs(u * sizes)[:, :2], atol=1e-6)
    np.testing.assert_allclose(shares, (sizes**2 / (sizes**2).sum())[:2], atol=1e-9)
    control(map_of_digits, "layer").value = "fc1"
    assert map_of_digits.layer == "fc1"
    assert map_of_digits.places()[0].shape == (len(IMAGES), 2)


def test_the_last_layers_part_the_classes(map_of_digits):
    first = map_of_digits.neighbours_agree()
    points, _ = map_of_digits.places()
    same = 0
    for n, point in enumerate(points):
        distances = [np.hypot(*(point - other)) for other in points]
        distances[n] = np.inf
        same += LABELS[int(np.argmin(distances))] == LABELS[n]
    assert first == pytest.approx(same / len(points))
    map_of_digits.layer = "softmax"
    assert map_of_digits.neighbours_agree() > first + 0.2
    assert f"{map_of_digits.neighbours_agree():.0%} of the digits" in picture_in(map_of_digits).alt


def test_a_click_on_the_map_shows_the_digit_there(map_of_digits):
    points, _ = map_of_digits.places()
    alone = np.argmax([np.sort(np.hypot(*(points - point).T))[1] for point in points])
    before = picture_in(map_of_digits).png
    click(map_of_digits, "map", *points[alone])
    assert map_of_digits.digit == alone
    assert f"digit no. {alone}, a {LABELS[alone]}" in spoken(map_of_digits)
    assert picture_in(map_of_digits).png != before


def test_the_map_has_a_still_picture_and_a_dark_one(map_of_digits):
    check_still_picture(map_of_digits, "Map of digits")
    check_dark_theme(map_of_digits)


# ---- mistakes


@pytest.fixture(scope="module")
def many():
    return digits(1000)


@pytest.fixture(scope="module")
def answers(many):
    return np.asarray(trained("mlp").predict(many[0]))


@pytest.fixture
def mistakes(many):
    return widgets.Mistakes(trained("mlp"), *many)


def test_the_matrix_counts_what_was_read_as_what(mistakes, many, answers):
    expected = [[0] * 10 for _ in range(10)]
    for label, answer in zip(many[1], answers, strict=True):
        expected[label][int(answer.argmax())] += 1
    np.testing.assert_array_equal(mistakes.confusion(), expected)
    worst = max(
        (expected[truth][guess], truth, guess)
        for truth in range(10) for guess in range(10) if truth != guess
    )  # fmt: skip
    assert expected[mistakes.truth][mistakes.guess] == worst[0]
    assert mistakes.truth != mistakes.guess


def test_scores_of_each_class_are_counted_right(mistakes, many, answers):
    guesses = answers.argmax(axis=1)
    for k in range(10):
        right = sum((guesses == k) & (many[1] == k))
        precision, recall = right / sum(guesses == k), right / sum(many[1] == k)
        found = {name: values[k] for name, values in mistakes.scores().items()}
        assert found["precision"] == pytest.approx(precision)
        assert found["recall"] == pytest.approx(recall)
        assert found["F1"] == pytest.approx(2 * precision * recall / (precision + recall))
        cells = [f"{100 * precision:.1f}%", f"{100 * recall:.1f}%"]
        assert re.search(f"{k}</th><td>{cells[0]}</td><td>{cells[1]}", spoken(mistakes))


def test_a_cell_shows_its_digits_the_surest_first(mistakes, many, answers):
    click(mistakes, "confusion", 7, 7)
    assert (mistakes.truth, mistakes.guess) == (7, 7)
    cell = mistakes.cell()
    assert set(cell) == {
        n for n in range(1000) if many[1][n] == 7 and answers[n].argmax() == 7
    }  # fmt: skip
    sureness = answers[cell, 7]
    assert (np.diff(sureness) <= 1e-6).all()
    click(mistakes, "confusion", 9, 4)
    assert (mistakes.truth, mistakes.guess) == (4, 9)
    count = sum((many[1] == 4) & (answers.argmax(axis=1) == 9))
    assert f"{count} times a 4 is read as a 9" in picture_in(mistakes).alt


def test_an_empty_cell_can_be_opened(mistakes):
    empty = np.argwhere(mistakes.confusion() == 0)[0]
    control(mistakes, "it is a").value = int(empty[0])
    control(mistakes, "read as a").value = int(empty[1])
    assert len(mistakes.cell()) == 0
    assert "0 times" in spoken(mistakes)
    check_still_picture(mistakes, "Mistakes")


def test_classes_without_digits_have_no_scores():
    ones = widgets.Mistakes(trained("mlp"), IMAGES[LABELS == 1], LABELS[LABELS == 1])
    assert np.isnan(ones.scores()["recall"][0])
    assert ones.scores()["recall"][1] == 1
    assert "nan" not in spoken(ones)


def test_the_mistakes_have_a_still_picture_and_a_dark_one(mistakes):
    check_still_picture(mistakes, "Mistakes")
    check_dark_theme(mistakes)


# ---- the data


@pytest.fixture
def browser():
    return widgets.DataBrowser(IMAGES, LABELS)


def test_digits_can_be_filtered_by_class(browser):
    assert browser.chosen().tolist() == list(range(len(IMAGES)))
    control(browser, "class").value = "3"
    threes = [n for n in range(len(IMAGES)) if LABELS[n] == 3]
    assert browser.chosen().tolist() == threes
    assert browser.digit == threes[0]
    np.testing.assert_allclose(browser.mean_digit(), np.mean(IMAGES[threes, 0], axis=0), rtol=1e-6)
    assert f"{len(threes)} digits of class 3" in picture_in(browser).alt


def test_pages_can_be_turned_and_end(browser):
    first = picture_in(browser).png
    control(browser, "page").value = 1
    assert picture_in(browser).png != first
    assert "no. 61 to 120" in spoken(browser)
    browser.page = 99
    assert browser.page == 1


def test_a_click_on_a_digit_shows_it_large(browser):
    click(browser, "tiles", 2.5 * 30, 1.5 * 36)  # the third of the second row of twelve
    assert browser.digit == 14
    browser.page = 1
    click(browser, "tiles", 0.5 * 30, 0.5 * 36)
    assert browser.digit == 60


def test_the_number_under_the_pointer_is_said(browser):
    picture = picture_in(browser)
    row, column = np.unravel_index(IMAGES[0, 0].argmax(), (28, 28))
    picture.pointed = place_of(picture, "digit", column, row)
    assert f"row {row}, column {column}: {IMAGES[0, 0, row, column]:.3f}" in spoken(browser)
    picture.pointed = place_of(picture, "mean", 14, 14)
    assert f"row 14, column 14: {IMAGES[:, 0, 14, 14].mean():.3f}" in spoken(browser)


def test_a_change_is_seen_on_all_digits(browser):
    box = control(browser, "change")
    seen = set()
    for change in box.options:
        box.value = change
        seen.add(picture_in(browser).png)
    assert len(seen) == len(box.options) == 5
    assert "covered" in picture_in(browser).alt


def test_the_data_have_a_still_picture_and_a_dark_one(browser):
    check_still_picture(browser, "The digits")
    check_dark_theme(browser)


# ---- the network


@pytest.fixture
def diagram():
    return widgets.NetworkDiagram(trained("mlp"), IMAGES, LABELS)


def test_weights_gradients_and_outputs_are_pytorchs(diagram):
    params = trained("mlp").get_params()[0]
    tensors = {
        name: torch.tensor(np.array(value), requires_grad=True) for name, value in params.items()
    }
    hidden = torch.from_numpy(IMAGES[:100].reshape(100, -1))
    outputs = {}
    for k in (1, 2, 3):
        hidden = hidden @ tensors[f"fc{k}_weight"].T + tensors[f"fc{k}_bias"]
        outputs[f"fc{k}"] = hidden
        hidden = torch.relu(hidden) if k < 3 else hidden
    loss = torch.nn.functional.cross_entropy(hidden, torch.from_numpy(LABELS[:100]))
    loss.backward()
    for layer in ("fc1", "fc2", "fc3"):
        diagram.layer = layer
        found = diagram.numbers()
        for kind in ("weight", "bias"):
            name = f"{layer}_{kind}"
            np.testing.assert_array_equal(found[name], params[name])
            np.testing.assert_allclose(
                found[f"gradient of {name}"], tensors[name].grad, rtol=1e-3, atol=1e-6
            )
        np.testing.assert_allclose(
            found[f"output of {layer}"], outputs[layer].detach(), rtol=1e-4, atol=1e-4
        )


def test_a_click_opens_a_layer(diagram):
    names = control(diagram, "layer").options
    before = picture_in(diagram).png
    click(diagram, "diagram", 0.3, -2)
    assert diagram.layer == names[2]
    assert picture_in(diagram).png != before
    assert diagram.layer in picture_in(diagram).alt


def test_the_diagram_tells_the_number_of_parameters(diagram):
    count = sum(value.size for value in trained("mlp").get_params()[0].values())
    assert f"{count:,} parameters" in spoken(diagram)
    texts = [text.get_text() for axes in diagram.figure().axes for text in axes.texts]
    assert "128\n100,480 parameters" in texts  # 784 × 128 + 128


def test_an_unknown_layer_is_refused(diagram):
    before = diagram.layer
    with pytest.raises(traitlets.TraitError, match="there is no layer 'fc9'; there are flatten, "):
        diagram.layer = "fc9"
    assert diagram.layer == before


def test_the_diagram_has_a_still_picture_and_a_dark_one(diagram):
    check_still_picture(diagram, "The network")
    check_dark_theme(diagram)


@pytest.mark.parametrize(
    "make",
    [
        lambda *data: widgets.DigitMap(trained("mlp"), *data),
        lambda *data: widgets.Mistakes(trained("mlp"), *data),
        lambda *data: widgets.NetworkDiagram(trained("mlp"), *data),
        widgets.DataBrowser,
    ],
)
@pytest.mark.parametrize("count", [0, 5])
def test_images_and_labels_must_fit_together(make, count):
    with pytest.raises(ValueError, match="expected as many labels as images"):
        make(IMAGES[:count], LABELS[:0])


# ---- the gallery


def test_the_gallery_makes_each_widget_when_its_tab_is_opened():
    gallery = widgets.gallery()
    assert list(gallery.widgets) == ["Draw a digit"]
    for name in gallery.tabs.titles:
        shown = gallery.show(name)
        assert shown in list(parts(gallery))
        assert gallery.description() == shown.description()
    kinds = {type(widget) for widget in gallery.widgets.values()}
    assert kinds == {
        widgets.DrawDigit, widgets.Trainer, widgets.FeatureMaps, widgets.ConvolutionSteps,
        widgets.Surgery, widgets.DigitMap, widgets.Mistakes, widgets.DataBrowser,
        widgets.NetworkDiagram,
    }  # fmt: skip
    data, _ = output_of(gallery)
    assert data["text/plain"].startswith("The gallery of widgets")
    assert "image/png" in data
    with pytest.raises(ValueError, match="there is no widget 'Nothing'"):
        gallery.show("Nothing")
