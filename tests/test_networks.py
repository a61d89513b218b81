import numpy as np
import pytest

import course as mx


@pytest.mark.parametrize(("name", "least"), [("mlp", 0.95), ("lenet", 0.975)])
def test_the_shipped_networks_read_digits_they_have_not_seen(name, least):
    mnist = mx.test_utils.get_mnist("sample")
    test = mx.io.NDArrayIter(mnist["test_data"], mnist["test_label"], 100)
    assert mx.networks.trained(name).score(test, "acc")[0][1] > least


def test_a_shipped_network_can_be_trained_on():
    mnist = mx.test_utils.get_mnist("sample")
    train = mx.io.NDArrayIter(mnist["train_data"][:200], mnist["train_label"][:200], 50)
    module = mx.networks.trained("mlp", batch_size=50)
    before = module.get_params()[0]["fc1_weight"]
    module.fit(train, optimizer_params={"learning_rate": 0.1}, num_epoch=1)
    assert not np.array_equal(before, module.get_params()[0]["fc1_weight"])


def test_a_network_that_does_not_ship_is_an_error():
    with pytest.raises(ValueError, match="name must be one of mlp, lenet, got 'resnet'"):
        mx.networks.trained("resnet")
