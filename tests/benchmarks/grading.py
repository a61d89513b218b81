"""How long nbgrader takes for a class: python tests/benchmarks/grading.py [submissions]

Grades that many submissions of assignment 2 (right ones, careless ones and blank ones in turn),
one after another as nbgrader does, and says whether the time grows with their number alone.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.classroom import Classroom, answers, environment, succeed

ASSIGNMENT = "2_dense"


def main(count: int) -> None:
    """Print a table of seconds."""
    with tempfile.TemporaryDirectory() as folder, environment():
        classroom = Classroom(Path(folder), NbGraderAPI__log_level=50)
        released = classroom.generate(ASSIGNMENT)
        kinds = (
            classroom.filled_in(ASSIGNMENT),
            classroom.filled_in(ASSIGNMENT, answers("careless_dense")),
            released,
        )
        students = [f"student-{number:03}" for number in range(count)]
        for number, student in enumerate(students):
            classroom.submit(student, ASSIGNMENT, kinds[number % len(kinds)])
        seconds = []
        for student in students:
            start = time.perf_counter()
            succeed(classroom.autograde(student, ASSIGNMENT))
            seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        for student in students:
            classroom.feedback(student, ASSIGNMENT)
        feedback = time.perf_counter() - start
        rows = classroom.exported()

    third = count // 3
    print(f"{len(rows)} submissions of {ASSIGNMENT}, total {sum(seconds):.0f} s")
    print(
        f"each: median {statistics.median(seconds):.2f} s, "
        f"from {min(seconds):.2f} to {max(seconds):.2f} s; feedback {feedback / count:.2f} s"
    )
    for name, part in (("first", seconds[:third]), ("last", seconds[-third:])):
        print(f"the {name} {third}: median {statistics.median(part):.2f} s")
    print(f"at this rate, 200 take {200 * statistics.mean(seconds) / 60:.0f} minutes")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
