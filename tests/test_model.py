import contextlib
import struct
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import course as mx
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


def test_an_array_without_axes_has_the_mark_that_mxnet_gives_it(tmp_path):
    model.save_arrays(tmp_path / "x", {"w": np.float32(3)})
    assert (tmp_path / "x").read_bytes()[24:28] == struct.pack("<I", 0xF993FACA)


def test_mxnets_arrays_with_numpys_shapes_are_read(tmp_path):
    newer = MXNETS_FILE.replace(struct.pack("<I", 0xF993FAC9), struct.pack("<I", 0xF993FACA))
    (tmp_path / "x.params").write_bytes(newer)
    np.testing.assert_array_equal(model.load_params(tmp_path / "x.params")[0]["w"], [[1, 2]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b"arg:w", b"xyz:w"), "expected names such as 'arg:fc1_weight'.*got 'xyz:w'"),
        ((b"arg:w", b"arg:w!"), "expected the end of the file, 1 bytes are left"),
        ((b"arg:w", b"arg:\xff"), "expected a name in UTF-8"),
        ((struct.pack("<Q", 5), struct.pack("<Q", 2**63)), "a name of 9223372036854775808 bytes"),
        ((struct.pack("<QQ", 0, 1), struct.pack("<QQ", 0, 2**60)), "arrays do not fit into"),
        (
            (struct.pack("<qq", 1, 2), struct.pack("<qq", 2**62, 2**62)),
            "does not fit into the 29 bytes",
        ),
        ((struct.pack("<qq", 1, 2), struct.pack("<qq", 2**63 - 1, 0)), "makes no array"),
        ((struct.pack("<qq", 1, 2), struct.pack("<qq", -1, 2)), "expected a shape"),
    ],
)
def test_each_kind_of_damage_is_named(tmp_path, change, message):
    (tmp_path / "x.params").write_bytes(MXNETS_FILE.replace(*change, 1))
    with pytest.raises(ValueError, match=message):
        model.load_params(tmp_path / "x.params")


def test_a_name_that_comes_twice_is_refused(tmp_path):
    model.save_arrays(tmp_path / "x", {"arg:a": np.ones(1), "arg:b": np.ones(1)})
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes().replace(b"arg:b", b"arg:a"))
    with pytest.raises(ValueError, match="the name 'arg:a' comes twice"):
        model.load_arrays(tmp_path / "x")


def test_a_large_file_of_nonsense_takes_no_memory(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        file.truncate(2**30)  # a gigabyte of zeros, of which the disk keeps nothing
    tracemalloc.start()
    with pytest.raises(ValueError, match="starts with 0x0"):
        model.load_arrays(tmp_path / "x")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


# ---- safetensors


@pytest.fixture
def safetensors():
    return pytest.importorskip("safetensors.numpy")


@pytest.mark.parametrize("kind", ["f4", "f8", "f2", "u1", "i4", "i1", "i8", ">f4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_safetensors_keep_arrays_as_they_were(tmp_path, safetensors, kind, shape):
    array = np.arange(24)[: int(np.prod(shape))].reshape(shape).astype(kind)
    model.save_params(tmp_path / "x.safetensors", {"w": array}, {"s": array + 1})
    args, aux = model.load_params(tmp_path / "x.safetensors")
    for back, wanted in ((args["w"], array), (aux["s"], array + 1)):
        assert back.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(back, wanted)


def test_safetensors_lie_in_the_order_of_the_rows(tmp_path, safetensors):
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T[::2]
    model.save_params(tmp_path / "x.safetensors", {"w": array}, {})
    np.testing.assert_array_equal(safetensors.load_file(tmp_path / "x.safetensors")["w"], array)


def test_safetensors_of_others_are_parameters(tmp_path, safetensors):
    safetensors.save_file({"w": np.ones(2, np.float32)}, tmp_path / "x.safetensors")
    args, aux = model.load_params(tmp_path / "x.safetensors")
    assert (list(args), aux) == (["w"], {})


def test_a_module_goes_through_safetensors(tmp_path, safetensors):
    module, other = mx.networks.trained("mlp", 10), mx.networks.trained("mlp", 10)
    data = np.random.default_rng(0).random((10, 1, 28, 28), np.float32)
    module.save_params(tmp_path / "mlp.safetensors")
    other.init_params(mx.init.Uniform(), force_init=True)
    other.load_params(tmp_path / "mlp.safetensors")
    np.testing.assert_array_equal(other.predict(data), module.predict(data))


def test_safetensors_cut_short_are_refused(tmp_path, safetensors):
    path = tmp_path / "x.safetensors"
    model.save_params(path, {"w": np.ones(5, np.float32)}, {})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"x\.safetensors: no safetensors file"):
            model.load_params(path)


def test_one_name_for_two_things_is_refused(tmp_path, safetensors):
    with pytest.raises(ValueError, match="w is both a parameter and an auxiliary state"):
        model.save_params(tmp_path / "x.safetensors", {"w": np.ones(1)}, {"w": np.ones(1)})


def test_a_missing_safetensors_file_is_a_missing_file(tmp_path, safetensors):
    with pytest.raises(FileNotFoundError, match=r"x\.safetensors"):
        model.load_params(tmp_path / "x.safetensors")


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="pip install safetensors, or"):
        model.save_params(tmp_path / "x.safetensors", {}, {})
    assert list(tmp_path.iterdir()) == []
