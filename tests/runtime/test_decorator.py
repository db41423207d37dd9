"""The decorated object: behaves like the function, specialises on misses, stays safe among threads."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import subprocess
import sys
import threading
import types
import weakref
from typing import Any

import numpy as np
import pytest

from pydsl import knobs
from pydsl.errors import UnsupportedDtypeError, UnsupportedError
from pydsl.jit.decorator import JitFunction, jit
from pydsl.jit.guard_plan import plan_guards
from pydsl.jit.runtime import abi, dispatch
from pydsl.jit.signature import ArrayLeaf, CompileRequest, StaticLeaf, StaticsNeeded
from pydsl.jit.specializations import MAX_SPECIALIZATIONS
from tests.runtime.tools import F8, NOTHING, add_one


def increment(a: Any, b: Any) -> None:
    """b = a + 1."""
    b[...] = a + 1


class Counting:
    """A compiler for `increment` that counts."""

    def __init__(self) -> None:
        self.requests: list[CompileRequest] = []

    def __call__(self, request: CompileRequest) -> abi.CompiledSpecialization:
        self.requests.append(request)
        a, b = (leaf for _, leaf in request.signature.leaves())
        assert isinstance(a, ArrayLeaf) and isinstance(b, ArrayLeaf)
        assert a.strides == b.strides == (8,)
        plan = plan_guards(request, [("b",)])
        spec = abi.Specialization(
            "increment",
            request.signature.call_form,
            plan.guards,
            (abi.ConstResult(None),),
            plan.n_slots,
            implicit=plan.implicit,
            overlaps=plan.overlaps,
        )
        assert [plan.slots["a",], plan.slots["b",]] in ([0, 1], [1, 0])
        kernel = add_one(a.shape[0])
        if plan.slots["a",] == 1:
            kernel = kernel.replace("%a =", "%b =", 1).replace(
                "%b = load ptr, ptr %bp", "%a = load ptr, ptr %bp"
            )
        return abi.CompiledSpecialization(spec, kernel, report=f"n={a.shape[0]}")


def counted() -> tuple[JitFunction[..., Any], Counting]:
    compiler = Counting()
    return JitFunction(increment, compiler=compiler), compiler


def check(function: Any, n: int, **by_name: bool) -> None:
    a, b = np.arange(float(n)), np.zeros(n)
    assert function(a, b) is None
    assert np.array_equal(b, a + 1)


def test_one_compilation_for_each_signature() -> None:
    function, compiler = counted()
    for n in (3, 4, 3, 5, 4, 3):
        check(function, n)
    assert len(compiler.requests) == 3
    assert {str(s) for s in function.signatures} == {f"(a: float64[{n}], b: float64[{n}])" for n in (3, 4, 5)}
    buffer = np.zeros(9)
    function(buffer[:3], buffer[1:4])
    assert buffer.tolist()[:4] == [0, 1, 2, 3]
    function(buffer[2:5], buffer[3:6])
    assert len(compiler.requests) == 4
    function(buffer[1:4], buffer[:3])
    assert len(compiler.requests) == 5
    a, b = np.zeros(3), np.zeros(3)
    function(a, b=b)
    function(b=b, a=a)
    function(b=b, a=a)
    assert b.tolist() == [1, 1, 1]
    assert len(compiler.requests) == 7


def test_native_calls_do_not_come_through_python() -> None:
    function, _ = counted()
    a, b = np.zeros(3), np.zeros(3)
    function(a, b)
    calls = []
    sys.setprofile(lambda frame, event, arg: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        function(a, b)
    finally:
        sys.setprofile(None)
    assert calls == []


def test_looks_like_the_function() -> None:
    function, _ = counted()
    assert function.__name__ == "increment" and function.__doc__ == "b = a + 1."
    assert function.__module__ == __name__ and function.__qualname__ == "increment"
    assert function.__wrapped__ is increment
    assert inspect.signature(function) == inspect.signature(increment)
    assert inspect.unwrap(function) is increment
    assert callable(function) and repr(function) == "<jitted function increment>"
    assert weakref.ref(function)() is function
    function.note = 5
    assert function.note == 5
    assert function.report(np.zeros(3), np.zeros(3)) == "n=3"


@jit
def by_reference(x: Any) -> Any:
    return x


def test_pickled_and_copied_by_reference() -> None:
    assert pickle.loads(pickle.dumps(by_reference)) is by_reference
    assert copy.copy(by_reference) is by_reference
    assert copy.deepcopy([by_reference])[0] is by_reference


def test_works_as_a_method() -> None:
    function, _ = counted()

    class Holder:
        step = function

    assert Holder.step is function
    bound = Holder().step
    assert isinstance(bound, types.MethodType) and bound.__func__ is function
    with pytest.raises(UnsupportedError, match=r"argument `a` is an object of class .*Holder"):
        Holder().step(np.zeros(3))


def test_is_garbage_collected() -> None:
    function, compiler = counted()
    check(function, 3)
    compiler.cycle = function
    gone = weakref.ref(function)
    del function, compiler
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("call", [(), (1,), (1, 2, 3)])
def test_wrong_calls_raise_what_python_raises(call: tuple[int, ...]) -> None:
    function, _ = counted()
    for kwargs in ({}, {"a": 1}, {"c": 1}):
        try:
            increment(*call, **kwargs)
        except TypeError as error:
            if "subscript" in str(error) or "item assignment" in str(error):
                continue
            expected = str(error)
        with pytest.raises(TypeError) as caught:
            function(*call, **kwargs)
        assert str(caught.value) == expected


def test_unsupported_arguments_are_all_named() -> None:
    function, compiler = counted()
    with pytest.raises(UnsupportedDtypeError, match="argument `a` has dtype object"):
        function(np.array([None]), np.zeros(3))
    with pytest.raises(UnsupportedError) as caught:
        function(np.array(["x"]), np.ma.zeros(3))
    assert "argument `a` has dtype <U1" in str(caught.value) and "argument `b` is a MaskedArray" in str(
        caught.value
    )
    assert "np.asarray" in str(caught.value)
    assert not compiler.requests


@pytest.mark.parametrize(
    "thing", [int, len, "text", 3, staticmethod(increment), classmethod(increment), np.sin]
)
def test_only_functions_are_decorated(thing: Any) -> None:
    with pytest.raises(TypeError, match="jit expects a"):
        jit(thing)


def test_options() -> None:
    @jit(fastmath=True, target="cpu")
    def scaled(x: Any) -> Any:
        return x

    assert isinstance(scaled, JitFunction)
    assert scaled._options.fastmath is True and scaled._options.target == "cpu"
    assert jit(scaled).__wrapped__ is scaled.__wrapped__


def test_disable_jit() -> None:
    function, compiler = counted()
    with knobs.scope(disable_jit=True):
        check(function, 3)
    assert not compiler.requests
    check(function, 3)
    assert len(compiler.requests) == 1
    with knobs.scope(disable_jit=True):
        with pytest.raises(ValueError, match="broadcast"):
            function(np.zeros(3), np.zeros(4))


def test_knobs_that_change_code_have_their_own_specializations() -> None:
    function, compiler = counted()
    check(function, 3)
    for _ in range(2):
        with knobs.scope(num_threads=1):
            check(function, 3)
            check(function, 3)
            assert dispatch.last_hit(id(function)) == 0
        check(function, 3)
    assert len(compiler.requests) == 2
    with knobs.scope(log="off"):
        check(function, 3)
    assert len(compiler.requests) == 2


def test_static_values_are_promoted_on_demand() -> None:
    seen: list[Any] = []

    def compiler(request: CompileRequest) -> abi.CompiledSpecialization:
        leaf = dict(request.signature.leaves())["n",]
        if not isinstance(leaf, StaticLeaf):
            raise StaticsNeeded((("n",),))
        seen.append(leaf.value)
        plan = plan_guards(request, ())
        spec = abi.Specialization(
            "f", request.signature.call_form, plan.guards, (abi.ConstResult(leaf.value * 2),), plan.n_slots
        )
        return abi.CompiledSpecialization(
            spec, "define i64 @pydsl_kernel(ptr %rt, ptr %slots) {\n  ret i64 0\n}\n"
        )

    def double(n: int) -> int:
        return n * 2

    function = JitFunction(double, compiler=compiler)
    assert [function(n) for n in (3, 4, 3, 4.0, 3)] == [6, 8, 6, 8.0, 6]
    assert seen == [3, 4, 4.0]


def test_threads_promote_at_once() -> None:
    def compiler(request: CompileRequest) -> abi.CompiledSpecialization:
        leaves = dict(request.signature.leaves())
        for name in ("n", "m"):
            if not isinstance(leaves[(name,)], StaticLeaf):
                threading.Event().wait(0.002)
                raise StaticsNeeded(((name,),))
        plan = plan_guards(request, ())
        answer = abi.ConstResult(leaves["n",].value * leaves["m",].value)
        return abi.CompiledSpecialization(
            abi.Specialization("f", request.signature.call_form, plan.guards, (answer,), plan.n_slots),
            NOTHING,
        )

    function: JitFunction[..., Any] = JitFunction(lambda n, m: n * m, compiler=compiler)
    failures: list[Any] = []

    def work(n: int) -> None:
        try:
            assert [function(n, m) for m in (2, 3, 2)] == [2 * n, 3 * n, 2 * n]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n % 3,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_failed_compilations_leave_no_trace() -> None:
    function, compiler = counted()

    def refuse(request: CompileRequest) -> abi.CompiledSpecialization:
        raise UnsupportedError.at(None, "nothing works")

    function._compiler = refuse
    for _ in range(2):
        with pytest.raises(UnsupportedError, match="nothing works"):
            function(np.zeros(3), np.zeros(3))
    function._compiler = compiler
    check(function, 3)


def test_the_table_is_bounded() -> None:
    function, compiler = counted()
    for n in range(1, MAX_SPECIALIZATIONS + 20):
        check(function, n)
    assert len(function.signatures) == MAX_SPECIALIZATIONS
    check(function, MAX_SPECIALIZATIONS + 19)
    count = len(compiler.requests)
    check(function, 1)
    assert len(compiler.requests) == count + 1
    assert dispatch.running_calls(id(function)) == 0
    assert len(function._table._retired) <= 1


def test_threads_call_and_specialise_at_once() -> None:
    function, compiler = counted()
    failures: list[BaseException] = []
    sizes = range(1, 25)

    def work(seed: int) -> None:
        try:
            order = np.random.default_rng(seed).permutation(np.repeat(sizes, 20))
            for n in order:
                check(function, int(n))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures
    assert len(compiler.requests) == len(sizes)
    assert dispatch.running_calls(id(function)) == 0


def test_eviction_while_other_threads_run() -> None:
    function, _ = counted()
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for n in np.random.default_rng(seed).integers(1, 200, 150):
                check(function, int(n))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_decorating_does_not_load_llvm() -> None:
    program = (
        "import sys, pydsl\n"
        "import pydsl.jit.decorator\n"
        "f = pydsl.jit(lambda x: x)\n"
        "assert 'llvmlite' not in sys.modules, 'llvmlite was imported'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_exit_while_code_is_loaded_and_threads_wait() -> None:
    program = (
        "import threading, time, numpy as np\n"
        "from tests.runtime.test_decorator import counted, check\n"
        "function, _ = counted()\n"
        "check(function, 5)\n"
        "threading.Thread(target=lambda: [check(function, 5) for _ in iter(int, 1)], daemon=True).start()\n"
        "time.sleep(0.05)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_shapes_are_not_kept_from_dead_arrays() -> None:
    function, compiler = counted()
    array = np.zeros(3)
    alive = weakref.ref(array)
    function(array, np.zeros(3))
    assert compiler.requests[0].objects == []
    del array
    gc.collect()
    assert alive() is None
    assert F8.isnative
