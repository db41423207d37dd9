"""Products for the library: what it takes as it lies in memory, what is copied for it first, and what is symmetric.

Before::

    for i, j: @c[i, j] = sum over k of @a[i, k] * @b[k, 2 * j]

After::

    for k, j: @packed[k, j] = @b[k, 2 * j]
    gemm @c = @a * @packed

A matrix times its own transpose is computed on and above the diagonal, in panels of rows, and mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydsl.fusion.state import INT64
from pydsl.fusion.statement import Statement
from pydsl.ir.affine import Affine
from pydsl.loops.ir import (
    GEMM_DTYPES,
    Apply,
    Buffer,
    Const,
    For,
    Gemm,
    Index,
    Let,
    Load,
    Space,
    Stmt,
    Store,
    Var,
    substitute_index,
)
from pydsl.lowering.products import Dim, Product, around, constant, size

#: products (m*n*k) from which the library is better than our own tiles, when its layout rules are met
LIBRARY_WORK = 1 << 21
#: bytes of the right operand up to which our own tiles are as fast as the library, however large the left one is:
#: packed it stays in the level-2 cache, and the epilogue runs on registers
CACHED_BYTES = 128 << 10
#: complex products (m*n*k) from which the library is better than plain loops
COMPLEX_WORK = 1 << 12
#: elements of a matrix from which its product with a vector goes to the library
VECTOR_WORK = 1 << 14
STRIDED_VECTOR_WORK = 1 << 11
COMPLEX_VECTOR_WORK = 1 << 10
#: bytes of a copy of an operand
MOST_COPIED = 64 << 20
#: rows of a panel of a symmetric product
PANEL_ROWS = 64


def library_product(statement: Statement, product: Product, epilogue: list[Stmt]) -> list[Stmt] | None:
    """A product by the library with its loops, or None where it is not the best or cannot take it."""
    assert statement.dtype is not None
    if statement.dtype.name not in GEMM_DTYPES or not product.k:
        return None
    if product.m and product.n:
        return _matrices(statement, product, epilogue)
    if product.m or product.n:
        return _vector(statement, product, epilogue)
    return None


# --- two matrices ---------------------------------------------------------------------------------------------------


def _matrices(statement: Statement, product: Product, epilogue: list[Stmt]) -> list[Stmt] | None:
    assert statement.buffer is not None and statement.dtype is not None
    dims = [*product.m, *product.n, *product.k]
    plain = len(product.m) == len(product.n) == len(product.k) == 1
    if not constant(dims):
        return _call(statement, product, epilogue, copied=()) if plain else None
    if statement.dtype.kind == "c":
        pays = size(dims) >= COMPLEX_WORK
    else:
        small = size([*product.n, *product.k]) * product.b.dtype.itemsize <= CACHED_BYTES
        pays = size(dims) >= LIBRARY_WORK and not small
    if not pays or size(dims) == 0:
        return None
    if plain:
        symmetric = _symmetric(statement, product, epilogue)
        if symmetric is not None:
            return symmetric
        return _call(statement, product, epilogue, copied=())
    return None


def device_product(statement: Statement, product: Product, epilogue: list[Stmt]) -> list[Stmt] | None:
    """A large product of two plain matrices by the library of a GPU, its epilogue after it."""
    dims = [*product.m, *product.n, *product.k]
    if statement.dtype is None or statement.dtype.name not in ("float32", "float64") or product.batch:
        return None
    if not len(product.m) == len(product.n) == len(product.k) == 1 or not constant(dims):
        return None
    if size(dims) < LIBRARY_WORK or Space.CONST in (product.a.buffer.space, product.b.buffer.space):
        return None
    return _call(statement, product, epilogue, copied=())


def copied_product(statement: Statement, product: Product, epilogue: list[Stmt]) -> list[Stmt] | None:
    """A large product by the library whose operands are copied to plain matrices, where neither the library nor
    register tiles can take them as they are."""
    dims = [*product.m, *product.n, *product.k]
    if statement.dtype is None or statement.dtype.name not in GEMM_DTYPES or not constant(dims):
        return None
    if not (product.m and product.n and product.k):
        return None
    if size(dims) < (COMPLEX_WORK if statement.dtype.kind == "c" else LIBRARY_WORK >> 4):
        return None
    # one m and one n dimension is left to the library, the others are loops around it
    inner = Product(
        [*product.batch, *product.m[:-1], *product.n[:-1]],
        product.m[-1:],
        product.n[-1:],
        product.k,
        product.a,
        product.b,
    )
    for which in ("", "b", "ab"):
        made = _call(statement, inner, epilogue, copied=which)
        if made is not None:
            return made
    return None


def _call(
    statement: Statement, product: Product, epilogue: list[Stmt], copied: Sequence[str]
) -> list[Stmt] | None:
    assert statement.buffer is not None and statement.dtype is not None
    itemsize = statement.dtype.itemsize
    if not copied and len(product.k) > 1:
        return None
    hoisted: list[Stmt] = []
    before: list[Stmt] = []
    a, b, k = product.a, product.b, product.k
    (m,), (n,) = product.m, product.n
    if copied:
        flat = (Var("k", INT64), Affine.of(size(k)))
        if "a" in copied:
            copy, a = _copied(a, [m, *k], (m, flat))
            before += copy
        elif len(k) > 1:
            return None
        else:
            a = Load(a.buffer, substitute_index(a.offset, {k[0][0]: Affine.of(flat[0])}), a.dtype)
        copy, b = _copied(b, [*k, n], (flat, n))
        if any(product.b.offset.coeff(var) for var, _ in product.batch):
            before += copy
        else:
            hoisted = copy
        if any(size([flat, d]) * itemsize > MOST_COPIED for d in (m, n)):
            return None
        k = [flat]
    layouts = (
        _matrix(a.offset, m, k[0], itemsize),
        _matrix(b.offset, k[0], n, itemsize),
        _matrix(statement.address, m, n, itemsize),
    )
    if any(layout is None for layout in layouts):
        return None
    left, right, result = (layout for layout in layouts if layout is not None)
    if result[1]:
        m, n, left, right = n, m, (right[0], not right[1]), (left[0], not left[1])
        a, b = b, a
    call = _gemm(statement, (m, n, k[0]), (a, *left), (b, *right), result[0])
    finish = around([m, n], epilogue) if epilogue else []
    return [*hoisted, *around(product.batch, [*before, call, *finish])]


def _gemm(
    statement: Statement,
    dims: tuple[Dim, Dim, Dim],
    a: tuple[Load, int, bool],
    b: tuple[Load, int, bool],
    ldc: int,
) -> Gemm:
    assert statement.buffer is not None and statement.dtype is not None
    m, n, k = dims
    return Gemm(
        statement.dtype,
        m[1],
        n[1],
        k[1],
        a[0].buffer,
        a[0].offset.without([m[0], k[0]]),
        Affine.of(a[1]),
        a[2],
        b[0].buffer,
        b[0].offset.without([k[0], n[0]]),
        Affine.of(b[1]),
        b[2],
        statement.buffer,
        statement.address.without([m[0], n[0]]),
        Affine.of(ldc),
    )


def _matrix(address: Affine, row: Dim, column: Dim, itemsize: int) -> tuple[int, bool] | None:
    """Leading dimension in elements and whether the matrix is stored transposed; None if the library cannot take it.

    The library wants lines that do not overlap: windows that slide over one vector are none of its matrices.
    """
    down, right = address.coeff(row[0]), address.coeff(column[0])
    for lead, unit, length, transposed in ((down, right, column[1], False), (right, down, row[1], True)):
        if unit != itemsize or lead <= 0 or lead % itemsize:
            continue
        if length.is_const and lead // itemsize >= length.value:
            return lead // itemsize, transposed
    return None


def _copied(load: Load, dims: Sequence[Dim], shape: tuple[Dim, Dim]) -> tuple[list[Stmt], Load]:
    """The loops that copy an operand to a matrix of new memory, row by row, and its load there."""
    itemsize = load.dtype.itemsize
    packed = Buffer("packed", Space.ARENA, load.dtype, Affine.of(size(dims) * itemsize), alignment=itemsize)
    fresh = [(Var(var.name, INT64), extent) for var, extent in dims]
    source = substitute_index(
        load.offset, {var: Affine.of(new) for (var, _), (new, _) in zip(dims, fresh, strict=True)}
    )
    address, step = Affine.of(0), itemsize
    for var, extent in reversed(fresh):
        address = address + Affine.of(var) * step
        step *= extent.value
    copy = around(fresh, [Store(packed, address, Load(load.buffer, source, load.dtype))])
    (row, _), (column, columns) = shape
    place = Affine.of(row) * (columns.value * itemsize) + Affine.of(column) * itemsize
    return copy, Load(packed, place, load.dtype)


# --- a matrix and a vector ------------------------------------------------------------------------------------------


def _vector(statement: Statement, product: Product, epilogue: list[Stmt]) -> list[Stmt] | None:
    """A matrix times a vector, or a vector times a matrix: one column of a product."""
    assert statement.dtype is not None
    matrix, vector, rows = (
        (product.a, product.b, product.m) if product.m else (product.b, product.a, product.n)
    )
    if len(rows) != 1 or len(product.k) != 1 or not constant([*rows, *product.k]):
        return None
    (m,), (k,) = rows, product.k
    itemsize = statement.dtype.itemsize
    gaps = vector.offset.coeff(k[0]) != itemsize
    least = (
        COMPLEX_VECTOR_WORK if statement.dtype.kind == "c" else STRIDED_VECTOR_WORK if gaps else VECTOR_WORK
    )
    if size([m, k]) < least:
        return None
    layout = _matrix(matrix.offset, m, k, itemsize)
    steps = vector.offset.coeff(k[0]), statement.address.coeff(m[0])
    if layout is None or any(step <= 0 or step % itemsize for step in steps):
        return None
    one = Var("one", INT64), Affine.of(1)
    call = _gemm(
        statement, (m, one, k), (matrix, *layout), (vector, steps[0] // itemsize, False), steps[1] // itemsize
    )
    finish = around([m], epilogue) if epilogue else []
    return around(product.batch, [call, *finish])


# --- a matrix and its transpose -------------------------------------------------------------------------------------


def _symmetric(statement: Statement, product: Product, epilogue: list[Stmt]) -> list[Stmt] | None:
    """A matrix times its own transpose: half of it is computed."""
    assert statement.buffer is not None and statement.dtype is not None
    (m,), (n,), (k,) = product.m, product.n, product.k
    a, b = product.a, product.b
    if m[1] != n[1] or m[1].value < 2 * PANEL_ROWS or a.buffer is not b.buffer or a.dtype.kind != "f":
        return None
    if substitute_index(b.offset, {n[0]: Affine.of(m[0])}) != a.offset:
        return None
    itemsize, extent = statement.dtype.itemsize, m[1].value
    left, right = _matrix(a.offset, m, k, itemsize), _matrix(b.offset, k, n, itemsize)
    result = _matrix(statement.address, m, n, itemsize)
    if left is None or right is None or result is None or result[1]:
        return None
    panels = -(-extent // PANEL_ROWS)
    panel = Var("panel", INT64, (0, panels - 1))
    first = Affine.of(panel) * PANEL_ROWS
    rows, height = _panel_rows(first, extent)
    call = _gemm(statement, (m, n, k), (a, *left), (b, *right), result[0])
    down, along = a.offset.coeff(m[0]), statement.address.coeff(m[0]) + itemsize
    call.m, call.n = height, Affine.of(extent) - first
    call.a_offset, call.b_offset = call.a_offset + first * down, call.b_offset + first * down
    call.c_offset = call.c_offset + first * along
    mirror = _mirror(statement, (m, n), first, height)
    whole = For(panel, Affine.of(0), Affine.of(panels), [*rows, call, *mirror], independent=True)
    finish = around([m, n], epilogue) if epilogue else []
    return around(product.batch, [whole, *finish])


def _panel_rows(first: Affine, extent: int) -> tuple[list[Stmt], Affine]:
    """The number of rows of a panel that begins at `first`, and what binds it."""
    if extent % PANEL_ROWS == 0:
        return [], Affine.of(PANEL_ROWS)
    rows = Var("rows", INT64, (1, PANEL_ROWS))
    left = Apply("minimum", (Const(PANEL_ROWS, INT64), Index(Affine.of(extent) - first)), INT64)
    return [Let(rows, left)], Affine.of(rows)


def _mirror(statement: Statement, dims: tuple[Dim, Dim], first: Affine, height: Affine) -> list[Stmt]:
    """What a panel holds to the right of its diagonal block, and in it above the diagonal, put below."""
    assert statement.buffer is not None and statement.dtype is not None
    (m, extent), (n, _) = dims
    row, column = Var("i", INT64), Var("j", INT64)

    def place(at_row: Affine, at_column: Affine) -> Affine:
        return substitute_index(statement.address, {m: at_row, n: at_column})

    def copy(at_row: Affine, at_column: Affine) -> Stmt:
        load = Load(statement.buffer, place(at_column, at_row), statement.dtype)  # type: ignore[arg-type]
        return Store(statement.buffer, place(at_row, at_column), load)  # type: ignore[arg-type]

    r, c = Affine.of(row), Affine.of(column)
    inside = For(row, Affine.of(0), height, [For(column, Affine.of(0), r, [copy(first + r, first + c)])])
    below = For(
        row,
        first + height,
        extent,
        [For(column, Affine.of(0), height, [copy(r, first + c)], independent=True)],
        independent=True,
    )
    return [inside, below]
