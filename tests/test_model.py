import contextlib
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course import model

# What MXNet 1.9.1 writes for {'arg:w': [[1, 2]] as float32}: see the head of course/model.py.
MXNETS_FILE = (
    struct.pack("<QQQ", 0x112, 0, 1)
    + struct.pack("<IiI", 0xF993FAC9, 0, 2)
    + struct.pack("<qq", 1, 2)
    + struct.pack("<iii", 1, 0, 0)
    + struct.pack("<ff", 1, 2)
    + struct.pack("<Q", 1)
    + struct.pack("<Q", 5)
    + b"arg:w"
)


def test_a_file_has_mxnets_layout_byte_by_byte(tmp_path):
    model.save_params(tmp_path / "x.params", {"w": np.array([[1, 2]], np.float32)}, {})
    assert (tmp_path / "x.params").read_bytes() == MXNETS_FILE


@pytest.mark.parametrize("kind", ["f4", "f8", "f2", "u1", "i4", "i1", "i8", ">f4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_arrays_come_back_as_they_were(tmp_path, kind, shape):
    array = np.arange(24)[: int(np.prod(shape))].reshape(shape).astype(kind)
    model.save_arrays(tmp_path / "x", {"name": array})
    (back,) = model.load_arrays(tmp_path / "x").values()
    assert back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "cut.params"
    for length in range(len(MXNETS_FILE)):
        path.write_bytes(MXNETS_FILE[:length])
        with pytest.raises(ValueError, match=r"cut\.params: damaged at byte \d+"):
            model.load_params(path)


@given(place=st.integers(0, len(MXNETS_FILE) - 1), value=st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_gives_a_value_error_or_other_numbers(tmp_path_factory, place, value):
    path = tmp_path_factory.getbasetemp() / "changed.params"
    data = bytearray(MXNETS_FILE)
    data[place] = value
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        model.load_params(path)  # hypothesis reports any other error


def test_a_dtype_that_the_format_has_not_is_refused(tmp_path):
    with pytest.raises(TypeError, match="w: arrays of complex128 cannot be saved"):
        model.save_arrays(tmp_path / "x", {"w": np.ones(2, complex)})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.params"
    path.write_bytes(b"old")

    def interrupted_write():
        with model.replacing(path) as file:
            file.write(b"half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


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
