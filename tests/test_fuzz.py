"""Files from strangers: whatever is in them, they are read or refused with one clear error.

`tests/tools/fuzz.py` tries far more of them.
"""

import json
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats import formats

KINDS = ["params", "safetensors", "states", "json", "idx"]
MOST_MEMORY = 16 * 2**20  # the damaged files have no more than some kilobytes
# An IDX file may claim 255 dimensions, and the message gives the size of each.
LONGEST_MESSAGE = dict.fromkeys(KINDS, 1000) | {"idx": 6000}
HUGE = [0, 1, 2**8 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63]

numbers = st.sampled_from(HUGE) | st.integers(0, 2**64 - 1)
pieces = st.one_of(
    st.builds(struct.pack, st.sampled_from(["<Q", ">Q"]), numbers),
    st.builds(lambda n: struct.pack("<I", n % 2**32), numbers),
    st.builds(lambda n: struct.pack(">I", n % 2**32), numbers),
    st.builds(lambda n: str(n).encode(), numbers),
    st.sampled_from([b'"', b"[", b"{", b"null", b"-1", b"1e999", b"NaN", b"(" * 99, b"\xff"]),
    st.binary(max_size=9),
)
places = st.integers(0, 4000)
# (place, how many bytes go, what comes instead)
edits = st.lists(st.tuples(places, st.sampled_from([0, 1, 4, 8, 4000]), pieces), max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def known(folder):
    return formats(folder)


def read_or_refuse(known, kind, data, folder):
    """Read these bytes as a file, in little memory; an error must be a clear one."""
    path = folder / f"damaged.{kind}"
    path.write_bytes(data)
    message = f"damaged.{kind}"
    tracemalloc.start()
    try:
        known[kind].read(path)
    except ValueError as error:
        message = str(error)
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert f"damaged.{kind}" in message
    assert len(message) < LONGEST_MESSAGE[kind]
    assert most < MOST_MEMORY


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=600, deadline=None)
def test_damaged_files(folder, known, kind, data):
    sample = data.draw(st.sampled_from(known[kind].samples))
    damaged = bytearray(sample)
    for place, length, piece in data.draw(edits):
        start = place % (len(damaged) + 1)
        damaged[start : start + length] = piece
    read_or_refuse(known, kind, bytes(damaged), folder)


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([-1, 0, 1, 2, 2**31, 10**30, 1e999, "null", "Concat", "data", "(2, 2)"]),
        st.sampled_from(["[" * 150, "-" * 150 + "1", "9" * 200, "(1, (2,", "1e999", "True", "[]"]),
        st.text(max_size=5),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def put(draw, whole, value):
    """Replace some part of a JSON value."""
    keys = list(whole) if isinstance(whole, dict) else list(range(len(whole)))
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    if isinstance(whole[key], (dict, list)) and draw(st.integers(0, 4)):
        put(draw, whole[key], value)
    else:
        whole[key] = value


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_graphs_with_wrong_parts(folder, known, data):
    graph = json.loads(data.draw(st.sampled_from(known["json"].samples)))
    for _ in range(data.draw(st.integers(1, 3))):
        put(data.draw, graph, data.draw(values))
    read_or_refuse(known, "json", json.dumps(graph).encode(), folder)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_nonsense(folder, known, kind, data):
    read_or_refuse(known, kind, data, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_files_cut_anywhere(folder, known, kind):
    for sample in known[kind].samples:
        for length in range(0, len(sample), 1 + len(sample) // 300):
            read_or_refuse(known, kind, sample[:length], folder)


@pytest.mark.parametrize("kind", KINDS)
def test_the_good_files_are_good(folder, known, kind):
    format_ = known[kind]
    for number, sample in enumerate(format_.samples):
        path = folder / f"good{number}.{kind}"
        path.write_bytes(sample)
        format_.read(path)
