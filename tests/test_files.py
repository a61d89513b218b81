import os
import subprocess
import sys
import time

import numpy as np
import pytest

from course import model
from course.files import replacing


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.params"
    path.write_bytes(b"old")

    def interrupted_write():
        with replacing(path) as file:
            file.write(b"half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_on_the_way_are_made(tmp_path):
    with replacing(tmp_path / "a" / "b" / "x") as file:
        file.write(b"new")
    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"new"


def test_what_a_killed_writer_left_is_cleared_away_later(tmp_path):
    old, young, other = (tmp_path / f".{name}.part" for name in ("x.1234", "x.5678", "y.1234"))
    for path in (old, young, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    with replacing(tmp_path / "x") as file:
        file.write(b"new")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "x", young, other])


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_others_may_read_it_as_any_other_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with replacing(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_is_an_error_and_leaves_the_old_file(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not allow mounting a small disk")
    try:
        model.save_arrays(tmp_path / "x", {"w": np.ones(10)})
        before = (tmp_path / "x").read_bytes()
        with pytest.raises(OSError, match="No space left"):
            model.save_arrays(tmp_path / "x", {"w": np.ones(100_000)})
        assert (tmp_path / "x").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["x"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
