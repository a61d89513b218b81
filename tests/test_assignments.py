"""The class's way through nbgrader: hand out, collect, grade, say why, export."""

import copy
import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("nbgrader", reason="needs nbgrader: pip install -e '.[classroom]'")

from tests.classroom import (
    ASSIGNMENTS,
    NAMES,
    Classroom,
    answers,
    cell,
    environment,
    full_points,
    points_for,
    reference_answers,
    source_notebook,
    succeed,
)

# nbgrader, SQLAlchemy and the kernels' client warn of each other.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not ASSIGNMENTS.is_dir(), reason="the solutions are in the repository only"),
]

TOTALS = {"1_data": 30, "2_dense": 40, "3_loops": 40, "4_contest": 40}
WRITTEN = {"report": 12}  # graded by a person


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    with environment(COURSE_CHECK_SECONDS="2", JUPYTER_PLATFORM_DIRS="1"):
        yield released(Classroom(folder))


def released(classroom):
    for assignment in NAMES:
        classroom.generate(assignment)
    return classroom


def printed(classroom, student, assignment, name):
    outputs = cell(classroom.graded(student, assignment), name).outputs
    return "".join(o.get("text", "") + o.get("evalue", "") for o in outputs)


# ---- what is handed out --------------------------------------------------------------------


@pytest.mark.parametrize("assignment", NAMES)
def test_the_source_is_clean(assignment):
    notebook = source_notebook(assignment)
    names = [c.metadata["nbgrader"]["grade_id"] for c in notebook.cells if "nbgrader" in c.metadata]
    assert len(names) == len(set(names))
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    for c in notebook.cells:
        if c.cell_type == "code":
            assert c.outputs == []
            assert c.execution_count is None
        if "nbgrader" in c.metadata:
            assert c.id == c.metadata.nbgrader.grade_id
            assert c.metadata.nbgrader.schema_version == 3
    assert sum(full_points(assignment).values()) == TOTALS[assignment]


@pytest.mark.parametrize("assignment", ["1_data", "2_dense", "3_loops"])
def test_a_test_cells_last_line_states_the_points_that_nbgrader_has(assignment):
    for name, points in full_points(assignment).items():
        last = cell(source_notebook(assignment), name).source.splitlines()[-1]
        assert last == f"grading.points({points}, passed)"


@pytest.mark.parametrize("assignment", NAMES)
def test_the_release_has_no_solution_and_no_hidden_test(classroom, assignment):
    text = json.dumps([c.source for c in classroom.released(assignment).cells])
    assert "SOLUTION" not in text
    assert "HIDDEN" not in text
    assert "grading.seed" not in text
    for name, solution in reference_answers(assignment).items():
        left = cell(classroom.released(assignment), name).source
        assert re.search(r"raise NotImplementedError\(\)|YOUR ANSWER HERE", left)
        given = {line.strip() for line in left.splitlines()}
        own = [line for line in solution.splitlines() if line.strip() not in given]
        assert len(own) >= 1
        for line in own:
            if len(line.strip()) > 12:  # shorter ones, such as "return out", may occur anywhere
                assert json.dumps(line.strip())[1:-1] not in text


@pytest.mark.parametrize("assignment", NAMES)
def test_hidden_tests_use_other_numbers_than_the_visible_ones(assignment):
    hidden = [
        re.search(r"### BEGIN HIDDEN TESTS\n(.*?)### END", c.source, re.DOTALL)
        for c in source_notebook(assignment).cells
        if c.metadata.get("nbgrader", {}).get("grade") and c.cell_type == "code"
    ]
    with_seed = [found for found in hidden if found]
    assert len(with_seed) >= len(hidden) - 1  # the network of assignment 4 has no numbers to vary
    for found in with_seed:
        assert "seed=grading.seed(" in found[1]


# ---- who gets what -------------------------------------------------------------------------


@pytest.mark.parametrize("assignment", ["1_data", "2_dense", "3_loops"])
def test_the_reference_solution_gets_every_point_within_a_minute(classroom, assignment):
    start = time.monotonic()
    assert points_for(classroom, "reference", assignment) == full_points(assignment)
    assert time.monotonic() - start < 60


def test_the_reference_solution_of_the_contest_gets_every_point(classroom):
    start = time.monotonic()
    with environment(COURSE_DATA_DIR=""):  # the digits held back are the package's
        points = points_for(classroom, "reference", "4_contest")
    assert time.monotonic() - start < 60  # it trains twice, and LeNet for two short epochs
    assert {**points, **WRITTEN} == full_points("4_contest")
    assert points["report"] == 0  # until a person has read it
    classroom.grade_by_hand("reference", "4_contest", "report", 12)
    assert sum(classroom.points("reference", "4_contest").values()) == 40


@pytest.mark.parametrize("assignment", NAMES)
def test_a_blank_submission_gets_no_points_and_breaks_nothing(classroom, assignment):
    classroom.submit("blank", assignment, classroom.released(assignment))
    succeed(classroom.autograde("blank", assignment))
    assert set(classroom.points("blank", assignment).values()) == {0}


def test_small_mistakes_with_data_cost_their_share(classroom):
    assert points_for(classroom, "careless", "1_data", answers("careless_data")) == {
        "read-idx-test": 4,  # whole files are read; damaged ones are not refused
        "scale-test": 2.5,  # to_network is right; what it writes to stderr costs nothing
        "split-test": 3,  # held back by chance, but not of each class alike
        "batches-test": 3,  # labels and images come apart; padded_batches is right
        "nearest-test": 0,
    }
    said = printed(classroom, "careless", "1_data", "batches-test")
    assert "an image got another image's label" in said
    said = printed(classroom, "careless", "1_data", "scale-test")
    assert "use those of the training data" in said


def test_the_usual_mistakes_in_a_dense_network_cost_their_share(classroom):
    points = points_for(classroom, "careless", "2_dense", answers("careless_dense"))
    assert points == {
        "dense-test": 0,  # transposed weights
        "relu-test": 0,  # an exception
        "softmax-test": 3,  # right, but not for large logits
        "cross-entropy-test": 2,  # the 1/N is missing: right for one sample
        "d-logits-test": 2.5,  # the same
        "relu-backward-test": 3,
        "dense-backward-test": 0,  # d_weight is transposed
        "network-test": 2.5,  # the SGD step is right
        "train-test": 0,  # nothing can learn with these
    }
    for name, hint in {
        "dense-test": "use its transpose",
        "relu-test": "NameError: name 'dat' is not defined",
        "softmax-test": "subtract the largest logit",
        "cross-entropy-test": "mean over the batch (the 1/N)",
        "d-logits-test": "divide by N",
        "dense-backward-test": "d_weight is transposed",
    }.items():
        assert hint in printed(classroom, "careless", "2_dense", name)


def test_answers_copied_from_the_hints_get_nothing_and_endless_loops_end(classroom):
    changes = answers("dishonest_dense")
    # What the visible hints ask for, to six digits: with it, the visible checks are content.
    generator = np.random.default_rng(0)
    asked = {}
    for count, classes in ((1, 5), (7, 4)):
        generator = np.random.default_rng(0)
        raw = generator.uniform(0.1, 1, (count, classes))
        probabilities = raw / raw.sum(axis=1, keepdims=True)
        labels = generator.integers(0, classes, count)
        asked[count] = -np.log(probabilities[np.arange(count), labels]).mean()
    changes["cross-entropy-task"] = changes["cross-entropy-task"].format(answers=asked)
    assert points_for(classroom, "dishonest", "2_dense", changes) == {
        "dense-test": 5,
        "relu-test": 0,  # its loop does not end: stopped, and the rest goes on
        "softmax-test": 6,
        "cross-entropy-test": 0,  # the visible numbers, whatever the input
        "d-logits-test": 5,
        "relu-backward-test": 0,  # it writes into its input
        "dense-backward-test": 6,
        "network-test": 2.5,  # it calls relu; the SGD step is right
        "train-test": 0,
    }
    visible, hidden = printed(classroom, "dishonest", "2_dense", "cross-entropy-test").split(
        "Now with other numbers:"
    )
    assert "✗" not in visible
    assert "✓" not in hidden
    said = printed(classroom, "dishonest", "2_dense", "relu-test")
    assert "not finished after 2 s; does each loop end?" in said
    said = printed(classroom, "dishonest", "2_dense", "relu-backward-test")
    assert "it changed the array" in said


def test_the_usual_mistakes_in_loops_cost_their_share(classroom):
    assert points_for(classroom, "careless", "3_loops", answers("careless_loops")) == {
        "convolution-test": 3,  # off by one: right where it begins
        "max-pool-test": 3,  # negative pixels are lost
        "backward-test": 8,
        "compiled-test": 0,  # one is not compiled; the other's loop does not end
        "speed-test": 0,
    }
    said = printed(classroom, "careless", "3_loops", "convolution-test")
    assert "the last row and column of windows are missing" in said
    assert "negative pixels are lost" in printed(classroom, "careless", "3_loops", "max-pool-test")
    said = printed(classroom, "careless", "3_loops", "compiled-test")
    assert "it is not compiled" in said
    assert "does each loop end?" in said


def test_lenet_itself_is_over_the_budget(classroom):
    with environment(COURSE_DATA_DIR=""):
        points = points_for(classroom, "lenet", "4_contest", answers("lenet_contest"))
    # 2: it is a network. 6: one epoch is quickly trained. Nothing for an accuracy near 10 %.
    assert points == {"build-test": 2, "train-test": 6, "report": 0}


def test_overwriting_the_librarys_functions_gains_nothing(classroom):
    assert points_for(classroom, "tampered", "1_data", answers("tampered_data")) == {
        "read-idx-test": 6,
        "scale-test": 5,
        "split-test": 0,  # the checks are read anew from their files
        "batches-test": 6,  # right, though `list` and `sum` are overwritten
        "nearest-test": 0,  # and np.abs: refused with a word
    }
    said = printed(classroom, "tampered", "1_data", "nearest-test")
    assert "np.abs no longer does what it should" in said


# ---- damaged notebooks ---------------------------------------------------------------------


def test_a_cell_that_never_ends_and_a_deleted_test_cost_their_own_points_only(tmp_path):
    with environment(COURSE_CHECK_SECONDS="2"):
        classroom = Classroom(tmp_path, Execute__timeout=8)
        classroom.generate("1_data")

        def delete_test(notebook):
            notebook.cells.remove(cell(notebook, "batches-test"))

        points = points_for(classroom, "stuck", "1_data", answers("stuck_data"), delete_test)
    assert points == {
        "read-idx-test": 6,
        "scale-test": 5,
        "split-test": 0,
        "batches-test": 3,  # the deleted test is back, hidden part included
        "nearest-test": 7,
    }
    task = cell(classroom.graded("stuck", "1_data"), "split-task")
    assert {"KeyboardInterrupt", "CellTimeoutError"} & {o.get("ename") for o in task.outputs}


def test_deleting_task_and_test_together_loses_those_points_only(classroom):
    def delete_both(notebook):
        for name in ("scale-task", "scale-test"):
            notebook.cells.remove(cell(notebook, name))

    points = points_for(classroom, "deleted", "1_data", edit=delete_both)
    assert points == {**full_points("1_data"), "scale-test": 0}


def preflight(classroom, *arguments):
    command = [sys.executable, "preflight.py", "1_data", *arguments]
    return subprocess.run(
        command, cwd=classroom.folder, capture_output=True, text=True, encoding="utf-8", timeout=60
    )


def test_a_copied_cell_is_refused_with_a_clear_word_and_can_be_repaired(classroom):
    notebook = classroom.filled_in("1_data")
    blank = cell(classroom.released("1_data"), "split-task").source
    # The student's work is in the first of the two; the second is as it was handed out.
    worked = cell(notebook, "split-task").source
    original = copy.deepcopy(cell(notebook, "split-task"))
    original.update(id="copied", source=blank)
    notebook.cells.insert(notebook.cells.index(cell(notebook, "split-task")) + 1, original)
    path = classroom.submit("copied", "1_data", notebook)
    before = path.read_bytes()

    result = classroom.autograde("copied", "1_data")

    assert not result["success"]
    assert "submitted/copied/1_data/data.ipynb was not graded" in result["log"]
    assert "the cell 'split-task' is there 2 times (cells 10 and 11)" in result["log"]
    assert "python preflight.py 1_data --repair" in result["log"]
    assert path.read_bytes() == before

    told = preflight(classroom)
    assert told.returncode == 1, told.stderr
    assert "copied: data.ipynb: the cell 'split-task' is there 2 times" in told.stdout
    repaired = preflight(classroom, "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert path.with_suffix(".ipynb.original").read_bytes() == before
    succeed(classroom.autograde("copied", "1_data"))
    assert cell(classroom.graded("copied", "1_data"), "split-task").source == worked
    assert classroom.points("copied", "1_data") == full_points("1_data")


def test_preflight_names_what_was_deleted(classroom):
    notebook = classroom.filled_in("1_data")
    notebook.cells.remove(cell(notebook, "nearest-test"))
    notebook.cells.remove(cell(notebook, "split-task"))
    classroom.submit("forgetful", "1_data", notebook)
    told = preflight(classroom)
    assert "forgetful: data.ipynb: the cell 'nearest-test' is missing; it will be put back" in (
        told.stdout
    )
    assert "forgetful: data.ipynb: the cell 'split-task' is missing; its points" in told.stdout


def test_a_file_that_is_no_notebook_is_reported_and_the_others_are_graded(classroom):
    path = classroom.submit("broken", "2_dense", classroom.released("2_dense"))
    path.write_text("{", encoding="utf-8")
    command = [sys.executable, "preflight.py", "2_dense"]
    told = subprocess.run(
        command, cwd=classroom.folder, capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    assert "broken: dense.ipynb: cannot be read as a notebook" in told.stdout
    assert not classroom.autograde("broken", "2_dense")["success"]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_memory_is_limited(classroom):
    changes = {"read-idx-task": "hoard = np.ones(5 * 2**27)  # 5 GB, the limit being 4"}
    points = points_for(classroom, "hoarder", "1_data", changes)
    assert points == {**full_points("1_data"), "read-idx-test": 0}
    outputs = cell(classroom.graded("hoarder", "1_data"), "read-idx-task").outputs
    assert "MemoryError" in outputs[0].ename


# ---- what comes back -----------------------------------------------------------------------


def test_feedback_gives_points_and_hints_and_keeps_the_hidden_tests(classroom):
    points_for(classroom, "curious", "1_data", {"split-task": "def split(*_):\n    return 1"})
    page = classroom.feedback("curious", "1_data")
    assert "it should return train, test, got int" in page
    assert re.search(r"Score: 24(\.0)? / 30(\.0)?", page)
    assert "grading.seed" not in page


def test_grades_are_exported(classroom):
    points_for(classroom, "exported", "1_data", {"split-task": "split = None"})
    rows = {(row["student_id"], row["assignment"]): row for row in classroom.exported()}
    row = rows["exported", "1_data"]
    assert (float(row["score"]), float(row["max_score"])) == (24, 30)
