"""Drawings made into pictures like those of MNIST.

MNIST's digits were scaled to fit a box of 20 × 20 pixels, keeping their proportions, and placed
so that their centre of mass is the centre of a 28 × 28 picture (LeCun et al., 1998, section III.A):
in the files, the middle of the pixel in row 14 and column 14, counted from 0.
A network that was trained on such pictures reads only such pictures well.
"""

import numpy as np

_BOX = 20
_SIZE = 28
_CENTRE = 14.5  # pixels from the edge


def rasterise(strokes, pen: float = 0.08, size: int = 112) -> np.ndarray:
    """Strokes as a picture (size, size) float32: 0 paper, 1 ink.

    strokes: lists of points (x, y) from 0 to 1, from the top left corner; pen: the width of the
    line on that scale. Raises ValueError for points that are not pairs of finite numbers.
    """
    picture = np.zeros((size, size), np.float32)
    centres = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(centres, centres)
    for stroke in strokes:
        points = np.asarray(stroke, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise ValueError(f"a stroke must be a list of points (x, y), got {stroke!r:.80}")
        ends = points[1:] if len(points) > 1 else points
        for start, end in zip(points, ends, strict=False):
            # One pixel wide, the edge goes from ink to paper.
            distance = _distance_to_line(x, y, start, end)
            np.maximum(picture, np.clip((pen / 2 - distance) * size + 0.5, 0, 1), out=picture)
    return picture


def like_mnist(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W), 0 paper and 1 ink, scaled and centred as MNIST's: (28, 28) float32.

    An empty picture stays empty. Raises ValueError for another shape, NaN, or numbers outside 0
    to 1.
    """
    picture = np.asarray(picture, dtype=np.float32)
    if picture.ndim != 2 or picture.size == 0 or not ((picture >= 0) & (picture <= 1)).all():
        raise ValueError(
            f"expected a picture of shape (H, W) with numbers from 0 (paper) to 1 (ink), got shape "
            f"{picture.shape}"
        )
    if not picture.any():
        return np.zeros((_SIZE, _SIZE), np.float32)
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    digit = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _BOX / max(digit.shape)
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    small = _average(_average(digit, height).T, width).T
    # The centre of mass, in pixels from the top left corner of the small picture.
    mass = small.sum()
    centre_row = (small.sum(axis=1) @ (np.arange(height) + 0.5)) / mass
    centre_column = (small.sum(axis=0) @ (np.arange(width) + 0.5)) / mass
    top = int(np.clip(round(_CENTRE - centre_row), 0, _SIZE - height))
    left = int(np.clip(round(_CENTRE - centre_column), 0, _SIZE - width))
    result = np.zeros((_SIZE, _SIZE), np.float32)
    result[top : top + height, left : left + width] = small
    return result


def _distance_to_line(x, y, start, end):
    """From each (x, y) to the nearest point of the line from `start` to `end`."""
    along = end - start
    length = along @ along
    if length == 0:
        return np.hypot(x - start[0], y - start[1])
    t = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length, 0, 1)
    return np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1])


def _average(picture, rows):
    """The picture with another number of rows, each the mean of what it covers."""
    edges = np.linspace(0, len(picture), rows + 1)
    # Sums from the top up to any height, between two pixels too; differences of them are means.
    sums = np.vstack([np.zeros_like(picture[:1], np.float64), np.cumsum(picture, axis=0)])
    whole = np.minimum(edges.astype(int), len(picture) - 1)
    at_edges = sums[whole] + (edges - whole)[:, None] * picture[whole]
    return (np.diff(at_edges, axis=0) / np.diff(edges)[:, None]).astype(np.float32)
