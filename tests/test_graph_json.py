"""Graphs from files: what the library does not know is named, not passed over."""

import json
import tracemalloc

import pytest

import course as mx
from course import graph


def node(op, name, inputs=(), /, **attrs):
    edges = [[index, 0, 0] for index in inputs]
    return {"op": op, "name": name, "inputs": edges, "attrs": attrs}


def text(*nodes, heads=None):
    heads = [[len(nodes) - 1, 0, 0]] if heads is None else heads
    return json.dumps({"nodes": nodes, "heads": heads})


def batch_norm(**attrs):
    names = ("data", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var")
    return text(*(node("null", name) for name in names), node("BatchNorm", "bn", range(5), **attrs))


DATA = node("null", "data")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (batch_norm(axis="3"), "bn: axis=3 is not known here: BatchNorm takes eps, momentum"),
        (batch_norm(output_mean_var="True"), "output_mean_var=True is not known"),
        (batch_norm(eps="tiny"), "bn: wrong settings for BatchNorm"),
        (batch_norm(eps="-1"), "eps must be positive"),
        (text(DATA, node("Flatten", "f", [0], name="g")), "name='g' is not known here"),
        (text(DATA, node("Activation", "a", [0])), "a: act_type is missing"),
        (text(DATA, node("Activation", "a", [0], act_type="elu")), "unknown act_type 'elu'"),
        (
            text(DATA, node("Pooling", "p", [0], kernel="(2, 2)", pool_type="lp", p_value="2")),
            "pool_type must be one of max, avg, sum, got 'lp'",
        ),
        (
            text(DATA, node("Pooling", "p", [0], kernel="(2, 2)", layout="NHWC")),
            "layout='NHWC' is not known",
        ),
        (text(DATA, node("softmax", "s", [0], axis="1")), "axis=1 is not known"),
        (text(DATA, node("Dropout", "d", [0], mode="always")), "mode='always' is not known"),
        (
            text(DATA, node("Concat", "c", [0], num_args="1000000000")),
            "c has 1 inputs, but another num_args",
        ),
        (text(DATA, DATA), "two nodes are named 'data'"),
        (text(DATA, heads=[]), "it has no output"),
        (text(DATA, heads=[[0, 1, 0]]), "an edge leads to output 1 of data"),
        (text(DATA, heads=[[1, 0, 0]]), "an edge leads to node 1"),
        (text(node("null", ["a"])), "a name must be text"),
        (text(node("null", "w", __shape__="(2, -1)")), "__shape__ must be of whole numbers"),
        (text(node("null", "w", __lr_mult__="nan")), "__lr_mult__ must be a number"),
        (text(node("null", "w", __init__='["load", {}]')), "unknown initializer 'load'"),
        (text(node("null", "w", a=3)), "no symbol in MXNet's JSON format"),
        ("[" * 100_000, "no symbol in MXNet's JSON format"),
        ("1" * 5000, "Exceeds the limit|no symbol"),
        (" " * 2**25, "longer than 16777216 bytes"),
    ],
)
def test_what_is_not_known_is_named(written, message):
    with pytest.raises(ValueError, match=message):
        mx.sym.load_json(written)


def test_a_message_is_never_long():
    name = "n" * 100_000
    with pytest.raises(ValueError, match="unknown act_type") as caught:
        mx.sym.load_json(text(DATA, node("Activation", name, [0], act_type=name)))
    assert len(str(caught.value)) < 1000


def test_a_large_file_of_nonsense_takes_little_memory(tmp_path):
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(2**30)  # a gigabyte of zeros, of which the disk keeps nothing
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"x\.json is no symbol: it is longer than"):
        graph.load(tmp_path / "x.json")
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_text_in_no_known_encoding_is_refused(tmp_path):
    (tmp_path / "x.json").write_bytes(b'{"nodes": "\xff\xff"}')
    with pytest.raises(ValueError, match=r"x\.json: .*can't decode"):
        graph.load(tmp_path / "x.json")


def test_settings_that_say_what_happens_anyway_are_accepted():
    net = mx.sym.load_json(batch_norm(axis="1", output_mean_var="False", cudnn_off="False"))
    assert net.infer_shape(data=(2, 3))[1] == [(2, 3)]
    assert net.attr("axis") == "1"  # and are written again


def test_a_variable_may_carry_any_notes():
    net = mx.sym.load_json(text(node("null", "w", kernel="(5, 5)", colour="red")))
    assert net.attr_dict() == {"w": {"kernel": "(5, 5)", "colour": "red"}}


def test_truth_in_either_spelling():
    for word in ("True", "true"):
        net = mx.sym.load_json(
            text(
                DATA,
                node("null", "w"),
                node("FullyConnected", "fc", [0, 1], num_hidden="2", no_bias=word),
            )
        )
        assert net.infer_shape(data=(4, 3))[0] == [(4, 3), (2, 3)]


def test_a_deep_graph_is_read():
    nodes = [DATA] + [node("Flatten", f"f{k}", [k]) for k in range(3000)]
    assert mx.sym.load_json(text(*nodes)).infer_shape(data=(2, 3, 4))[1] == [(2, 12)]
