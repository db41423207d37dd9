"""How many threads compiled code uses, and the pool that it reaches through the runtime table.

    install()             fills the table; idempotent, called before code with parallel loops is loaded
    thread_count()        how many threads a parallel loop may use: at least 1, and 1 where there is no pool
    set_threads(n)        changes it for all loops, also those compiled before

Why not libgomp: the end of an OpenMP region waits for every thread of the team, also for those that the system has not
started yet. On a machine with other work that is a time slice (8 ms were seen for loops of 0.1 ms).
"""

from __future__ import annotations

import functools
import os
import threading

from pydsl import knobs
from pydsl.jit.cpu.pool import Pool, pool_ir
from pydsl.jit.runtime import table

_text = functools.cache(pool_ir)


class _Installation:
    """The pool of the process, once there is one, and what the user chose.

    threads: the number that `set_threads` asked for; 0 for what loops were compiled for.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pool: Pool | None = None
        self.threads = 0

    def configure(self) -> None:
        if self.pool is not None:
            self.pool.configure(self.threads, knobs.available_cores())

    def after_fork(self) -> None:
        """The threads of the parent are not in the child, and one that held the lock will not give it back."""
        self.lock = threading.Lock()
        if self.pool is not None:
            self.pool.forget()


_INSTALLATION = _Installation()


def install() -> bool:
    """Fill the entry of the runtime table for parallel loops. Answers whether there is a pool."""
    text = _text()
    if text is None:
        return False
    with _INSTALLATION.lock:
        if _INSTALLATION.pool is None:
            pool = _INSTALLATION.pool = Pool(text)
            _INSTALLATION.configure()
            table.provide("parallel_for", pool.entry)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_INSTALLATION.after_fork)
    return True


def thread_count() -> int:
    """How many threads a parallel loop may use."""
    return knobs.NUM_THREADS.get() if _text() is not None else 1


def set_threads(count: int | None) -> None:
    """How many threads parallel loops use from now on; None: as many as the knob says."""
    with _INSTALLATION.lock:
        _INSTALLATION.threads = 0 if count is None else max(1, count)
        _INSTALLATION.configure()


def started_workers() -> int:
    """How many threads the pool has made so far."""
    pool = _INSTALLATION.pool
    return 0 if pool is None else pool.workers()
