"""Automatic names: `fullyconnected0`, `fullyconnected1`, ... for layers that are given none."""

import threading
from collections import Counter


class NameManager:
    """Counts the layers of each kind. `with NameManager():` starts counting from 0 in a block."""

    def __init__(self):
        self._counts = Counter()
        self._outer = []

    def get(self, name: str | None, hint: str) -> str:
        """`name` itself, or the next automatic name for this kind of layer."""
        if name is not None:
            return name
        automatic = f"{hint}{self._counts[hint]}"
        self._counts[hint] += 1
        return automatic

    def __enter__(self):
        self._outer.append(current())
        _active.manager = self
        return self

    def __exit__(self, *exception):
        _active.manager = self._outer.pop()


class Prefix(NameManager):
    """Puts a prefix before all names in a block, given or automatic."""

    def __init__(self, prefix: str):
        super().__init__()
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a string, got {prefix!r:.80}")
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        """The name with the prefix."""
        return self._prefix + super().get(name, hint)


_active = threading.local()


def current() -> NameManager:
    """The manager in use in this thread."""
    if not hasattr(_active, "manager"):
        _active.manager = NameManager()
    return _active.manager
