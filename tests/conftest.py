"""What several tests need: small data, a quiet module, the full MNIST where it is at hand."""

import os

import numpy as np
import pytest

import course as mx


@pytest.fixture(autouse=True)
def same_chance_each_time():
    mx.random.seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def full_mnist():
    if not os.environ.get("COURSE_DATA_DIR"):
        pytest.skip("needs the full MNIST: set COURSE_DATA_DIR to a folder with its four files")
    return mx.test_utils.get_mnist("full")
