"""Principal components against numpy's singular values and PyTorch's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.pca import principal_components

# Scores are sums over at most 60 numbers of size 1 to 10 in float64.
CLOSE = {"rtol": 1e-7, "atol": 1e-8}


def by_numpy(samples, count):
    centred = samples - samples.mean(axis=0)
    u, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return (u * sizes)[:, :count], (sizes**2 / (sizes**2).sum())[:count]


@pytest.mark.parametrize("shape", [(60, 5), (5, 60), (20, 20), (2, 3)])
def test_scores_and_shares_are_those_of_the_singular_values(rng, shape):
    samples = rng.standard_normal(shape) * np.arange(1, shape[1] + 1)
    count = min(shape) - 1
    scores, shares = principal_components(samples, count)
    expected, expected_shares = by_numpy(samples, count)
    np.testing.assert_allclose(np.abs(scores), np.abs(expected), **CLOSE)
    np.testing.assert_allclose(shares, expected_shares, **CLOSE)


def test_pytorch_finds_the_same_plane(rng):
    samples = rng.standard_normal((50, 8)) @ rng.standard_normal((8, 8))
    scores, _ = principal_components(samples, 2)
    tensor = torch.from_numpy(samples)
    _, _, directions = torch.pca_lowrank(tensor, q=8, center=True, niter=8)
    expected = ((tensor - tensor.mean(0)) @ directions[:, :2]).numpy()
    np.testing.assert_allclose(np.abs(scores), np.abs(expected), rtol=1e-5, atol=1e-6)


@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 1000))
@settings(deadline=None, max_examples=50)
def test_scores_are_centred_uncorrelated_and_in_order(count, width, seed):
    samples = np.random.default_rng(seed).standard_normal((count, width))
    most = min(count, width)
    scores, shares = principal_components(samples, most)
    products = scores.T @ scores
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-6)
    assert (np.diff(shares) <= 1e-9).all()
    np.testing.assert_allclose(shares.sum(), 1, atol=1e-9)


def test_the_largest_score_of_each_component_is_positive(rng):
    scores, _ = principal_components(rng.standard_normal((30, 4)), 4)
    largest = scores[np.abs(scores).argmax(axis=0), range(4)]
    assert (largest > 0).all()


def test_samples_that_are_all_the_same_lie_on_one_point():
    scores, shares = principal_components(np.full((5, 3), 7.0))
    np.testing.assert_array_equal(scores, np.zeros((5, 2)))
    np.testing.assert_array_equal(shares, [0, 0])


@pytest.mark.parametrize(
    ("samples", "count", "words"),
    [
        (np.zeros(5), 1, r"\(N, D\), got shape \(5,\)"),
        (np.zeros((2, 2, 2)), 1, r"got shape \(2, 2, 2\)"),
        ([[1.0, np.nan], [0.0, 1.0]], 1, "finite"),
        ([[1.0, np.inf], [0.0, 1.0]], 1, "finite"),
        (np.zeros((4, 3)), 4, "count must be from 1 to 3, got 4"),
        (np.zeros((4, 3)), 0, "got 0"),
    ],
)
def test_what_has_no_components_is_refused(samples, count, words):
    with pytest.raises(ValueError, match=words):
        principal_components(samples, count)
