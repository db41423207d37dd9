"""Calls of one jitted function on a CUDA device: its specializations, and what comes before and after them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pydsl import knobs
from pydsl.errors import InternalCompilerError, SourceLocation
from pydsl.jit.binding import BoundCall
from pydsl.jit.cuda.driver import Driver, current
from pydsl.jit.cuda.loaded import CudaSpecialization
from pydsl.jit.cuda.moved import CudaExplanation, transfers
from pydsl.jit.cuda.program import CudaProgram
from pydsl.jit.cuda.staging import Staging
from pydsl.jit.exchange import rebuilt
from pydsl.jit.runtime.abi import MISS
from pydsl.jit.signature import Signature
from pydsl.jit.specializations import MAX_SPECIALIZATIONS, Settings

Objects: TypeAlias = "tuple[Any, ...]"
Named: TypeAlias = "dict[str, Any]"
Bind: TypeAlias = "Callable[[tuple[Any, ...], dict[str, Any]], BoundCall]"
Compile: TypeAlias = "Callable[[BoundCall, Settings], CudaProgram | None]"


@dataclass(frozen=True, eq=False)
class _Known:
    """A program with its key; `code` has it loaded, by driver."""

    signature: Signature
    settings: Settings
    program: CudaProgram
    code: dict[Driver, CudaSpecialization]

    def loaded(self, driver: Driver, place: SourceLocation) -> CudaSpecialization:
        found = self.code.get(driver)
        if found is None:
            driver.require("loading kernels")
            found = self.code.setdefault(driver, CudaSpecialization(self.program, driver, place))
        return found


class DeviceCalls:
    """The CUDA specializations of one function.

    Parameters
    ----------
    bind: describes a call's objects.
    compiler: compiles for a description; None if the caller must look again.
    place: where the function is defined.
    """

    def __init__(self, bind: Bind, compiler: Compile, place: SourceLocation) -> None:
        self._place = place
        self._name = f"`{place.function.rpartition('.')[2]}`"
        self._bind = bind
        self._compile = compiler
        self._known: tuple[_Known, ...] = ()
        self._lock = threading.Lock()

    def on_device(self, args: Objects, kwargs: Named, state: knobs.State) -> Any:
        """The result for shadows."""
        return self._call(current(state.simulated), args, kwargs, state.key, None)

    def on_host(self, args: Objects, kwargs: Named, settings: Settings, simulated: bool | None) -> Any:
        """The result for host arrays, which are copied in, and back if they are written."""
        driver = current(simulated)
        driver.require("a copy to the device")
        staging, args, kwargs = staged(driver, args, kwargs)
        return self._call(driver, args, kwargs, settings, staging)

    def _call(
        self, driver: Driver, args: Objects, kwargs: Named, settings: Settings, staging: Staging | None
    ) -> Any:
        driver.require(self._name)
        for known in self._known:
            if known.settings == settings:
                answer = known.loaded(driver, self._place).call(args, kwargs, staging)
                if answer is not MISS:
                    return answer
        answer = self._add(args, kwargs, settings).loaded(driver, self._place).call(args, kwargs, staging)
        if answer is MISS:
            raise InternalCompilerError(
                "a CUDA program does not accept what it was compiled for", stage="dispatch"
            )
        return answer

    def _add(self, args: Objects, kwargs: Named, settings: Settings) -> _Known:
        program = None
        while program is None:
            bound = self._bind(args, kwargs)
            program = self._compile(bound, settings)
        made = _Known(bound.signature, settings, program, {})
        with self._lock:
            self._known = (made, *self._known)[:MAX_SPECIALIZATIONS]
        return made

    def _described(self, args: Objects, kwargs: Named, settings: Settings) -> _Known:
        """The program for these objects (shadows, or arrays of the host, which are described in the same way). It is
        compiled if it must be; no device is needed."""
        signature = self._bind(args, kwargs).signature
        for known in self._known:
            if known.signature == signature and known.settings == settings:
                return known
        return self._add(args, kwargs, settings)

    def report(self, args: Objects, kwargs: Named, settings: Settings) -> Any:
        """What the pipeline keeps about the program for these objects."""
        return self._described(args, kwargs, settings).program.report

    def explain(self, args: Objects, kwargs: Named, settings: Settings, from_host: bool) -> CudaExplanation:
        """What the program does, and what its calls move."""
        known = self._described(args, kwargs, settings)
        explained = known.program.report.explain() if hasattr(known.program.report, "explain") else ""
        return CudaExplanation(explained, transfers(known.program, known.signature, from_host))


def staged(driver: Driver, args: Objects, kwargs: Named) -> tuple[Staging, Objects, Named]:
    """The host arrays of a call on the device, and the call with shadows in their place."""
    arrays = _Arrays()
    for value in (*args, *kwargs.values()):
        arrays.collect(value)
    arrays.staging = staging = Staging(driver, arrays.found)
    return (
        staging,
        tuple([arrays.replace(value) for value in args]),
        {name: arrays.replace(value) for name, value in kwargs.items()},
    )


class _Arrays:
    """Walks over the objects of a call. (Not two nested functions: each would be in its own closure, and so keep the
    device memory of the call until the garbage collector comes by.)"""

    def __init__(self) -> None:
        self.found: list[np.ndarray[Any, Any]] = []
        self.staging: Staging | None = None

    def collect(self, value: Any) -> Any:
        if type(value) is not np.ndarray:
            return rebuilt(value, self.collect)
        if value.dtype.kind in "biufc":
            self.found.append(value)
        return value

    def replace(self, value: Any) -> Any:
        if type(value) is not np.ndarray:
            return rebuilt(value, self.replace)
        assert self.staging is not None
        return self.staging.shadow_of(value) if value.dtype.kind in "biufc" else value
