"""Digits changed a little: what a person does not mind, and a network perhaps does.

Each function takes images (N, C, H, W) from 0 to 1 and returns new ones of the same shape.
"""

import numpy as np

from course import random


def shift(images: np.ndarray, right: int = 0, down: int = 0) -> np.ndarray:
    """Moved by whole pixels; what comes in from outside is paper (0)."""
    images = _checked(images)
    height, width = images.shape[2:]
    result = np.zeros_like(images)
    if abs(down) >= height or abs(right) >= width:
        return result
    to_rows, from_rows = _overlap(down, height)
    to_columns, from_columns = _overlap(right, width)
    result[:, :, to_rows, to_columns] = images[:, :, from_rows, from_columns]
    return result


def rotate(images: np.ndarray, degrees: float) -> np.ndarray:
    """Turned about the middle, anticlockwise; between pixels, the mean of the four around."""
    images = _checked(images)
    height, width = images.shape[2:]
    angle = np.deg2rad(degrees)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    # Where each pixel of the result comes from: turned back.
    from_x = np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2
    from_y = np.sin(angle) * x + np.cos(angle) * y + (height - 1) / 2
    # One pixel of paper all around, for what comes from outside.
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    from_y = np.clip(from_y + 1, 0, height + 0.999)
    from_x = np.clip(from_x + 1, 0, width + 0.999)
    top, left = from_y.astype(int), from_x.astype(int)
    below, beside = from_y - top, from_x - left
    result = (
        padded[:, :, top, left] * (1 - below) * (1 - beside)
        + padded[:, :, top, left + 1] * (1 - below) * beside
        + padded[:, :, top + 1, left] * below * (1 - beside)
        + padded[:, :, top + 1, left + 1] * below * beside
    )
    return result.astype(images.dtype)


def add_noise(images: np.ndarray, strength: float, seed: int | None = None) -> np.ndarray:
    """With normal noise of this standard deviation, cut to 0 to 1; `seed`: the same each time."""
    images = _checked(images)
    if not strength >= 0:
        raise ValueError(f"strength must be at least 0, got {strength!r}")
    generator = random.generator() if seed is None else np.random.default_rng(seed)
    noise = generator.normal(0, 1, images.shape).astype(images.dtype)
    return np.clip(images + images.dtype.type(strength) * noise, 0, 1)


def occlude(images: np.ndarray, size: int, top: int | None = None, left: int | None = None):
    """With a square of paper over them; in the middle unless `top` and `left` say where."""
    images = _checked(images).copy()
    if size < 0:
        raise ValueError(f"size must be at least 0, got {size!r}")
    height, width = images.shape[2:]
    top = (height - size) // 2 if top is None else top
    left = (width - size) // 2 if left is None else left
    images[:, :, max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)] = 0
    return images


def _checked(images):
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"expected images of shape (N, C, H, W), got {images.shape}")
    return images if np.issubdtype(images.dtype, np.floating) else images.astype(np.float32)


def _overlap(by, size):
    """Slices: where to, and where from."""
    return slice(max(0, by), size + min(0, by)), slice(max(0, -by), size + min(0, -by))
