"""What people install: sdist and wheel, and the README's first command on a fresh machine.

By default nothing is downloaded: the wheel is installed into a fresh environment that takes the
dependencies from this one. `COURSE_TEST_INSTALL=1` installs all anew, with each Python found.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
NO_NETWORK = {"COURSE_MNIST_MIRRORS": "http://127.0.0.1:9/", "COURSE_DATA_DIR": ""}
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def run(*command, cwd, **environment):
    """Run a command, with no setting of the course or of numba but those given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE_", "NUMBA_"))}
    ran = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**kept, **environment},
        capture_output=True, text=True, encoding="utf-8", timeout=900,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


def tracked(folder):
    """The files in a folder that git knows, or would add."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git clone, to know which files belong to the project")
    listed = run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", folder, cwd=ROOT
    )  # fmt: skip
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    # With the hatchling that is installed here: a build of its own would download it.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def test_the_sdist_has_what_a_learner_needs_and_the_tests(packed):
    with tarfile.open(packed[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("course", "lessons", "tests", "docs", "binder"):
        # The solutions of the assignments are for teachers, who have the repository.
        private = ("lessons/assignments/", "tests/assignments/")
        assert {name for name in tracked(folder) if not name.startswith(private)} <= names
        assert not any(name.startswith(private) for name in names)
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= names


def test_the_wheel_has_the_whole_package_and_nothing_else(packed):
    with zipfile.ZipFile(packed[1]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == tracked("course")


def test_the_wheel_carries_both_licences(packed):
    with zipfile.ZipFile(packed[1]) as archive:
        licences = [name for name in archive.namelist() if ".dist-info/licenses/" in name]
    assert {Path(name).name for name in licences} == {"LICENSE", "LICENSE-mnist.txt"}


def test_the_wheel_works_away_from_its_source_and_without_a_network(packed, tmp_path):
    environment, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(environment)
    python = environment / SCRIPTS / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "-q", "--no-deps", "--no-index", packed[1], cwd=elsewhere)
    asked = run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=elsewhere
    )
    folder = Path(asked.stdout.strip())
    # The folders alone: an editable course in them is not taken up from there.
    (folder / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")

    place = run(python, "-c", "import course; print(course.__file__)", cwd=elsewhere)
    trained = run(
        python, "-m", "course", "--network", "mlp", "--epochs", "1", cwd=elsewhere, **NO_NETWORK
    )

    assert Path(place.stdout.strip()).is_relative_to(folder)
    assert "Note: using the 5,000 digits of the package" in trained.stderr
    assert re.search(r"^MLP +109,386 +0\.\d{4} +[\d.]+$", trained.stdout, re.M)
    assert (elsewhere / "predictions.png").is_file()


# --- the oldest versions ---------------------------------------------------------------------


def test_the_oldest_versions_that_are_tested_are_the_lower_bounds():
    lines = (ROOT / "tests" / "oldest-requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    for text in importlib.metadata.requires("neural-network-course"):
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        (bound,) = [s.version for s in requirement.specifier if s.operator == ">="]
        pin = Version(pins[requirement.name])
        # At most a later correction of it, where the very first has no wheel.
        assert pin.release[:2] == Version(bound).release[:2], requirement.name
        assert pin >= Version(bound)


# --- a fresh machine, with the network -------------------------------------------------------


def pythons():
    """One Python of each version that is at hand, from 3.10 on."""
    found = {}
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += sorted(Path.home().glob(".pyenv/versions/3.*/bin"), reverse=True)
    for folder in folders:
        for path in folder.glob("python3.1[0-9]"):
            code = "import ensurepip, sys; print(*sys.version_info[:2], sep='.')"
            asked = subprocess.run([path, "-c", code], capture_output=True, text=True)
            if asked.returncode == 0:
                found.setdefault(asked.stdout.strip(), path)
    return found or {f"{sys.version_info[0]}.{sys.version_info[1]}": Path(sys.executable)}


def readme_command():
    """The README's first command."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^python3 -m venv .* -m course$", text, re.M)
    return line


@pytest.mark.skipif(
    not os.environ.get("COURSE_TEST_INSTALL") or os.name != "posix",
    reason="downloads some hundred megabytes: set COURSE_TEST_INSTALL=1 (not on Windows)",
)
@pytest.mark.parametrize("version", pythons() if os.environ.get("COURSE_TEST_INSTALL") else ["any"])
def test_the_first_command_of_the_readme_in_a_clean_clone(version, tmp_path):
    clone = tmp_path / "clone"
    run("git", "clone", "-q", ROOT, clone, cwd=tmp_path)
    command = readme_command().replace("python3 ", f"{pythons()[version]} ", 1)
    # As on a machine that reaches the packages, but not the data.
    ran = run("bash", "-c", f"{command} --epochs 2", cwd=clone, **NO_NETWORK)

    assert "Note: using the 5,000 digits of the package" in ran.stderr
    assert re.search(r"^LeNet +431,080 +0\.\d{4} +[\d.]+$", ran.stdout, re.M)
    shutil.rmtree(clone)
