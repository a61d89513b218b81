"""Find submissions whose cells were copied, split or deleted, before they are graded.

    python preflight.py 2_dense            says what is wrong, and with whom
    python preflight.py 2_dense --repair   makes copies ordinary cells; the original file is kept

nbgrader knows a cell by its grade_id. A student who copies or splits a cell copies the grade_id,
and nbgrader then grades one of the two, perhaps the wrong one. `nbgrader_config.py` puts
`Preflight` before the grading, so that such a notebook is refused and the others are graded.
"""

import argparse
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor


class DamagedNotebook(ValueError):
    """A submission that should be repaired before it is graded."""


class Preflight(NbGraderPreprocessor):
    """Refuses a notebook in which two cells have one grade_id; puts deleted answers back, empty.

    nbgrader puts deleted tests back (`OverwriteCells.add_missing_cells`), but stops with a
    KeyError if the answer that goes before a deleted test is deleted too.
    """

    def preprocess(self, nb, resources):
        """The notebook to grade. Raises DamagedNotebook, with a word to the teacher."""
        names = resources["nbgrader"]
        copies = copied_cells(nb)
        if copies:
            assignment, student = names["assignment"], names["student"]
            where = f"submitted/{student}/{assignment}/{names['notebook']}.ipynb"
            raise DamagedNotebook(
                f"{where} was not graded: {describe_copies(copies)}. A cell was copied or split. "
                f"Delete the wrong ones there, or run: python preflight.py {assignment} --repair; "
                f"then: nbgrader autograde {assignment} --student={student}"
            )
        with Gradebook(names["db_url"]) as book:
            handed_out = book.find_notebook(names["notebook"], names["assignment"])
            answers = {cell.name for cell in handed_out.solution_cells}
            graded = {cell.name for cell in handed_out.grade_cells}
            put_back(nb, [(c.name, c.source) for c in handed_out.source_cells], answers - graded)
        return nb, resources


def grade_id(cell) -> str | None:
    """The name by which nbgrader knows a cell, if it has one."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def copied_cells(nb) -> dict[str, list[int]]:
    """grade_id -> the positions (from 0) of the cells that have it, where they are several."""
    places = defaultdict(list)
    for number, cell in enumerate(nb.cells):
        if grade_id(cell):
            places[grade_id(cell)].append(number)
    return {name: numbers for name, numbers in places.items() if len(numbers) > 1}


def describe_copies(copies: dict[str, list[int]]) -> str:
    """A sentence about them; cells are counted from 1."""
    return "; ".join(
        f"the cell {name!r} is there {len(numbers)} times (cells "
        f"{' and '.join(str(number + 1) for number in numbers)})"
        for name, numbers in copies.items()
    )


def missing_cells(nb, released) -> list[str]:
    """The grade_ids that were handed out and have not come back."""
    there = {grade_id(cell) for cell in nb.cells}
    return [name for name in map(grade_id, released.cells) if name and name not in there]


def put_back(nb, handed_out: list[tuple[str, str]], wanted: set[str]) -> None:
    """Insert the code cells of `wanted` that are missing.

    handed_out: all cells' (grade_id, source), in order; a cell goes behind the last one before it
    that is there.
    """
    place = 0
    for name, source in handed_out:
        there = [number for number, cell in enumerate(nb.cells) if grade_id(cell) == name]
        if there:
            place = there[0] + 1
        elif name in wanted:
            about = dict(grade=False, grade_id=name, locked=False, solution=True, task=False)
            cell = nbformat.v4.new_code_cell(
                f"# This cell was missing.\n{source}",
                metadata={"nbgrader": {**about, "schema_version": 3}},
            )
            nb.cells.insert(place, cell)
            place += 1


def repair(nb, released) -> None:
    """Leave each grade_id to one cell: the last that was worked on, else the last.

    Copies that were not worked on are removed; the others become ordinary cells.
    """
    sources = {grade_id(cell): cell.source for cell in released.cells}
    removed = []
    for name, numbers in copied_cells(nb).items():
        worked_on = [number for number in numbers if nb.cells[number].source != sources.get(name)]
        keep = (worked_on or numbers)[-1]
        for number in numbers:
            if number == keep:
                continue
            if number in worked_on:
                del nb.cells[number].metadata["nbgrader"]
            else:
                removed.append(number)
    nb.cells = [cell for number, cell in enumerate(nb.cells) if number not in removed]


def inspect(path: Path, released_path: Path, repairing: bool) -> list[str]:
    """What is wrong with a submitted notebook, as sentences; repairs it if told to."""
    try:
        nb = nbformat.read(path, as_version=4)
    except Exception as error:  # whatever a student's file can be
        return [f"cannot be read as a notebook ({error}); ask for it again"]
    released = nbformat.read(released_path, as_version=4)
    findings = []
    copies = copied_cells(nb)
    if copies:
        findings.append(describe_copies(copies))
        if repairing:
            kept = path.with_suffix(".ipynb.original")
            if not kept.exists():
                shutil.copy2(path, kept)
            repair(nb, released)
            path.unlink()  # nbgrader makes what it collects read-only
            nbformat.write(nb, path)
            findings.append(f"repaired; as it was handed in: {kept.name}")
    for name in missing_cells(nb, released):
        what = "it will be put back" if name.endswith("-test") else "its points are lost"
        findings.append(f"the cell {name!r} is missing; {what}")
    return findings


def main(arguments: list[str] | None = None) -> int:
    """Print what is wrong, a line a finding. Returns 1 if a copied cell remains, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assignment", help="its folder's name, such as 2_dense")
    parser.add_argument("--course", type=Path, default=Path(), help="the course folder; default .")
    parser.add_argument("--repair", action="store_true", help="make copies ordinary cells")
    options = parser.parse_args(arguments)
    released = options.course / "release" / options.assignment
    if not released.is_dir():
        parser.error(
            f"there is no {released}: first run nbgrader generate_assignment {options.assignment}"
        )
    damaged = False
    seen = 0
    for released_path in sorted(released.glob("*.ipynb")):
        pattern = f"*/{options.assignment}/{released_path.name}"
        for path in sorted((options.course / "submitted").glob(pattern)):
            seen += 1
            for finding in inspect(path, released_path, options.repair):
                print(f"{path.parent.parent.name}: {path.name}: {finding}")
            damaged |= _still_copied(path)
    print(f"{seen} notebooks looked at.")
    return int(damaged)


def _still_copied(path):
    try:
        return bool(copied_cells(nbformat.read(path, as_version=4)))
    except Exception:  # reported already
        return True


if __name__ == "__main__":
    sys.exit(main())
