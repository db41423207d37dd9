"""Who can run the programs on a device: pydsl, and the libraries that are installed."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

import pydsl.numpy as pnp
from benchmarks.gpu_programs import Program
from pydsl import jit
from pydsl.jit.cuda.driver import current

Prepared = tuple[Callable[[], Any], Callable[[Any], Any], Callable[[], None]]
"""A call without arguments, what makes a NumPy array of its result, and what waits for the device."""
Maker = Callable[[Program, list[np.ndarray[Any, Any]]], Prepared]


def with_pydsl(program: Program, arrays: list[np.ndarray[Any, Any]]) -> Prepared:
    compiled = jit(program.function)
    moved = [pnp.asarray(a, device="cuda") for a in arrays]
    return lambda: compiled(*moved), lambda r: r.to_numpy(), current().synchronize


def with_pydsl_eager(program: Program, arrays: list[np.ndarray[Any, Any]]) -> Prepared:
    moved = [pnp.asarray(a, device="cuda") for a in arrays]
    return lambda: program.function(*moved), lambda r: r.to_numpy(), current().synchronize


def _portable(program: Program) -> Callable[..., Any]:
    if program.portable is None:
        raise NotImplementedError("not written for other libraries")
    return program.portable


def with_torch(program: Program, arrays: list[np.ndarray[Any, Any]], *, compiled: bool = False) -> Prepared:
    import torch  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    moved = [torch.from_numpy(a).cuda() for a in arrays]
    run = functools.partial(_portable(program), torch)
    if compiled:
        run = torch.compile(run)
    return lambda: run(*moved), lambda r: r.cpu().numpy(), torch.cuda.synchronize


def with_cupy(program: Program, arrays: list[np.ndarray[Any, Any]]) -> Prepared:
    import cupy  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    moved = [cupy.asarray(a) for a in arrays]
    run = functools.partial(_portable(program), cupy)
    return lambda: run(*moved), cupy.asnumpy, cupy.cuda.Device().synchronize


def with_jax(program: Program, arrays: list[np.ndarray[Any, Any]]) -> Prepared:
    import jax  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    jax.config.update("jax_enable_x64", True)
    moved = [jax.device_put(a) for a in arrays]
    run = jax.jit(functools.partial(_portable(program), jax.numpy))
    last: list[Any] = []

    def call() -> Any:
        last[:] = [run(*moved)]
        return last[0]

    def wait() -> None:
        last[0].block_until_ready()

    return call, np.asarray, wait


def with_numba(program: Program, arrays: list[np.ndarray[Any, Any]]) -> Prepared:
    from numba import cuda  # noqa: PLC0415

    if program.kind != "chain":
        raise NotImplementedError("only elementwise functions, as ufuncs")
    ufunc = cuda.vectorize if hasattr(cuda, "vectorize") else importlib.import_module("numba").vectorize
    name = arrays[0].dtype.name
    made = ufunc([f"{name}({', '.join([name] * len(arrays))})"], target="cuda")(program.function)
    moved = [cuda.to_device(a) for a in arrays]
    out = cuda.device_array_like(moved[0])
    return lambda: made(*moved, out=out), lambda r: r.copy_to_host(), cuda.synchronize


MAKERS: dict[str, tuple[str, Maker]] = {
    "pydsl": ("pydsl", with_pydsl),
    "pydsl-eager": ("pydsl", with_pydsl_eager),
    "torch": ("torch", with_torch),
    "torch-compile": ("torch", functools.partial(with_torch, compiled=True)),
    "cupy": ("cupy", with_cupy),
    "jax": ("jax", with_jax),
    "numba-cuda": ("numba", with_numba),
}


@functools.cache
def _reason(package: str) -> str:
    """Empty if the package can be imported, and used on a device; else why not."""
    try:
        module = importlib.import_module(package)
        if package == "torch" and not module.cuda.is_available():
            return "no CUDA in this build"
        if package == "jax" and module.default_backend() != "gpu":
            return "no CUDA in this build"
        if package == "numba" and not importlib.import_module("numba.cuda").is_available():
            return "no CUDA"
    except Exception as error:  # an import of these may fail in any way
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def available() -> dict[str, Maker]:
    """The peers that can run here."""
    simulated = current().is_simulated
    return {
        name: make
        for name, (package, make) in MAKERS.items()
        if package == "pydsl" or (not simulated and not _reason(package))
    }


def missing() -> dict[str, str]:
    """The others, with the reason."""
    here = available()
    return {name: _reason(package) for name, (package, _) in MAKERS.items() if name not in here}
