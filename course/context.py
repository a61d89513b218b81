"""Where the numbers are computed: here, on the CPU."""

from course.arguments import whole_number


class Context:
    """A device: its type and its number. Contexts of one device are equal."""

    def __init__(self, device_type: str, device_id: int = 0):
        if device_type not in ("cpu", "gpu"):
            raise ValueError(f"a device is 'cpu' or 'gpu', got {device_type!r}")
        self.device_type = device_type
        self.device_id = whole_number(device_id, "device_id")

    def __repr__(self):
        return f"{self.device_type}({self.device_id})"

    def __eq__(self, other):
        return isinstance(other, Context) and repr(self) == repr(other)

    def __hash__(self):
        return hash(repr(self))


def cpu(device_id: int = 0) -> Context:
    """The CPU."""
    return Context("cpu", device_id)


def gpu(device_id: int = 0) -> Context:
    """A CUDA device: there is none for this library, so this raises RuntimeError."""
    raise RuntimeError(
        f"no CUDA device is available for gpu({device_id}): this library computes on the CPU. "
        "Use context=mx.cpu(), or leave the context out"
    )


def current_context() -> Context:
    """The context in use when none is given."""
    return cpu()


def num_gpus() -> int:
    """How many CUDA devices can be used: none."""
    return 0
