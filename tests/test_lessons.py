"""Each lesson prints what is stored in it, can be reviewed as text, and its solutions are right."""

import ast
import base64
import json
import os
import re
import runpy
import subprocess
import symtable
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pytest

from course import checks

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "lessons"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
BOOKS = {path.stem: nbformat.read(path, 4) for path in LESSONS}
BINDER = "https://mybinder.org/v2/gh/OWNER/neural-network-course/HEAD?urlpath=lab/tree/lessons/"
WIDGET = "application/vnd.jupyter.widget-view+json"
# Where a test ends that would leave this machine.
NOWHERE = "http://127.0.0.1:9/"

each_lesson = pytest.mark.parametrize("lesson", BOOKS)


def code_cells(lesson):
    return [cell for cell in BOOKS[lesson].cells if cell.cell_type == "code"]


def prose(lesson):
    cells = BOOKS[lesson].cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def outputs(lesson):
    """(id of the cell, output), each of them."""
    return [(cell.id, output) for cell in code_cells(lesson) for output in cell.outputs]


# ---- they run, and print what is stored -----------------------------------------------------


def environment():
    """On the full data if they are at hand, else on the sample; never on a download."""
    return {**os.environ, "COURSE_MNIST_MIRRORS": NOWHERE}


@pytest.fixture(scope="session")
def compiled():
    """The kernels, ahead of time: a lesson that compiles says so, and does not store that."""
    subprocess.run(
        [sys.executable, "-m", "course", "warmup"], env=environment(), check=True, timeout=300
    )


def nbval(path, tmp_path, seconds=300):
    """What nbval says of a notebook: {number of the code cell: 'PASSED', ...} and its report.

    In a process of its own: nbval and other plugins do not go together, and what is an error in
    a test may be shown to a student as a warning.
    """
    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\n")
    run = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-c", settings, "--rootdir", path.parent, "-rA", "-q",
            "-p", "no:cacheprovider", "--color=no", "--nbval", "--nbval-current-env",
            "--nbval-cell-timeout=120", "--nbval-sanitize-with", ROOT / "tests" / "nbval.cfg", path,
        ],
        env=environment(), capture_output=True, text=True, encoding="utf-8", errors="replace",
        timeout=seconds,
    )  # fmt: skip
    found = re.findall(r"^([A-Z]+) .*::Cell (\d+)", run.stdout, re.MULTILINE)
    return {int(number): outcome for outcome, number in found}, run.stdout + run.stderr


@each_lesson
@pytest.mark.usefixtures("compiled")
def test_a_lesson_prints_what_is_stored(lesson, tmp_path):
    result, report = nbval(FOLDER / f"{lesson}.ipynb", tmp_path)
    assert result == dict.fromkeys(range(len(code_cells(lesson))), "PASSED"), report


def book_of(*cells):
    """A notebook of (source, outputs, tags)."""
    made = [
        nbformat.v4.new_code_cell(source, outputs=outputs, metadata={"tags": tags})
        for source, outputs, tags in cells
    ]
    for number, cell in enumerate(made):
        cell.execution_count = number + 1
    return nbformat.v4.new_notebook(cells=made, metadata=BOOKS["00_welcome"].metadata)


def printed(text):
    return [nbformat.v4.new_output("stream", text=text)]


def shown(text, mime="text/plain"):
    data = {mime: text} if mime == "text/plain" else {mime: text, "text/plain": "a text"}
    return [nbformat.v4.new_output("execute_result", data=data)]


def test_a_changed_stored_output_fails(tmp_path):
    taken = "print('took', 0.51, 's'); print('Time cost=0.51'); print('1,000 µs')"
    html = "from IPython.display import HTML; display(HTML('<b>1</b>'))"
    cells = {
        "as stored": ("print(0.51)", printed("0.51\n"), []),
        "another number": ("print(0.51)", printed("0.52\n"), []),
        "another result": ("2 > 1", shown("False"), []),
        "no output": ("print(0.51)", [], []),
        "one too many": ("x = 1", printed("1\n"), []),
        "another table": (html, [nbformat.v4.new_output("display_data", {"text/html": "2"})], []),
        "a warning": ("import sys; print('!', file=sys.stderr)", [], []),
        "an error": ("1 / 0", [], []),
        "another time": (taken, printed("took 2 s\nTime cost=1.5\n3.25 µs\n"), []),
        "a time and a number": ("print(3, '0.1 s')", printed("4 0.1 s\n"), []),
        "tagged": ("print(0.51)", printed("0.52\n"), ["nbval-ignore-output"]),
    }
    path = tmp_path / "changed.ipynb"
    nbformat.write(book_of(*cells.values()), path)
    result, report = nbval(path, tmp_path)
    assert len(result) == len(cells), report
    passed = {name for number, name in enumerate(cells) if result[number] == "PASSED"}
    assert passed == {"as stored", "another time", "tagged"}, report


# ---- they can be reviewed -------------------------------------------------------------------


@each_lesson
def test_it_was_run_from_top_to_bottom(lesson):
    counts = [cell.execution_count for cell in code_cells(lesson)]
    assert counts == list(range(1, len(counts) + 1))
    for _, output in outputs(lesson):
        assert output.get("execution_count", 1) in counts


@each_lesson
def test_its_metadata_hold_no_noise(lesson):
    book = BOOKS[lesson]
    assert book.metadata == {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3",
        },
        "language_info": {"name": "python"},
    }  # fmt: skip
    for cell in book.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id
        assert set(cell.metadata.get("tags", ())) <= {"nbval-ignore-output"}, cell.id
        assert not re.fullmatch("[0-9a-f]{8}(-[0-9a-f-]+)?", cell.id), "give the cell a name"


@each_lesson
def test_its_file_is_written_as_jupyter_writes_it(lesson):
    # So that a review shows what was changed, and nothing else.
    text = (FOLDER / f"{lesson}.ipynb").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"


@each_lesson
def test_pictures_and_widgets_have_a_picture_and_a_text(lesson):
    cells = code_cells(lesson)
    for number, cell in enumerate(cells):
        bundles = [output for output in cell.outputs if "data" in output]
        for output in bundles:
            for mime in output.data:
                if mime.startswith("image/"):
                    alt = output.metadata.get(mime, {}).get("alt", "")
                    assert len(alt) > 15, f"{cell.id}: a picture without alternative text"
        if any(WIDGET in output.data for output in bundles):
            # Curves that are empty at first are shown again, when the training is over.
            near = [output.get("data", {}) for near in cells[number : number + 3]
                    for output in near.outputs]  # fmt: skip
            assert any("image/png" in data for data in near), f"{cell.id}: nothing on GitHub"
    assert not re.search(r"!\[\s*\]|<img(?![^>]*\balt=\"[^\"]{5})", prose(lesson))


@each_lesson
def test_no_output_is_astray(lesson):
    for cell, output in outputs(lesson):
        assert output.output_type in ("stream", "display_data", "execute_result"), cell
        assert output.get("name") != "stderr", cell
        text = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
        assert text.strip(), f"{cell}: an output without text"
        for trace in ("Traceback", " object at 0x", "<Figure", "Axes:", "None\n"):
            assert trace not in text, cell


@each_lesson
def test_no_path_of_one_computer_is_in_it(lesson):
    for cell in BOOKS[lesson].cells:
        text = cell.source + json.dumps(
            [output.get("text", output.get("data", {}).get("text/plain")) for output in
             cell.get("outputs", [])]
        )  # fmt: skip
        assert not re.search(r"(?<![\w:/.])/(home|root|tmp|usr|work|Users|mnt|var)/", text), cell.id
        assert not re.search(r"\b[A-Z]:\\\\", text), cell.id


@each_lesson
def test_its_code_hides_nothing(lesson):
    for cell in code_cells(lesson):
        for node in ast.walk(ast.parse(cell.source)):  # an IPython magic is a SyntaxError here
            if isinstance(node, ast.ImportFrom):
                assert node.names[0].name != "*", f"{cell.id}: a star import"
                assert node.module.split(".")[0] not in BOOKS
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                assert "pyplot" not in ast.unparse(node), f"{cell.id}: use mx.viz.show"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert not (node.value.id == "mx" and node.attr.startswith("_")), cell.id


def links_of(text):
    return re.findall(r"\]\(([^)\s]+)\)|<(?:a href|img src)=\"([^\"]+)\"", text)


def anchors_of(text):
    """What GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def text_of(path):
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, 4).cells
        return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [*LESSONS, FOLDER / "README.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in map("".join, links_of(text_of(path))):
        if re.match(r"[a-z]+:", link):
            assert link.startswith(("https://", "http://localhost:8888/lab/tree/")), link
            link = re.sub(".*/lab/tree/", "../", link)
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(text_of(target)), link


@each_lesson
def test_it_has_the_parts_of_a_lesson(lesson):
    first, last = BOOKS[lesson].cells[0].source, BOOKS[lesson].cells[-1].source
    assert first.startswith(f"# {lesson[:2]} ")
    assert re.search(r"\*\*After this (lesson|notebook)\*\*", first)
    assert re.search(r"\*Time: \d+ (minutes|hours)\. You need: ", first)
    text = prose(lesson)
    for part in ("**Predict before you run:**", "## Exercises", "## Recap", "*Sources: "):
        assert part in text, part
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
    assert "](README.md)" in last


def test_footers_lead_through_the_course():
    for path, following in pairwise(LESSONS):
        assert f"]({following.name})" in text_of(path)[-200:]
        assert f"]({path.name})" in text_of(following)[-200:]


def test_the_index_has_each_lesson_with_its_time_its_picture_and_its_places_to_open():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for lesson in BOOKS:
        (minutes,) = re.findall(r"\*Time: (\d+ \w+)", BOOKS[lesson].cells[0].source)
        (part,) = [part for part in index.split("\n## ") if f"({lesson}.ipynb)" in part[:200]]
        assert minutes in part
        assert f"{BINDER}{lesson}.ipynb)" in part
        assert f"(http://localhost:8888/lab/tree/lessons/{lesson}.ipynb)" in part
        assert re.search(rf"!\[[^\]]{{15,}}\]\(pictures/{lesson}\.png\)", part)


def test_the_pictures_of_the_index_are_those_of_the_lessons():
    chosen = runpy.run_path(str(ROOT / "tests" / "tools" / "lesson_pictures.py"))["CELLS"]
    assert sorted(chosen) == sorted(BOOKS)
    for lesson, cell in chosen.items():
        stored = [
            base64.b64decode(output.data["image/png"])
            for name, output in outputs(lesson)
            if name == cell and "image/png" in output.get("data", {})
        ]
        picture = (FOLDER / "pictures" / f"{lesson}.png").read_bytes()
        assert stored == [picture], "run python tests/tools/lesson_pictures.py"


def test_the_times_that_lesson_06_quotes_are_those_of_the_benchmark():
    table = (ROOT / "tests" / "benchmarks" / "README.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| (.+) \| ([\d.]+) \|$", prose("06_speed"), re.MULTILINE)
    assert len(quoted) == 4
    for who, seconds in quoted:
        (row,) = [line for line in table.splitlines() if f" | {seconds} (" in line]
        task, contestant = row.split(" | ")[:2]
        assert task == "| LeNet, one epoch"
        assert contestant.split()[0] in ("course" if who == "this library" else who)


# ---- exercises ------------------------------------------------------------------------------


def exercises():
    """(lesson, position of the exercise's cell), each of them."""
    return [
        (lesson, number)
        for lesson, book in BOOKS.items()
        for number, cell in enumerate(book.cells)
        if cell.cell_type == "code" and "raise NotImplementedError" in cell.source
    ]


each_exercise = pytest.mark.parametrize(
    ("lesson", "number"), exercises(), ids=lambda part: str(part)
)


def solution(lesson, number):
    """The code in the cell below the exercise."""
    below = BOOKS[lesson].cells[number + 1].source
    (code,) = re.findall(
        r"<details><summary>Solution</summary>\n\n```python\n(.*?)```.*</details>", below, re.DOTALL
    )
    return code


def filled(lesson, number, answer):
    """The exercise's cell with `answer` for what was to be written; the check comes last."""
    statements = ast.parse(BOOKS[lesson].cells[number].source).body
    check = [part for part in statements if ast.unparse(part).startswith("checks.")]
    answered, _ = global_names(answer)
    given = [
        part
        for part in statements
        if part not in check and getattr(part, "name", None) not in answered
    ]
    return "\n".join([*map(ast.unparse, given), answer, *map(ast.unparse, check)])


def global_names(source):
    """The names that a cell defines, and those that it uses."""
    top = symtable.symtable(source, "cell", "exec")
    defined = {
        symbol.get_name()
        for symbol in top.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    used, tables = set(), [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        used |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    used |= {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    return defined, used


def run(lesson, number, answer, capsys):
    """What the checks print if `answer` is typed into the exercise.

    Of the cells before, only those run that define a name which is needed, directly or not.
    """
    cells = BOOKS[lesson].cells[:number]
    needed = [filled(lesson, number, answer)]
    _, wanted = global_names(needed[0])
    for before in range(number - 1, -1, -1):
        source = cells[before].source
        if cells[before].cell_type != "code":
            continue
        if (lesson, before) in exercises():
            source = filled(lesson, before, solution(lesson, before))
        defined, used = global_names(source)
        if defined & wanted:
            needed.insert(0, source)
            wanted |= used
    space = {"__name__": "__main__"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is the sample, for example
        for source in needed:
            capsys.readouterr()
            exec(compile(source, f"{lesson}, cell {number}", "exec"), space)
    return capsys.readouterr().out.splitlines()


@each_lesson
def test_it_has_three_exercises_or_more(lesson):
    assert sum(name == lesson for name, _ in exercises()) >= 3


@each_exercise
def test_the_solution_is_right(lesson, number, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", NOWHERE)
    lines = run(lesson, number, solution(lesson, number), capsys)
    assert lines
    assert all(line.startswith("✓") for line in lines), lines


WRONG = {
    "nothing": None,
    "a word": "seven",
    "a number": -123.5,
    "NaN": np.full(3, np.nan),
    "an empty array": np.zeros(0),
}


def calls_of_checks(source):
    """(the check, the name of what it checks), each of them."""
    return [
        (getattr(checks, node.func.attr), node.args[0].id)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("checks.")
    ]


@each_exercise
def test_what_is_no_answer_gets_a_hint_and_no_traceback(lesson, number, capsys):
    for check, _ in calls_of_checks(BOOKS[lesson].cells[number].source):
        for answer in WRONG.values():
            assert check(lambda *_, answer=answer, **__: answer) is False
        assert check(lambda *_, **__: 1 / 0) is False
        assert check(7) is False
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(WRONG) + 2
        assert all(re.match("✗ .+: .{15,}", line) for line in lines), lines
        assert "ZeroDivisionError" in lines[-2]


def test_each_check_is_used_once():
    used = [
        check.__name__
        for lesson in BOOKS
        for cell in code_cells(lesson)
        for check, _ in calls_of_checks(cell.source)
    ]
    assert sorted(used) == sorted(checks.__all__)
