"""The README's two pictures, from a real JupyterLab: python tests/tools/readme_pictures.py

Draws a 7 with the mouse, trains a LeNet with the buttons, and saves what one sees of each widget to
docs/pictures/. Needs a Chromium and playwright.
"""

import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.browser.lab import Page, find_browser, running_lab, write_notebook  # noqa: E402

DRAW = """
from course import networks, widgets
widgets.DrawDigit({"MLP": networks.trained("mlp"), "LeNet": networks.trained("lenet")})
"""
TRAIN = """
import course as mx
mnist = mx.test_utils.get_mnist("sample")
train = mx.io.NDArrayIter(mnist["train_data"], mnist["train_label"], 100, shuffle=True)
test = mx.io.NDArrayIter(mnist["test_data"], mnist["test_label"], 100)
mx.random.seed(0)
widgets.Trainer(mx.mod.Module(mx.networks.lenet()), train, test, num_epoch=6, name="LeNet",
                initializer=mx.init.Xavier())
"""
SEVEN = [(0.24, 0.22), (0.74, 0.18), (0.6, 0.5), (0.5, 0.84)]
MOST = 150_000  # bytes of a picture


def main() -> None:
    """Make both."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_lab(Path(folder)) as lab,
        sync_playwright() as driver,
    ):
        write_notebook(Path(folder) / "pictures.ipynb", DRAW, TRAIN)
        browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        # Twice the pixels: sharp on fine screens.
        tab = browser.new_page(viewport={"width": 1280, "height": 1600}, device_scale_factor=2)
        page = Page(tab, lab, "pictures.ipynb")
        page.run_cell(0)
        draw(page)
        save(page, 0, "draw.png")
        page.run_cell(1)
        page.output(1).get_by_role("button", name=re.compile("Start$")).click()
        page.says(1, "Finished.", seconds=300)
        save(page, 1, "train.png")
        browser.close()


def draw(page) -> None:
    """Draw a 7 with the mouse, and wait until it is read."""
    box = page.output(0).locator("canvas").bounding_box()
    for k, (x, y) in enumerate(SEVEN):
        page.tab.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=10)
        if k == 0:
            page.tab.mouse.down()
    page.tab.mouse.up()
    page.says(0, re.compile("MLP reads a 7 .* LeNet reads a 7"))
    page.wait_until_idle()


def save(page, number: int, name: str) -> None:
    """What is below cell `number`, without margins, with few colours."""
    output = page.output(number).locator(".jp-OutputArea-output").first
    picture = Image.open(io.BytesIO(output.screenshot())).convert("RGB")
    picture = picture.quantize(128, dither=Image.Dither.NONE)
    path = ROOT / "docs" / "pictures" / name
    path.parent.mkdir(exist_ok=True)
    picture.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {picture.width} × {picture.height}, {size:,} bytes")
    if size > MOST:
        raise SystemExit(f"{name} is larger than {MOST:,} bytes")


if __name__ == "__main__":
    main()
