import gzip
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import course as mx
from course.datasets import download, mnist
from course.datasets.download import DownloadError
from course.datasets.idx import IdxError, read_idx
from tests.mnist_server import ARRAYS, CONTENT, FILES, NAMES, MnistServer, idx, remote_file

LABELS_IN_FULL = {  # how often each digit is in MNIST
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
IMAGES = NAMES["train_data"]
BAD_WAYS = ["missing", "silent", "cut", "wrong_then_cut", "half_then_silent"]
BAD_WAYS += ["wrong", "page", "large", "endless", "redirect_for_ever"]
ROOT = Path(__file__).parents[1]
LOAD_IN_ANOTHER_PROCESS = """
import signal, sys
import platformdirs
from course.datasets import download, mnist
from tests.mnist_server import ARRAYS, FILES
signal.signal(signal.SIGINT, signal.default_int_handler)
platformdirs.user_cache_dir = lambda name: sys.argv[1] + "/" + name
download.READ_SECONDS = 60
data = mnist.load("full", FILES)
assert (data["test_label"] == ARRAYS["test_label"]).all()
assert ((data["train_data"][:, 0] * 255).round() == ARRAYS["train_data"]).all()
print("all right")
"""

# --- where files come from -------------------------------------------------------------------


@pytest.fixture
def server():
    server = MnistServer()
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no data elsewhere, no proxy, and little patience."""
    for name in ("COURSE_DATA_DIR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(folder / name))
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(download, "READ_SECONDS", 0.5)
    monkeypatch.setattr(download, "PROBE_SECONDS", 2)
    return folder / "neural-network-course" / "mnist"


@pytest.fixture
def use(server, cache, monkeypatch):
    """use(way, ...) makes the mirrors of the server the only ones."""

    def use(*ways):
        monkeypatch.setenv("COURSE_MNIST_MIRRORS", " ".join(map(server.mirror, ways)))

    return use


@pytest.fixture
def data_dir(tmp_path, cache, monkeypatch):
    folder = tmp_path / "given"
    folder.mkdir()
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    return folder


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def nothing_answers(cache, monkeypatch):
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", f"http://127.0.0.1:{closed_port()}/")


def assert_right(data):
    assert list(data) == ["train_data", "train_label", "test_data", "test_label"]
    for part in ("train", "test"):
        images, labels = data[f"{part}_data"], data[f"{part}_label"]
        assert images.dtype == np.float32
        assert labels.dtype == np.int8
        expected = ARRAYS[f"{part}_data"].reshape(-1, 1, 28, 28) / 255
        np.testing.assert_allclose(images, expected, rtol=1e-6)  # rounding to float32
        np.testing.assert_array_equal(labels, ARRAYS[f"{part}_label"])


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_download_is_right_and_kept(use, server, cache):
    use("good")
    assert_right(mnist.load("full", FILES))
    asked = len(server.requests)
    assert_right(mnist.load("full", FILES))
    assert len(server.requests) == asked
    assert visible(cache) == sorted(NAMES.values())


@pytest.mark.parametrize("bad", BAD_WAYS)
def test_a_good_mirror_is_enough_behind_a_bad_one(bad, use, cache):
    use(bad, "good")
    assert_right(mnist.load("full", FILES))
    assert visible(cache) == sorted(NAMES.values())


@pytest.mark.parametrize("way", ["redirect", "no_range", "never_a_range", "encoded"])
def test_a_mirror_may_work_in_an_unusual_way(way, use):
    use(way)
    assert_right(mnist.load("full", FILES))


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("missing", "answered 404"),
        ("silent", "no answer in time"),
        ("cut", "ended at byte"),
        ("half_then_silent", "ended at byte"),
        ("wrong", "wrong bytes"),
        ("page", "ended at byte 49 of"),
        ("large", "sent more than"),
        ("endless", "sent more than"),
        ("trickle", "too slow"),
        ("redirect_for_ever", "TooManyRedirects"),
    ],
)
def test_the_error_says_what_a_mirror_did(way, reason, use, cache, server, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    use(way)
    with pytest.raises(DownloadError, match=reason) as caught:
        mnist.load("full", FILES)
    assert server.mirror(way) in str(caught.value)
    assert IMAGES not in visible(cache)


def test_the_error_names_each_mirror(use, server):
    use("missing", "wrong", "large")
    with pytest.raises(DownloadError) as caught:
        mnist.find({"train_data": FILES["train_data"]})
    assert all(server.mirror(way) in str(caught.value) for way in ("wrong", "large"))
    use("missing", "redirect_for_ever")
    with pytest.raises(DownloadError) as caught:
        mnist.load("full", FILES)
    assert all(server.mirror(way) in str(caught.value) for way in ("missing", "redirect_for_ever"))


def test_a_broken_line_is_taken_up_where_it_broke(use, server):
    use("cut")
    with pytest.raises(DownloadError, match="ended at byte"):
        mnist.load("full", FILES)
    use("good")
    assert_right(mnist.load("full", FILES))
    half = FILES["train_data"].size // 2
    assert server.ranges("train_data") == [None, f"bytes={half}-"]


@pytest.mark.parametrize("way", ["no_range", "never_a_range", "other_range"])
def test_a_broken_line_is_taken_up_without_help_from_the_mirror(way, use, server):
    use("cut", way, "good")
    assert_right(mnist.load("full", FILES))
    assert server.ranges("train_data")[1].startswith("bytes=")


def test_a_part_that_is_none_is_given_up(use, server, cache):
    cache.mkdir(parents=True)
    (cache / f"{IMAGES}.part").write_bytes(b"<html>" * 100)
    use("good")
    assert_right(mnist.load("full", FILES))
    assert server.ranges("train_data") == ["bytes=600-", None]


def test_a_part_that_is_too_long_is_given_up(use, cache):
    cache.mkdir(parents=True)
    (cache / f"{IMAGES}.part").write_bytes(CONTENT[IMAGES] + b"more")
    use("good")
    assert_right(mnist.load("full", FILES))


def test_a_mirror_that_trickles_is_left(use, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    use("trickle", "good")
    begin = time.monotonic()
    assert_right(mnist.load("full", FILES))
    assert time.monotonic() - begin < 8


def test_a_damaged_file_in_the_cache_is_replaced(use, cache):
    use("good")
    mnist.load("full", FILES)
    (cache / IMAGES).write_bytes(CONTENT[IMAGES][:-1] + b"?")
    assert_right(mnist.load("full", FILES))
    assert (cache / IMAGES).read_bytes() == CONTENT[IMAGES]


def test_without_a_mirror_the_sample_is_used_with_one_warning(nothing_answers):
    begin = time.monotonic()
    with pytest.warns(UserWarning, match="5,000 digits") as caught:
        data = mnist.load("auto", FILES)
    assert time.monotonic() - begin < 15
    assert len(caught) == 1
    assert "no connection" in str(caught[0].message)
    assert data["train_data"].shape == (4000, 1, 28, 28)


@pytest.mark.parametrize("ways", [["silent"] * 3, ["wrong"], ["cut", "missing"]])
def test_without_a_sound_mirror_the_sample_is_used_with_one_warning(ways, use):
    use(*ways)
    with pytest.warns(UserWarning, match="5,000 digits") as caught:
        data = mnist.load("auto", FILES)
    assert len(caught) == 1
    assert len(data["train_data"]) == 4000


def test_full_is_full_or_an_error(nothing_answers):
    with pytest.raises(DownloadError, match="no connection"):
        mx.test_utils.get_mnist("full")


def test_the_sample_needs_no_network(nothing_answers):
    assert len(mx.test_utils.get_mnist("sample")["test_label"]) == 1000


def test_an_unknown_source_is_refused():
    with pytest.raises(ValueError, match="one of auto, full, sample, got 'all'"):
        mx.test_utils.get_mnist("all")


@pytest.mark.parametrize("blocked", ["mnist", "above"])
def test_a_cache_that_cannot_be_written_is_done_without(blocked, use, cache, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    blocker = cache if blocked == "mnist" else cache.parent
    blocker.parent.mkdir(parents=True)
    blocker.write_text("a file where a folder should be")
    use("good")
    with pytest.warns(UserWarning, match="cannot be written") as caught:
        data = mnist.load("full", FILES)
    assert len(caught) == 1
    assert_right(data)


def test_two_processes_download_once(use, server, cache):
    use("together")
    arguments = [sys.executable, "-c", LOAD_IN_ANOTHER_PROCESS, str(cache.parents[1])]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    both = [subprocess.Popen(arguments, **options) for _ in range(2)]
    answers = [process.communicate(timeout=60) for process in both]
    assert [out for out, _ in answers] == ["all right\n"] * 2, answers
    assert visible(cache) == sorted(NAMES.values())
    assert len(server.ranges("train_data")) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process")
def test_ctrl_c_leaves_a_part_to_go_on_with(use, server, cache):
    use("half_then_silent")
    part = cache / f"{IMAGES}.part"
    arguments = [sys.executable, "-c", LOAD_IN_ANOTHER_PROCESS, str(cache.parents[1])]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, cwd=ROOT)
    end = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size) and time.monotonic() < end:
        with pytest.raises(subprocess.TimeoutExpired):  # else it ended too early
            process.wait(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in errors
    assert visible(cache) == [part.name]
    got = part.stat().st_size
    assert part.read_bytes() == CONTENT[IMAGES][:got]

    use("good")
    assert_right(mnist.load("full", FILES))
    assert server.ranges("train_data") == [None, f"bytes={got}-"]


def test_a_full_disk_is_told_and_given_its_room_back(use, cache):
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    use("good")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, old[1]))  # less than the training images
    try:
        with pytest.raises(OSError, match="large"):
            mnist.load("full", FILES)
        with pytest.warns(UserWarning, match="5,000 digits"):
            assert len(mnist.load("auto", FILES)["test_label"]) == 1000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert visible(cache) == []


# --- files that the user gives ---------------------------------------------------------------


@pytest.mark.parametrize("unpack", [False, True], ids=["as published", "unpacked"])
def test_files_in_the_data_folder_are_used(unpack, data_dir, nothing_answers):
    for name, content in CONTENT.items():
        path = data_dir / name
        if unpack:
            path.with_suffix("").write_bytes(gzip.decompress(content))
        else:
            path.write_bytes(content)
    assert_right(mnist.load("full", FILES))


def test_what_the_data_folder_lacks_is_downloaded(data_dir, use, server, cache):
    (data_dir / IMAGES).write_bytes(CONTENT[IMAGES])
    use("good")
    assert_right(mnist.load("full", FILES))
    assert server.ranges("train_data") == []
    assert IMAGES not in visible(cache)


@pytest.mark.parametrize("source", ["auto", "full"])
def test_a_damaged_file_in_the_data_folder_is_named_and_left(source, data_dir):
    for name, content in CONTENT.items():
        (data_dir / name).write_bytes(content)
    (data_dir / IMAGES).write_bytes(CONTENT[IMAGES][:-1])
    with pytest.raises(IdxError, match=IMAGES):
        mnist.load(source, FILES)
    assert (data_dir / IMAGES).read_bytes() == CONTENT[IMAGES][:-1]


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("train_label", np.full(60, 10), "labels from 0 to 9"),
        ("train_label", np.zeros((60, 2)), "labels from 0 to 9"),
        ("test_label", np.zeros(29), "30 images.*29 labels"),
        ("test_data", np.zeros((30, 28, 27)), "28×28 bytes.*27"),
        ("test_data", np.zeros((30, 784)), "28×28 bytes.*784"),
    ],
)
def test_data_that_does_not_fit_is_refused(key, array, message, data_dir):
    files = dict(FILES)
    for name, content in CONTENT.items():
        (data_dir / name).write_bytes(content)
    content = gzip.compress(idx(array))
    files[key] = remote_file(NAMES[key], content)
    (data_dir / NAMES[key]).write_bytes(content)
    with pytest.raises(IdxError, match=message) as caught:
        mnist.load("full", files)
    assert NAMES[key] in str(caught.value)


# --- the format ------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "file.idx"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 0, 2), (2, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize(
    ("code", "dtype"),
    [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")],
)
def test_an_array_comes_back(code, dtype, shape, zipped, write, rng):
    array = np.asarray(rng.uniform(0, 100, shape), dtype)
    content = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    content += array.tobytes()
    result = read_idx(write(gzip.compress(content) if zipped else content))
    assert result.dtype == np.dtype(dtype)
    assert result.shape == shape
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("length", range(4 + 8 + 6))
def test_a_file_that_is_cut_short_is_refused(length, write):
    path = write(idx(np.ones((2, 3)))[:length])
    with pytest.raises(IdxError, match=r"file\.idx: cut short"):
        read_idx(path)


@pytest.mark.parametrize("length", [*range(2, 30), -30, -9, -8, -5, -4, -1])
def test_a_gzip_file_that_is_cut_short_is_refused(length, write):
    path = write(gzip.compress(idx(np.arange(200)))[:length])
    with pytest.raises(IdxError, match=r"file\.idx"):
        read_idx(path)


def test_any_damaged_byte_of_a_gzip_file_is_noticed_or_does_no_harm(write):
    array = np.arange(50)
    content = gzip.compress(idx(array), mtime=0)
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        try:
            result = read_idx(write(damaged))
        except IdxError:
            continue
        np.testing.assert_array_equal(result, array)  # e.g. the time of packing


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x01\x08\x01\x00\x00\x00\x00",
        b"\x00\x00\x07\x01\x00\x00\x00\x00",
        b"\x00\x00\x0a\x01\x00\x00\x00\x00",
        b"<html><head></head></html>",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_a_file_of_another_format_is_refused(content, write):
    with pytest.raises(IdxError, match=r"file\.idx: no IDX file.*at byte 0"):
        read_idx(write(content))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_goes_on_is_refused(zipped, write):
    content = idx(np.ones((2, 3))) + b"\0"
    path = write(gzip.compress(content) if zipped else content)
    with pytest.raises(IdxError, match=r"file\.idx: goes on after byte 18"):
        read_idx(path)


def test_bytes_behind_a_gzip_file_are_refused(write):
    path = write(gzip.compress(idx(np.ones(3))) + b"more")
    with pytest.raises(IdxError, match=r"file\.idx: the gzip file is damaged"):
        read_idx(path)


def peak_of_refusal(path):
    """The memory taken while the file is refused, in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(IdxError, match=r"file\.idx"):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    "sizes",
    [(2**32 - 1,), (60000, 28, 28), (2**32 - 1,) * 3, (0, 2**32 - 1, 2**32 - 1), (1,) * 200],
)
def test_sizes_beyond_the_file_take_no_memory(sizes, zipped, write):
    content = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + b"\1"
    path = write(gzip.compress(content) if zipped else content)
    assert peak_of_refusal(path) < 1_000_000


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1,) * 33, r"file\.idx: 33 dimensions at byte 3; at most 32"),
        ((2**30 + 1,), r"1,073,741,825 bytes; at most 1,073,741,824 are read"),
    ],
)
def test_sizes_that_nobody_needs_are_refused_however_large_the_file(sizes, message, write):
    content = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
    path = write(content)
    os.truncate(path, 2**30 + 100)  # takes no room: a hole
    with pytest.raises(IdxError, match=message):
        read_idx(path)


def test_a_gzip_file_that_swells_takes_no_memory(write):
    path = write(gzip.compress(idx(np.zeros(10)) + bytes(50_000_000), 1))
    assert peak_of_refusal(path) < 1_000_000


# --- the sample and the full set -------------------------------------------------------------


@pytest.fixture(scope="module")
def sample():
    return mnist.load("sample")


def test_the_sample_is_small():
    assert mnist.SAMPLE.stat().st_size < 1_200_000


@pytest.mark.parametrize(("part", "each"), [("train", 400), ("test", 100)])
def test_the_sample_has_as_many_of_each_digit(part, each, sample):
    images, labels = sample[f"{part}_data"], sample[f"{part}_label"]
    assert images.shape == (10 * each, 1, 28, 28)
    assert images.dtype == np.float32
    assert labels.dtype == np.int8
    assert (images.min(), images.max()) == (0, 1)
    assert np.bincount(labels).tolist() == [each] * 10


def test_the_sample_is_mixed(sample):
    # 100 of 4,000 digits at random lack one of the ten with a chance under 1 in 1,000.
    assert len(set(sample["train_label"][:100].tolist())) == 10


def test_no_digit_is_twice_in_the_sample(sample):
    images = np.concatenate([sample["train_data"], sample["test_data"]])
    assert len({image.tobytes() for image in images}) == 5000


def test_the_sample_is_taken_from_the_training_digits(sample, full_mnist):
    label_of = {
        image.tobytes(): label
        for image, label in zip(full_mnist["train_data"], full_mnist["train_label"], strict=True)
    }
    for part in ("train", "test"):
        found = [label_of.get(image.tobytes()) for image in sample[f"{part}_data"]]
        assert found == sample[f"{part}_label"].tolist()


@pytest.mark.parametrize(("part", "number"), [("train", 60000), ("test", 10000)])
def test_the_full_set_is_mnist(part, number, full_mnist):
    images, labels = full_mnist[f"{part}_data"], full_mnist[f"{part}_label"]
    assert images.shape == (number, 1, 28, 28)
    assert images.dtype == np.float32
    assert labels.dtype == np.int8
    assert (images.min(), images.max()) == (0, 1)
    assert np.bincount(labels).tolist() == LABELS_IN_FULL[part]
