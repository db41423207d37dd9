"""The decorator: an object that is called like the function and compiles it when it must.

A call goes through the native dispatcher (`runtime/dispatch.py`). When no specialization matches, and before the
first compilation, it arrives in `JitFunction._call_slowly`, which describes the arguments, compiles and publishes.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import threading
import time
import types
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from pydsl import knobs
from pydsl.errors import DeviceError, InternalCompilerError, SourceLocation, UnsupportedError
from pydsl.jit.binding import Binder, BoundCall
from pydsl.jit.exchange import CPU, Visit
from pydsl.jit.lazy import load
from pydsl.jit.runtime import dispatch
from pydsl.jit.runtime.abi import MISS, CompiledSpecialization
from pydsl.jit.runtime.portable import accepts, names_hold
from pydsl.jit.signature import (
    CompileRequest,
    JitOptions,
    LeafPath,
    Signature,
    StaticsNeeded,
)
from pydsl.jit.specializations import Compiled, Settings, SpecializationTable
from pydsl.jit.symbolic import generalize

P = ParamSpec("P")
R = TypeVar("R")
Compiler = Callable[[CompileRequest], CompiledSpecialization]

TARGETS = ("cpu", "cuda", "simulator")
_MOST_MISSES = 4
_MOST_TILED = 12
"""A function with long register-tiled products, which need constant sizes, is compiled for at most so many sizes one by
one (the levels of a picture pyramid) before one version serves all others."""


@dataclasses.dataclass(frozen=True)
class _Samples:
    """A signature to compile, and the calls that it is for."""

    signature: Signature
    calls: tuple[Signature, ...]

    @property
    def several(self) -> bool:
        return len(self.calls) > 1


class JitFunction(dispatch.NativeCallable, Generic[P, R]):
    """A compiled function. Made by `jit`; `__wrapped__` is the Python function.

    Compilations of one function wait for each other; calls of its existing specializations go on meanwhile.
    """

    __qualname__: str
    __wrapped__: Callable[P, R]

    def __init__(
        self, function: Callable[P, R], options: JitOptions | None = None, compiler: Compiler | None = None
    ) -> None:
        functools.update_wrapper(self, function)
        self.__wrapped__ = function
        self._function = cast(types.FunctionType, function)
        self._options = options or JitOptions()
        self._compiler = compiler
        self._binder: Binder | None = None
        self._statics: frozenset[LeafPath] = frozenset()
        self._fixed: frozenset[LeafPath] = frozenset()
        self._rigid: set[Signature] = set()
        self._lock = threading.RLock()
        self._table = SpecializationTable(self)

    # being a function ---------------------------------------------------------------------------------

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<jitted function {self.__qualname__}>"

    def __reduce__(self) -> str:
        """Pickled and copied by reference, as functions are."""
        return str(self.__qualname__)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.__wrapped__)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._call_slowly(*args, **kwargs)

    # seeing -------------------------------------------------------------------------------------------

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """What the specialization for these arguments does: kernels, what was fused and why not, memory traffic."""
        plain, named, place = self._placed(args, kwargs)
        if place is not None:
            return self.device_calls.explain(plain, named, knobs.cache_key(), place == CPU)
        return self.report(*args, **kwargs).explain()

    def inspect(self, stage: str, *args: Any, **kwargs: Any) -> Any:
        """The text of one stage of the specialization for these arguments."""
        return self.report(*args, **kwargs).inspect(stage)

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """The operation graph of the specialization for these arguments."""
        return self.report(*args, **kwargs).graph()

    def report(self, *args: Any, **kwargs: Any) -> Any:
        """What the pipeline keeps about the specialization for these arguments, which is compiled if it must be;
        the function is not run."""
        args, kwargs, place = self._placed(args, kwargs)
        settings = knobs.cache_key()
        if place is not None:
            return self.device_calls.report(args, kwargs, settings)
        while True:
            bound = self._bind(args, kwargs)
            known = self._table.matching(bound.signature, settings)
            for candidate in known:
                if not candidate.is_symbolic or accepts(candidate.code.spec, args, kwargs):
                    return candidate.report
            compiled = self._compile(bound, settings, known)
            if compiled is not None:
                return compiled.report

    def _placed(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], str | None]:
        """The objects of a call with plain arrays in the place of other kinds, and where its arrays are if it runs on a
        CUDA device; else None."""
        visit = Visit()
        plain = tuple([visit.enter(arg) for arg in args])
        named = {name: visit.enter(value) for name, value in kwargs.items()}
        device = visit.device(f"`{self.__qualname__}`") if visit.is_needed else CPU
        target = self._options.target or knobs.TARGET.get()
        return plain, named, None if device == CPU and target == "cpu" else device

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """The signatures of the specializations that exist, in the order in which calls try them."""
        return tuple(compiled.signature for compiled in self._table.all())

    # the slow path ------------------------------------------------------------------------------------

    def _call_slowly(self, *args: Any, **kwargs: Any) -> Any:
        state = knobs.state()
        if state.disable_jit:
            return self.__wrapped__(*args, **kwargs)
        visit = Visit()
        plain = [visit.enter(arg) for arg in args]
        named = {name: visit.enter(value) for name, value in kwargs.items()}
        device = visit.device(f"`{self.__qualname__}`") if visit.is_needed else CPU
        target = self._options.target or state.target
        if device != CPU and self._options.target == "cpu":
            raise DeviceError(
                f"`{self.__qualname__}` is compiled for the host, its arrays are on {device}",
                "@jit without a target, or x.to_numpy()",
            )
        if device != CPU:
            result = self.device_calls.on_device(tuple(plain), named, state)
        elif target != "cpu":
            simulated = True if target == "simulator" else None
            result = self.device_calls.on_host(tuple(plain), named, state.key, simulated)
        elif visit.is_needed:
            result = self(*plain, **named)
        else:
            return self._specialize_and_call(args, kwargs)
        return visit.leave(result, device) if visit.is_needed else visit.given(result)

    @functools.cached_property
    def device_calls(self) -> Any:
        """The calls on a CUDA device."""
        return load("cuda.calls").DeviceCalls(self._bind, self._compile_program, self._place())

    def _place(self) -> SourceLocation:
        code = self._function.__code__
        return SourceLocation(code.co_filename, code.co_firstlineno, function=self.__qualname__)

    def run_on_device(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call for arrays on a CUDA device, given by their shadows (see `exchange.py`); so are its results."""
        return self.device_calls.on_device(args, kwargs, knobs.state())

    def _specialize_and_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        settings = knobs.cache_key()
        for _ in range(_MOST_MISSES):
            compiled = None
            while compiled is None:
                bound = self._bind(args, kwargs)
                known = self._table.matching(bound.signature, settings)
                for candidate in known:
                    answer = candidate.code.call(args, kwargs)
                    if answer is not MISS:
                        self._table.show(settings)
                        return answer
                compiled = self._compile(bound, settings, known)
            answer = compiled.code.call(args, kwargs)
            if answer is not MISS:
                return answer
        raise InternalCompilerError(
            f"{self!r} does not accept the arguments that it was compiled for: {bound.signature}",
            stage="dispatch",
        )

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BoundCall:
        if self._binder is None:
            self._binder = Binder(self._function)
        return self._binder.bind(args, kwargs, self._statics)

    # compiling ----------------------------------------------------------------------------------------

    def _compile(self, bound: BoundCall, settings: Settings, known: tuple[Compiled, ...]) -> Compiled | None:
        """Compile and publish. None if the world has changed and the caller must look again: another thread was
        faster, or leaves turned out to be needed as static values."""
        with self._lock:
            if bound.statics != self._statics or self._table.matching(bound.signature, settings) != known:
                return None
            samples = self._samples(bound.signature, settings)
            result = self._answer(self._run_compiler, bound, settings, self._options.target, samples)
            if result is None:
                return None
            start = time.perf_counter()
            code = self._load(result)
            if hasattr(result.report, "loaded"):
                result.report.loaded(time.perf_counter() - start)
            compiled = Compiled(samples.signature, settings, code, result.report, samples.calls)
            self._table.add(compiled)
            self._table.show(settings)
            return compiled

    def _compile_program(self, bound: BoundCall, settings: Settings) -> Any:
        """The CUDA program for a call; None if the caller must look again."""
        with self._lock:
            if bound.statics != self._statics:
                return None
            alone = _Samples(bound.signature, (bound.signature,))
            return self._answer(load("cuda.pipeline").compile_program, bound, settings, "cuda", alone)

    def _answer(
        self,
        compiler: Callable[[CompileRequest], Any],
        bound: BoundCall,
        settings: Settings,
        target: str | None,
        samples: _Samples,
    ) -> Any:
        """What the compiler makes; None if leaves turned out to be needed as static values, or sizes as constants."""
        options = dataclasses.replace(self._options, settings=settings, target=target)
        request = CompileRequest(self._function, samples.signature, options, list(bound.objects))
        try:
            return compiler(request)
        except StaticsNeeded as needed:
            self._promote(needed.paths)
            return None
        except UnsupportedError as error:
            if samples.several:
                self._rigid.add(samples.signature)
                return None
            raise error.with_traceback(None)  # noqa: B904 - the user's function, not the compiler's frames
        finally:
            request.objects.clear()

    def _samples(self, signature: Signature, settings: Settings) -> _Samples:
        """What to compile for a call that nothing answers: a signature with symbols if a call like it has been
        compiled for other sizes."""
        alone = _Samples(signature, (signature,))
        if knobs.SHAPES.get() == "static" or self._compiler is not None:
            return alone
        existing = [c for c in self._table.all() if c.settings == settings and names_hold(c.code.spec)]
        if any(c.signature == signature for c in existing):
            return alone
        for known in existing:
            calls = (*known.samples, signature)
            for bounded in (False, True):
                symbolic = generalize(calls, self._fixed, bounded)
                if symbolic is None or symbolic in self._rigid:
                    continue
                # the one that exists has turned this call away
                if any(c.signature == symbolic for c in existing) or _better_exact(existing):
                    return alone
                return _Samples(symbolic, calls)
        return alone

    def _load(self, result: CompiledSpecialization) -> Any:
        from pydsl.jit.runtime.native import materialize  # noqa: PLC0415 - brings LLVM

        return materialize(result)

    def _run_compiler(self, request: CompileRequest) -> CompiledSpecialization:
        if self._compiler is not None:
            return self._compiler(request)
        from pydsl.jit.pipeline import compile_specialization  # noqa: PLC0415 - loads with its first use

        return compile_specialization(request)

    def _promote(self, paths: tuple[LeafPath, ...]) -> None:
        new = frozenset(paths) - self._statics
        if not new and not frozenset(paths) <= self._fixed:
            self._fixed |= frozenset(paths)  # sizes that are needed for more than shapes
            return
        if not new:
            raise InternalCompilerError(f"static leaves {paths} were asked for again", stage="specialization")
        self._statics |= new


def _better_exact(existing: Sequence[Compiled]) -> bool:
    """Whether code for exactly the next sizes is worth its compilation."""
    tiled = sum(not c.is_symbolic and getattr(c.report, "profits_from_sizes", False) for c in existing)
    return 0 < tiled < _MOST_TILED


dispatch.activate_vectorcall(JitFunction)


@overload
def jit(function: Callable[P, R], /) -> JitFunction[P, R]: ...


@overload
def jit(
    *, target: str | None = None, fastmath: bool | None = None, schedule: Any = None
) -> Callable[[Callable[P, R]], JitFunction[P, R]]: ...


def jit(
    function: Callable[..., Any] | None = None,
    /,
    *,
    target: str | None = None,
    fastmath: bool | None = None,
    schedule: Any = None,
) -> Any:
    """Compile a NumPy function for the arguments it is called with, at the first call with such arguments.

    Parameters
    ----------
    function: a plain Python function, unchanged NumPy code.
    target: "cpu", "cuda" or "simulator"; the knob `PYDSL_TARGET` if not given.
    fastmath: give up bit-identity with NumPy for speed; the knob `PYDSL_FASTMATH` if not given.
    schedule: a `pydsl.Schedule`, which overrides the automatic schedule, or a function that changes the loops itself.
    """
    if target is not None and target not in TARGETS:
        raise ValueError(f"jit(target={target!r}): expected one of {', '.join(TARGETS)}")
    options = JitOptions(target, fastmath, schedule)

    def decorate(function: Callable[..., Any]) -> JitFunction[..., Any]:
        if isinstance(function, JitFunction):
            function = function.__wrapped__
        if not isinstance(function, types.FunctionType):
            raise TypeError(_not_a_function(function))
        return JitFunction(function, options)

    return decorate if function is None else decorate(function)


def _not_a_function(given: object) -> str:
    if isinstance(given, staticmethod | classmethod):
        kind = type(given).__name__
        return f"jit expects a function, not a {kind}: write @{kind} above @jit"
    if isinstance(given, type):
        return f"jit expects a function, not the class {given.__qualname__}: decorate its methods"
    hint = ""
    if isinstance(given, types.MethodType | functools.partial):
        inner = given.__func__ if isinstance(given, types.MethodType) else given.func
        hint = f": decorate `{getattr(inner, '__qualname__', inner)}` itself"
    return f"jit expects a Python function, not {type(given).__qualname__} ({given!r}){hint}"
