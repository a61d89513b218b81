"""nbgrader's settings for the assignments; belongs into the course folder, beside preflight.py.

What students' code may use while it is graded is set here; README.md says what that isolates.
"""

import os
import sys
import tempfile
from pathlib import Path

from nbgrader import preprocessors

sys.path.insert(0, str(Path(__file__).resolve().parent))

from preflight import Preflight

c = get_config()  # noqa: F821  traitlets puts it there

c.CourseDirectory.course_id = "neural-networks"

# ---- what a submission may use -------------------------------------------------------------

SECONDS_PER_CELL = 120
GIGABYTES = float(os.environ.get("COURSE_GRADING_GIGABYTES", 4))

# A function that does not end is stopped by its check after 10 s, and the rest of the cell still
# counts; a cell that does not end is stopped here, and the rest of the notebook still counts.
os.environ.setdefault("COURSE_CHECK_SECONDS", "10")
c.Execute.timeout = SECONDS_PER_CELL
c.Execute.interrupt_on_timeout = True

# Memory, where the system can limit it (Linux, macOS): in the kernel, before the student's code.
if sys.platform != "win32":
    limit = int(GIGABYTES * 2**30)
    c.Execute.extra_arguments = [
        "--IPKernelApp.exec_lines=import resource; "
        f"resource.setrlimit(resource.RLIMIT_DATA, ({limit}, {limit}))"
    ]

# One core each: fair, and as fast for these small networks.
for variable in ("COURSE_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# In a container: COURSE_GRADING_KERNEL names the kernel that README.md says how to install.
# It gets sockets in a folder of its own, and no network; the container limits the memory.
if kernel := os.environ.get("COURSE_GRADING_KERNEL"):
    c.Execute.kernel_name = kernel
    c.Execute.extra_arguments = []
    c.ConnectionFileMixin.transport = "ipc"
    c.ConnectionFileMixin.connection_file = str(Path(tempfile.mkdtemp("-grading")) / "kernel.json")

# ---- hidden tests --------------------------------------------------------------------------

# The hidden tests' numbers come from this. Another one each year: set it where you grade.
os.environ.setdefault("COURSE_GRADING_SEED", "2026")

# ---- damaged notebooks ---------------------------------------------------------------------

# Copied cells are refused with a word on what to do; deleted test cells are put back.
c.Autograde.sanitize_preprocessors = [
    preprocessors.ClearOutput,
    Preflight,
    preprocessors.OverwriteKernelspec,
    preprocessors.OverwriteCells,
    preprocessors.CheckCellMetadata,
]
c.OverwriteCells.add_missing_cells = True

# nbgrader gives no points to a test cell that writes to stderr. Ours say what is wrong by their
# value; a warning on stderr, from numpy or a student's print, shall cost nothing.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"

# ---- feedback ------------------------------------------------------------------------------

# Students see the hints of the hidden tests, not their code.
c.GenerateFeedback.preprocessors = [
    preprocessors.GetGrades,
    preprocessors.ClearHiddenTests,
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
