"""Ready kernels, written in plain NumPy and compiled by `@jit`. They use only the public API of `pydsl`.

Every kernel is an ordinary function: `kernel.__wrapped__` is the undecorated original and computes the same
thing.
"""
