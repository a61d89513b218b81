"""A mirror of a small MNIST on 127.0.0.1, sound or broken in a way of choice.

The first part of the address chooses the way: `server.mirror("cut")` breaks every line half way.
"""

import gzip
import hashlib
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from course.datasets.download import RemoteFile

TRAIN, TEST = 60, 30


def idx(array):
    """The bytes of an IDX file of unsigned bytes."""
    array = np.asarray(array, np.uint8)
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def remote_file(name, content):
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest())


RNG = np.random.default_rng(7)
ARRAYS = {
    "train_data": RNG.integers(0, 256, (TRAIN, 28, 28)),
    "train_label": RNG.integers(0, 10, TRAIN),
    "test_data": RNG.integers(0, 256, (TEST, 28, 28)),
    "test_label": RNG.integers(0, 10, TEST),
}
NAMES = {
    "train_data": "train-images-idx3-ubyte.gz",
    "train_label": "train-labels-idx1-ubyte.gz",
    "test_data": "t10k-images-idx3-ubyte.gz",
    "test_label": "t10k-labels-idx1-ubyte.gz",
}
# Hardly compressed, and with no time inside: each process makes the same bytes.
CONTENT = {NAMES[key]: gzip.compress(idx(ARRAYS[key]), 1, mtime=0) for key in NAMES}
FILES = {key: remote_file(name, CONTENT[name]) for key, name in NAMES.items()}


class MnistServer(ThreadingHTTPServer):
    """Serves CONTENT. `requests` lists (way, name, the header Range or None) as they come."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.stopping = threading.Event()
        self.two_clients = threading.Barrier(2)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def mirror(self, way):
        return f"http://127.0.0.1:{self.server_port}/{way}/"

    def ranges(self, key):
        """The headers Range of all requests for a file."""
        return [start for _, name, start in self.requests if name == NAMES[key]]

    def stop(self):
        self.stopping.set()
        self.two_clients.abort()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that went away is no error here."""


class Handler(BaseHTTPRequestHandler):
    """One request; there is a method for each way to answer."""

    def do_GET(self):
        _, way, self.name = self.path.split("/")
        self.content = CONTENT[self.name]
        self.server.requests.append((way, self.name, self.headers["Range"]))
        getattr(self, way.replace("-", "_"))()

    def log_message(self, *_):
        pass

    def answer(self, status, body, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def start(self):
        """The first byte that the client asks for."""
        return int((self.headers["Range"] or "bytes=0-")[len("bytes=") : -1])

    def good(self):
        begin = self.start()
        if begin:
            last = len(self.content) - 1
            content_range = f"bytes {begin}-{last}/{last + 1}"
            self.answer(206, self.content[begin:], Content_Range=content_range)
        else:
            self.answer(200, self.content)

    def missing(self):
        self.answer(404, b"not here")

    def silent(self):
        self.server.stopping.wait()

    def cut(self):
        self.answer(200, self.content[: len(self.content) // 2], length=len(self.content))

    def wrong_then_cut(self):
        half = bytes(len(self.content) // 2)
        self.answer(200, half, length=len(self.content))

    def half_then_silent(self):
        self.cut()
        self.server.stopping.wait()

    def trickle(self):
        self.answer(200, b"", length=len(self.content))
        for byte in self.content:
            self.wfile.write(bytes([byte]))
            if self.server.stopping.wait(0.02):
                return

    def wrong(self):
        self.answer(200, bytes(len(self.content)))

    def page(self):
        self.answer(200, b"<html>Please log in to the hotel's network</html>")

    def large(self):
        self.answer(200, self.content + bytes(1000))

    def endless(self):
        self.send_response(200)  # HTTP/1.0: no length, the body ends with the connection
        self.end_headers()
        while not self.server.stopping.is_set():
            self.wfile.write(bytes(1 << 16))

    def redirect(self):
        self.answer(302, b"", Location=f"/good/{self.name}")

    def redirect_for_ever(self):
        self.answer(302, b"", Location=self.path)

    def no_range(self):
        self.answer(200, self.content)

    def other_range(self):
        begin = self.start() // 2
        last = len(self.content) - 1
        self.answer(206, self.content[begin:], Content_Range=f"bytes {begin}-{last}/{last + 1}")

    def never_a_range(self):
        if self.headers["Range"]:
            self.answer(416, b"")
        else:
            self.answer(200, self.content)

    def encoded(self):
        """As some servers do: they take the file's own gzip for a coding of the transfer."""
        self.answer(200, self.content, Content_Encoding="gzip")

    def together(self):
        """Holds the first two questions for the smallest file until both have come."""
        smallest = min(CONTENT, key=lambda name: len(CONTENT[name]))
        asked = [name for _, name, _ in self.server.requests]
        if self.name == smallest and asked.count(smallest) <= 2:
            self.server.two_clients.wait(20)
        self.good()
