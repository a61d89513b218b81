"""Data when something is wrong around it: the disk, the network, the owner, links, gzip files."""

import gzip
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from course.datasets import download, mnist
from course.datasets.download import DownloadError
from course.datasets.idx import IdxError, read_idx
from tests.mnist_server import ARRAYS, CONTENT, FILES, NAMES, Handler, MnistServer, idx

ROOT = Path(__file__).parents[1]
IMAGES = NAMES["train_data"]
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def server():
    server = MnistServer()
    yield server
    server.stop()


@pytest.fixture
def caches_in(monkeypatch):
    """caches_in(folder) makes it the user's cache folder; no data elsewhere, no proxy."""
    for name in ("COURSE_DATA_DIR", "http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(download, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(download, "READ_SECONDS", 2)

    def caches_in(folder):
        monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(folder / name))
        return folder / "neural-network-course" / "mnist"

    return caches_in


@pytest.fixture
def cache(caches_in, tmp_path):
    return caches_in(tmp_path / "cache")


def assert_right(data):
    np.testing.assert_array_equal(data["test_label"], ARRAYS["test_label"])
    images = (data["train_data"][:, 0] * 255).round()
    np.testing.assert_array_equal(images, ARRAYS["train_data"])


# --- the disk --------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 40,000 bytes, less than the training images."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(folder)]
    if not IS_ROOT or not shutil.which("mount") or subprocess.run(command).returncode:
        pytest.skip("needs the right to mount a small disk (root, on Linux)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_given_its_room_back(small_disk, caches_in, server, monkeypatch):
    cache = caches_in(small_disk)
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", server.mirror("good"))
    with pytest.raises(OSError, match="No space left"):
        mnist.load("full", FILES)
    with pytest.warns(UserWarning, match=r"5,000 digits.*No space left"):
        assert len(mnist.load("auto", FILES)["test_label"]) == 1000
    assert not [path for path in cache.iterdir() if path.suffix == ".part"]
    assert shutil.disk_usage(small_disk).free > 20_000


# --- the network -------------------------------------------------------------------------------


class LoginPage(BaseHTTPRequestHandler):
    """A proxy that answers each question with a page of its own."""

    def do_GET(self):
        page = b"<html>Accept the terms of this network to go on</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        """No lines on the terminal."""


@pytest.fixture
def serve():
    """serve(handler) answers on a port of 127.0.0.1 until the test ends."""
    running = []

    def serve(handler, wrap=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *_: None  # a client that goes away is no error here
        server.daemon_threads, server.requests = True, []
        if wrap:
            server.socket = wrap(server.socket)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server.server_port

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_proxy_that_answers_with_its_own_page(serve, cache, server, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{serve(LoginPage)}")
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", "http://mnist.invalid/ http://digits.invalid/")
    with pytest.raises(DownloadError, match=r"http://mnist\.invalid/: ended at byte .*digits"):
        mnist.load("full", FILES)
    with pytest.warns(UserWarning, match="5,000 digits"):
        assert len(mnist.load("auto", FILES)["test_label"]) == 1000

    # What the page left behind does no harm once the network is there.
    monkeypatch.delenv("http_proxy")
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", server.mirror("good"))
    assert_right(mnist.load("full", FILES))


def test_https_is_verified(serve, cache, tmp_path, monkeypatch):
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    port = serve(Handler, lambda socket: context.wrap_socket(socket, server_side=True))
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", f"https://127.0.0.1:{port}/good/")

    with pytest.raises(DownloadError, match="its certificate is not valid"):
        mnist.load("full", FILES)
    # The same server, once its certificate is trusted: so the certificate was the reason.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert_right(mnist.load("full", FILES))


@pytest.mark.parametrize("mirror", mnist.MIRRORS)
def test_the_mirrors_of_the_package_are_asked_by_https(mirror):
    assert mirror.startswith("https://")


# --- the owner -------------------------------------------------------------------------------

AS_NOBODY = """
import os, sys, tempfile, warnings
import filelock, platformdirs, requests, tqdm, urllib3
from course.datasets import mnist
from tests.mnist_server import ARRAYS, FILES
folder = sys.argv[1]
platformdirs.user_cache_dir = lambda name: folder + "/cache/" + name
tempfile.tempdir = folder + "/tmp"
os.setgid(65534)
os.setuid(65534)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    data = mnist.load("full", FILES)
assert (data["test_label"] == ARRAYS["test_label"]).all()
print("; ".join(str(warning.message) for warning in caught))
"""


@pytest.fixture
def shared():
    """A folder that everybody may enter, with the cache of another user and room for all."""
    if not IS_ROOT:
        pytest.skip("needs root to act as another user")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o777)
    (folder / "cache" / "neural-network-course" / "mnist").mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


def as_nobody(folder, **environment):
    result = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(folder)], cwd=ROOT, text=True,
        env={**os.environ, **environment}, capture_output=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_cache_that_another_user_owns_is_done_without(shared, server, caches_in):
    said = as_nobody(shared, COURSE_MNIST_MIRRORS=server.mirror("good"))
    assert "cannot be written to (Permission denied)" in said
    assert not any((shared / "cache" / "neural-network-course" / "mnist").iterdir())


def test_sound_files_in_a_cache_that_another_user_owns_are_used(shared, server, caches_in):
    for name, content in CONTENT.items():
        (shared / "cache" / "neural-network-course" / "mnist" / name).write_bytes(content)
    assert as_nobody(shared, COURSE_MNIST_MIRRORS=server.mirror("missing")) == ""
    assert server.requests == []


# --- links -----------------------------------------------------------------------------------


@pytest.fixture
def link():
    def link(where, target):
        where.parent.mkdir(parents=True, exist_ok=True)
        try:
            where.symlink_to(target)
        except (OSError, NotImplementedError):
            pytest.skip("this system lets this user make no symbolic links")

    return link


def test_a_cache_behind_a_link_is_used(cache, server, link, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", server.mirror("good"))
    (tmp_path / "elsewhere").mkdir()
    link(cache, tmp_path / "elsewhere")
    assert_right(mnist.load("full", FILES))
    assert (tmp_path / "elsewhere" / IMAGES).read_bytes() == CONTENT[IMAGES]


@pytest.mark.parametrize("name", [IMAGES, f"{IMAGES}.part"])
@pytest.mark.parametrize("content", [b"precious", None, "loop"])
def test_what_a_link_in_the_cache_leads_to_is_left_alone(
    name, content, cache, server, link, tmp_path, monkeypatch
):
    monkeypatch.setenv("COURSE_MNIST_MIRRORS", server.mirror("good"))
    target = cache / name if content == "loop" else tmp_path / "theirs"
    link(cache / name, target)
    if isinstance(content, bytes):
        target.write_bytes(content)
    assert_right(mnist.load("full", FILES))
    assert (cache / IMAGES).read_bytes() == CONTENT[IMAGES]
    if content != "loop":
        assert (target.read_bytes() if target.exists() else None) == content


def test_what_is_no_file_is_refused_instead_of_waited_for(tmp_path):
    with pytest.raises(IdxError, match="expected a file, found a folder"):
        read_idx(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(IdxError, match="pipe: expected a file"):
            read_idx(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")


# --- gzip files that swell -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "each"),
    [(1, 100_000_000), (100, 1_000_000), (20_000, 0)],
    ids=["one large member", "a hundred members", "empty members"],
)
@pytest.mark.parametrize("header", [(10,), (2**31,), (1000, 1000)])
def test_members_that_swell_take_no_memory(members, each, header, tmp_path):
    start = bytes([0, 0, 8, len(header)]) + b"".join(size.to_bytes(4, "big") for size in header)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(start) + gzip.compress(bytes(each), 9) * members)
    tracemalloc.start()
    try:
        with pytest.raises(IdxError, match=r"bomb\.gz: (goes on|cut short)"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_an_array_in_several_members_is_read(tmp_path):
    content = idx(np.arange(200))
    path = tmp_path / "members.gz"
    path.write_bytes(b"".join(gzip.compress(content[k : k + 50]) for k in range(0, 250, 50)))
    np.testing.assert_array_equal(read_idx(path), np.arange(200))
