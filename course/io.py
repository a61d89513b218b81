"""Batches: iterators that hand out a data set piece by piece."""

from collections import namedtuple

import numpy as np

from course import random
from course.arguments import choice, flag, numeric, whole_number

LAST_BATCH = ("pad", "discard", "roll_over")
NO_BATCH = (
    "there is no batch at hand: iter_next() moves to the next one, and when a pass is over, "
    "reset() begins a new one"
)


class DataDesc(namedtuple("DataDesc", ["name", "shape"])):
    """Name and shape of an input (it unpacks to these two), with its dtype and layout."""

    def __new__(cls, name, shape, dtype=np.float32, layout="NCHW"):
        """Describe one input. Raises TypeError or ValueError for what is no name or no shape."""
        if not isinstance(name, str):
            raise TypeError(f"the name of an input must be a string, got {name!r}")
        if isinstance(shape, (str, bytes)) or not hasattr(shape, "__iter__"):
            raise TypeError(f"{name}: its shape must be a tuple, got {shape!r}")
        shape = tuple(whole_number(size, f"{name}: each size of its shape") for size in shape)
        description = super().__new__(cls, name, shape)
        description.dtype = dtype
        description.layout = layout
        return description

    def __repr__(self):
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"


class DataBatch:
    """Some samples: `data` and `label` are lists of arrays, one for each input.

    pad: how many rows at the end only fill the batch up. filler: the same, but for `roll_over`,
    where MXNet reports a pad although all rows are samples; `score` and `predict` leave these
    rows out. Raises TypeError unless data and label are lists.
    """

    def __init__(
        self,
        data,
        label=None,
        pad=None,
        index=None,
        bucket_key=None,
        provide_data=None,
        provide_label=None,
        filler=None,
    ):
        for kind, arrays in (("data", data), ("label", label)):
            if arrays is not None and not isinstance(arrays, (list, tuple)):
                raise TypeError(
                    f"{kind} must be a list of arrays, one for each input, got "
                    f"{type(arrays).__name__}"
                )
        self.data = data
        self.label = label
        self.pad = pad
        self.index = index
        self.bucket_key = bucket_key
        self.provide_data = provide_data
        self.provide_label = provide_label
        self.filler = pad if filler is None else filler

    def __str__(self):
        data = [np.shape(array) for array in self.data]
        label = [np.shape(array) for array in self.label] if self.label else None
        return f"{type(self).__name__}: data shapes: {data} label shapes: {label}"


class DataIter:
    """What can be iterated over in batches. A pass is over until `reset` is called."""

    def __init__(self, batch_size=0):
        self.batch_size = batch_size

    def __iter__(self):
        return self

    def reset(self) -> None:
        """Begin a new pass."""

    def iter_next(self) -> bool:
        """Move to the next batch; False if there is none."""
        raise NotImplementedError

    def getdata(self):
        """The data of the present batch, a list of arrays."""
        raise NotImplementedError

    def getlabel(self):
        """The labels of the present batch, a list of arrays."""
        raise NotImplementedError

    def getpad(self) -> int:
        """How many rows of the present batch only fill it up."""
        return 0

    def getindex(self):
        """The numbers of the samples in the present batch, if known."""
        return None

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration at the end of the pass."""
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())

    def __next__(self):
        return self.next()


class NDArrayIter(DataIter):
    """Batches of arrays that lie in memory.

    data, label: an array (N, ...), a list of arrays or a dict by name; label may be None. They
    become float32; an array that is float32 already is not copied, and neither is the data set
    when it is shuffled: only the order is. Batches of a pass in order are views that cannot be
    written to; shuffled ones are copies.

    shuffle: a new order for each pass, drawn with its first batch. last_batch_handle, if N is
    no multiple of batch_size: 'pad' fills the last batch up from the beginning of the pass,
    'discard' leaves the rest out, 'roll_over' puts it before the next pass. Raises ValueError for
    arrays of different lengths, empty ones, or a batch_size larger than N unless padded.

    >>> iterator = NDArrayIter(np.arange(5), batch_size=2)
    >>> [(batch.data[0].tolist(), batch.pad) for batch in iterator]
    [([0.0, 1.0], 0), ([2.0, 3.0], 0), ([4.0, 0.0], 1)]
    >>> list(iterator)  # the pass is over, until iterator.reset()
    []
    """

    def __init__(
        self,
        data,
        label=None,
        batch_size=1,
        shuffle=False,
        last_batch_handle="pad",
        data_name="data",
        label_name="softmax_label",
        layout="NCHW",
    ):
        super().__init__(whole_number(batch_size, "batch_size", 1))
        choice(last_batch_handle, "last_batch_handle", LAST_BATCH)
        self.data = _named(data, data_name, "data")
        self.label = [] if label is None else _named(label, label_name, "label")
        if not self.data:
            raise ValueError("data must hold at least one array")
        self.num_data = len(self.data[0][1])
        for name, array in self.data + self.label:
            if len(array) != self.num_data:
                raise ValueError(
                    f"{self.data[0][0]} has {self.num_data} samples, but {name} has {len(array)}: "
                    "each sample needs one row in each array"
                )
        if self.num_data == 0:
            raise ValueError(f"{self.data[0][0]} holds no samples")
        if self.batch_size > self.num_data and last_batch_handle != "pad":
            raise ValueError(
                f"batch_size {self.batch_size} is larger than the data ({self.num_data} samples); "
                "use a smaller one, or last_batch_handle='pad'"
            )
        self.last_batch_handle = last_batch_handle
        self.shuffle = flag(shuffle, "shuffle")
        self.layout = layout
        self._order = np.arange(self.num_data)
        self._left_over = self._order[:0]
        self._start_pass()

    def __len__(self):
        """How many batches the present pass has."""
        return self._batches

    @property
    def provide_data(self) -> list[DataDesc]:
        """Name, shape (with the batch size) and dtype of each data array."""
        return self._describe(self.data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """Name, shape and dtype of each label array."""
        return self._describe(self.label)

    def _describe(self, named):
        return [
            DataDesc(name, (self.batch_size, *array.shape[1:]), array.dtype.type, self.layout)
            for name, array in named
        ]

    def _start_pass(self):
        self._rolled = len(self._left_over)
        self._pass_order = None  # drawn with the first batch: a pass that nobody takes draws none
        whole, rest = divmod(self._rolled + self.num_data, self.batch_size)
        self._batches = whole + (rest > 0 and self.last_batch_handle == "pad")
        self._batch = -1

    def _draw_order(self):
        if self.shuffle:
            # Drawn anew, not shuffled on from the last pass: random.seed alone decides the order.
            self._order = random.generator().permutation(self.num_data)
        self._pass_order = self._order
        if self._rolled:
            self._pass_order = np.concatenate([self._left_over, self._order])

    def reset(self) -> None:
        """Begin a new pass, in a new order if the iterator shuffles."""
        self._left_over = self._order[:0]
        if self.last_batch_handle == "roll_over" and self._batch >= self._batches:
            rest = len(self._pass_order) % self.batch_size
            self._left_over = self._pass_order[len(self._pass_order) - rest :]
        self._start_pass()

    def hard_reset(self) -> None:
        """Begin a new pass without what `roll_over` kept."""
        self._left_over = self._order[:0]
        self._start_pass()

    def iter_next(self) -> bool:
        """Move to the next batch; False if there is none."""
        if self._pass_order is None:
            self._draw_order()
        self._batch = min(self._batch + 1, self._batches)
        return self._batch < self._batches

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration at the end of the pass."""
        if not self.iter_next():
            raise StopIteration
        pad = self.getpad()
        filler = pad if self.last_batch_handle == "pad" else 0
        return DataBatch(self.getdata(), self.getlabel(), pad, filler=filler)

    def getdata(self) -> list[np.ndarray]:
        """The data of the present batch. Raises RuntimeError if there is none."""
        self._need_batch()
        return [self._rows(array) for _, array in self.data]

    def getlabel(self) -> list[np.ndarray]:
        """The labels of the present batch. Raises RuntimeError if there is none."""
        self._need_batch()
        return [self._rows(array) for _, array in self.label]

    def _need_batch(self):
        if not 0 <= self._batch < self._batches:
            raise RuntimeError(NO_BATCH)

    def _rows(self, array):
        first = self._batch * self.batch_size
        end = first + self.batch_size
        if not self.shuffle and not self._rolled and end <= self.num_data:
            rows = array[first:end]
            rows.flags.writeable = False
            return rows
        # Beyond the end it goes on from the beginning of the pass, as often as it takes.
        index = self._pass_order.take(range(first, end), mode="wrap")
        return np.take(array, index, axis=0)

    def getpad(self) -> int:
        """How many rows at the end of the present batch only fill it up.

        Under `roll_over`, as in MXNet: how many rows of the first batch came from the last pass.
        Raises RuntimeError if there is no present batch.
        """
        self._need_batch()
        if self.last_batch_handle == "roll_over":
            return self._rolled if self._batch == 0 else 0
        return max(0, (self._batch + 1) * self.batch_size - len(self._pass_order))


class ResizeIter(DataIter):
    """Another iterator with `size` batches a pass: cut short, or begun again as often as needed.

    With `reset_internal=False` the inner iterator goes on where it was from pass to pass.
    """

    def __init__(self, data_iter, size, reset_internal=True):
        if not isinstance(data_iter, DataIter):
            raise TypeError(
                f"data_iter must be a data iterator, such as NDArrayIter, got {data_iter!r:.200}"
            )
        super().__init__(data_iter.batch_size)
        self.data_iter = data_iter
        self.size = whole_number(size, "size", 1)
        self.reset_internal = flag(reset_internal, "reset_internal")
        self.provide_data = data_iter.provide_data
        self.provide_label = data_iter.provide_label
        self._count = 0
        self._batch = None

    def __len__(self):
        """How many batches a pass has."""
        return self.size

    def reset(self) -> None:
        """Begin a new pass."""
        self._count = 0
        self._batch = None
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        """Move to the next batch; False if there is none."""
        if self._count == self.size:
            self._batch = None
            return False
        self._count += 1
        try:
            self._batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self._batch = self.data_iter.next()
        return True

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration at the end of the pass."""
        if not self.iter_next():
            raise StopIteration
        return self._batch

    def getdata(self) -> list[np.ndarray]:
        """The data of the present batch. Raises RuntimeError if there is none."""
        return self._present().data

    def getlabel(self) -> list[np.ndarray]:
        """The labels of the present batch. Raises RuntimeError if there is none."""
        return self._present().label

    def getpad(self) -> int:
        """The present batch's `pad`. Raises RuntimeError if there is no batch."""
        return self._present().pad

    def getindex(self):
        """The present batch's `index`. Raises RuntimeError if there is no batch."""
        return self._present().index

    def _present(self):
        if self._batch is None:
            raise RuntimeError(NO_BATCH)
        return self._batch


def _named(arrays, default_name, kind) -> list[tuple[str, np.ndarray]]:
    """(name, float32 array) pairs from an array, a list or a dict (sorted by name)."""
    if isinstance(arrays, dict):
        pairs = sorted(arrays.items())
    elif isinstance(arrays, (list, tuple)):
        names = [f"_{k}_{default_name}" for k in range(len(arrays))]
        if len(arrays) == 1:
            names = [default_name]
        pairs = list(zip(names, arrays, strict=True))
    elif hasattr(arrays, "__array__"):
        pairs = [(default_name, arrays)]
    else:
        raise TypeError(
            f"{kind} must be an array, a list of arrays or a dict by name, "
            f"got {type(arrays).__name__}"
        )
    return [(name, _as_float32(name, array)) for name, array in pairs]


def _as_float32(name, array):
    given = numeric(array, name)
    if given.ndim == 0:
        raise ValueError(f"{name} must have one row a sample, got a single number")
    return np.ascontiguousarray(given, np.float32)
