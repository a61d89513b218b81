"""The site of lessons and reference, built as CONTRIBUTING.md says, with warnings as errors."""

import ast
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LESSONS = sorted(path.stem for path in ROOT.glob("lessons/*.ipynb"))
# Modules without anything to look up: the packages' own files and the command.
NOT_IN_THE_REFERENCE = {"course.__init__", "course.__main__"}


class Page(HTMLParser):
    """Pictures, addresses and ids of a page."""

    def __init__(self, path):
        super().__init__()
        self.pictures, self.addresses, self.ids = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img":
            self.pictures.append(attributes)
        if "id" in attributes:
            self.ids.add(attributes["id"])
        self.addresses += [attributes[key] for key in ("src", "href") if attributes.get(key)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9/")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-nqc", "docs", ".", folder],
        cwd=ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


def test_the_first_address_leads_to_the_welcome_page(site):
    (target,) = re.findall(r"url=([^\"]+)", (site / "index.html").read_text())
    assert (site / target).is_file()


def test_each_lesson_is_a_page_with_its_pictures_described(site):
    assert LESSONS
    for lesson in LESSONS:
        for picture in Page(site / "lessons" / f"{lesson}.html").pictures:
            assert picture.get("alt"), f"{lesson}: {picture['src']}"


def test_no_widget_is_left_that_would_need_a_running_python(site):
    for lesson in LESSONS:
        text = (site / "lessons" / f"{lesson}.html").read_text(encoding="utf-8")
        assert "jupyter.widget" not in text


def test_each_module_is_in_the_reference(site):
    described = set()
    for page in site.glob("docs/reference/*.html"):
        described |= Page(page).ids
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in ROOT.glob("course/**/*.py")
    }
    packages = {name.removesuffix(".__init__") for name in modules if name.endswith(".__init__")}
    # A package's page shows what its files define, where the package hands it on.
    shown = {"course.widgets", "course.checks"} & packages
    missing = {
        name
        for name in modules - NOT_IN_THE_REFERENCE
        if not name.endswith(".__init__")
        and not name.startswith(tuple(f"{package}." for package in shown))
        and f"module-{name}" not in described
    }
    assert missing == set()
    assert {f"module-{package}" for package in shown} <= described


def test_no_file_imports_from_further_down_in_the_order_of_reading():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    chapter = readme.split("## How to read the source\n")[1].split("\n## ")[0]
    place = {
        Path(file).stem: number
        for number, row in enumerate(re.findall(r"^\| (`.*?) \|", chapter, re.MULTILINE))
        for file in re.findall("`(.*?)`", row)
    }
    backward = []
    for path in ROOT.glob("course/**/*.py"):
        part = path.relative_to(ROOT / "course").with_suffix("").parts[0]
        if part == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            source = (isinstance(node, ast.ImportFrom) and node.module) or ""
            if source.split(".")[0] == "course":
                names = [alias.name for alias in node.names]
                used = [source.split(".")[1]] if "." in source else names
                backward += [(part, name) for name in used if place[name] > place[part]]
    assert backward == []
    files = {path.stem for path in (ROOT / "course").iterdir() if (path / "__init__.py").exists()}
    files |= {path.stem for path in ROOT.glob("course/*.py")}
    assert set(place) == files - {"__init__"}


def test_solutions_of_assignments_stay_out(site):
    names = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert not [name for name in names if "assignments" in name]
    for path in site.rglob("*.html"):
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8"), path


def test_links_within_the_site_lead_somewhere(site):
    for path in site.rglob("*.html"):
        for address in Page(path).addresses:
            target = re.split(r"[#?]", address)[0]
            if target and not re.match(r"[a-z]+:|//", target):
                assert (path.parent / target).exists(), f"{path.name}: {address}"
