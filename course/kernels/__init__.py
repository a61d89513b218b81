"""The loops: numba functions, arrays in and arrays out, one file a topic.

Read `convolution.py` first for the mathematics; `compile.py` and `threads.py` say how the
functions are compiled and on how many cores they run.
"""

from course.kernels import threads  # before all others: numba reads the number of threads once

__all__ = ["threads"]
