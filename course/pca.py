"""Principal component analysis: samples seen from the side where they differ most."""

import numpy as np


def principal_components(samples: np.ndarray, count: int = 2):
    """(scores (N, count), share of the variance that each component explains (count,)).

    samples (N, D). The components are the eigenvectors of the covariance matrix with the largest
    eigenvalues (Bishop, Pattern Recognition and Machine Learning, 2006, section 12.1); where D is
    larger than N, the N × N matrix of the samples' products has the same eigenvalues, and is
    smaller (section 12.1.4). Each component's sign is such that its largest score is positive.
    Raises ValueError for other shapes, for NaN or infinity, or more components than can be.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 2 or not np.isfinite(samples).all():
        raise ValueError(f"expected finite samples (N, D), got shape {samples.shape}")
    if not 1 <= count <= min(samples.shape):
        raise ValueError(f"count must be from 1 to {min(samples.shape)}, got {count!r}")
    centred = samples - samples.mean(axis=0)
    few_samples = len(centred) <= centred.shape[1]
    products = centred @ centred.T if few_samples else centred.T @ centred
    values, vectors = np.linalg.eigh(products)  # in ascending order
    values = np.maximum(values[::-1][:count], 0)
    vectors = vectors[:, ::-1][:, :count]
    scores = vectors * np.sqrt(values) if few_samples else centred @ vectors
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(count)]
    total = np.trace(products)
    return scores * np.where(largest < 0, -1, 1), values / total if total > 0 else values
