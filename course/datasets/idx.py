"""The IDX format, in which MNIST is published.

A file begins with four bytes: 0, 0, a code for the type of the numbers, and the number of
dimensions d. Then come d sizes, four bytes each, the most significant first, and then the
numbers, row by row.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

DTYPES = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
# A byte of a gzip file can stand for at most 1032 bytes (the limit of its method, deflate).
MOST_EXPANSION = 1032
MOST_DIMENSIONS = 32
MOST_BYTES = 2**30  # of an array; all of MNIST has a twentieth of it
PIECE = 1 << 18  # bytes at a time, since gzip holds all that it is asked for once more


class IdxError(ValueError):
    """A file that is not what it should be; the message names the file and the byte."""


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an IDX file, gzipped or not.

    Raises IdxError if the file is truncated, too long, corrupt or no IDX file; never takes more
    memory than the file's own size allows for, nor more than 1 GiB.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise IdxError(f"{path}: expected a file, found a folder, a pipe or a device")
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        size = path.stat().st_size
        most = MOST_EXPANSION * size if zipped else size
        try:
            if zipped:
                with gzip.open(raw) as file:
                    return _parse(file, path, most)
            return _parse(raw, path, most)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise IdxError(f"{path}: the gzip file is damaged or cut short ({error})") from error


def _parse(file, path, most):
    start = file.read(4)
    if len(start) < 4:
        raise IdxError(f"{path}: cut short at byte {len(start)}: expected four bytes to begin with")
    if start[:2] != b"\0\0" or start[2] not in DTYPES:
        raise IdxError(
            f"{path}: no IDX file: expected the bytes 00 00 and a type (08 for bytes) at byte 0, "
            f"got {start.hex(' ')}"
        )
    dtype, dimensions = DTYPES[start[2]], start[3]
    if dimensions > MOST_DIMENSIONS:
        raise IdxError(
            f"{path}: {dimensions} dimensions at byte 3; at most {MOST_DIMENSIONS} are read"
        )
    header = file.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise IdxError(
            f"{path}: cut short at byte {4 + len(header)}: expected {dimensions} sizes of 4 bytes"
        )
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    begin = 4 + 4 * dimensions
    count = math.prod(shape) * dtype.itemsize
    if begin + count > most:
        raise IdxError(
            f"{path}: cut short, or its sizes are wrong: {shape} at byte 4 means "
            f"{begin + count} bytes, the file has at most {most}"
        )
    if count > MOST_BYTES:
        raise IdxError(
            f"{path}: {shape} at byte 4 means {count:,} bytes; at most {MOST_BYTES:,} are read"
        )
    try:
        array = np.empty(shape, dtype)
    except ValueError as error:  # huge sizes beside a zero
        raise IdxError(f"{path}: the sizes at byte 4 make no array ({error})") from error
    buffer = memoryview(array.reshape(-1).view(np.uint8)) if count else memoryview(b"")
    got = 0
    while got < count:
        piece = file.readinto(buffer[got : got + PIECE])
        if not piece:
            raise IdxError(
                f"{path}: cut short at byte {begin + got}: its header {shape} promises "
                f"{begin + count} bytes"
            )
        got += piece
    if file.read(1):
        raise IdxError(f"{path}: goes on after byte {begin + count}, where {shape} numbers end")
    return array
