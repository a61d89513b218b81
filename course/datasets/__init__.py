"""Data sets: MNIST, from the cache, a mirror or the sample inside the package."""
