import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import course
from course import doctor
from course.__main__ import main
from course.datasets import download, mnist
from tests.mnist_server import CONTENT, FILES, MnistServer

ROOT = Path(__file__).parents[1]


@pytest.fixture
def server():
    server = MnistServer()
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path, monkeypatch, server):
    """An empty cache, a mirror of a small MNIST that answers, no data elsewhere."""
    for name in ("COURSE_DATA_DIR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    monkeypatch.setattr(mnist, "FILES", FILES)
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(download, "PROBE_SECONDS", 2)
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", server.mirror("good"))
    return tmp_path / "cache" / "neural-network-course" / "mnist"


def fill(folder, names=CONTENT):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(CONTENT[name])
    return folder


def faults(findings):
    return [finding for finding in findings if finding.state == doctor.FAULT]


def only(findings, beginning):
    """The one finding whose text begins so."""
    (found,) = [finding for finding in findings if finding.text.startswith(beginning)]
    return found


def test_every_fault_says_what_to_do_and_the_others_need_not(cache, monkeypatch):
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", "http://127.0.0.1:9/")
    findings = doctor.examine()
    assert {finding.topic for finding in findings} == {
        "Machine", "Packages", "Kernels", "Data", "Notebooks",
    }  # fmt: skip
    assert all(finding.advice for finding in faults(findings))
    assert faults(findings)


def test_the_exit_status_tells_whether_there_is_a_fault(cache, monkeypatch, capsys):
    findings = [finding for finding in doctor.examine() if finding.topic != "Data"]
    before = len(faults(findings))
    assert main(["doctor"]) == int(before > 0)
    capsys.readouterr()

    monkeypatch.setenv("COURSE_MNIST_MIRRORS", "http://127.0.0.1:9/")

    assert main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "fault MNIST is neither here nor to be had" in text
    assert text.rstrip().endswith(
        "1 fault found." if before == 0 else f"{before + 1} faults found."
    )


# --- the report ------------------------------------------------------------------------------


def test_the_report_groups_by_topic_and_counts_the_faults():
    text = doctor.report(
        [
            doctor.Finding("Machine", doctor.OK, "cores: 2"),
            doctor.Finding("Machine", doctor.NOTE, "little memory", "close notebooks"),
            doctor.Finding("Data", doctor.FAULT, "no data", "connect"),
        ]
    )
    assert text.splitlines() == [
        f"neural-network-course {course.__version__}",
        "",
        "Machine",
        "  ok    cores: 2",
        "  note  little memory",
        "        what to do: close notebooks",
        "",
        "Data",
        "  fault no data",
        "        what to do: connect",
        "",
        "1 fault found.",
    ]


def test_the_home_folder_is_shortened_and_no_folder_that_only_begins_like_it(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    finding = doctor.Finding("Data", doctor.OK, "in /home/ada/cache, /home/ada2 and /home/ada")
    assert "in ~/cache, /home/ada2 and ~\n" in doctor.report([finding])


def test_a_home_at_the_top_of_the_disk_is_not_shortened(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert "in /data/x" in doctor.report([doctor.Finding("Data", doctor.OK, "in /data/x")])


def test_an_account_without_a_home_gets_a_report(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert "in /data/x" in doctor.report([doctor.Finding("Data", doctor.OK, "in /data/x")])


def test_a_check_that_breaks_off_is_a_fault_and_the_others_go_on(cache, monkeypatch):
    monkeypatch.setattr(mnist, "load", lambda source: 1 / 0)
    findings = doctor.examine()
    broken = only(findings, "could not be examined")
    assert (broken.topic, broken.state) == ("Data", doctor.FAULT)
    assert "ZeroDivisionError" in broken.text
    assert any(finding.topic == "Notebooks" for finding in findings)


# --- the machine -----------------------------------------------------------------------------


def groups(tmp_path, membership, files):
    process, cgroup = tmp_path / "process", tmp_path / "cgroup"
    process.mkdir()
    (process / "cgroup").write_text(membership)
    for name, value in files.items():
        path = cgroup / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return {"cgroup": cgroup, "process": process}


def test_the_memory_limit_of_a_control_group_version_2(tmp_path):
    files = {"memory.max": "max", "kubepods/pod/memory.max": 2 << 30}
    limit = doctor.memory_limit(**groups(tmp_path, "0::/kubepods/pod\n", files))
    assert limit == 2 << 30


def test_the_memory_limit_of_a_group_around_counts_too(tmp_path):
    files = {"a/memory.max": 1 << 30, "a/b/memory.max": 2 << 30}
    assert doctor.memory_limit(**groups(tmp_path, "0::/a/b\n", files)) == 1 << 30


def test_the_memory_limit_of_a_control_group_version_1(tmp_path):
    files = {"memory/docker/memory.limit_in_bytes": 512 << 20}
    membership = "5:cpu,cpuacct:/docker\n4:memory:/docker\n"
    assert doctor.memory_limit(**groups(tmp_path, membership, files)) == 512 << 20


def test_no_control_group_no_limit(tmp_path):
    assert doctor.memory_limit(tmp_path / "cgroup", tmp_path / "process") == math.inf


@pytest.mark.parametrize(
    ("limit", "state"), [(400e6, doctor.FAULT), (800e6, doctor.NOTE), (1.5e9, doctor.OK)]
)
def test_memory_that_is_too_small_is_told(limit, state, monkeypatch):
    monkeypatch.setattr(doctor, "memory_limit", lambda: limit)
    finding = only(doctor.machine(), "memory: ")
    assert finding.state == state
    assert bool(finding.advice) == (state != doctor.OK)


def test_the_cores_of_the_machine_and_those_that_may_be_used(monkeypatch):
    monkeypatch.setattr("course.kernels.threads.available_cpus", lambda: 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 32)
    assert only(doctor.machine(), "cores").text == "cores: 1 of 32 may be used"


def test_settings_are_told_but_no_other_variable_of_the_environment(monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    monkeypatch.setenv("SECRET_TOKEN", "abracadabra")
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", "https://ada:abracadabra@example.org/")
    text = only(doctor.machine(), "settings").text
    assert "NUMBA_CPU_NAME=generic" in text
    assert "abracadabra" not in text


# --- the packages ----------------------------------------------------------------------------


@pytest.fixture
def requirements(monkeypatch):
    """requirements(...) makes these what the installed course requires."""

    def require(*requirements):
        monkeypatch.setattr(importlib.metadata, "requires", lambda name: list(requirements))

    return require


def test_a_package_that_is_too_old_or_missing_is_a_fault(requirements):
    requirements("numpy>=1", "tqdm>=9999", "no-such-package-anywhere", "torch>=9; extra == 'test'")
    found = doctor.packages()
    old, missing = faults(found)
    assert old.text.endswith(", needed >=9999")
    assert old.text.startswith(f"tqdm: {importlib.metadata.version('tqdm')}")
    assert 'pip install "tqdm>=9999"' in old.advice
    assert missing.text.startswith("no-such-package-anywhere: not installed")
    assert found[-1].text == f"numpy {importlib.metadata.version('numpy')}"


def test_packages_for_other_systems_are_not_asked_for(requirements):
    requirements("numpy", "no-such-package-anywhere; sys_platform == 'amiga'")
    assert faults(doctor.packages()) == []


def test_an_installation_that_is_older_than_the_source_is_a_fault(monkeypatch, requirements):
    requirements("numpy")
    monkeypatch.setattr(course, "__version__", "99.0")
    assert only(doctor.packages(), "pip installed").state == doctor.FAULT


def test_a_source_that_was_never_installed_is_a_fault(monkeypatch):
    monkeypatch.setattr(doctor, "DISTRIBUTION", "no-such-package-anywhere")
    (finding,) = doctor.packages()
    assert finding.state == doctor.FAULT
    assert "not installed by pip" in finding.text


# --- the kernels -----------------------------------------------------------------------------


def test_the_threading_layer_the_blas_and_the_cache_are_told():
    found = doctor.kernels()
    assert only(found, "threading layer: ").text.split()[2] in ("tbb,", "omp,", "workqueue,")
    assert only(found, "BLAS: ")
    assert "files" in only(found, "compiled kernels: ").text


def test_more_threads_than_cores_is_a_fault(monkeypatch):
    count = course.get_num_threads()
    monkeypatch.setattr("course.kernels.threads.available_cpus", lambda: count - 1)
    assert only(doctor.kernels(), f"{count} threads on {count - 1} cores").state == doctor.FAULT


def run_doctor(topic, **environment):
    """What a process of its own finds under a topic, as (state, text) pairs."""
    code = "import json, sys; from course import doctor\n"
    code += "print(json.dumps([(f.state, f.text) for f in getattr(doctor, sys.argv[1])()]))"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, topic],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout)


def test_loops_that_are_not_compiled_are_told():
    ((state, text),) = run_doctor("kernels", NUMBA_DISABLE_JIT="1")
    assert state == doctor.NOTE
    assert "not compiled" in text


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or sys.platform == "darwin",
    reason="the package tbb is for Linux and Windows on x86-64",
)
def test_the_work_queue_is_told_where_there_is_something_better():
    found = run_doctor("kernels", NUMBA_THREADING_LAYER="workqueue")
    (state,) = [state for state, text in found if text.startswith("threading layer: workqueue")]
    assert state == doctor.NOTE


# --- the data --------------------------------------------------------------------------------


def test_an_empty_cache_is_no_fault_where_a_mirror_answers(cache, server):
    found = doctor.data()
    assert faults(found) == []
    assert only(found, "cache: 0 of 4 files of MNIST").state == doctor.OK
    assert only(found, "mirror http://127.0.0.1").text.endswith("/good/: answers")


def test_data_in_the_cache_need_no_mirror(cache, monkeypatch):
    fill(cache)
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", "http://127.0.0.1:9/")
    found = doctor.data()
    assert faults(found) == []
    assert only(found, "cache: 4 of 4")
    assert only(found, "mirror http://127.0.0.1:9/").text.endswith(": no connection")


def test_no_data_and_no_mirror_is_a_fault(cache, server, monkeypatch):
    mirrors = [server.mirror("missing"), "http://127.0.0.1:9/"]
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", " ".join(mirrors))
    found = doctor.data()
    assert len(faults(found)) == 1
    assert "python -m course prefetch" in faults(found)[0].advice
    assert only(found, f"mirror {server.mirror('missing')}").text.endswith("answered 404")


def test_a_file_in_the_cache_that_was_cut_does_not_count(cache):
    fill(cache)
    damaged = cache / "train-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert only(doctor.data(), "cache: 3 of 4")


def test_a_given_folder_is_examined(cache, tmp_path, monkeypatch):
    folder = fill(tmp_path / "given")
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", "http://127.0.0.1:9/")
    found = doctor.data()
    assert faults(found) == []
    assert only(found, "COURSE_DATA_DIR: 4 of 4").state == doctor.OK


def test_a_given_folder_with_a_damaged_file_is_a_fault(cache, tmp_path, monkeypatch):
    folder = fill(tmp_path / "given")
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"not it")
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    (fault,) = faults(doctor.data())
    assert "t10k-labels-idx1-ubyte.gz" in fault.text


def test_a_given_folder_that_is_incomplete_is_noted(cache, tmp_path, monkeypatch):
    folder = fill(tmp_path / "given", list(CONTENT)[:1])
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    assert only(doctor.data(), "COURSE_DATA_DIR: 1 of 4").state == doctor.NOTE


def test_a_cache_that_cannot_be_written_to_is_a_fault(cache, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder should be")
    before = set(Path(mnist.tempfile.gettempdir()).glob("neural-network-course-*"))
    found = doctor.data()
    assert only(found, "the cache folder").state == doctor.FAULT
    assert set(Path(mnist.tempfile.gettempdir()).glob("neural-network-course-*")) == before


def test_passwords_in_the_addresses_of_mirrors_are_left_out(cache, server, monkeypatch):
    address = server.mirror("good").replace("http://", "http://ada:secret@")
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", address)
    text = doctor.report(doctor.data())
    assert f"mirror {server.mirror('good')}: answers" in text
    assert "secret" not in text
    assert "ada" not in text


# --- the notebooks ---------------------------------------------------------------------------


@pytest.fixture
def kernel_of(tmp_path, monkeypatch):
    """kernel_of(command) makes this command what the kernel python3 starts."""

    def install(command):
        folder = tmp_path / "jupyter" / "kernels" / "python3"
        folder.mkdir(parents=True)
        specification = {"argv": [command, "-m", "ipykernel_launcher"], "display_name": "Python"}
        (folder / "kernel.json").write_text(json.dumps(specification))
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    return install


def test_notebooks_that_start_another_python_are_a_fault(kernel_of, tmp_path):
    other = str(tmp_path / "elsewhere" / "python")
    kernel_of(other)
    (fault,) = faults(doctor.notebooks())
    assert fault.text == f"notebooks start {other}, not {sys.executable}"
    assert "ipykernel install" in fault.advice


@pytest.mark.parametrize("command", ["python", sys.executable])
def test_notebooks_that_start_this_python_are_fine(kernel_of, command):
    kernel_of(command)
    assert only(doctor.notebooks(), "notebooks start").state == doctor.OK


def versions(**changed):
    """`importlib.metadata.version`, with other answers for some packages."""
    real = importlib.metadata.version

    def version(name):
        if name in changed and changed[name] is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return changed.get(name) or real(name)

    return version


@pytest.mark.parametrize(
    ("version", "fault"),
    [("6.29.5", True), ("6.31.0", False), ("7.0.1", True), ("7.3.0", True), ("7.4.0", False)],
)
def test_an_ipykernel_that_loses_clicks_is_a_fault(version, fault, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", versions(ipykernel=version))
    found = faults(doctor.notebooks())
    assert [f.text.split(":")[0] for f in found] == [f"ipykernel {version}"] * fault


def test_a_missing_jupyterlab_is_a_fault(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", versions(jupyterlab=None))
    (fault,) = faults(doctor.notebooks())
    assert fault.text == "not installed: jupyterlab"
    assert fault.advice.endswith("-m pip install jupyterlab")
