"""Take one picture out of each lesson, for the index: lessons/pictures/*.png.

Run `python tests/tools/lesson_pictures.py` after a lesson's stored output has changed.
"""

import base64
from pathlib import Path

import nbformat

LESSONS = Path(__file__).parents[2] / "lessons"
CELLS = {
    "00_welcome": "draw",
    "01_data": "browse",
    "02_mlp": "weights",
    "03_lenet": "maps",
    "04_prediction": "damage-picture",
    "05_scoring": "mistakes",
    "06_speed": "chart",
    "07_optimizers": "plateau",
}


def main() -> None:
    """Write the picture of each lesson's chosen cell."""
    folder = LESSONS / "pictures"
    folder.mkdir(exist_ok=True)
    for lesson, chosen in CELLS.items():
        book = nbformat.read(LESSONS / f"{lesson}.ipynb", 4)
        (cell,) = [cell for cell in book.cells if cell.id == chosen]
        (picture,) = [
            output.data["image/png"]
            for output in cell.outputs
            if "image/png" in output.get("data", {})
        ]
        (folder / f"{lesson}.png").write_bytes(base64.b64decode(picture))


if __name__ == "__main__":
    main()
