"""What a teacher sets up: the guide's commands, the exchange, containers, hubs' settings."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbgrader", reason="needs nbgrader: pip install -e '.[classroom]'")

import yaml
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default import Exchange
from nbgrader.preprocessors import Execute
from traitlets.config import PyFileConfigLoader

from tests.classroom import (
    ASSIGNMENTS,
    ROOT,
    Classroom,
    cell,
    environment,
    full_points,
    points_for,
)

# nbgrader, SQLAlchemy and the kernels' client warn of each other.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not ASSIGNMENTS.is_dir(), reason="the solutions are in the repository only"),
]


# ---- the commands of the guide -------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="nbgrader's exchange needs Unix")
def test_the_commands_of_the_guide_and_the_exchange(tmp_path):
    teacher, student, exchange = (tmp_path / name for name in ("teacher", "student", "exchange"))
    shutil.copytree(ASSIGNMENTS, teacher)
    for folder in (student, exchange):
        folder.mkdir()
    exchange.chmod(0o777)
    shutil.copy(ASSIGNMENTS / "tljh" / "nbgrader_config.py", student)

    def nbgrader(folder, *arguments):
        command = [sys.executable, "-m", "nbgrader", *arguments, f"--Exchange.root={exchange}"]
        ran = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=120
        )
        assert ran.returncode == 0, ran.stderr

    with environment(JUPYTER_CONFIG_DIR=str(tmp_path / "none"), JUPYTER_PLATFORM_DIRS="1"):
        nbgrader(teacher, "generate_assignment", "1_data")
        nbgrader(teacher, "release_assignment", "1_data")
        nbgrader(student, "fetch_assignment", "1_data")
        nbgrader(student, "submit", "1_data")
        nbgrader(teacher, "collect", "1_data")
        nbgrader(teacher, "autograde", "1_data")
        nbgrader(teacher, "generate_feedback", "1_data")
        nbgrader(teacher, "release_feedback", "1_data")
        nbgrader(student, "fetch_feedback", "1_data")
        nbgrader(teacher, "export")
    assert len(list(student.glob("1_data/feedback/*/data.html"))) == 1
    rows = (teacher / "grades.csv").read_text().splitlines()
    assert len(rows) == 2
    assert rows[1].startswith("1_data,")


def without_a_network(*command):
    return ["unshare", "--net", "--map-root-user", *command]


def namespaces_are_allowed():
    if not shutil.which("unshare"):
        return False
    return subprocess.run(without_a_network("true"), capture_output=True).returncode == 0


NETWORK = """\
import socket

try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print("no network:", type(error).__name__)

raise RuntimeError("still no answer")
"""


@pytest.mark.skipif(not namespaces_are_allowed(), reason="needs Linux, and leave to use `unshare`")
def test_a_kernel_without_a_network_can_be_graded_and_interrupted(tmp_path):
    # In place of Docker: nothing of its isolation but the missing network, and all of its calling.
    engine = tmp_path / "engine"
    engine.write_text(
        "#!/bin/sh\nset -eu\n"
        'printf "%s " "$@" > "$(dirname "$0")/asked"\n'
        'while [ "$1" != neural-network-course ]; do shift; done\nshift\n'
        f'exec {" ".join(without_a_network())} "$@"\n'
    )
    engine.chmod(0o755)
    folder = tmp_path / "class"
    folder.mkdir()
    data = tmp_path / "jupyter"
    shutil.copytree(ASSIGNMENTS / "container", data / "kernels" / "course-container")
    with environment(
        COURSE_GRADING_KERNEL="course-container",
        COURSE_CONTAINER_ENGINE=str(engine),
        COURSE_CHECK_SECONDS="2",
        JUPYTER_PATH=str(data),
    ):
        classroom = Classroom(folder, Execute__timeout=8)
        classroom.generate("1_data")
        endless = "while True:\n    pass"
        points = points_for(
            classroom, "ann", "1_data", {"split-task": endless, "scale-task": NETWORK}
        )
    assert points == {**full_points("1_data"), "scale-test": 0, "split-test": 0}
    task = cell(classroom.graded("ann", "1_data"), "scale-task")
    assert "no network: OSError" in task.outputs[0].text
    asked = (tmp_path / "asked").read_text()
    for limit in ("--network=none", "--memory=4g", "--cpus=1", "--pids-limit=", "--read-only"):
        assert limit in asked
    shared = re.findall(r"--volume=(\S+):(\S+)", asked)
    assert len(shared) == 1  # the folder of the sockets, and nothing of the teacher's
    assert str(folder) not in shared[0][0]


def test_a_kernel_that_a_student_kills_fails_that_submission_alone(tmp_path):
    with environment():
        classroom = Classroom(tmp_path)
        classroom.generate("1_data")
        notebook = classroom.filled_in("1_data", {"split-task": "import os\n\nos._exit(1)"})
        classroom.submit("killer", "1_data", notebook)
        result = classroom.autograde("killer", "1_data")
        assert not result["success"]
        assert "error processing assignment '1_data' for student 'killer'" in result["log"]
        assert points_for(classroom, "after", "1_data") == full_points("1_data")


# ---- what students must not get ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sdist.SdistBuilder", "wheel.WheelBuilder"])
def test_the_package_holds_no_assignment(kind):
    module, name = kind.split(".")
    builder = getattr(pytest.importorskip(f"hatchling.builders.{module}"), name)(str(ROOT))
    files = [Path(file.distribution_path).as_posix() for file in builder.recurse_included_files()]
    assert "course/checks/grading.py" in files
    assert [file for file in files if file.startswith("lessons/assignments")] == []


# ---- settings for hubs ---------------------------------------------------------------------


def hub_settings(name):
    loader = PyFileConfigLoader("nbgrader_config.py", str(ASSIGNMENTS / name))
    return loader.load_config()


def test_the_hubs_settings_are_nbgraders_own_and_agree():
    values = yaml.safe_load((ASSIGNMENTS / "kubernetes" / "values.yaml").read_text())
    text = values["singleuser"]["extraFiles"]["nbgrader"]["stringData"]
    known = {c.__name__: c.class_trait_names() for c in (CourseDirectory, Exchange, Execute)}
    config = hub_settings("tljh")
    for owner, options in config.items():
        assert set(options) <= set(known[owner])
        for option, value in options.items():
            assert f"c.{owner}.{option} = {json.dumps(value)}" in text
    root = values["singleuser"]["storage"]["extraVolumeMounts"][0]["mountPath"]
    assert root == config.Exchange.root
    claim = yaml.safe_load((ASSIGNMENTS / "kubernetes" / "exchange.yaml").read_text())
    volume = values["singleuser"]["storage"]["extraVolumes"][0]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    littlest = yaml.safe_load((ASSIGNMENTS / "tljh" / "config.yaml").read_text())
    assert littlest["limits"] == {"memory": "2G", "cpu": 1}


def test_the_image_holds_no_solutions():
    steps = (ASSIGNMENTS / "container" / "Dockerfile").read_text()
    removed = re.search(r"RUN rm -rf (.*?)\\\n", steps)[1].split()
    assert "/opt/course/lessons/assignments" in removed
    assert "/opt/course/.git" in removed


def test_settings_and_guide_speak_of_files_that_exist():
    guide = (ASSIGNMENTS / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([\w./-]+)\)", guide):
        assert (ASSIGNMENTS / link).exists(), link
