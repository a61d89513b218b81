import os
import subprocess
import sys
from pathlib import Path

import pytest

from course.__main__ import main
from course.datasets import mnist
from tests.mnist_server import CONTENT, FILES, MnistServer

ROOT = Path(__file__).parents[1]


def test_the_main_job_ends_with_a_table_and_a_picture(tmp_path, capsys):
    picture = tmp_path / "digits.png"
    arguments = ["--data", "sample", "--network", "mlp", "--epochs", "60"]

    status = main([*arguments, "--picture", str(picture)])

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert lines[0].startswith("4,000 digits to train with, 1,000 to test with")
    name, parameters, accuracy, seconds = lines[-3].split()
    assert (name, parameters) == ("MLP", "109,386")
    assert float(accuracy) > 0.85
    assert float(seconds) > 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_too_many_threads_end_in_one_clear_line(capsys):
    assert main(["--threads", "9999"]) == 2
    assert "the number of threads must be between 1 and" in capsys.readouterr().err


def test_full_data_that_cannot_be_had_end_in_one_clear_line(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", "http://127.0.0.1:9/")
    assert main(["--data", "full"]) == 1
    assert "http://127.0.0.1:9/: no connection" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--network", "vgg"], ["--threads", "0"]])
def test_wrong_options_are_refused(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(wrong)
    assert stopped.value.code == 2


def test_warmup_compiles_all_that_training_needs(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run(
            [sys.executable, "-m", "course", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=True,
        )
        for arguments in (
            ["warmup"],
            ["--data", "sample", "--epochs", "1", "--picture", str(tmp_path / "x.png")],
        )
    ]  # fmt: skip
    assert "The kernels are ready" in runs[0].stdout
    assert "Compiling the kernels" in runs[0].stderr
    assert "Compiling the kernels" not in runs[1].stderr


def test_prefetch_downloads_the_data_once(tmp_path, monkeypatch, capsys):
    server = MnistServer()
    for name in ("COURSE_DATA_DIR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", server.mirror("good"))
    monkeypatch.setattr(mnist, "FILES", FILES)
    folder = tmp_path / "neural-network-course" / "mnist"

    statuses = [main(["prefetch"])]
    asked = len(server.requests)
    statuses.append(main(["prefetch"]))
    server.stop()

    assert statuses == [0, 0]
    assert capsys.readouterr().out == f"MNIST is in {folder}.\n" * 2
    assert {path.name: path.read_bytes() for path in folder.glob("*.gz")} == CONTENT
    assert len(server.requests) == asked > 0


def test_prefetch_without_a_network_ends_in_one_clear_line(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", "http://127.0.0.1:9/")
    assert main(["prefetch"]) == 1
    assert "error: MNIST could not be downloaded" in capsys.readouterr().err
