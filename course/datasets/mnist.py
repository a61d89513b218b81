"""MNIST: 70,000 handwritten digits (LeCun, Cortes and Burges, 1998).

Looked for in `COURSE_DATA_DIR`, then in the user's cache folder, then downloaded. Without a
network, 5,000 of the digits are in the package.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from course.datasets.download import DownloadError, RemoteFile, answering, fetch
from course.datasets.idx import IdxError, read_idx

SOURCES = ("auto", "full", "sample")
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {
    "train_data": RemoteFile(
        "train-images-idx3-ubyte.gz",
        9912422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train_label": RemoteFile(
        "train-labels-idx1-ubyte.gz",
        28881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "test_data": RemoteFile(
        "t10k-images-idx3-ubyte.gz",
        1648877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "test_label": RemoteFile(
        "t10k-labels-idx1-ubyte.gz",
        4542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
SAMPLE = Path(__file__).with_name("mnist_sample.npz")

Arrays = dict[str, np.ndarray]


def load(source: str = "auto", files: dict[str, RemoteFile] = FILES) -> Arrays:
    """train_data (N, 1, 28, 28) float32 in [0, 1], train_label (N,) int8; test_data, test_label.

    source: 'full' (60,000 + 10,000 digits), 'sample' (4,000 + 1,000, in the package), or 'auto':
    the full ones if they can be had, else the sample, with a warning. `files`: which files make
    up the full data set. The mirrors are those of `COURSE_MNIST_MIRRORS` (separated by spaces)
    if it is set.

    Raises ValueError for another source, DownloadError if 'full' cannot be had, IdxError for a
    damaged file in `COURSE_DATA_DIR`.
    """
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}, got {source!r}")
    if source == "sample":
        return _load_sample()
    try:
        return _read(find(files))
    except OSError as error:
        if source == "full":
            raise
        warnings.warn(
            f"using the 5,000 digits of the package, not the 70,000 of MNIST: {error}. For all of "
            "them, connect to the network, or put the four files into a folder and set "
            "COURSE_DATA_DIR to it",
            stacklevel=3,
        )
        return _load_sample()


def find(files: dict[str, RemoteFile] = FILES) -> dict[str, Path]:
    """Where the files are, by their keys in `files`; downloads those that are nowhere."""
    found = {key: _given(file) for key, file in files.items()}
    missing = {key: file for key, file in files.items() if found[key] is None}
    if not missing:
        return found
    folder = _usual_cache()  # whoever it belongs to: sound files need not be written
    for key, file in list(missing.items()):
        if file.is_at(folder / file.name):
            found[key] = folder / file.name
            del missing[key]
    if missing:
        found |= _download(missing, cache_folder())
    return found


def _given(file: RemoteFile) -> Path | None:
    """The file in COURSE_DATA_DIR, as published or unpacked; None if it is not there."""
    folder = os.environ.get("COURSE_DATA_DIR")
    if not folder:
        return None
    packed = Path(folder) / file.name
    unpacked = packed.with_suffix("")
    if packed.exists():
        if not file.is_at(packed):
            raise IdxError(
                f"{packed} is not the file that was published (its sha256 is another); "
                "replace or remove it, or unset COURSE_DATA_DIR"
            )
        return packed
    return unpacked if unpacked.exists() else None


def _usual_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("neural-network-course")) / "mnist"


def cache_folder() -> Path:
    """The user's cache folder for the data, or a temporary one, with a warning."""
    folder = _usual_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        warnings.warn(
            f"the cache folder {folder} cannot be written to ({error.strerror}): "
            "MNIST is kept in a temporary folder and downloaded anew next time",
            stacklevel=2,
        )
        return Path(tempfile.mkdtemp(prefix="neural-network-course-"))


def mirrors() -> tuple[str, ...]:
    """Where MNIST can be had, each address ending in a slash."""
    given = os.environ.get("COURSE_MNIST_MIRRORS", "").split()
    return tuple(address.rstrip("/") + "/" for address in given) or MIRRORS


def _download(missing: dict[str, RemoteFile], folder: Path) -> dict[str, Path]:
    answers = answering(mirrors(), min(missing.values(), key=lambda file: file.size))
    ready = [mirror for mirror, reason in answers.items() if reason is None]
    if not ready:
        reasons = "; ".join(f"{mirror}: {reason}" for mirror, reason in answers.items())
        raise DownloadError(f"MNIST could not be downloaded ({reasons})")
    size = sum(file.size for file in missing.values()) / 1e6
    print(f"Downloading MNIST ({size:.1f} MB) to {folder} ...", file=sys.stderr, flush=True)
    return {key: fetch(file, ready, folder) for key, file in missing.items()}


def _read(paths: dict[str, Path]) -> Arrays:
    arrays = {}
    for part in ("train", "test"):
        image_path, label_path = paths[f"{part}_data"], paths[f"{part}_label"]
        images, labels = read_idx(image_path), read_idx(label_path)
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
            raise IdxError(
                f"{image_path}: expected images of 28×28 bytes, got an array of {images.dtype} "
                f"of shape {images.shape}"
            )
        if labels.dtype != np.uint8 or labels.ndim != 1 or (labels.size and labels.max() > 9):
            raise IdxError(f"{label_path}: expected a row of labels from 0 to 9")
        if len(images) != len(labels):
            raise IdxError(
                f"{image_path} holds {len(images)} images, but {label_path} {len(labels)} labels"
            )
        arrays[f"{part}_data"] = _scaled(images)
        arrays[f"{part}_label"] = labels.astype(np.int8)
    return arrays


def _load_sample() -> Arrays:
    with np.load(SAMPLE, allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in ("train_label", "test_label")}
        arrays |= {key: _scaled(stored[key]) for key in ("train_data", "test_data")}
    return {key: arrays[key] for key in FILES}


def _scaled(images: np.ndarray) -> np.ndarray:
    """Bytes (N, 28, 28) -> float32 (N, 1, 28, 28) from 0 to 1, without a copy in between."""
    scaled = np.empty((len(images), 1, 28, 28), np.float32)
    return np.divide(images[:, None], np.float32(255), out=scaled)
