"""A teacher's course folder, and students who hand in, through nbgrader's own interface."""

import contextlib
import csv
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.plugins import CsvExportPlugin
from traitlets.config import PyFileConfigLoader

ROOT = Path(__file__).parents[1]
ASSIGNMENTS = ROOT / "lessons" / "assignments"
NAMES = {"1_data": "data", "2_dense": "dense", "3_loops": "loops", "4_contest": "contest"}
MARKED = re.compile(r"^ *### (BEGIN|END) SOLUTION\n?", re.MULTILINE)
ANSWER = re.compile(r"^## ([\w-]+)\n(?:.*?)^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def source_notebook(assignment: str):
    """The teacher's notebook, with solutions and hidden tests."""
    return nbformat.read(ASSIGNMENTS / "source" / assignment / f"{NAMES[assignment]}.ipynb", 4)


def cell(notebook, name: str):
    """The cell with this grade_id."""
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)


def answers(name: str) -> dict[str, str]:
    """What tests/assignments/<name>.md puts into the cells that it names."""
    text = (Path(__file__).parent / "assignments" / f"{name}.md").read_text(encoding="utf-8")
    return dict(ANSWER.findall(text))


def reference_answers(assignment: str) -> dict[str, str]:
    """The teacher's solutions, by cell."""
    solutions = [
        c
        for c in source_notebook(assignment).cells
        if c.metadata.get("nbgrader", {}).get("solution")
    ]
    return {c.metadata.nbgrader.grade_id: MARKED.sub("", c.source) for c in solutions}


def full_points(assignment: str) -> dict[str, float]:
    """What there is to get, by graded cell."""
    cells = [c.metadata.get("nbgrader", {}) for c in source_notebook(assignment).cells]
    return {c["grade_id"]: c["points"] for c in cells if c.get("grade")}


def points_for(classroom, student, assignment, changes=None, edit=None) -> dict[str, float]:
    """Points of a student who hands in the solution with `changes`, the notebook `edit`-ed."""
    notebook = classroom.filled_in(assignment, changes)
    if edit:
        edit(notebook)
    classroom.submit(student, assignment, notebook)
    succeed(classroom.autograde(student, assignment))
    return classroom.points(student, assignment)


class Classroom:
    """A course folder made from lessons/assignments, as README.md there says."""

    def __init__(self, folder: Path, **settings):
        """settings: names of nbgrader's options, with __ for the dot."""
        for name in ("nbgrader_config.py", "preflight.py"):
            shutil.copy(ASSIGNMENTS / name, folder)
        shutil.copytree(ASSIGNMENTS / "source", folder / "source")
        self.folder = folder
        config = PyFileConfigLoader("nbgrader_config.py", str(folder)).load_config()
        config.CourseDirectory.root = str(folder)
        config.Exchange.root = str(folder / "exchange")
        for name, value in settings.items():
            owner, option = name.split("__")
            config[owner][option] = value
        self.api = NbGraderAPI(config=config)

    def generate(self, assignment: str):
        """The released notebook."""
        succeed(self.api.generate_assignment(assignment))
        return self.released(assignment)

    def released(self, assignment: str):
        """What students get."""
        return nbformat.read(self._path("release", assignment), 4)

    def filled_in(self, assignment: str, changes: dict[str, str] | None = None):
        """The released notebook with the reference solution, or with `changes` in its cells."""
        notebook = self.released(assignment)
        for name, source in {**reference_answers(assignment), **(changes or {})}.items():
            cell(notebook, name).source = source
        return notebook

    def submit(self, student: str, assignment: str, notebook) -> Path:
        """Hand a notebook in."""
        path = self._path(f"submitted/{student}", assignment)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    def autograde(self, student: str, assignment: str) -> dict:
        """nbgrader's answer: success, log, error."""
        return self.api.autograde(assignment, student)

    def graded(self, student: str, assignment: str):
        """The notebook after the grading."""
        return nbformat.read(self._path(f"autograded/{student}", assignment), 4)

    def points(self, student: str, assignment: str) -> dict[str, float]:
        """Points by test cell, those given by hand included."""
        with self._gradebook() as book:
            notebook = book.find_submission_notebook(NAMES[assignment], assignment, student)
            return {grade.name: grade.score for grade in notebook.grades}

    def grade_by_hand(self, student: str, assignment: str, name: str, points: float) -> None:
        """What a person does in formgrader."""
        with self._gradebook() as book:
            grade = book.find_grade(name, NAMES[assignment], assignment, student)
            grade.manual_score = points
            grade.needs_manual_grade = False
            book.db.commit()

    def feedback(self, student: str, assignment: str) -> str:
        """The page that the student gets."""
        succeed(self.api.generate_feedback(assignment, student))
        path = self._path(f"feedback/{student}", assignment).with_suffix(".html")
        return path.read_text(encoding="utf-8")

    def exported(self) -> list[dict]:
        """The rows of grades.csv."""
        path = self.folder / "grades.csv"
        with self._gradebook() as book:
            plugin = CsvExportPlugin(parent=self.api)
            plugin.to = str(path)
            plugin.export(book)
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def _gradebook(self):
        return Gradebook(self.api.coursedir.db_url, self.api.coursedir.course_id)

    def _path(self, part, assignment):
        return self.folder / part / assignment / f"{NAMES[assignment]}.ipynb"


def succeed(result: dict) -> None:
    """Raises AssertionError with nbgrader's log unless it worked."""
    assert result["success"], result.get("log", "") + result.get("error", "")


@contextlib.contextmanager
def environment(**changes):
    """Other environment variables for a while, as if the virtual environment were activated.

    nbgrader starts a command, `alembic`, by its name. The kernels inherit the variables.
    """
    before = dict(os.environ)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
