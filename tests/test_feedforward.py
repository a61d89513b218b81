import numpy as np
import pytest

import course as mx
from tests.networks import blobs


def julia_mlp():
    return mx.chain(
        mx.Variable("data"),
        mx.FullyConnected(name="fc1", num_hidden=128), mx.Activation(name="relu1", act_type="relu"),
        mx.FullyConnected(name="fc2", num_hidden=64), mx.Activation(name="relu2", act_type="relu"),
        mx.FullyConnected(name="fc3", num_hidden=10), mx.SoftmaxOutput(name="softmax"),
    )  # fmt: skip


def julia_lenet():
    conv1 = mx.chain(
        mx.Convolution(data=mx.Variable("data"), kernel=(5, 5), num_filter=20),
        mx.Activation(act_type="tanh"),
        mx.Pooling(pool_type="max", kernel=(2, 2), stride=(2, 2)),
    )
    conv2 = mx.chain(
        mx.Convolution(data=conv1, kernel=(5, 5), num_filter=50),
        mx.Activation(act_type="tanh"),
        mx.Pooling(pool_type="max", kernel=(2, 2), stride=(2, 2)),
    )
    fc1 = mx.chain(
        mx.Flatten(data=conv2), mx.FullyConnected(num_hidden=500), mx.Activation(act_type="tanh")
    )
    return mx.Softmax(data=mx.FullyConnected(data=fc1, num_hidden=10), name="softmax")


def epochs_until(accuracy, network, lr, flat, most=19):
    """How many epochs the recipe takes to exceed this test accuracy; fails if it takes too many."""
    mx.random.seed(1)
    train, test = mx.get_mnist_providers(100, flat=flat, source="full")
    model = mx.FeedForward(network, context=mx.cpu())
    optimizer = mx.SGD(lr=lr, momentum=0.9, weight_decay=0.00001)
    reached = []
    for epoch in range(1, most + 1):
        mx.fit(model, optimizer, train, n_epoch=1)
        probabilities = mx.predict(model, test)
        assert probabilities.shape == (10_000, 10)
        reached.append((probabilities.argmax(axis=1) == test.label[0][1]).mean())
        if reached[-1] > accuracy:
            return epoch
    pytest.fail(f"not above {accuracy} in {most} epochs: {reached}")


@pytest.mark.usefixtures("full_mnist")
def test_the_julia_recipe_trains_the_mlp_above_0_975_in_fewer_than_20_epochs():
    # With this constant learning rate the accuracy goes up and down by 0.003 from epoch to epoch.
    assert epochs_until(0.975, julia_mlp(), 0.1, flat=True) < 20


@pytest.mark.usefixtures("full_mnist")
def test_the_julia_recipe_trains_lenet_above_0_988_in_fewer_than_ten_epochs():
    assert epochs_until(0.988, julia_lenet(), 0.05, flat=False) < 10


def test_a_chain_is_the_nested_call():
    nested = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    nested = mx.sym.Activation(nested, act_type="tanh", name="t")
    chained = mx.chain(
        mx.Variable("data"),
        mx.FullyConnected(num_hidden=2, name="fc"),
        mx.Activation(act_type="tanh", name="t"),
    )
    assert chained.tojson() == nested.tojson()


def test_a_step_that_has_its_data_cannot_be_chained():
    x = mx.Variable("x")
    with pytest.raises(ValueError, match="flat has its data already"):
        mx.chain(x, mx.Flatten(x, name="flat"))


def test_the_recipes_weight_decay_is_for_biases_too():
    data, label = blobs(40, np.random.default_rng(0))
    biases = []
    for weight_decay in (0.0, 0.5):
        mx.random.seed(2)
        net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
        model = mx.FeedForward(mx.sym.SoftmaxOutput(net, name="softmax"))
        train = mx.io.NDArrayIter(data, label, 20)
        mx.fit(model, mx.SGD(lr=0.1, weight_decay=weight_decay), train, n_epoch=2)
        biases.append(model.module.get_params()[0]["fc_bias"])
    assert np.abs(biases[1]).sum() < np.abs(biases[0]).sum()


def test_providers_give_rows_or_images():
    flat, _ = mx.get_mnist_providers(50, source="sample")
    images, test = mx.get_mnist_providers(50, flat=False, source="sample")
    assert flat.provide_data[0].shape == (50, 784)
    assert images.provide_data[0].shape == test.provide_data[0].shape == (50, 1, 28, 28)
