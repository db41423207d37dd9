"""The GPU's schedule of a function: pieces, scalars, kernels, in this order."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydsl.ir.affine import Affine
from pydsl.loops.gpu.kernels import Kernel, build
from pydsl.loops.gpu.pieces import Piece, cut
from pydsl.loops.gpu.products import product_loops
from pydsl.loops.gpu.scalars import place_scalars, used_buffers
from pydsl.loops.ir import Buffer, For, Gemm, LoopFunction, Space, Stmt, While
from pydsl.loops.schedule.dependences import independent
from pydsl.loops.walk import blocks, walk


@dataclass
class GpuPlan:
    """The kernels of a function, in the order of its text.

    without_library: what computes a matrix product on a machine without the library.
    """

    kernels: list[Kernel] = field(default_factory=list)
    without_library: dict[Gemm, list[Stmt]] = field(default_factory=dict)

    def of(self, loop: For) -> Kernel:
        """The kernel of a loop over blocks."""
        return next(kernel for kernel in self.kernels if kernel.loop is loop)


def schedule_gpu(function: LoopFunction) -> GpuPlan:
    """Turns the loops of a function into kernels, in place."""
    for stmt in walk(function.body):
        if isinstance(stmt, For):
            stmt.independent = stmt.independent or independent(stmt)
    body = cut(function.body)
    _share_locals(body)
    body, cells = place_scalars(body)
    function.buffers.append(cells)
    plan = GpuPlan()
    function.body = _kernels(body, plan)
    return plan


def _kernels(body: list[Stmt], plan: GpuPlan) -> list[Stmt]:
    out: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, Piece):
            statements, kernels = build(stmt)
            plan.kernels += kernels
            out += statements
            continue
        if isinstance(stmt, Gemm):
            plan.without_library[stmt], kernels = build(Piece([product_loops(stmt)]))
            plan.kernels += kernels
        for block in blocks(stmt):
            block[:] = _kernels(block, plan)
        out.append(stmt)
    return out


def _share_locals(body: list[Stmt]) -> None:
    """Automatic memory stays with the threads of one kernel; what outlives the kernel goes into the arena."""
    homes: dict[Buffer, Piece] = {}
    shared: set[Buffer] = set()

    def visit(statements: list[Stmt], looped: bool) -> None:
        for stmt in statements:
            if isinstance(stmt, Gemm):
                shared.update(b for b in (stmt.a, stmt.b, stmt.c) if b.space is Space.LOCAL)
            if isinstance(stmt, Piece):
                for buffer in used_buffers(stmt.body):
                    if buffer.space is Space.LOCAL and (
                        homes.setdefault(buffer, stmt) is not stmt or (looped and not buffer.scratch)
                    ):
                        shared.add(buffer)
                continue
            for block in blocks(stmt):
                visit(block, looped or isinstance(stmt, (For, While)))

    visit(body, False)
    for buffer in shared:
        buffer.space = Space.ARENA
        if buffer.nbytes is None:
            buffer.nbytes = Affine.of(0)
