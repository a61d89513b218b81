import numpy as np
import pytest

import course as mx
from tests.networks import lenet, mlp


def test_the_summary_counts_the_tutorials_parameters(capsys):
    mx.viz.print_summary(lenet(), shape={"data": (1, 1, 28, 28)})
    text = capsys.readouterr().out

    lines = text.splitlines()
    assert lines[1].split() == ["Layer", "(type)", "Output", "Shape", "Param", "#", "Previous",
                                "Layer"]  # fmt: skip
    assert lines[3].split() == ["data(null)", "1x28x28", "0"]
    assert "conv2(Convolution)" in text
    assert next(line for line in lines if "conv2(" in line).split() == [
        "conv2(Convolution)", "50x8x8", "25050", "pool1",
    ]  # fmt: skip
    assert "Total params: 431080" in text
    assert max(map(len, lines)) == 120


def test_the_summary_without_shapes_leaves_the_counts_out(capsys):
    mx.viz.print_summary(mlp())
    assert "Total params: unknown without shape=" in capsys.readouterr().out


def test_an_incomplete_shape_is_refused():
    net = mx.sym.var("a") + mx.sym.flatten(mx.sym.var("b"))
    with pytest.raises(ValueError, match="Input shape is incomplete"):
        mx.viz.print_summary(net, shape={"a": (1, 2)})


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_picture_of_a_network_names_layers_and_shapes():
    net = mx.sym.Activation(mx.sym.var("data"), act_type="tanh", name="t")
    net = net + mx.sym.var("data2")
    found = texts(mx.viz.plot_network(net, shape={"data": (5, 3, 8), "data2": (5, 3, 8)}))
    assert "t\nActivation tanh" in found
    assert found.count("3×8") == 2  # at the arrows from one row to the next


def test_weights_are_drawn_when_asked_for():
    hidden, shown = (texts(mx.viz.plot_network(mlp(), hide_weights=hide)) for hide in (True, False))
    assert "fc1_weight" in shown
    assert "fc1_weight" not in hidden


def test_wrong_predictions_are_marked():
    probabilities = np.eye(10)[[3, 5, 5]]
    figure = mx.viz.plot_predictions(np.zeros((3, 1, 28, 28)), probabilities, [3, 5, 8])
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == ["3  100%", "5  100%", "5  100%\nit is 8"]
    with pytest.raises(ValueError, match="each of the 3 images"):
        mx.viz.plot_predictions(np.zeros((3, 28, 28)), probabilities[:2])
