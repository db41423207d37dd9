"""The automatic schedule: which loops run as vectors, which on threads."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from pydsl.loops.cost import estimate
from pydsl.loops.ir import Assign, Contract, For, Gemm, LoopKind, Space, Stmt, Store
from pydsl.loops.schedule.dependences import independent, only_scalar_work
from pydsl.loops.schedule.direction import run_upwards
from pydsl.loops.schedule.panels import panels
from pydsl.loops.walk import blocks, walk

#: a loop runs on threads when it is estimated to take longer than this; to wake a thread takes some 7 microseconds
PARALLEL_NS = 100_000.0


@dataclass
class ScheduleReport:
    """What was decided: loops on threads and, for long loops that are not, why."""

    parallel: list[str] = field(default_factory=list)
    serial: list[str] = field(default_factory=list)


def schedule(body: list[Stmt], threads: int, touched: Collection[For] = ()) -> ScheduleReport:
    """Marks loops in place.

    Parameters
    ----------
    threads: number of threads that parallel loops would have; 1 leaves all loops on one.
    touched: loops that the user scheduled: the nests they are in are given no threads.
    """
    report = ScheduleReport()
    _schedule_all(body, threads, report, touched)
    return report


def _schedule_all(body: list[Stmt], threads: int, report: ScheduleReport, touched: Collection[For]) -> None:
    for stmt in list(body):
        _schedule(stmt, threads, report, touched)
        if isinstance(stmt, Gemm) and threads > 1 and estimate([stmt]) >= PARALLEL_NS:
            shared = panels(stmt, threads)
            if shared is not None:
                position = body.index(stmt)
                body[position : position + 1] = shared
                report.parallel.append(f"panels of the product {stmt.m} x {stmt.k} x {stmt.n}")


def _schedule(stmt: Stmt, threads: int, report: ScheduleReport, touched: Collection[For]) -> None:
    if isinstance(stmt, For):
        if touched and threads > 1 and any(inner in touched for inner in walk([stmt])):
            threads = 1
        stmt.independent = stmt.independent or independent(stmt)
        if threads > 1 and _parallel(stmt, threads, report):
            _schedule_all(stmt.body, 1, report, touched)
            return
        if not any(isinstance(s, For | Contract | Gemm) for s in walk(stmt.body)):
            if stmt.independent and stmt.kind is LoopKind.SERIAL:
                stmt.kind = LoopKind.VECTOR
                run_upwards(stmt)
            return
    if isinstance(stmt, Contract):
        stmt.parallel = threads > 1 and _shared_rows(stmt, report)
        threads = 1
    for block in blocks(stmt):
        _schedule_all(block, threads, report, touched)


def _shared_rows(stmt: Contract, report: ScheduleReport) -> bool:
    """Whether the rows of a product run on threads."""
    if estimate([stmt]) < PARALLEL_NS:
        return False
    rows = " x ".join(str(extent) for _, extent, _ in stmt.m)
    name = f"rows of the product in [0, {rows})"
    inside = list(walk(stmt.epilogue))
    if any((isinstance(s, Store) and s.buffer.space is Space.LOCAL) or isinstance(s, Assign) for s in inside):
        report.serial.append(f"{name}: what follows shares scalars or scratch memory")
        return False
    report.parallel.append(name)
    return True


def _parallel(loop: For, threads: int, report: ScheduleReport) -> bool:
    cost = estimate([loop])
    if cost < PARALLEL_NS:
        return False
    name = f"{loop.var.name} in [0, {loop.stop})"
    extent = loop.stop - loop.start
    if extent.is_const and extent.value < threads:
        report.serial.append(f"{name}: only {extent.value} iterations")
        return False
    if not loop.independent:
        report.serial.append(f"{name}: its iterations depend on each other")
        return False
    if not only_scalar_work(loop):
        report.serial.append(f"{name}: it carries a scalar, may raise or allocates")
        return False
    loop.kind = LoopKind.PARALLEL
    report.parallel.append(name)
    return True
