"""Parameters and checkpoints in files, in MXNet's own formats; parameters also as safetensors.

A `.params` file (little endian): uint64 0x112, uint64 0, uint64 count, the arrays, uint64 count,
the names, each a uint64 length and its bytes. An array: uint32 0xF993FAC9 (0xF993FACA where an
array may have no axis), int32 storage type 0, uint32 dimensions, int64 each, int32 device type and
number, int32 type flag, the raw numbers. Nothing in a file is ever run: there is no pickle.
"""

import importlib
import math
import os
import struct
from pathlib import Path

import numpy as np

from course import graph, log
from course.files import replacing

_LIST_MAGIC = 0x112
_ARRAY_MAGIC = 0xF993FAC9
_ANY_SHAPE_MAGIC = 0xF993FACA
_DTYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "<u1", 4: "<i4", 5: "<i1", 6: "<i8"}
_FLAGS = {np.dtype(text): flag for flag, text in _DTYPES.items()}
_MOST_DIMENSIONS = 32
_LONGEST_NAME = 4096
_SMALLEST_ARRAY = 24  # bytes of its header: no file holds more arrays than its size allows


def save_checkpoint(prefix, epoch, symbol, arg_params, aux_params) -> None:
    """Write `prefix-symbol.json` and `prefix-0007.params` (for epoch 7).

    To train on from a checkpoint, `Module.save_checkpoint(..., save_optimizer_states=True)`.
    """
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json")
    name = f"{prefix}-{epoch:04d}.params"
    save_params(name, arg_params, aux_params)
    log.info('Saved checkpoint to "%s"', name)


def load_checkpoint(prefix, epoch):
    """(symbol, arg_params, aux_params) from the files of `save_checkpoint`."""
    net = graph.load(f"{prefix}-symbol.json")
    return (net, *load_params(f"{prefix}-{epoch:04d}.params"))


def save_params(fname, arg_params, aux_params) -> None:
    """Write parameters and auxiliary states to one file, complete or not at all.

    The name's ending decides the format: `.safetensors`, which many libraries read (it needs the
    package safetensors; plain names, and "arg" or "aux" in the metadata), else MXNet's.
    """
    if Path(fname).suffix == ".safetensors":
        _save_safetensors(fname, arg_params, aux_params)
        return
    named = {f"arg:{key}": value for key, value in arg_params.items()}
    named |= {f"aux:{key}": value for key, value in aux_params.items()}
    save_arrays(fname, named)


def load_params(fname):
    """(arg_params, aux_params) from a file of `save_params`, of MXNet or of safetensors.

    Raises ValueError if it is damaged.
    """
    if Path(fname).suffix == ".safetensors":
        return _load_safetensors(fname)
    groups = {"arg": {}, "aux": {}}
    for name, array in load_arrays(fname).items():
        kind, _, key = name.partition(":")
        if kind not in groups or not key:
            raise ValueError(
                f"{fname}: expected names such as 'arg:fc1_weight' or 'aux:bn_moving_mean', "
                f"got {name!r:.80}"
            )
        groups[kind][key] = array
    return groups["arg"], groups["aux"]


# ---- MXNet's format


def save_arrays(fname, arrays: dict) -> None:
    """Write named arrays in MXNet's format. Raises TypeError for a dtype that it has not."""
    with replacing(fname) as file:
        file.write(struct.pack("<QQQ", _LIST_MAGIC, 0, len(arrays)))
        for name, value in arrays.items():
            array = np.asarray(value)
            little = _saveable(name, array)
            magic = _ARRAY_MAGIC if array.ndim else _ANY_SHAPE_MAGIC
            file.write(struct.pack("<IiI", magic, 0, array.ndim))
            file.write(struct.pack(f"<{array.ndim}q", *array.shape))
            file.write(struct.pack("<iii", 1, 0, _FLAGS[little]))  # device: cpu(0)
            file.write(np.ascontiguousarray(array, little).tobytes())
        file.write(struct.pack("<Q", len(arrays)))
        for name in arrays:
            text = name.encode()
            file.write(struct.pack("<Q", len(text)) + text)


def _saveable(name, array) -> np.dtype:
    little = array.dtype.newbyteorder("<")
    if little not in _FLAGS:
        raise TypeError(f"{name}: arrays of {array.dtype} cannot be saved")
    return little


def load_arrays(fname) -> dict[str, np.ndarray]:
    """Named arrays from a file in MXNet's format.

    Raises ValueError, with the byte offset, for a file that is damaged or none; never takes more
    memory than the file's own size allows for.
    """
    with Path(fname).open("rb") as file:
        reader = _Reader(file, fname)
        magic, _, count = reader.take("<QQQ", "the header")
        if magic != _LIST_MAGIC:
            raise ValueError(
                f"{fname}: expected a .params file (it starts with {magic:#x}, not 0x112)"
            )
        if count * _SMALLEST_ARRAY > reader.left:
            reader.fail(f"{count} arrays do not fit into the rest of the file")
        arrays = [_read_array(reader) for _ in range(count)]
        (name_count,) = reader.take("<Q", "the number of names")
        if name_count != count:
            reader.fail(f"expected {count} names, one for each array, got {name_count}")
        named = {}
        for array in arrays:
            name = _read_name(reader)
            if name in named:
                reader.fail(f"the name {name!r:.80} comes twice")
            named[name] = array
        if reader.left:
            reader.fail(f"expected the end of the file, {reader.left} bytes are left")
        return named


def _read_array(reader):
    magic, storage, dimensions = reader.take("<IiI", "an array's header")
    magics = (_ARRAY_MAGIC, _ANY_SHAPE_MAGIC) if dimensions else (_ANY_SHAPE_MAGIC,)
    if magic not in magics or storage != 0 or dimensions > _MOST_DIMENSIONS:
        reader.fail("expected the header of a dense array")
    shape = reader.take(f"<{dimensions}q", "a shape")
    *_, flag = reader.take("<iii", "an array's type")
    if min(shape, default=0) < 0 or flag not in _DTYPES:
        reader.fail(f"expected a shape and a type flag from 0 to 6, got {shape!r:.100} and {flag}")
    dtype = np.dtype(_DTYPES[flag])
    size = math.prod(shape) * dtype.itemsize
    reader.need(size, f"an array of shape {shape!r:.100}")
    try:
        array = np.empty(shape, dtype)
    except ValueError:  # huge sizes beside a zero
        reader.fail(f"the shape {shape!r:.100} makes no array")
    if size:
        reader.fill(memoryview(array.reshape(-1).view(np.uint8)))
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_name(reader):
    (length,) = reader.take("<Q", "the length of a name")
    if length > _LONGEST_NAME:
        reader.fail(f"a name of {length} bytes is too long; {_LONGEST_NAME} are allowed")
    try:
        return reader.bytes(length, "a name").decode()
    except UnicodeDecodeError:
        reader.fail("expected a name in UTF-8")


class _Reader:
    """Reads a file piece by piece; what is not there is never allocated."""

    def __init__(self, file, name):
        self.file = file
        self.name = name
        self.size = os.fstat(file.fileno()).st_size

    @property
    def left(self) -> int:
        """How many bytes can still come."""
        return self.size - self.file.tell()

    def fail(self, what):
        raise ValueError(f"{self.name}: damaged at byte {self.file.tell()}: {what}")

    def need(self, count: int, what: str) -> None:
        if count > self.left:
            self.fail(f"{what} does not fit into the {self.left} bytes that are left")

    def fill(self, buffer: memoryview) -> None:
        if self.file.readinto(buffer) < len(buffer):
            self.fail("the file became shorter while it was read")

    def bytes(self, count: int, what: str) -> bytes:
        self.need(count, what)
        piece = bytearray(count)
        self.fill(memoryview(piece))
        return bytes(piece)

    def take(self, layout: str, what: str) -> tuple:
        return struct.unpack(layout, self.bytes(struct.calcsize(layout), what))


# ---- safetensors


def _save_safetensors(fname, arg_params, aux_params):
    library = _safetensors("safetensors.numpy")
    arrays, kinds = {}, {}
    for kind, params in (("arg", arg_params), ("aux", aux_params)):
        for name, value in params.items():
            if name in arrays:
                raise ValueError(f"{name} is both a parameter and an auxiliary state")
            array = np.asarray(value)
            # The library reads the memory as it lies, whatever the strides say.
            arrays[name] = np.ascontiguousarray(array, _saveable(name, array)).reshape(array.shape)
            kinds[name] = kind
    content = library.save(arrays, metadata=kinds)
    with replacing(fname) as file:
        file.write(content)


def _load_safetensors(fname):
    library = _safetensors("safetensors")
    groups = {"arg": {}, "aux": {}}
    if not Path(fname).is_file():
        raise FileNotFoundError(f"{fname}: there is no such file")
    try:
        with library.safe_open(fname, framework="numpy") as file:
            kinds = file.metadata() or {}
            for name in file.keys():  # noqa: SIM118 (it is no dict)
                kind = "aux" if kinds.get(name) == "aux" else "arg"
                groups[kind][name] = file.get_tensor(name)
    except (library.SafetensorError, OSError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{fname}: no safetensors file that numpy can read: {error}") from error
    return groups["arg"], groups["aux"]


def _safetensors(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            "files ending in .safetensors need the package safetensors: "
            "pip install safetensors, or save as .params"
        ) from error
