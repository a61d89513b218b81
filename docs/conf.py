"""How Sphinx makes the site: `sphinx-build -c docs . build/docs` in the repository's top folder.

The source folder is the top folder, so that the lessons are taken from where they lie, without a
copy. Lessons are shown with the outputs that are stored in them; nothing is executed.
"""

import html
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["NUMBA_DISABLE_JIT"] = "1"  # the loops as functions with signature and docstring

import course  # noqa: E402

project = "neural-network-course"
author = "the maintainers"
project_copyright = "MIT licence"
release = version = course.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "myst_nb"]
root_doc = "docs/index"
# Not lessons/assignments: there, solutions stand beside the tasks.
include_patterns = ["docs/**.md", "lessons/*.ipynb", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = [".*", "build", "dist", "**/.*", "**/node_modules", "lessons/assignments"]

nitpicky = True
# No other site is asked for its index, so that the site can be built without a network.
# Nor is there a page for a class that is private, or that others in its folder build on.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!course\.).*"),
    (r"py:class", r"course\.(.+\.)?_\w+"),
    (r"py:class", r"course\.(widgets|checks)\.\w+\.\w+"),
]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True

html_theme = "furo"
html_title = "From handwritten digits to a convolutional network"
html_extra_path = ["redirect"]  # the site's first address leads to docs/index.html
html_copy_source = False


def take_notebook_as_stored(app, docname, source):
    """Give the pictures of a lesson their alternative texts, and leave out dead widgets.

    A widget needs a running Python. Where it stored a picture, that picture is shown.
    """
    if not docname.startswith("lessons/"):
        return
    # On the site, the lessons' index is the site's.
    notebook = json.loads(source[0].replace("](README.md)", "](../docs/index.md)"))
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if "image/png" in data:
                alt = html.escape(output["metadata"].get("image/png", {}).get("alt", ""))
                address = f"data:image/png;base64,{''.join(data['image/png']).strip()}"
                output["data"] = {"text/html": f'<img alt="{alt}" src="{address}">'}
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if output.get("data", True)]
    source[0] = json.dumps(notebook)


def take_docstring_as_text(app, what, name, obj, options, lines):
    """Docstrings are plain text with code in backticks: nothing else in them is markup."""
    if lines and lines[0].startswith("Alias for field number"):  # of a NamedTuple: says nothing
        lines.clear()
    for i, line in enumerate(lines):
        if line.lstrip().startswith(">>>"):
            continue
        parts = re.split(r"(`[^`]*`)", line)
        parts[::2] = [re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
        lines[i] = "".join(parts)


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", take_notebook_as_stored)
    app.connect("autodoc-process-docstring", take_docstring_as_text)
