"""The kernel's interrupt button, and its end, stop what trains in the background.

While a cell runs, the button's signal becomes a KeyboardInterrupt in that cell. Between two cells
ipykernel ignores it; here it gets a handler. At the interpreter's end no thread may be in a kernel.
"""

import asyncio
import atexit
import contextlib
import signal
import threading
import weakref

_training = weakref.WeakSet()
_LOOK_AGAIN = 0.2  # seconds


def stop_with_the_kernel(trainer) -> None:
    """Call the trainer's `stop` when the kernel is interrupted, or ends, while it is 'running'."""
    _training.add(trainer)
    if threading.current_thread() is threading.main_thread():
        # Outside a kernel there is no loop, and Ctrl-C does what it always does.
        with contextlib.suppress(RuntimeError):
            _listen(asyncio.get_running_loop())


def _listen(loop):
    # ipykernel has another handler while a cell runs, and puts this one back afterwards.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupted)
    elif any(trainer.status == "running" for trainer in _training):
        loop.call_later(_LOOK_AGAIN, _listen, loop)


def _interrupted(number, frame):
    for trainer in _training:
        trainer.stop(wait=False)


@atexit.register
def _stop_all():
    for trainer in list(_training):
        trainer.stop()
