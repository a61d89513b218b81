"""Writing files so that they are whole or not there: what checkpoints and exports go through."""

import os
import secrets
import time
from contextlib import contextmanager
from pathlib import Path

_ABANDONED = 3600.0  # seconds after which an unfinished file belongs to nobody


@contextmanager
def replacing(fname):
    """A binary file to write to that takes its final name when it is complete, or never.

    A full disk, an interruption or a kill at any moment leaves the old file as it was. What a
    killed process left unfinished (`.name.….part`) is cleared away by a later write of that name.
    """
    path = Path(fname)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(path)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # the numbers are on the disk before the name is
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _clear_abandoned(path):
    for old in path.parent.iterdir():
        if old.name.startswith(f".{path.name}.") and old.suffix == ".part":
            try:
                if time.time() - old.stat().st_mtime > _ABANDONED:
                    old.unlink()
            except OSError:
                continue  # another process was faster, or holds it open
