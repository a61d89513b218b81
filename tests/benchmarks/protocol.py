"""How the runner talks to a contestant: a process that answers one JSON line with another.

So that contestants can take turns within one run, each stays alive and waits for its next turn
without using the processor. This file runs under every contestant's Python and imports nothing
but the standard library, numpy and threadpoolctl.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import threadpoolctl

# A safety setting on some machines that halves the speed of BLAS: no contestant gets it.
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

# glibc gives large buffers back to the system when they are freed. PyTorch frees them after each
# batch and then pays some 3,000 page faults for the next: a quarter of channels_last's time with
# LeNet. Contestants keep their memory, so that each shows its best.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}


def environment():
    """The variables for contestants: the user's, without those that slow BLAS down."""
    return {key: value for key, value in os.environ.items() if key not in SLOWING}


class Contestant:
    """The runner's side: `ask('epoch', order=3)` sends a question and waits for the answer."""

    def __init__(self, name, command, variables):
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment(), **KEEP_MEMORY, **variables},
        )

    def ask(self, what, **arguments):
        self.process.stdin.write(json.dumps({"what": what, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended while it was asked for: {what}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Worker:
    """The contestant's side. A subclass defines setup, epoch, probabilities and about."""

    def setup(self, network, batch_size, momentum, parameters):
        """Make the network with these parameters and the data ready."""
        raise NotImplementedError

    def epoch(self, order):
        """Train on all images in this order; returns the running accuracy."""
        raise NotImplementedError

    def probabilities(self):
        """The outputs for all test images, in batches of 100."""
        raise NotImplementedError

    def about(self):
        """Versions, threads and libraries, for the report."""
        raise NotImplementedError

    def load(self, folder):
        folder = Path(folder)
        names = ("train_data", "train_label", "test_data", "test_label", "orders")
        for name in names:
            setattr(self, name, np.load(folder / f"{name}.npy"))
        self.folder = folder

    def run(self, folder):
        """Answer questions until there are no more."""
        answers = sys.stdout
        sys.stdout = sys.stderr  # whatever a library prints is no answer
        self.load(folder)
        for line in sys.stdin:
            answer = self.answer(json.loads(line))
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

    def answer(self, question):
        what = question.pop("what")
        if what == "setup":
            parameters = dict(np.load(self.folder / f"{question['network']}.npz"))
            return self.setup(parameters=parameters, **question)
        if what == "epoch":
            order = self.orders[question["order"]][: question.get("images")]
            start = time.perf_counter()
            accuracy = self.epoch(order)
            return {"seconds": time.perf_counter() - start, "running_accuracy": accuracy}
        if what == "predict":
            start = time.perf_counter()
            classes = self.probabilities().argmax(axis=1)
            seconds = time.perf_counter() - start
            return {"seconds": seconds, "accuracy": float((classes == self.test_label).mean())}
        return {
            **self.about(),
            "Python": platform.python_version(),
            "numpy": np.__version__,
            "libraries": thread_pools(),
            "peak megabytes": peak_megabytes(),
        }


def thread_pools():
    """The BLAS and OpenMP libraries loaded, with kernel and threads: 'openblas SkylakeX × 2'."""
    pools = threadpoolctl.threadpool_info()
    texts = [f"{p['internal_api']} {p.get('architecture', '')} × {p['num_threads']}" for p in pools]
    return "; ".join(sorted({" ".join(text.split()) for text in texts}))


def peak_megabytes():
    """The most memory that this process has had in use; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
