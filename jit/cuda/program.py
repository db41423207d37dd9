"""The contract between the CUDA compiler and the CUDA runtime: plain frozen records and layouts in memory.

The host part of a CUDA specialisation is emitted code `i64 @pydsl_kernel(ptr rt, ptr slots)` that obeys
`jit/runtime/abi.py` like that of the CPU: guards, slots, results and errors are the same. It differs in three things:

1. **Array slots hold device pointers.** So do the data slots of results: storages with `allocated_by` "entry" are
   allocated on the device before the code runs; "kernel" ones when it calls `rt[alloc]`, which then must allocate on
   the device, too. Arrays of `Specialization.implicit` (globals) must be on the device, too. Elements are aligned
   where the guard says so: kernels rely on it.
2. **The context slot.** `slots[CudaProgram.context_slot]` holds the address of the context words, 64 bits each:

       word 0          CUstream of the call
       word 1          cublasHandle_t, or 0
       word 2 + k      CUfunction of kernel k of `CudaProgram.kernels`

   The slot is the last argument slot: the last object of `Specialization.implicit` is a placeholder (the int 0) with an
   `IntGuard` of this slot. Who loads the program puts the address of the words there (as a Python int):
   `dataclasses.replace(spec, implicit=(*spec.implicit[:-1], address))`; the native entry then fills the slot as it
   does for any int.
3. **Driver calls go through the runtime table** under the names in `table.py`, with the C signatures of the CUDA
   driver API. All of them are given the stream of word 0. A result other than `CUDA_SUCCESS` makes the code call

       void cuda_failed(ptr rt, ptr slots, i64 status, i64 place)

   which sets the Python exception (taking the lock of the interpreter where `slots[STATE_SLOT]` says that it was given
   up), and return `RETURN_EXCEPTION_SET`. `place` is the number of the kernel whose launch failed, or one of `PLACES`.

What the host code calls: `cuLaunchKernel` with one-dimensional grids and blocks, `kernelParams` and no `extra`;
`cuMemAllocAsync`/`cuMemFreeAsync` for temporaries (at most one arena for a call, and blocks of dynamic size);
`cuMemcpyDtoHAsync_v2` followed by `cuStreamSynchronize` for scalars that the host needs; `cuMemcpyDtoDAsync_v2`.
It never synchronises otherwise. Memory that it frees goes back in stream order.

**Simulator.** A `CUfunction` is then any handle that the simulated `cuLaunchKernel` maps to a `SimKernel` (of
`sim_kernels.py`), whose `launch` runs the grid on the host. Every access is checked against the table of allocations of
a `SimState` (see `STATE_*`), which the simulated driver keeps: `STATE_COUNT` entries of `[base, size, shadow]` (three
64-bit words), sorted by base, at the address in `STATE_TABLE`. `shadow` is the address of 8 bytes per byte of the
allocation, zero when it is made; kernels keep there who touched a byte last. A launch answers a `CUresult`: 700
(illegal address) after an access outside of all allocations, 719 (launch failure) after a race; `SimState.fault()` then
describes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydsl.errors import SourceLocation
from pydsl.jit.runtime.abi import Specialization

CONTEXT_STREAM, CONTEXT_CUBLAS, CONTEXT_KERNELS = 0, 1, 2
"""Words of the context."""

PLACE_ALLOCATE, PLACE_READ_BACK, PLACE_COPY, PLACE_GEMM = -1, -2, -3, -4
PLACES = {
    PLACE_ALLOCATE: "allocating device memory",
    PLACE_READ_BACK: "reading a number back from the device",
    PLACE_COPY: "copying on the device",
    PLACE_GEMM: "a matrix product of cuBLAS",
}
"""What failed where it was not a launch."""

CUDA_SUCCESS = 0
CUDA_ERROR_ILLEGAL_ADDRESS = 700
CUDA_ERROR_LAUNCH_FAILED = 719

STATE_COUNT, STATE_TABLE = 0, 1
"""Words of a `SimState` that the simulated driver keeps; the others belong to `sim_kernels.py`."""

TABLE_ENTRY_WORDS = 3
SHADOW_BYTES = 8
"""Bytes of shadow for each byte of an allocation."""


@dataclass(frozen=True, slots=True)
class KernelImage:
    """One kernel of a program.

    Parameters
    ----------
    name: symbol in the device module and in the simulator's module.
    params: LLVM types of the parameters, in order (`kernelParams` has the address of each value).
    grid: number of blocks where it is known when compiling, else None.
    block: threads of a block.
    shared: bytes of static shared memory of a block.
    loc: the user's line.
    elementwise: no reduction, no gather, no sequential loop: such kernels must not spill registers.
    bytes_moved: bytes read and written by one launch, where known.
    sites: what each access is, by its number, for messages of the simulator.
    """

    name: str
    params: tuple[str, ...]
    grid: int | None
    block: int
    shared: int = 0
    loc: SourceLocation | None = None
    elementwise: bool = False
    bytes_moved: int | None = None
    sites: tuple[str, ...] = ()


@dataclass(frozen=True)
class CudaProgram:
    """What the pipeline hands to the CUDA runtime for one specialisation.

    Parameters
    ----------
    host_ir: LLVM IR of the host code; `optimize(module, target_machine)` runs the passes over it, as on the CPU.
    device_ir: LLVM IR of all kernels in one module; `pydsl.jit.cuda.ptx.ptx(device_ir, arch)` makes PTX of it.
    sim_ir: the same kernels as host code for the simulator; `pydsl.jit.cuda.sim_kernels.load_kernels` loads it.
    kernels: in the order of the context's words.
    context_slot: the slot for the address of the context words.
    report: for `explain` and `inspect`.
    products: whether the host code calls cuBLAS where the context has a handle.
    """

    spec: Specialization
    host_ir: str
    device_ir: str
    sim_ir: str
    kernels: tuple[KernelImage, ...]
    context_slot: int
    optimize: Callable[[Any, Any], None] | None = None
    report: Any = None
    products: bool = False
