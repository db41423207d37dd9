"""Everything that needs a CUDA device, in one run of at most ten minutes, without a network.

    python -m benchmarks.gpu [--quick] [--budget 540]

Measures the device's copy bandwidth, then fused elementwise chains, 2-D stencils and reductions against it, small
calls, and the ViewBench functions on arrays that are on the device (each result is compared with NumPy first). PyTorch,
CuPy, JAX and Numba-CUDA run beside it where they can be imported. A short table is printed last; everything goes to
`benchmarks/results/gpu.json`. Without a device it says so. On the simulator it runs everything at small sizes, and
times mean nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import pydsl.numpy as pnp
from benchmarks import environment, gpu_peers, gpu_programs
from pydsl import jit
from pydsl.errors import CudaUnavailableError, PydslError
from pydsl.jit.cuda.buffers import Buffer
from pydsl.jit.cuda.driver import STREAM, Driver, current
from tests.kernels.cases import CASES
from tests.kernels.memory import arrays_in, clone

RESULTS = Path(__file__).resolve().parent / "results"
BANDWIDTH_GOALS = {"chain": 0.85, "stencil": 0.85, "reduction": 0.75}
Record = dict[str, Any]


class Clock:
    """Times calls on the device, and knows when the run has to end."""

    def __init__(self, driver: Driver, budget: float, seconds: float) -> None:
        self.driver = driver
        self.end = time.monotonic() + budget
        self.seconds = seconds

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.end

    def per_call(self, call: Callable[[], Any], wait: Callable[[], None] | None = None) -> float:
        """Seconds of one call: the best of five series of calls, each waited for once."""
        wait = wait or self.driver.synchronize
        call()
        wait()
        start = time.perf_counter()
        call()
        wait()
        once = max(time.perf_counter() - start, 1e-6)
        count = max(1, min(2000, int(self.seconds / 5 / once)))
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(count):
                call()
            wait()
            best = min(best, (time.perf_counter() - start) / count)
        return best


def copy_bandwidth(clock: Clock, nbytes: int) -> float:
    """Bytes a second that a copy on the device reads and writes."""
    source, target = Buffer(clock.driver, nbytes), Buffer(clock.driver, nbytes)
    copy = clock.driver._functions["cuMemcpyDtoDAsync_v2"]

    def call() -> None:
        clock.driver.check(copy(target.address, source.address, nbytes, STREAM), "a copy")

    return 2 * nbytes / clock.per_call(call)


def programs(clock: Clock, side: int, bandwidth: float) -> list[Record]:
    """The programs of `gpu_programs` for all who can run them."""
    records = []
    for program in gpu_programs.PROGRAMS:
        for dtype in program.dtypes:
            if clock.is_over:
                records.append({"program": program.name, "skipped": "out of time"})
                continue
            records.append(one_program(clock, program, np.dtype(dtype), side, bandwidth))
            print(line(records[-1]), flush=True)
    return records


def one_program(
    clock: Clock, program: gpu_programs.Program, dtype: np.dtype[Any], side: int, bandwidth: float
) -> Record:
    arrays = program.arrays(dtype, side)
    record: Record = {
        "program": program.name,
        "kind": program.kind,
        "dtype": str(dtype),
        "bytes": program.nbytes(arrays),
        "peers": {},
    }
    wanted = program.function(*[a.copy() for a in arrays])
    for name, make in gpu_peers.available().items():
        entry: Record = {}
        record["peers"][name] = entry
        try:
            call, fetch, wait = make(program, arrays)
            entry["wrong"] = difference(fetch(call()), wanted, dtype)
            entry["seconds"] = clock.per_call(call, wait)
            entry["GB/s"] = record["bytes"] / entry["seconds"] / 1e9
            entry["of copy"] = record["bytes"] / entry["seconds"] / bandwidth
        except Exception as error:  # a peer may lack anything: what it says is the result
            entry["failed"] = environment.first_message(error)
    return record


def difference(got: Any, wanted: Any, dtype: np.dtype[Any]) -> str:
    """Empty if equal up to rounding."""
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    if np.shape(got) != np.shape(wanted):
        return f"shape {np.shape(got)}"
    off = np.max(np.abs(np.asarray(got, np.float64) - wanted) / (1 + np.abs(wanted)), initial=0.0)
    return "" if off <= tolerance else f"off by {off:.2g}"


def viewbench(clock: Clock, sizes: Sequence[str]) -> list[Record]:
    """The ViewBench functions with their arrays on the device."""
    records = []
    for case in CASES:
        for size in sizes:
            if clock.is_over or size not in case.dims:
                continue
            record: Record = {"case": case.name, "title": case.title, "size": size}
            records.append(record)
            args = case.make(size, "c", np.random.default_rng(0))
            plain: Any = getattr(case.function, "__wrapped__", case.function)
            try:
                with np.errstate(all="ignore"):
                    changed = clone(args)
                    wanted = arrays_in(plain(*changed))
                moved = to_device(clone(args))
                function = case.function if arrays_of(moved) else jit(target="cuda")(plain)
                got = [a.to_numpy() for a in arrays_of(function(*moved))]
                for k, (g, w, tolerance) in enumerate(zip(got, wanted, case.tolerances, strict=True)):
                    tolerance.check(g, w, f"result {k}")
                for k, (g, w) in enumerate(zip(arrays_of(moved), arrays_in(changed), strict=True)):
                    case.written.check(g.to_numpy(), w, f"argument {k}")
                record["pydsl_s"] = clock.per_call(lambda f=function, m=moved: f(*m))  # type: ignore[misc]
                with np.errstate(all="ignore"):
                    start = time.perf_counter()
                    plain(*clone(args))
                    record["numpy_s"] = time.perf_counter() - start
            except (PydslError, AssertionError, ValueError, TypeError) as error:
                record["failed"] = environment.first_message(error)
            print(view_line(record), flush=True)
    return records


def to_device(value: Any) -> Any:
    """Arguments with their arrays on the device."""
    if isinstance(value, np.ndarray):
        return pnp.asarray(value, device="cuda")
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(to_device(item) for item in value)
    return value


def arrays_of(value: Any) -> list[Any]:
    """The arrays of a result, in order."""
    if isinstance(value, pnp.ndarray):
        return [value]
    if isinstance(value, list | tuple):
        return [array for item in value for array in arrays_of(item)]
    if isinstance(value, dict):
        return [array for item in value.values() for array in arrays_of(item)]
    return [pnp.asarray(value)] if isinstance(value, np.ndarray) else []


def dispatch(clock: Clock) -> float:
    """Seconds of a warm call of three small arrays, without waiting for the device: what calling costs."""
    x, y, z = (pnp.asarray(np.ones(16, np.float32), device="cuda") for _ in range(3))
    gpu_programs.small(x, y, z)
    count = 5 if clock.driver.is_simulated else 200
    best = float("inf")
    for _ in range(10):
        clock.driver.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            gpu_programs.small(x, y, z)
        best = min(best, (time.perf_counter() - start) / count)
    return best


def line(record: Record) -> str:
    """One line of the table of programs."""
    text = f"{record['program']:<16}{record.get('dtype', ''):<9}"
    for name, entry in record.get("peers", {}).items():
        if "seconds" in entry:
            wrong = " WRONG" if entry["wrong"] else ""
            text += f"  {name} {entry['GB/s']:.0f} GB/s ({100 * entry['of copy']:.0f} %){wrong}"
        else:
            text += f"  {name} -"
    return text


def view_line(record: Record) -> str:
    """One line of the table of ViewBench."""
    text = f"{record['case']:<18}{record['size']:<8}"
    if "failed" in record:
        return f"{text}{record['failed']}"
    return f"{text}{1e6 * record['pydsl_s']:>10.1f} us, NumPy on the host {1e6 * record['numpy_s']:>10.1f} us"


def summary(document: Record) -> str:
    """The short table."""
    lines = [f"device: {document['device']}", f"copy: {document['copy GB/s']:.0f} GB/s"]
    lines.append(f"warm call of three small arrays: {1e6 * document['dispatch_s']:.1f} us")
    for kind, goal in BANDWIDTH_GOALS.items():
        found = [r for r in document["programs"] if r.get("kind") == kind]
        parts = [r["peers"].get("pydsl", {}).get("of copy") for r in found]
        shares = [p for p in parts if p is not None]
        reached = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %" if shares else "nothing measured"
        lines.append(f"{kind}: {reached} of the copy bandwidth (goal {100 * goal:.0f} %)")
    views = document["viewbench"]
    done = [r for r in views if "pydsl_s" in r]
    faster = [r for r in done if r["pydsl_s"] < r["numpy_s"]]
    lines.append(
        f"ViewBench: {len(done)} of {len(views)} right on the device, {len(faster)} faster than NumPy there"
    )
    lines += [f"  {r['case']} {r['size']}: {r['failed']}" for r in views if "failed" in r]
    if document["simulated"]:
        lines.append("This was the simulator: the times and shares above say nothing about a device.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs everything."""
    parser = argparse.ArgumentParser(description="What needs a CUDA device.")
    parser.add_argument("--quick", action="store_true", help="smaller arrays, shorter samples")
    parser.add_argument(
        "--budget", type=float, default=540.0, help="seconds after which nothing new is begun"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the JSON file")
    options = parser.parse_args(arguments)
    try:
        driver = current()
    except CudaUnavailableError as error:
        print(f"Nothing was measured: {error}")
        return 0
    driver.enter()
    small = driver.is_simulated
    clock = Clock(driver, options.budget, 0.0 if small else 0.1 if options.quick else 0.5)
    side = 64 if small else 2048 if options.quick else 8192
    bandwidth = copy_bandwidth(clock, 1 << 12 if small else 1 << 28 if options.quick else 1 << 30)
    document: Record = {
        "suite": "gpu",
        "environment": environment.describe(),
        "simulated": driver.is_simulated,
        "device": getattr(driver, "device_name", driver.name),
        "arch": driver.arch,
        "copy GB/s": bandwidth / 1e9,
        "peers": dict.fromkeys(gpu_peers.available()) | gpu_peers.missing(),
        "dispatch_s": dispatch(clock),
        "programs": programs(clock, side, bandwidth),
        "viewbench": viewbench(
            clock, ("small",) if small or options.quick else ("small", "batch1", "batch4")
        ),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    name = "gpu-simulator.json" if small else "gpu.json"
    (options.output / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print()
    print(summary(document))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
