"""Many small pictures of one size in one image: a hundred times faster than as many axes."""

from dataclasses import dataclass

import numpy as np
from matplotlib.patches import Rectangle

_GAP = 2  # pixels of the small pictures between two of them


@dataclass
class Tiles:
    """Pictures (count, H, W), `columns` in a row, as one image on `axes`."""

    pictures: np.ndarray
    columns: int

    def draw(self, axes, captions=None, chosen=None, **settings):
        """Draw them, each with a text below it; frame that with the index `chosen`.

        `settings` go to imshow. Returns its image.
        """
        count, height, width = self.pictures.shape
        mosaic = np.full(self._size(), np.nan, np.float32)
        for k, picture in enumerate(self.pictures):
            top, left = self._corner(k)
            mosaic[top : top + height, left : left + width] = picture
        image = axes.imshow(mosaic, interpolation="nearest", **settings)
        axes.set_axis_off()
        axes.set_xlim(-1.5, mosaic.shape[1] + 0.5)
        axes.set_ylim(mosaic.shape[0] + 0.5, -1.5)
        for k in range(count):
            top, left = self._corner(k)
            frame = {"edgecolor": "#BBBBBB", "linewidth": 0.6}
            if k == chosen:
                frame = {"edgecolor": "#D55E00", "linewidth": 2.5}
            axes.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, **frame))
            if captions is not None:
                middle = (left + width / 2 - 0.5, top + height)
                axes.annotate(captions[k], middle, ha="center", va="top", fontsize=8)
        return image

    def index(self, x: float, y: float) -> int | None:
        """Which picture lies at a point of the image; None if none does."""
        height, width = self._steps()
        row, column = int((y + 0.5) // height), int((x + 0.5) // width)
        k = row * self.columns + column
        inside = 0 <= column < self.columns and row >= 0 and k < len(self.pictures)
        return k if inside else None

    @property
    def rows(self) -> int:
        """How many rows there are, at least one."""
        return max(1, -(-len(self.pictures) // self.columns))

    @property
    def aspect(self) -> float:
        """Height of the whole image, where its width is 1."""
        height, width = self._size()
        return height / width

    def _steps(self):
        _, height, width = self.pictures.shape
        # The captions stand in the gap below: about a third of a picture.
        return height + max(_GAP, round(0.3 * height)), width + max(_GAP, round(0.08 * width))

    def _size(self):
        height, width = self._steps()
        return self.rows * height, self.columns * width

    def _corner(self, k):
        height, width = self._steps()
        return (k // self.columns) * height, (k % self.columns) * width
