import json

import numpy as np
import pytest

import course as mx
from tests.networks import lenet, mlp


@pytest.fixture(autouse=True)
def count_from_zero():
    with mx.name.NameManager():
        yield


def tutorial_mlp():
    net = mx.sym.flatten(data=mx.sym.var("data"))
    for size in (128, 64):
        net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=size), act_type="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10), name="softmax")


def test_automatic_names_count_each_kind():
    assert tutorial_mlp().list_arguments() == [
        "data",
        *(f"fullyconnected{k}_{part}" for k in range(3) for part in ("weight", "bias")),
        "softmax_label",
    ]
    assert mx.sym.flatten(mx.sym.var("x")).name == "flatten1"
    assert (mx.sym.var("a") + mx.sym.var("b")).name == "_plus0"
    assert (mx.sym.var("a") * 2).name == "_mulscalar0"


def test_a_prefix_stands_before_given_and_automatic_names():
    with mx.name.Prefix("left_"):
        net = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=1, name="fc")
        assert mx.sym.flatten(net).name == "left_flatten0"
    assert net.list_arguments() == ["x", "left_fc_weight", "left_fc_bias"]


def test_outputs_internals_and_text():
    net = tutorial_mlp()
    internals = net.get_internals()

    assert net.list_outputs() == ["softmax_output"]
    assert repr(net) == "<Symbol softmax>"
    assert "fullyconnected1_output" in internals.list_outputs()
    assert internals["fullyconnected1_output"].name == "fullyconnected1"
    assert internals[0].list_outputs() == ["data"]
    assert net.get_children().list_outputs() == ["fullyconnected2_output", "softmax_label"]
    with pytest.raises(ValueError, match="no output is named 'fc9_output'"):
        internals["fc9_output"]
    with pytest.raises(IndexError):
        internals[99]


def test_groups():
    a, b = mx.sym.var("a"), mx.sym.var("b")
    group = mx.sym.Group([a, b])
    assert repr(group) == "<Symbol group [a, b]>"
    assert [part.name for part in group] == ["a", "b"]
    assert (len(group), group.name) == (2, None)
    for wrong in ([], [a, 1]):
        with pytest.raises(TypeError, match="list of symbols"):
            mx.sym.Group(wrong)


def test_shapes_of_the_tutorials_networks():
    arguments, outputs, states = lenet().infer_shape(data=(100, 1, 28, 28))

    assert dict(zip(lenet().list_arguments(), arguments, strict=True)) == {
        "data": (100, 1, 28, 28),
        "conv1_weight": (20, 1, 5, 5),
        "conv1_bias": (20,),
        "conv2_weight": (50, 20, 5, 5),
        "conv2_bias": (50,),
        "fc1_weight": (500, 800),
        "fc1_bias": (500,),
        "fc2_weight": (10, 500),
        "fc2_bias": (10,),
        "softmax_label": (100,),
    }
    assert (outputs, states) == ([(100, 10)], [])


def test_shapes_by_position_and_auxiliary_shapes():
    net = mx.sym.BatchNorm(mx.sym.var("data"), name="bn")
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert net.list_inputs() == ["data", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var"]
    assert net.infer_shape((2, 3, 4, 5)) == ([(2, 3, 4, 5), (3,), (3,)], [(2, 3, 4, 5)], [(3,)] * 2)


def test_the_shape_of_one_summand_follows_from_the_other():
    net = mx.sym.var("a") + mx.sym.var("b")
    assert net.infer_shape(a=(2, 3)) == ([(2, 3), (2, 3)], [(2, 3)], [])


def test_too_little_for_the_shapes_warns_and_gives_none():
    with pytest.warns(UserWarning, match="cannot decide the shapes of data, fc1_weight"):
        assert mlp().infer_shape(softmax_label=(3,)) == (None, None, None)


@pytest.mark.parametrize(
    ("net", "shapes", "message"),
    [
        (lenet, {"data": (1, 28, 28)}, r"conv1: expected images of shape \(N, C, H, W\)"),
        (lenet, {"data": (1, 1, 4, 4)}, "conv1: kernel size exceeds the input"),
        (mlp, {"data": (2, 784), "fc1_weight": (128, 10)}, "fc1: expected 10 inputs"),
        (mlp, {"data": (2, 784), "softmax_label": (3,)}, "softmax: expected 2 labels"),
        (mlp, {"pixels": (2, 784)}, "no input 'pixels'; there are data, fc1_weight"),
        (mlp, {"data": (2, -1)}, "must be of whole numbers"),
    ],
)
def test_shapes_that_do_not_fit_name_the_layer(net, shapes, message):
    with pytest.raises(ValueError, match=message):
        net().infer_shape(**shapes)


def test_two_nodes_of_one_name_are_refused():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="fc")
    with pytest.raises(ValueError, match="two different nodes are named 'fc"):
        net.list_arguments()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: mx.sym.Activation(x, act_type="swish"), ValueError, "unknown act_type 'swish'"),
        (lambda x: mx.sym.Activation(x), ValueError, "act_type is missing"),
        (lambda x: mx.sym.FullyConnected(x), ValueError, "num_hidden is missing"),
        (lambda x: mx.sym.Convolution(x, num_filter=3), ValueError, "kernel is missing"),
        (lambda x: mx.sym.FullyConnected(np.ones(3), num_hidden=1), TypeError, "must be a symbol"),
        (lambda x: mx.sym.flatten(mx.sym.Group([x, x])), ValueError, "must be one symbol"),
        (lambda x: mx.sym.var(3), TypeError, "must be a string"),
        (lambda x: x(y=x), ValueError, "no argument 'y'"),
    ],
)
def test_a_wrong_call_is_explained(make, error, message):
    with pytest.raises(error, match=message):
        make(mx.sym.var("x"))


@pytest.mark.parametrize("replaced", [False, True])
def test_a_parameter_that_is_computed_is_refused(replaced):
    data, weight = mx.sym.var("data"), mx.sym.var("w")
    if replaced:
        net = mx.sym.FullyConnected(data, weight, num_hidden=3, name="fc")(w=data * 2)
    else:
        net = mx.sym.FullyConnected(data, weight * 2, num_hidden=3, name="fc")
    with pytest.raises(ValueError, match=r"fc: weight must be a variable.* is computed"):
        mx.mod.Module(net, label_names=None)


def test_a_file_with_a_parameter_that_is_computed_is_refused_by_name(tmp_path):
    data = mx.sym.var("data")
    net = mx.sym.FullyConnected(data, data * 2, num_hidden=3, name="fc")
    net.save(tmp_path / "net.json")
    with pytest.raises(ValueError, match=r"net\.json: fc: weight must be a variable"):
        mx.sym.load(tmp_path / "net.json")


def test_calling_a_symbol_puts_another_one_in():
    head = mx.sym.FullyConnected(mx.sym.var("features"), num_hidden=2, name="head")
    body = mx.sym.flatten(mx.sym.var("data"), name="flat")
    net = head(features=body)
    assert net.list_arguments() == ["data", "head_weight", "head_bias"]
    assert head.list_arguments()[0] == "features"


def test_json_comes_back_as_the_same_text():
    x = mx.sym.BatchNorm(mx.sym.var("data"), eps=0.01, name="bn")
    x = mx.sym.Concat(x + 1, 2 - x, -x, x * x, dim=1)
    x = mx.sym.Dropout(mx.sym.Pooling(x, global_pool=True, pool_type="avg"), p=0.3)
    net = mx.sym.Group([x, mx.sym.Convolution(x, kernel=(1, 1), num_filter=2, name="c")])

    text = net.tojson()

    again = mx.sym.load_json(text)
    assert again.tojson() == text
    assert again.list_arguments() == net.list_arguments()
    assert again.infer_shape(data=(2, 3, 4, 4)) == net.infer_shape(data=(2, 3, 4, 4))


def test_json_is_laid_out_as_mxnets(tmp_path):
    net = mx.sym.Convolution(mx.sym.var("data"), kernel=(5, 5), num_filter=20, name="conv")
    net.save(tmp_path / "net.json")

    graph = json.loads((tmp_path / "net.json").read_text())

    assert graph["nodes"][0] == {"op": "null", "name": "data", "inputs": []}
    assert graph["nodes"][3] == {
        "op": "Convolution",
        "name": "conv",
        "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
        "attrs": {"kernel": "(5, 5)", "num_filter": "20"},
    }
    assert (graph["arg_nodes"], graph["heads"]) == ([0, 1, 2], [[3, 0, 0]])
    assert mx.sym.load(tmp_path / "net.json").list_arguments() == net.list_arguments()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "no symbol in MXNet's JSON format"),
        ("[1]", "no symbol in MXNet's JSON format"),
        ('{"nodes": [{"op": "Magic", "name": "m", "inputs": []}]}', "unknown operator 'Magic'"),
        (
            '{"nodes": [{"op": "Flatten", "name": "f", "inputs": [[0, 0, 0]]}], "heads": []}',
            "an edge leads to node 0",
        ),
        (
            '{"nodes": [{"op": "Flatten", "name": "f", "inputs": []}], "heads": [[0, 0, 0]]}',
            "f has 0 inputs, expected 1",
        ),
    ],
)
def test_a_file_that_is_no_symbol_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        mx.sym.load_json(text)


def test_attributes_as_text():
    net = mx.sym.FullyConnected(mx.sym.var("data", lr_mult=2), num_hidden=3, name="fc")
    assert net.attr("num_hidden") == "3"
    assert net.attr_dict() == {"data": {"__lr_mult__": "2"}, "fc": {"num_hidden": "3"}}
