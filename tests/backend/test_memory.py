"""Blocks, pointers, the arena, local and constant buffers, copies: contents, and that nothing is leaked or freed
twice."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from pydsl.errors import InternalCompilerError
from pydsl.jit.runtime.abi import RETURN_EXCEPTION_SET
from pydsl.jit.runtime.table import index, runtime_table
from pydsl.loops.ir import (
    Alloc,
    AllocResult,
    Assign,
    Buffer,
    Copy,
    Declare,
    Fail,
    For,
    If,
    Index,
    LoopKind,
    Read,
    Release,
    Return,
    SetPointer,
    Space,
    StoreSlot,
)
from tests.backend.harness import (
    BOOL,
    F8,
    INT64,
    Native,
    af,
    arg,
    both,
    const,
    elem,
    function,
    op,
    put,
    run_interpreted,
    slots_of,
    var,
)


class Counting:
    """A runtime table whose allocations are counted."""

    def __init__(self, fail_from: int | None = None) -> None:
        table = runtime_table()
        self.words = (ctypes.c_uint64 * 256)(
            *(ctypes.c_uint64.from_address(table.address + 8 * k).value for k in range(256))
        )
        self.words[index("arena_0")] = self.words[index("arena_1")] = 0
        self.live: set[int] = set()
        self.made = 0
        libc = ctypes.CDLL(None)
        libc.aligned_alloc.restype = ctypes.c_void_p
        libc.aligned_alloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
        libc.free.argtypes = [ctypes.c_void_p]

        def allocate(alignment: int, size: int) -> int:
            if fail_from is not None and self.made >= fail_from:
                return 0
            self.made += 1
            block = libc.aligned_alloc(alignment, size)
            self.live.add(block)
            return block

        def free(block: int) -> None:
            self.live.remove(block)
            libc.free(block)

        self.keep = [
            ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)(allocate),
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(free),
        ]
        # with an exception set, nothing written in Python may run
        names = ("aligned_alloc",) if fail_from is not None else ("aligned_alloc", "free")
        for name, callback in zip(names, self.keep):
            self.words[index(name)] = ctypes.cast(callback, ctypes.c_void_p).value or 0

    def leaked(self) -> set[int]:
        """Blocks that are live, without the arenas that are kept for the next call."""
        kept = {int(self.words[index(name)]) - 64 for name in ("arena_0", "arena_1")}
        return self.live - kept

    def run(self, made: object, *values: object) -> int:
        native = made if isinstance(made, Native) else Native(made)  # type: ignore[arg-type]
        words = np.zeros(40, np.int64)
        words[2:18] = slots_of(*values)
        return int(native._call(ctypes.addressof(self.words), words.ctypes.data + 16))


def heap(name: str = "h", n: int = 8) -> Buffer:
    return Buffer(name, Space.HEAP, F8, nbytes=af(8 * n))


def fill(buffer: Buffer, n: int, value: object) -> For:
    i = var()
    return For(i, af(0), af(n), [put(buffer, i, value)], LoopKind.VECTOR, independent=True)  # type: ignore[arg-type]


def test_heap_blocks_are_released_once() -> None:
    h, y, i = heap(), arg("y", 0), var()
    body = [Alloc(h, af(64)), fill(h, 8, const(2.5)), put(y, i, elem(h, i)), Release(h)]
    made = function([For(i, af(0), af(5), body), Return(0)], [h, y])
    both(made, np.zeros(5))
    counting = Counting()
    assert counting.run(made, np.zeros(5)) == 0
    assert counting.made == 5 and not counting.live


@pytest.mark.parametrize("value", [1, -1])
def test_every_exit_frees(value: int) -> None:
    """Return and Fail in the middle, with a live block, a pointer and an arena."""
    h, p, x, i = heap(), Buffer("p", Space.POINTER, F8, targets=[]), arg("x", 0, np.int64), var()
    p.targets.append(h)
    negative = op("less", elem(x, i), const(0, INT64), dtype=BOOL)
    zero = op("equal", elem(x, i), const(0, INT64), dtype=BOOL)
    body = [If(negative, [Fail(0)]), If(zero, [Return(4)])]
    temporary = Buffer("t", Space.ARENA, F8, nbytes=af(64), arena_offset=0)
    made = function(
        [
            Alloc(h, af(64)),
            SetPointer(p, h),
            fill(temporary, 8, const(0.0)),
            For(i, af(0), af(3), body),
            Return(0),
        ],
        [h, p, x, temporary],
        arena=64,
    )
    counting = Counting()
    for data, status in (([1, 1, 1], 0), ([1, -1, 1], -1), ([1, 0, 1], 4)):
        assert counting.run(made, np.array(data) * np.array(1)) == status
        assert not counting.leaked() and len(counting.live) == 1


def test_a_pointer_keeps_its_block_alive() -> None:
    """Two buffers that change places every iteration, as in a time loop."""
    a, b = heap("a", 4), heap("b", 4)
    p, q, spare = (Buffer(n, Space.POINTER, F8, nbytes=af(32)) for n in "pqs")
    for pointer in (p, q, spare):
        pointer.targets.extend([a, b, p, q, spare])
    y, i, j = arg("y", 0), var("i"), var("j")
    step = For(
        j, af(0), af(4), [put(q, j, op("add", elem(p, j), const(1.0)))], LoopKind.VECTOR, independent=True
    )
    body = [step, SetPointer(spare, p), SetPointer(p, q), SetPointer(q, spare)]
    out = For(var("k"), af(0), af(4), [])
    out.body.append(put(y, out.var, elem(p, out.var)))
    made = function(
        [
            *(Alloc(a, af(32)), Alloc(b, af(32)), SetPointer(p, a), SetPointer(q, b), Release(a), Release(b)),
            *(fill(p, 4, const(0.0)), For(i, af(0), af(5), body), out),
            *(Release(p), Release(q), Release(spare), Return(0)),
        ],
        [a, b, p, q, spare, y],
    )
    result = np.zeros(4)
    both(made, result)
    np.testing.assert_array_equal(result, 5.0)
    counting = Counting()
    assert counting.run(made, np.zeros(4)) == 0
    assert counting.made == 2 and not counting.live


def test_a_pointer_to_an_argument_owns_nothing() -> None:
    x, h, y = arg("x", 0), heap("h", 1), arg("y", 1)
    p = Buffer("p", Space.POINTER, F8, targets=[x, h])
    which = var("which")
    choose = If(op("equal", Read(which), const(0, INT64), dtype=BOOL), [SetPointer(p, x)], [SetPointer(p, h)])
    made = function(
        [Alloc(h, af(8)), put(h, 0, const(7.0)), choose, put(y, 0, elem(p, 0)), Return(0)],
        [x, h, p, y],
        [(which, 2)],
    )
    for value in (0, 1):
        both(made, np.array([3.0]), np.zeros(1), value)
        counting = Counting()
        counting.run(made, np.array([3.0]), np.zeros(1), value)
        assert not counting.live


def test_arena_buffers_that_share_bytes_keep_their_order() -> None:
    """Planned on the same place at different times: they are not declared distinct."""
    first, second = (Buffer(n, Space.ARENA, F8, nbytes=af(800), arena_offset=0) for n in "ab")
    x, y, i, j, k = arg("x", 0), arg("y", 1), var(), var(), var()
    made = function(
        [
            For(
                i,
                af(0),
                af(100),
                [put(first, i, op("multiply", elem(x, i), const(3.0)))],
                LoopKind.VECTOR,
                independent=True,
            ),
            For(
                j,
                af(0),
                af(100),
                [put(y, j, elem(first, af(j) * -1 + 99))],
                LoopKind.VECTOR,
                independent=True,
            ),
            For(k, af(0), af(100), [put(second, k, elem(y, k))], LoopKind.VECTOR, independent=True),
            StoreSlot(4, elem(second, 5)),
            Return(0),
        ],
        [first, second, x, y],
        arena=800,
    )
    both(made, np.arange(100.0), np.zeros(100))


def test_arenas_are_kept_for_the_next_call() -> None:
    """Two at most, and a larger one replaces those that are too small."""
    counting = Counting()
    for size, made_so_far in ((1000, 1), (500, 1), (2000, 2), (2000, 2), (100, 2)):
        temporary = Buffer("t", Space.ARENA, F8, nbytes=af(80), arena_offset=0)
        made = function([fill(temporary, 10, const(1.0)), Return(0)], [temporary], arena=size)
        assert counting.run(made) == 0
        assert counting.made == made_so_far and not counting.leaked()


def test_local_and_constant_buffers() -> None:
    local = Buffer("l", Space.LOCAL, F8, nbytes=af(80))
    data = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    table = Buffer("t", Space.CONST, F8, data=data, nbytes=af(48), readonly=True)
    y, i, j = arg("y", 0), var(), var()
    made = function(
        [
            For(
                i,
                af(0),
                af(6),
                [put(local, i, op("add", elem(table, i), const(0.5)))],
                LoopKind.VECTOR,
                independent=True,
            ),
            For(j, af(0), af(6), [put(y, j, elem(local, af(j) * -1 + 5))]),
            Return(0),
        ],
        [local, table, y],
    )
    result = np.zeros(6)
    both(made, result)
    np.testing.assert_array_equal(result[::-1], data.ravel("K") + 0.5)


def test_copy_of_overlapping_bytes() -> None:
    x, n = arg("x", 0, np.uint8), var("n")
    made = function([Copy(x, af(3), x, af(0), af(n)), Return(0)], [x], [(n, 1)])
    for size in (0, 1, 13):
        both(made, np.arange(16, dtype=np.uint8), size)


@pytest.mark.parametrize("fail_from", [0, 1])
def test_out_of_memory(fail_from: int) -> None:
    """MemoryError is set and what was allocated is freed."""
    a, b = heap("a"), heap("b")
    made = function(
        [Alloc(a, af(64)), Alloc(b, af(64)), put(a, 0, const(1.0)), put(b, 0, const(1.0)), Return(0)], [a, b]
    )
    native, counting = Native(made), Counting(fail_from)
    with pytest.raises(MemoryError):
        assert counting.run(native) == RETURN_EXCEPTION_SET
    assert counting.made == fail_from


def test_the_interpreter_finds_uses_after_a_release() -> None:
    h = heap()
    made = function([Alloc(h, af(64)), Release(h), put(h, 0, const(1.0)), Return(0)], [h])
    with pytest.raises(InternalCompilerError, match=r"before it has memory|after its release"):
        run_interpreted(made)


def test_results_are_allocated_by_the_runtime() -> None:
    r, n, i = Buffer("r", Space.RESULT, F8), var("n"), var()
    loop = For(i, af(0), af(n), [put(r, i, op("cast", Index(af(i)), dtype=F8))])
    made = function([AllocResult(r, 0, af(n) * 8), loop, Return(0)], [r], [(n, 0)])
    outcome, _ = run_interpreted(made, 5)
    np.testing.assert_array_equal(outcome.results[0].data.view(F8), np.arange(5.0))
    storage = np.zeros(5)
    asked = []

    def alloc(_rt: int, _slots: int, which: int, nbytes: int) -> int:
        asked.append((which, nbytes))
        return int(storage.ctypes.data)

    counting = Counting()
    callback = ctypes.CFUNCTYPE(
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
    )(alloc)
    counting.words[index("alloc")] = ctypes.cast(callback, ctypes.c_void_p).value or 0
    assert counting.run(made, 5) == 0
    assert asked == [(0, 40)]
    np.testing.assert_array_equal(storage, np.arange(5.0))


def test_reassigning_a_heap_buffer_in_a_loop_leaks_nothing() -> None:
    """`Continue` may skip a release; the next allocation gives the old block up."""
    h, i, s = heap(), var(), var("s", F8)
    body = [
        Alloc(h, af(64)),
        put(h, 0, op("cast", Index(af(i)), dtype=F8)),
        Assign(s, op("add", Read(s), elem(h, 0))),
    ]
    made = function(
        [Declare(s, const(0.0)), For(i, af(0), af(4), body), StoreSlot(3, Read(s)), Return(0)], [h]
    )
    counting = Counting()
    assert counting.run(made) == 0
    assert counting.made == 4 and not counting.live
