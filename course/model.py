"""Parameters and checkpoints in files, in MXNet's own formats.

A `.params` file (little endian): uint64 0x112, uint64 0, uint64 count, the arrays, uint64 count,
the names, each a uint64 length and its bytes. An array: uint32 0xF993FAC9, int32 storage type 0,
uint32 dimensions, int64 each, int32 device type and number, int32 type flag, the raw numbers.
"""

import math
import os
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from course import log, symbol

_LIST_MAGIC = 0x112
_ARRAY_MAGIC = 0xF993FAC9
_DTYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "<u1", 4: "<i4", 5: "<i1", 6: "<i8"}
_FLAGS = {np.dtype(text): flag for flag, text in _DTYPES.items()}
_MOST_DIMENSIONS = 32


def save_checkpoint(prefix, epoch, symbol, arg_params, aux_params) -> None:
    """Write `prefix-symbol.json` and `prefix-0007.params` (for epoch 7)."""
    if symbol is not None:
        with replacing(f"{prefix}-symbol.json") as file:
            file.write(symbol.tojson().encode())
    name = f"{prefix}-{epoch:04d}.params"
    save_params(name, arg_params, aux_params)
    log.info('Saved checkpoint to "%s"', name)


def load_checkpoint(prefix, epoch):
    """(symbol, arg_params, aux_params) from the files of `save_checkpoint`."""
    net = symbol.load(f"{prefix}-symbol.json")
    return (net, *load_params(f"{prefix}-{epoch:04d}.params"))


def save_params(fname, arg_params, aux_params) -> None:
    """Write parameters and auxiliary states to one `.params` file."""
    named = {f"arg:{key}": value for key, value in arg_params.items()}
    named |= {f"aux:{key}": value for key, value in aux_params.items()}
    save_arrays(fname, named)


def load_params(fname):
    """(arg_params, aux_params) from a `.params` file. Raises ValueError if it is damaged."""
    groups = {"arg": {}, "aux": {}}
    for name, array in load_arrays(fname).items():
        kind, _, key = name.partition(":")
        if kind not in groups or not key:
            raise ValueError(
                f"{fname}: expected names such as 'arg:fc1_weight' or 'aux:bn_moving_mean', "
                f"got {name!r}"
            )
        groups[kind][key] = array
    return groups["arg"], groups["aux"]


def save_arrays(fname, arrays: dict) -> None:
    """Write named arrays in MXNet's format. Raises TypeError for a dtype that it has not."""
    with replacing(fname) as file:
        file.write(struct.pack("<QQQ", _LIST_MAGIC, 0, len(arrays)))
        for name, value in arrays.items():
            array = np.asarray(value)
            little = array.dtype.newbyteorder("<")
            if little not in _FLAGS:
                raise TypeError(f"{name}: arrays of {array.dtype} cannot be saved")
            file.write(struct.pack("<IiI", _ARRAY_MAGIC, 0, array.ndim))
            file.write(struct.pack(f"<{array.ndim}q", *array.shape))
            file.write(struct.pack("<iii", 1, 0, _FLAGS[little]))  # device: cpu(0)
            file.write(np.ascontiguousarray(array, little).tobytes())
        file.write(struct.pack("<Q", len(arrays)))
        for name in arrays:
            text = name.encode()
            file.write(struct.pack("<Q", len(text)) + text)


def load_arrays(fname) -> dict[str, np.ndarray]:
    """Named arrays from a file in MXNet's format.

    Raises ValueError, with the byte offset, for a file that is damaged or none.
    """
    reader = _Reader(Path(fname))
    magic, _, count = reader.take("<QQQ", "the header")
    if magic != _LIST_MAGIC:
        raise ValueError(f"{fname}: expected a .params file (it starts with {magic:#x}, not 0x112)")
    arrays = [_read_array(reader) for _ in range(reader.plausible(count, 24))]
    (name_count,) = reader.take("<Q", "the number of names")
    if name_count != count:
        reader.fail(f"expected {count} names, one for each array, got {name_count}")
    names = []
    for _ in range(name_count):
        (length,) = reader.take("<Q", "the length of a name")
        try:
            names.append(reader.bytes(length, "a name").decode())
        except UnicodeDecodeError:
            reader.fail("expected a name in UTF-8")
    return dict(zip(names, arrays, strict=True))


def _read_array(reader):
    magic, storage, dimensions = reader.take("<IiI", "an array's header")
    if magic != _ARRAY_MAGIC or storage != 0 or dimensions > _MOST_DIMENSIONS:
        reader.fail("expected the header of a dense array")
    shape = reader.take(f"<{dimensions}q", "a shape")
    *_, flag = reader.take("<iii", "an array's type")
    if min(shape, default=0) < 0 or flag not in _DTYPES:
        reader.fail(f"expected a shape and a type flag from 0 to 6, got {shape} and {flag}")
    dtype = np.dtype(_DTYPES[flag])
    data = reader.bytes(math.prod(shape) * dtype.itemsize, f"an array of shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


class _Reader:
    """Reads a file piece by piece; what is not there is never allocated."""

    def __init__(self, path: Path):
        self.path = path
        self.data = path.read_bytes()
        self.offset = 0

    def fail(self, what):
        raise ValueError(f"{self.path}: damaged at byte {self.offset}: {what}")

    def bytes(self, count: int, what: str) -> bytes:
        left = len(self.data) - self.offset
        if count > left:
            self.fail(f"{what} needs {count} bytes, {left} are left")
        piece = self.data[self.offset : self.offset + count]
        self.offset += count
        return piece

    def take(self, layout: str, what: str) -> tuple:
        return struct.unpack(layout, self.bytes(struct.calcsize(layout), what))

    def plausible(self, count: int, least: int) -> int:
        """`count`, if that many things of at least `least` bytes can still come."""
        if count * least > len(self.data) - self.offset:
            self.fail(f"{count} arrays do not fit into the rest of the file")
        return count


@contextmanager
def replacing(fname):
    """A file to write to that takes its final name when it is complete, or never.

    A full disk or an interruption leaves the old file as it was.
    """
    path = Path(fname)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        try:
            yield new
            new.flush()
            os.fsync(new.fileno())
            new.close()
            os.replace(new.name, path)
        except BaseException:
            new.close()
            Path(new.name).unlink(missing_ok=True)
            raise
