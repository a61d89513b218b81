import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import course as mx

NDArrayIter = mx.io.NDArrayIter


def numbers(batches):
    """Which samples the batches hold, where sample k is the number k."""
    return [batch.data[0].reshape(-1).astype(int).tolist() for batch in batches]


def counting(count=25, batch_size=10, **settings):
    return NDArrayIter(np.arange(count).reshape(-1, 1), np.arange(count), batch_size, **settings)


# ---- the end of a pass, as measured on MXNet with 25 samples and batches of 10


def test_pad_fills_the_last_batch_from_the_beginning():
    batches = list(counting(last_batch_handle="pad"))
    assert [batch.pad for batch in batches] == [0, 0, 5]
    assert numbers(batches)[2] == [20, 21, 22, 23, 24, 0, 1, 2, 3, 4]


def test_pad_goes_round_as_often_as_it_takes():
    (batch,) = counting(3, 8)
    assert batch.pad == 5
    assert numbers([batch]) == [[0, 1, 2, 0, 1, 2, 0, 1]]


def test_discard_leaves_the_rest_out():
    batches = list(counting(last_batch_handle="discard"))
    assert numbers(batches) == [list(range(10)), list(range(10, 20))]
    assert [batch.pad for batch in batches] == [0, 0]


def test_roll_over_puts_the_rest_before_the_next_pass():
    iterator = counting(last_batch_handle="roll_over")
    first = list(iterator)
    iterator.reset()
    second = list(iterator)

    assert numbers(first) == [list(range(10)), list(range(10, 20))]
    assert numbers(second) == [
        [20, 21, 22, 23, 24, 0, 1, 2, 3, 4], list(range(5, 15)), list(range(15, 25)),
    ]  # fmt: skip
    assert [batch.pad for batch in second] == [5, 0, 0]
    assert [batch.filler for batch in second] == [0, 0, 0]
    iterator.reset()
    assert len(list(iterator)) == 2


def test_a_hard_reset_forgets_the_rest():
    iterator = counting(last_batch_handle="roll_over")
    list(iterator)
    iterator.hard_reset()
    assert numbers(iterator)[0] == list(range(10))


def passes_one_by_one(order, batch_size, handle, passes):
    """The same by hand: (samples, pad) of each batch, pass by pass, taking one at a time."""
    left_over = []
    for _ in range(passes):
        queue, batches, carried = left_over + order, [], len(left_over)
        left_over = []
        while queue:
            rows = [queue.pop(0) for _ in range(min(batch_size, len(queue)))]
            missing = batch_size - len(rows)
            if missing and handle == "roll_over":
                left_over = rows
            if missing and handle != "pad":
                break
            while len(rows) < batch_size:
                rows.append(order[(len(rows) - batch_size + missing) % len(order)])
            batches.append((rows, missing + carried))
            carried = 0
        yield batches


SIZES = st.integers(1, 40).flatmap(lambda count: st.tuples(st.just(count), st.integers(1, count)))
HANDLES = st.sampled_from(["pad", "discard", "roll_over"])


@given(sizes=SIZES, handle=HANDLES)
@settings(max_examples=60, deadline=None)
def test_batches_are_those_of_a_loop_by_hand(sizes, handle):
    count, batch_size = sizes
    iterator = counting(count, batch_size, last_batch_handle=handle)
    for expected in passes_one_by_one(list(range(count)), batch_size, handle, passes=4):
        assert len(iterator) == len(expected)
        batches = list(iterator)
        assert [(*numbers([batch]), batch.pad) for batch in batches] == expected
        iterator.reset()


@given(sizes=SIZES, handle=HANDLES, shuffle=st.booleans())
@settings(max_examples=60, deadline=None)
def test_each_sample_comes_as_often_as_it_should(sizes, handle, shuffle):
    count, batch_size = sizes
    iterator = counting(count, batch_size, shuffle=shuffle, last_batch_handle=handle)
    seen = []
    for _ in range(3):
        for batch in iterator:
            assert batch.data[0].shape == (batch_size, 1)
            np.testing.assert_array_equal(batch.data[0][:, 0], batch.label[0])
            seen += batch.label[0][: batch_size - batch.filler].astype(int).tolist()
        iterator.reset()
    times = np.bincount(seen, minlength=count)
    assert times.max() <= 3
    if handle == "pad":
        assert (times == 3).all()
    elif handle == "discard":
        assert times.sum() == 3 * (count // batch_size * batch_size)
    else:
        # Only the rest of the third pass is still to come.
        assert 3 * count - times.sum() == 3 * count % batch_size
        assert times.min() >= 2


# ---- protocol


def test_a_pass_is_over_until_reset():
    iterator = counting()
    assert len(list(iterator)) == 3
    assert list(iterator) == []
    with pytest.raises(StopIteration):
        iterator.next()
    iterator.reset()
    assert len(list(iterator)) == 3


def test_the_step_by_step_protocol():
    iterator = counting()
    sizes = []
    while iterator.iter_next():
        sizes.append((len(iterator.getdata()[0]), len(iterator.getlabel()[0]), iterator.getpad()))
    assert sizes == [(10, 10, 0), (10, 10, 0), (10, 10, 5)]
    assert iterator.getindex() is None


@pytest.mark.parametrize("get", ["getdata", "getlabel", "getpad"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [None, 2], ids=["itself", "resized"])
def test_there_is_no_batch_before_and_after_a_pass(get, shuffle, size):
    iterator = counting(shuffle=shuffle)
    if size:
        iterator = mx.io.ResizeIter(iterator, size)
    with pytest.raises(RuntimeError, match=r"iter_next\(\) moves to the next"):
        getattr(iterator, get)()
    list(iterator)
    with pytest.raises(RuntimeError, match=r"reset\(\) begins a new one"):
        getattr(iterator, get)()


def test_the_example_of_mxnets_documentation():
    data = np.arange(40).reshape(10, 2, 2)
    batches = list(NDArrayIter(data, np.ones((10, 1)), 3, True, last_batch_handle="discard"))
    assert [batch.data[0].shape for batch in batches] == [(3, 2, 2)] * 3
    assert [batch.label[0].shape for batch in batches] == [(3, 1)] * 3
    with pytest.raises(ValueError, match="data1 has 10 samples, but data2 has 20"):
        NDArrayIter({"data1": np.zeros((10, 2, 2)), "data2": np.zeros((20, 2, 2))})


def test_descriptions():
    iterator = NDArrayIter(np.zeros((6, 1, 4, 4)), np.zeros(6), 3)
    (data,), (label,) = iterator.provide_data, iterator.provide_label
    name, shape = data
    assert (name, shape) == ("data", (3, 1, 4, 4))
    assert (data.dtype, data.layout) == (np.float32, "NCHW")
    assert repr(data) == "DataDesc[data,(3, 1, 4, 4),<class 'numpy.float32'>,NCHW]"
    assert tuple(label) == ("softmax_label", (3,))
    assert str(next(iterator)) == ("DataBatch: data shapes: [(3, 1, 4, 4)] label shapes: [(3,)]")


def test_no_label():
    iterator = NDArrayIter(np.zeros((6, 2)), None, 3)
    assert iterator.provide_label == []
    assert next(iterator).label == []


def test_names_of_lists_and_dicts():
    arrays = [np.zeros((4, 2)), np.ones((4, 3))]
    by_list = NDArrayIter(arrays, arrays[:1], 2)
    by_dict = NDArrayIter({"z": arrays[0], "a": arrays[1]}, {"right": np.zeros(4)}, 2)
    assert [desc.name for desc in by_list.provide_data] == ["_0_data", "_1_data"]
    assert [desc.name for desc in by_list.provide_label] == ["softmax_label"]
    assert [tuple(desc) for desc in by_dict.provide_data] == [("a", (2, 3)), ("z", (2, 2))]
    assert [desc.name for desc in by_dict.provide_label] == ["right"]


# ---- shuffling


def test_each_pass_has_its_own_order_and_the_seed_decides_it():
    def passes():
        mx.random.seed(3)
        iterator = counting(30, 10, shuffle=True)
        orders = []
        for _ in range(3):
            orders.append([k for batch in numbers(iterator) for k in batch])
            iterator.reset()
        return orders

    first = passes()
    assert first == passes()
    assert len({tuple(order) for order in first}) == 3
    assert all(sorted(order) == list(range(30)) for order in first)


def test_the_seed_decides_the_order_of_an_iterator_that_was_used_before():
    iterator = counting(30, 10, shuffle=True)

    def order():
        mx.random.seed(3)
        iterator.reset()
        return numbers(iterator)

    assert order() == order()


# ---- the arrays themselves


def test_the_data_set_is_not_copied():
    data = np.zeros((100, 4), np.float32)
    for shuffle in (False, True):
        iterator = NDArrayIter(data, None, 10, shuffle=shuffle)
        assert np.shares_memory(iterator.data[0][1], data)


def test_a_batch_cannot_be_used_to_change_the_data_set():
    data = np.zeros((20, 4), np.float32)
    in_order = next(NDArrayIter(data, None, 10)).data[0]
    with pytest.raises(ValueError, match="read-only"):
        in_order[0] = 1
    next(NDArrayIter(data, None, 10, shuffle=True)).data[0][...] = 1
    assert not data.any()
    assert data.flags.writeable


def test_batches_that_were_kept_stay_as_they_were():
    iterator = counting(20, 10, shuffle=True)
    kept = [next(iterator).data[0] for _ in range(2)]
    assert sorted(np.concatenate(kept).ravel().astype(int)) == list(range(20))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(6, 2),
        np.arange(12, dtype=">f8").reshape(6, 2),
        np.arange(12.0).reshape(2, 6).T,
        np.ones((6, 2), bool),
    ],
    ids=["bytes", "big-endian", "not contiguous", "truth values"],
)
def test_any_array_of_numbers_becomes_float32(array):
    array.flags.writeable = False
    rows = next(NDArrayIter(array, None, 6)).data[0]
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, array.astype(np.float32))


# ---- trouble

ERRORS = [
    (lambda: NDArrayIter(np.zeros((5, 2)), np.zeros(4)), ValueError, "5 samples.* has 4"),
    (lambda: NDArrayIter(np.zeros((0, 2))), ValueError, "data holds no samples"),
    (lambda: NDArrayIter([]), ValueError, "at least one array"),
    (lambda: NDArrayIter(np.float32(3)), ValueError, "one row a sample"),
    (lambda: NDArrayIter("digits"), TypeError, "must be an array, a list of arrays or a dict"),
    (lambda: NDArrayIter(np.array([{}, {}])), TypeError, "must hold numbers"),
    (lambda: NDArrayIter(np.zeros(5), batch_size=0), ValueError, "batch_size must be"),
    (lambda: NDArrayIter(np.zeros(5), batch_size=2.0), ValueError, "batch_size must be"),
    (lambda: counting(5, 6, last_batch_handle="discard"), ValueError, "larger than the data"),
    (lambda: counting(last_batch_handle="drop"), ValueError, "pad, discard, roll_over"),
    (lambda: mx.io.DataBatch(np.zeros((2, 2))), TypeError, "data must be a list of arrays"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), ERRORS)
def test_what_cannot_be_iterated_over_is_explained(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_resizing_cuts_a_pass_short_or_begins_it_again():
    inner = counting()
    assert numbers(mx.io.ResizeIter(inner, 2)) == [list(range(10)), list(range(10, 20))]
    inner.reset()
    longer = mx.io.ResizeIter(inner, 5)
    assert len(longer) == len(list(longer)) == 5
    longer.reset()
    assert numbers(longer)[0] == list(range(10))
    going_on = mx.io.ResizeIter(counting(30, 10), 2, reset_internal=False)
    list(going_on)
    going_on.reset()
    assert numbers(going_on)[0] == list(range(20, 30))


def test_a_resized_iterator_step_by_step():
    iterator = mx.io.ResizeIter(counting(), 4)
    pads = []
    while iterator.iter_next():
        pads.append((len(iterator.getdata()[0]), len(iterator.getlabel()[0]), iterator.getpad()))
    assert pads == [(10, 10, 0), (10, 10, 0), (10, 10, 5), (10, 10, 0)]
    assert not iterator.iter_next()
