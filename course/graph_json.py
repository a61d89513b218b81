"""Reading a graph from MXNet's JSON format, which may come from anywhere: nothing is believed."""

import ast
import json
import math
import re
from typing import NamedTuple

from course import initializer
from course.operators import OPERATORS, check_settings

LONGEST_TEXT = 2**24  # bytes
_NUMBERS = re.compile(r"[-+0-9.eE,()\[\] ]{1,200}")
_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None}


class Entry(NamedTuple):
    """A node as a file describes it; `inputs` are the numbers of the nodes that feed it."""

    op: str | None
    name: str
    attrs: dict
    inputs: list[int]


def read(text: str | bytes, source: str) -> tuple[list[Entry], list[int]]:
    """The nodes, each after those that feed it, and the numbers of the outputs.

    Raises ValueError, which begins with `source`, for anything that makes no graph.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{source} is no symbol: it is longer than {LONGEST_TEXT} bytes")
    try:
        graph = json.loads(text)
        entries: list[Entry] = []
        names: set[str] = set()
        for item in graph["nodes"]:
            entry = _read_entry(item, entries)
            if entry.name in names:
                raise ValueError(f"two nodes are named {entry.name!r:.80}")
            names.add(entry.name)
            entries.append(entry)
        heads = [_index(edge, entries) for edge in graph["heads"]]
        if not heads:
            raise ValueError("it has no output")
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{source} is no symbol in MXNet's JSON format: {error!r:.200}") from error
    except ValueError as error:
        raise ValueError(f"{source}: {error!s:.500}") from error
    return entries, heads


def as_text(attrs: dict) -> dict[str, str]:
    """Attributes as text. An initializer is used once, when parameters are made: left out."""
    return {key: str(value) for key, value in attrs.items() if key != "__init__"}


def _read_entry(item: dict, earlier: list[Entry]) -> Entry:
    op = None if item["op"] == "null" else item["op"]
    name = item["name"]
    if not isinstance(name, str):
        raise ValueError(f"a name must be text, got {name!r:.80}")
    if op is not None and op not in OPERATORS:
        raise ValueError(f"unknown operator {op!r:.80}; known are {', '.join(sorted(OPERATORS))}")
    # Files before MXNet 1.0 say "attr" or "param".
    texts = item.get("attrs") or item.get("attr") or item.get("param") or {}
    attrs = {key: _as_value(value) for key, value in texts.items()}
    # An edge leads to an earlier node; so there is no circle.
    inputs = [_index(edge, earlier) for edge in item["inputs"]]
    _check_hints(attrs, name)
    if op is not None:
        check_settings(op, attrs, name, len(inputs))
    return Entry(op, name, attrs, inputs)


def _index(edge: list, entries: list[Entry]) -> int:
    index, output, *_ = edge
    if not isinstance(index, int) or not 0 <= index < len(entries):
        raise ValueError(f"an edge leads to node {index!r:.80}, which does not come before it")
    if output != 0:
        raise ValueError(
            f"an edge leads to output {output!r:.80} of {entries[index].name}: it has number 0 only"
        )
    return index


def _check_hints(attrs: dict, name: str) -> None:
    """What `var` was given: a shape, factors, and the rule for the first values."""
    shape = attrs.get("__shape__", ())
    if not isinstance(shape, tuple) or not all(isinstance(k, int) and k >= 0 for k in shape):
        raise ValueError(f"{name}: __shape__ must be of whole numbers, got {shape!r:.80}")
    for key in ("__lr_mult__", "__wd_mult__"):
        factor = attrs.get(key, 1)
        if not isinstance(factor, (int, float)) or not 0 <= factor < math.inf:
            raise ValueError(f"{name}: {key} must be a number from 0 on, got {factor!r:.80}")
    if "__init__" in attrs:
        kind, settings = json.loads(attrs["__init__"])
        attrs["__init__"] = type(initializer.create(kind))(**settings)


def _as_value(text: str):
    """'(5, 5)' -> (5, 5), 'True' -> True, '0.5' -> 0.5; other texts as they are."""
    if _NUMBERS.fullmatch(text):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text
    return _WORDS.get(text, text)
