import numpy as np
import pytest
import torch
import torch.nn.functional as F

import course as mx
from course.executor import Executor
from tests.networks import lenet


def executor(net, rng, grad_req=None, **shapes):
    bound = Executor(net, shapes, grad_req=grad_req, dtype=np.float64)
    for array in bound.arg_dict.values():
        array[...] = rng.standard_normal(array.shape)
    return bound


def residual_block():
    """y = relu(bn(conv(x)) + x), x used twice, and the sum used twice again."""
    x = mx.sym.var("data")
    y = mx.sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=2, name="conv")
    y = mx.sym.Activation(mx.sym.BatchNorm(y, fix_gamma=False, name="bn") + x, act_type="relu")
    return y * y - 3 * y


def torch_residual_block(x, weight, bias, gamma, beta):
    y = F.batch_norm(F.conv2d(x, weight, bias, padding=1), None, None, gamma, beta, True, eps=1e-3)
    y = F.relu(y + x)
    return y * y - 3 * y


def test_gradients_of_a_value_used_twice_add_up(rng):
    bound = executor(residual_block(), rng, data=(4, 2, 5, 5))
    names = ["data", "conv_weight", "conv_bias", "bn_gamma", "bn_beta"]
    leaves = [torch.tensor(bound.arg_dict[name], requires_grad=True) for name in names]
    d_out = rng.standard_normal((4, 2, 5, 5))

    (out,) = bound.forward(is_train=True)
    bound.backward(d_out)

    expected = torch_residual_block(*leaves)
    expected.backward(torch.tensor(d_out))
    np.testing.assert_allclose(out, expected.detach().numpy(), atol=1e-10)
    for name, leaf in zip(names, leaves, strict=True):
        np.testing.assert_allclose(bound.grad_dict[name], leaf.grad.numpy(), atol=1e-9)


def test_one_weight_in_two_layers_gets_the_sum_of_both_gradients(rng):
    x, weight = mx.sym.var("data"), mx.sym.var("shared_weight")
    settings = {"weight": weight, "num_hidden": 4, "no_bias": True}
    net = mx.sym.FullyConnected(mx.sym.FullyConnected(x, **settings), **settings)
    bound = executor(net, rng, data=(3, 4))
    d_out = rng.standard_normal((3, 4))

    bound.forward(is_train=True)
    bound.backward(d_out)

    data, w = (torch.tensor(bound.arg_dict[k], requires_grad=True) for k in bound.arg_dict)
    F.linear(F.linear(data, w), w).backward(torch.tensor(d_out))
    np.testing.assert_allclose(bound.grad_dict["shared_weight"], w.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(bound.grad_dict["data"], data.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("net", [mx.sym.flatten, lambda x: mx.sym.flatten(x) + mx.sym.flatten(x)])
def test_flatten_hands_gradients_through(net, rng):
    bound = executor(net(mx.sym.var("data")), rng, data=(2, 3, 4))
    uses = 1 if net is mx.sym.flatten else 2
    d_out = rng.standard_normal((2, 12))

    bound.forward(is_train=True)
    bound.backward(d_out)

    np.testing.assert_allclose(bound.grad_dict["data"], uses * d_out.reshape(2, 3, 4))


def test_grad_req_add_sums_over_calls_and_null_leaves_out(rng):
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    bound = executor(net, rng, {"fc_weight": "add", "data": "null"}, data=(3, 4))
    d_out = rng.standard_normal((3, 2))
    for _ in range(2):
        bound.forward(is_train=True)
        bound.backward(d_out)

    assert set(bound.grad_dict) == {"fc_weight", "fc_bias"}
    expected = d_out.T @ bound.arg_dict["data"]
    np.testing.assert_allclose(bound.grad_dict["fc_weight"], 2 * expected)
    np.testing.assert_allclose(bound.grad_dict["fc_bias"], d_out.sum(axis=0))


def test_a_group_takes_a_gradient_for_each_output(rng):
    x = mx.sym.var("data")
    net = mx.sym.Group([x * 2, mx.sym.Activation(x, act_type="tanh", name="t")])
    bound = executor(net, rng, data=(3,))
    d_outs = [np.ones(3), np.full(3, 5.0)]

    outputs = bound.forward(is_train=True)
    bound.backward(d_outs)

    np.testing.assert_allclose(bound.grad_dict["data"], 2 + 5 * (1 - outputs[1] ** 2))
    with pytest.raises(ValueError, match="expected 2 out_grads"):
        bound.backward(np.ones(3))
    with pytest.raises(mx.ShapeError, match="t_output: expected a gradient of shape"):
        bound.backward([np.ones(3), np.ones(4)])


def test_a_loss_beside_another_output_needs_no_gradient_from_outside(rng):
    fc = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    loss = mx.sym.SoftmaxOutput(fc, name="softmax")
    alone = executor(loss, np.random.default_rng(5), data=(4, 2))
    group = executor(mx.sym.Group([loss, fc]), np.random.default_rng(5), data=(4, 2))
    for bound in (alone, group):
        bound.forward(is_train=True, softmax_label=np.array([0, 1, 2, 0]))
        bound.backward()

    for name in ("fc_weight", "data"):
        np.testing.assert_array_equal(group.grad_dict[name], alone.grad_dict[name])


def test_pooling_before_the_activation_gives_the_same_numbers(rng):
    # With the activation's own output asked for, the layers run in the graph's order.
    net = lenet(filters=(3, 4), hidden=5)
    internals = net.get_internals()
    seen = mx.sym.Group([net, internals["act1_output"], internals["act2_output"]])
    results = []
    for graph in (net, seen):
        bound = executor(graph, np.random.default_rng(3), data=(4, 1, 28, 28))
        for name, array in bound.arg_dict.items():
            if name.endswith("weight"):
                array *= 0.1
        label = np.arange(4)
        outputs = bound.forward(is_train=True, softmax_label=label)
        bound.backward()
        results.append((outputs[0], bound.grad_dict["conv1_weight"], bound.grad_dict["data"]))

    for swapped, plain in zip(*results, strict=True):
        np.testing.assert_allclose(swapped, plain, rtol=1e-9, atol=1e-12)


def test_a_window_of_padding_alone_stays_minus_infinity_behind_an_activation(rng):
    # By the convention 'full' the third window begins at row 6 of 5.
    settings = {"kernel": (1, 1), "stride": (3, 3), "pooling_convention": "full"}
    net = mx.sym.Pooling(mx.sym.Activation(mx.sym.var("data"), act_type="tanh"), **settings)
    (out,) = executor(net, rng, data=(1, 1, 5, 5)).forward()
    assert np.isneginf(out[0, 0, 2]).all()
    assert np.abs(out[0, 0, :2, :2]).max() < 1


def test_a_monitor_sees_every_layer(rng):
    bound = executor(lenet(filters=(2, 2), hidden=3), rng, data=(1, 1, 28, 28))
    seen = {}
    bound.set_monitor_callback(lambda name, array: seen.update({name: array.shape}))

    bound.forward()

    assert seen["act1_output"] == (1, 2, 24, 24)
    assert seen["pool1_output"] == (1, 2, 12, 12)
    assert list(seen)[-1] == "softmax_output"


def test_wrong_inputs_and_a_missing_forward_are_explained(rng):
    bound = executor(mx.sym.flatten(mx.sym.var("data")), rng, data=(2, 3))
    with pytest.raises(RuntimeError, match="forward with is_train=True before backward"):
        bound.backward(np.ones((2, 3)))
    with pytest.raises(mx.ShapeError, match=r"data: bound to shape \(2, 3\), got \(3, 2\)"):
        bound.forward(data=np.ones((3, 2)))
    with pytest.raises(ValueError, match="no input 'pixels'"):
        bound.forward(pixels=np.ones((2, 3)))
    bound.forward(is_train=True)
    with pytest.raises(ValueError, match="is a loss, so backward needs out_grads"):
        bound.backward()
    with pytest.raises(mx.ShapeError, match="cannot decide the shape of data"):
        Executor(mx.sym.flatten(mx.sym.var("data")), {})
