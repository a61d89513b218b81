"""What a run needs besides its parameters to go on as if it had never stopped.

A `.states` file is laid out as a `.params` file (`model.py`). It holds `state0:fc1_weight` and so
on, what the optimizer remembers of each parameter; `updates:fc1_weight`, how often that one was
updated; `optimizer`, its name, and `random`, where the random numbers stand, both as bytes; and
`checksum`, of the parameters that it was saved with.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from course import model, random
from course.optimizer import Optimizer


@dataclass
class TrainingState:
    """An optimizer's memory and counts, by parameter name, and the state of the random numbers."""

    optimizer: str
    memory: dict[str, np.ndarray]  # by "state0:fc1_weight"
    updates: dict[str, int]
    random: str
    checksum: int
    source: str = "this state"

    @classmethod
    def capture(cls, optimizer: Optimizer, states: dict, names: list[str], params: dict):
        """The present state. `states` by the number of the parameter in `names`."""
        return cls(
            optimizer=type(optimizer).__name__,
            memory=_by_key(states, names),
            updates={names[index]: count for index, count in optimizer.update_counts.items()},
            random=random.get_state(),
            checksum=checksum(params),
        )

    def save(self, fname) -> None:
        """Write everything to a file, complete or not at all."""
        arrays = {
            "optimizer": np.frombuffer(self.optimizer.encode(), np.uint8),
            "random": np.frombuffer(self.random.encode(), np.uint8),
            "checksum": np.array([self.checksum]),
        }
        arrays |= {f"updates:{name}": np.array([n]) for name, n in self.updates.items()}
        model.save_arrays(fname, arrays | self.memory)

    @classmethod
    def load(cls, fname) -> "TrainingState":
        """From a file of `save`. Raises ValueError if it is damaged or none."""
        arrays = model.load_arrays(fname)
        try:
            return cls(
                optimizer=arrays.pop("optimizer").tobytes().decode(),
                random=arrays.pop("random").tobytes().decode(),
                checksum=_count(arrays.pop("checksum")),
                updates={
                    key.removeprefix("updates:"): _count(arrays.pop(key))
                    for key in list(arrays)
                    if key.startswith("updates:")
                },
                memory=arrays,
                source=str(fname),
            )
        except KeyError as error:
            raise ValueError(f"{fname} is no .states file: it has no {error}") from error
        except ValueError as error:
            raise ValueError(f"{fname} is no .states file: {error}") from error

    def restore(self, optimizer: Optimizer, states: dict, names: list[str]) -> None:
        """Put everything back in its place; the random numbers too.

        Raises ValueError if it belongs to another optimizer or network; then nothing changes.
        """
        if self.optimizer != type(optimizer).__name__:
            raise ValueError(
                f"{self.source} belongs to another optimizer or network: it is of "
                f"{self.optimizer[:80]!r}, not of {type(optimizer).__name__!r}"
            )
        places = _by_key(states, names)
        for key, place in places.items():
            saved = self.memory.get(key)
            if saved is None or (saved.shape, saved.dtype) != (place.shape, place.dtype):
                raise ValueError(
                    f"{self.source} belongs to another optimizer or network: it has no {key} of "
                    f"shape {place.shape} and type {place.dtype}"
                )
        try:
            random.set_state(self.random)
        except ValueError as error:
            raise ValueError(f"{self.source}: {error}") from error
        for key, place in places.items():
            place[...] = self.memory[key]
        optimizer.update_counts = {
            index: self.updates[name] for index, name in enumerate(names) if name in self.updates
        }
        optimizer.num_update = max([optimizer.begin_num_update, *optimizer.update_counts.values()])


def checksum(params: dict) -> int:
    """A number that tells whether parameters are the same, name by name and bit by bit."""
    total = 0
    for name in sorted(params):
        total = zlib.crc32(name.encode(), total)
        total = zlib.crc32(np.ascontiguousarray(params[name]).tobytes(), total)
    return total


def _by_key(states, names):
    """Every array that an optimizer remembers, by its name in the file."""
    found = {}
    for index, state in states.items():
        parts = state if isinstance(state, tuple) else (() if state is None else (state,))
        found |= {f"state{k}:{names[index]}": part for k, part in enumerate(parts)}
    return found


def _count(array) -> int:
    if array.shape != (1,) or array.dtype.kind != "i" or array[0] < 0:
        raise ValueError("expected one whole number as a count")
    return int(array[0])
