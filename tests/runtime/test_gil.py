"""Kernels that release the GIL run at the same time as Python, and may be retired while they run."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import numpy as np

from pydsl.jit.runtime import abi
from tests.runtime.tools import F8, array_guard, both, spec

WAIT_FOR_A_FLAG = """
define i64 @pydsl_kernel(ptr %rt, ptr %slots) {
entry:
  %flag = load ptr, ptr %slots
  br label %loop
loop:
  %now = load atomic i64, ptr %flag seq_cst, align 8
  %set = icmp ne i64 %now, 0
  br i1 %set, label %done, label %loop
done:
  ret i64 0
}
"""


def test_python_runs_while_the_kernel_runs() -> None:
    flag = np.zeros(1, np.int64)
    guards = array_guard(0, 1, dtype=np.int64)
    one = both(spec(guards, results=abi.ConstResult("done"), release_gil=True), WAIT_FOR_A_FLAG).native
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(one.call((flag,), {})))
    thread.start()
    time.sleep(0.05)
    assert not answers
    flag[0] = 1
    thread.join(10)
    assert answers == ["done"]


def test_nested_arguments_stay_alive_while_the_kernel_runs() -> None:
    flag = np.zeros(1, np.int64)
    big = [np.zeros(1000), flag]
    guard = abi.ListGuard((array_guard(1, 1000), array_guard(0, 1, dtype=np.int64)))
    store = abi.ResultStorage(F8, (), (), (0, 0), 8)
    view = abi.ArrayResult(0, F8, (10,), (8,), 0)
    one = both(spec(guard, results=view, storages=(store,), release_gil=True), WAIT_FOR_A_FLAG).native
    answers: list[Any] = []
    references = sys.getrefcount(flag)
    thread = threading.Thread(target=lambda: answers.append(one.call((big,), {})))
    thread.start()
    time.sleep(0.05)
    big[0] = None
    flag[0] = 1
    thread.join(10)
    assert answers[0].tolist() == [0.0] * 10
    assert answers[0].base.shape == (1000,)
    assert sys.getrefcount(flag) == references
