"""Binder, as far as it can be tested without Docker. `COURSE_TEST_INSTALL=1` runs a build too."""

import functools
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
posix = pytest.mark.skipif(os.name != "posix", reason="the scripts are for Linux, which Binder is")
PYTHON = "3.12"
LINK = re.compile(r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/HEAD\?urlpath=lab/tree/([^\s)\"'\\>]+)")


def run(*command, **settings):
    settings = {"capture_output": True, "text": True, "timeout": 900, **settings}
    return subprocess.run([*map(str, command)], **settings)


def dependencies():
    """The course's requirements for Binder's Python and system, by name."""
    system = {"python_version": PYTHON, "sys_platform": "linux", "platform_machine": "x86_64"}
    system |= {"extra": "", "platform_system": "Linux", "os_name": "posix"}
    found = map(Requirement, importlib.metadata.requires("neural-network-course"))
    return {r.name: r for r in found if not r.marker or r.marker.evaluate(system)}


def pins():
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    pinned = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    assert all(re.fullmatch(r"==[\d.]+", str(requirement.specifier)) for requirement in pinned)
    return {r.name: str(r.specifier).removeprefix("==") for r in pinned}


@functools.cache
def base_image():
    """Names and versions in the environment that repo2docker begins with."""
    package = Path(importlib.util.find_spec("repo2docker").origin).parent
    folder = package / "buildpacks" / "conda"
    lock = (folder / f"environment.py-{PYTHON}-linux-64.lock").read_text()
    return dict(re.findall(r"/([\w.-]+)-([\d.]+)-[\w.]+\.conda", lock))


# --- what is installed -----------------------------------------------------------------------


def test_each_dependency_is_pinned_or_in_the_base_image_in_a_version_that_is_allowed():
    there = {**base_image(), **pins()}
    for name, requirement in dependencies().items():
        assert name in there
        assert requirement.specifier.contains(there[name]), f"{name} {there[name]}"


def test_nothing_is_pinned_that_the_course_does_not_need():
    assert set(pins()) <= set(dependencies())


def test_no_pin_makes_binder_install_an_older_version_than_its_own():
    base = base_image()
    for name, version in pins().items():
        assert Version(version) >= Version(base.get(name, "0"))


@pytest.fixture(scope="module")
def dockerfile():
    if sys.platform == "win32":
        pytest.skip("repo2docker does not run on Windows")
    shown = run(
        Path(sys.executable).with_name("repo2docker"), "--no-build", "--debug",
        "--user-id", "1000", "--user-name", "jovyan", ROOT,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    return shown.stdout + shown.stderr


def test_the_image_has_the_python_that_the_pins_are_for(dockerfile):
    assert (BINDER / "runtime.txt").read_text().strip() == f"python-{PYTHON}"
    assert f"Building conda environment for python={PYTHON}" in dockerfile


def test_the_packages_are_installed_before_the_lessons_are_copied(dockerfile):
    """So that a changed lesson does not install all anew."""
    steps = [
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        "COPY --chown=1000:1000 src/ ${REPO_DIR}/",
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    places = [dockerfile.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


# --- the scripts -----------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_the_scripts_can_be_run(name):
    assert os.access(BINDER / name, os.X_OK)
    checked = run("bash", "-n", BINDER / name)
    assert (checked.returncode, checked.stderr) == (0, "")


def start(home, *command):
    """Run a command as Binder does at each launch; `python` is this one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    without = {key: os.environ[key] for key in os.environ if not key.startswith("NUMBA_")}
    return run(BINDER / "start", *command, cwd=home, env={**without, "HOME": home, "PATH": path})


def variables(home):
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    return json.loads(start(home, "python", "-c", code).stdout)


@posix
def test_start_passes_on_the_command_and_its_exit_status(tmp_path):
    ran = start(tmp_path, "python", "-c", "import sys; print(sys.argv[1]); sys.exit(7)", "a b")
    assert (ran.stdout, ran.returncode) == ("a b\n", 7)


@posix
def test_one_thread_for_one_core(tmp_path):
    given = variables(tmp_path)
    names = ["COURSE", "NUMBA", "OMP", "OPENBLAS"]
    assert {given.get(f"{name}_NUM_THREADS") for name in names} == {"1"}


@posix
@pytest.mark.parametrize(
    ("built_for", "name"), [("this", None), ("another +processor", "generic"), (None, "generic")]
)
def test_the_machine_code_in_use_fits_the_processor(tmp_path, built_for, name):
    if built_for == "this":
        built_for = run(sys.executable, BINDER / "processor.py").stdout
    if built_for is not None:
        folder = tmp_path / ".cache" / "neural-network-course"
        folder.mkdir(parents=True)
        (folder / "processor.txt").write_text(built_for)
    assert variables(tmp_path).get("NUMBA_CPU_NAME") == name


# --- the links -------------------------------------------------------------------------------


def texts():
    """All texts that may lead to a hosted copy."""
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CITATION.cff"]
    files += [ROOT / "pyproject.toml", *ROOT.glob("docs/**/*.md"), *ROOT.glob("lessons/*.ipynb")]
    return {file: file.read_text(encoding="utf-8") for file in files}


def repository():
    """Where a hosted copy is, as CITATION.cff says: "owner/name"."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    return re.search(r"^repository-code: https://github\.com/(\S+)$", text, re.M)[1]


def test_all_binder_links_are_to_this_repository_and_to_lessons_that_exist():
    for text in texts().values():
        for link in re.findall(r"mybinder\.org/v2/[^\s)]+", text):
            name, path = LINK.match(link).groups()
            assert name == repository()
            assert (ROOT / path).is_file(), path


def test_the_readme_has_a_binder_link_to_each_lesson():
    opened = {path for _, path in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    lessons = {f"lessons/{path.name}" for path in ROOT.glob("lessons/*.ipynb")}
    assert lessons
    assert opened == lessons


@posix
def test_the_command_for_forks_replaces_each_link(tmp_path):
    """The one in CONTRIBUTING.md, in a copy of the texts."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^git grep -l .* sed .*$", text, re.M)
    for file, content in texts().items():
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(content, encoding="utf-8")
    assert run("git", "init", "-q", tmp_path).returncode == 0
    assert run("git", "add", ".", cwd=tmp_path).returncode == 0

    replaced = run("bash", "-c", command.replace("YOU/YOURS", "ada/digits"), cwd=tmp_path)

    assert replaced.returncode == 0, replaced.stderr
    changed = {f: (tmp_path / f.relative_to(ROOT)).read_text(encoding="utf-8") for f in texts()}
    assert [file for file, text in changed.items() if repository() in text] == []
    assert any("mybinder.org/v2/gh/ada/digits/HEAD" in text for text in changed.values())


# --- a build, without Docker -----------------------------------------------------------------


@posix
@pytest.mark.skipif(
    not os.environ.get("COURSE_TEST_INSTALL"),
    reason="downloads some hundred megabytes: set COURSE_TEST_INSTALL=1",
)
def test_the_first_cell_runs_at_once_after_a_build(tmp_path):
    """postBuild in a fresh environment and a fresh clone; then a first training through `start`."""
    clone, home, environment = tmp_path / "clone", tmp_path / "home", tmp_path / "environment"
    assert run("git", "clone", "-q", ROOT, clone).returncode == 0
    for path in BINDER.iterdir():  # as they are now, committed or not
        if path.is_file():
            shutil.copy(path, clone / "binder")
    venv.create(environment, with_pip=True)
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "COURSE_", "XDG_"))}
    settings = {**kept, "HOME": str(home), "PATH": f"{environment}/bin:{os.environ['PATH']}"}
    settings["COURSE_MNIST_MIRRORS"] = "http://127.0.0.1:9/"
    settings["PIP_CACHE_DIR"] = run(sys.executable, "-m", "pip", "cache", "dir").stdout.strip()
    # Binder's base image has JupyterLab; and the pins are for its Python, not for any.
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = [f"jupyterlab=={base_image()['jupyterlab']}"]
    wanted += [f"{n}=={v}" if python == PYTHON else n for n, v in pins().items()]
    installed = run("python", "-m", "pip", "install", "-q", *wanted, env=settings)
    assert installed.returncode == 0, installed.stderr

    built = run("binder/postBuild", cwd=clone, env=settings)

    assert built.returncode == 0, built.stderr
    assert built.stdout.count("The kernels are ready") == 2
    assert "The lessons will use the 5,000 digits of the package." in built.stdout
    train = ["python", "-m", "course", "--data", "sample", "--epochs", "1"]
    for change in ("", "another processor"):
        record = home / ".cache" / "neural-network-course" / "processor.txt"
        record.write_text(record.read_text() + change)
        started = run("binder/start", *train, cwd=clone, env=settings)
        assert started.returncode == 0, started.stderr
        assert "1 threads" in started.stdout
        assert "Compiling the kernels" not in started.stderr
