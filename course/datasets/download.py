"""Files from the network: from the first mirror that has them, whole or not at all."""

import hashlib
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

CONNECT_SECONDS = 4
READ_SECONDS = 6
PROBE_SECONDS = 10  # all mirrors together, however their names and addresses are found
SLOWEST = 2_000  # bytes a second, on the average of PATIENCE seconds
PATIENCE = 10
PIECE = 1 << 16


class DownloadError(OSError):
    """No mirror had the file; the message says what each one answered."""


@dataclass(frozen=True)
class RemoteFile:
    """What a file must be: its name, size in bytes and sha256."""

    name: str
    size: int
    sha256: str

    def is_at(self, path: Path) -> bool:
        """Whether the file at `path` is this one."""
        try:
            if path.stat().st_size != self.size:
                return False
            return hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256
        except OSError:
            return False


def answering(mirrors, file: RemoteFile) -> dict[str, str | None]:
    """For each mirror None if it offers the file, else why not. Takes at most PROBE_SECONDS."""
    import requests

    answers: dict[str, str | None] = {}

    def ask(mirror):
        try:
            with requests.get(
                mirror + file.name, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
            ) as response:
                ok = response.status_code == 200
                answers[mirror] = None if ok else f"answered {response.status_code}"
        except requests.RequestException as error:
            answers[mirror] = _short(error)

    # Threads, as no time limit holds for the look-up of a name.
    threads = [threading.Thread(target=ask, args=(mirror,), daemon=True) for mirror in mirrors]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    return {mirror: answers.get(mirror, "did not answer") for mirror in mirrors}


def fetch(file: RemoteFile, mirrors, folder: Path) -> Path:
    """Download a file into the folder; it takes its name there when it is complete and checked.

    An interrupted download is gone on with. Only one process downloads at a time. Raises
    DownloadError if no mirror has the right bytes, OSError if the disk is full.
    """
    import filelock

    target = folder / file.name
    with filelock.FileLock(folder / f".{file.name}.lock"):
        if file.is_at(target):  # another process was faster
            return target
        reasons = []
        for mirror in mirrors:
            part = folder / f"{file.name}.part"
            reason = _try(mirror + file.name, file, part)
            if reason is None:
                os.replace(part, target)
                return target
            reasons.append(f"{mirror}: {reason}")
    raise DownloadError(f"could not download {file.name}: " + "; ".join(reasons))


def _try(url, file, part) -> str | None:
    """Bring `part` to completion from one mirror: None, or why that failed."""
    import requests

    if part.is_symlink():  # never write to where somebody else's link leads
        part.unlink()
    have = part.stat().st_size if part.exists() else 0
    if have >= file.size:
        part.unlink()
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    headers["Accept-Encoding"] = "identity"
    try:
        with requests.get(
            url, stream=True, headers=headers, timeout=(CONNECT_SECONDS, READ_SECONDS)
        ) as response:
            if response.status_code == 416 and have:
                part.unlink()
                return _try(url, file, part)
            if response.status_code not in (200, 206):
                return f"answered {response.status_code}"
            resumed = response.status_code == 206 and _starts_at(response, have)
            if response.status_code == 206 and not resumed:
                return "answered with another part of the file than asked for"
            reason = _receive(response, file, part, have if resumed else 0)
    except requests.RequestException as error:
        return _short(error)
    if reason is None and not file.is_at(part):
        if resumed:  # the fault may lie in the bytes from before
            part.unlink()
            return _try(url, file, part)
        reason = "sent wrong bytes (their sha256 does not match)"
    if reason is not None and not reason.startswith("ended"):
        part.unlink(missing_ok=True)
    return reason


def _starts_at(response, have) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _receive(response, file, part, have) -> str | None:
    """Write the body to `part`, behind the first `have` bytes: None, or why it ended early."""
    from tqdm import tqdm
    from urllib3.exceptions import HTTPError

    class Bar(tqdm):
        monitor_interval = 0  # no thread that would stay when the download is over

    begin = time.monotonic()
    received = 0
    bar = Bar(
        desc=file.name, total=file.size, initial=have, unit="B", unit_scale=True, miniters=1,
        disable=None, file=sys.stderr, leave=False,
    )  # fmt: skip
    try:
        with bar, part.open("ab" if have else "wb") as out:
            # read1 gives what has come, where iter_content would wait for a whole PIECE: a slow
            # mirror is noticed, and a broken line loses nothing.
            while piece := response.raw.read1(PIECE, decode_content=False):
                received += len(piece)
                if have + received > file.size:
                    return f"sent more than the {file.size} bytes of the file"
                out.write(piece)
                bar.update(len(piece))
                seconds = time.monotonic() - begin
                if seconds > PATIENCE and received / seconds < SLOWEST:
                    return f"ended: too slow ({received / seconds:.0f} bytes a second)"
    except HTTPError as error:
        return f"ended at byte {have + received} of {file.size} ({_short(error)})"
    except OSError:
        part.unlink(missing_ok=True)  # a full disk: give the room back
        raise
    if have + received < file.size:
        return f"ended at byte {have + received} of {file.size}"
    return None


def _short(error) -> str:
    """The kind of a network error, without the library's nested details."""
    names = {
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "no answer in time",
        "SSLError": "its certificate is not valid",
        "ConnectionError": "no connection",
        "ReadTimeoutError": "no more bytes in time",
        "ProtocolError": "the connection broke",
    }
    return names.get(type(error).__name__, type(error).__name__)
