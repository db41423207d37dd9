"""Which programs have one right answer: an instrumented run that finds what NumPy itself leaves open.

The order of additions in a sum, floats that do not fit the integer they are cast to, the sign of the zero that
``maximum(0.0, -0.0)`` gives, Python integers beyond 64 bits. Programs that meet one of these are not compared.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.generator.program import Program

#: mantissa bits by item size of a (real) float.
_MANTISSA = {2: 11, 4: 24, 8: 53}
_SUMS = {"sum", "mean", "cumsum", "prod", "dot", "matmul", "outer", "tensordot", "einsum", "nansum", "trace"}
_MINMAX = {"min", "max", "minimum", "maximum", "fmin", "fmax", "clip", "nanmax", "ptp"}
_MINMAX |= {"sort", "unique", "searchsorted"}  # equal zeros may come in any order
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}


class Undefined(BaseException):
    """The program has no one right answer. Not an Exception, so that no program catches it."""


class TooLong(Undefined):
    """The program runs too long."""


def why_undefined(program: Program, max_steps: int = 20_000) -> str:
    """Run a program with checks; the reason why its answer is not defined, or nothing."""
    steps = 0

    def tick() -> None:
        nonlocal steps
        steps += 1
        if steps > max_steps:
            raise TooLong("too long")

    tree = ast.fix_missing_locations(_Instrument().visit(ast.parse(program.function_source)))
    checks = _Checks(program.exact)
    namespace: dict[str, Any] = {
        "np": np,
        "_call": checks.call,
        "_abs": checks.absolute,
        "_binary": checks.binary,
        "_storing": checks.storing,
        "_augmenting": checks.augmenting,
        "_integer": checks.integer,
        "_index": np.s_,
        "_tick": tick,
    }
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(tree, "<instrumented>", "exec"), namespace)
        try:
            namespace["f"](*program.make_arguments().values)
        except Undefined as reason:
            return str(reason)
        except (NameError, RecursionError, MemoryError, SyntaxError) as error:
            return type(error).__name__
        except Exception:
            return ""
    return ""


def _name(identifier: str) -> ast.Name:
    return ast.Name(identifier, ast.Load())


class _Instrument(ast.NodeTransformer):
    """Sends calls of attributes, arithmetic and stores through the checks."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "abs":
            node.func = _name("_abs")
        if isinstance(node.func, ast.Name) and node.func.id == "int":
            return ast.Call(_name("_integer"), [node], [])
        if not isinstance(node.func, ast.Attribute):
            return node
        head = [node.func.value, ast.Constant(node.func.attr)]
        return ast.Call(_name("_call"), [*head, *node.args], node.keywords)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        kind = ast.Constant(type(node.op).__name__)
        return ast.Call(_name("_binary"), [kind, node.left, node.right], [])

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        before = node.targets[0]
        self.generic_visit(node)
        if len(node.targets) > 1:
            return node
        if isinstance(before, ast.Subscript):
            node.value = self._storing(before, node.value)
        elif (
            isinstance(before, ast.Tuple)
            and isinstance(node.value, ast.Tuple)
            and len(before.elts) == len(node.value.elts)
        ):
            node.value.elts = [
                self._storing(t, v) if isinstance(t, ast.Subscript) else v
                for t, v in zip(before.elts, node.value.elts)
            ]
        return node

    def _storing(self, target: ast.Subscript, value: ast.expr) -> ast.expr:
        index = ast.Subscript(_name("_index"), _as_load(target).slice, ast.Load())  # type: ignore[attr-defined]
        return ast.Call(_name("_storing"), [_as_load(target.value), index, value], [])

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        target = _as_load(node.target)
        self.generic_visit(node)
        kind = ast.Constant(type(node.op).__name__)
        node.value = ast.Call(_name("_augmenting"), [kind, target, node.value], [])
        if isinstance(target, ast.Subscript):
            node.value = self._storing(target, node.value)
        if isinstance(node.target, ast.Name):
            check = ast.Expr(ast.Call(_name("_integer"), [_name(node.target.id)], []))
            return [node, check]
        return node

    def _loop(self, node: Any) -> Any:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(ast.Call(_name("_tick"), [], [])))
        return node

    visit_For = _loop
    visit_While = _loop


def _as_load(node: ast.expr) -> ast.expr:
    copy = ast.parse(ast.unparse(node), mode="eval").body
    return copy


class _Checks:
    def __init__(self, exact: bool) -> None:
        self.exact = exact

    def call(self, owner: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        operands = [a for a in (owner, *args) if isinstance(a, np.ndarray | np.generic)]
        if isinstance(owner, np.ufunc):  # np.add.reduce is np.sum
            name_of_ufunc = {"add": "sum", "multiply": "prod"}.get(owner.__name__, owner.__name__)
            if name in ("reduce", "accumulate"):
                self._examine(name_of_ufunc, operands, kwargs)
            return getattr(owner, name)(*args, **kwargs)
        self._examine(name, operands, kwargs)
        if name == "astype":
            _require_castable(np.dtype(args[0]), owner)
        if name == "full":
            dtype = args[2] if len(args) > 2 else kwargs.get("dtype")
            if dtype is not None:
                _require_castable(np.dtype(dtype), args[1])
        return getattr(owner, name)(*args, **kwargs)

    def absolute(self, value: Any) -> Any:
        """The builtin ``abs``."""
        self._examine("absolute", [value], {})
        return abs(value)

    def _examine(self, name: str, operands: list[Any], kwargs: dict[str, Any]) -> None:
        if name in _SUMS and self.exact:
            self._sums(name, operands, kwargs)
        if name in ("multiply", "square", "outer") and self.exact and operands:
            _require_exact_complex(operands[0], operands[1 if name != "square" else 0])
        if (
            name in ("absolute", "abs")
            and self.exact
            and any(np.asarray(o).dtype.kind == "c" for o in operands)
        ):
            raise Undefined("the magnitude of a complex number, which NumPy computes in several ways")
        if name in _MINMAX:
            for operand in operands:
                _require_no_negative_zero(operand)

    def _sums(self, name: str, operands: list[Any], kwargs: dict[str, Any]) -> None:
        if name in ("dot", "matmul", "outer", "tensordot", "einsum"):
            if len(operands) == 2:
                _require_exact_product(*operands)
        elif name == "prod":
            _require_exact_prod(operands[0])
        else:
            _require_exact_sum(operands[0], kwargs.get("dtype"))

    def binary(self, kind: str, left: Any, right: Any) -> Any:
        if kind == "MatMult" and self.exact:
            _require_exact_product(left, right)
        if kind in ("Mult", "Pow") and self.exact:
            _require_exact_complex(left, right)
        result = _OPERATORS[getattr(ast, kind)](left, right)
        return self.integer(result)

    def augmenting(self, kind: str, target: Any, value: Any) -> Any:
        """The operand of an augmented assignment."""
        if kind in ("Mult", "Pow") and self.exact:
            _require_exact_complex(target, value)
        if kind == "MatMult" and self.exact:
            _require_exact_product(target, value)
        return value

    def integer(self, value: Any) -> Any:
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise Undefined("a Python integer beyond 64 bits")
        return value

    def storing(self, target: Any, index: Any, value: Any) -> Any:
        for entry in index if isinstance(index, tuple) else (index,):
            if isinstance(entry, np.ndarray) and entry.dtype != bool and not entry.flags.c_contiguous:
                if entry.ndim > 1 and np.unique(entry).size < entry.size:
                    raise Undefined("which of several stores into one element is the last")
        if isinstance(target, np.ndarray):
            _require_castable(target.dtype, value)
            _require_one_direction(target, index, value)
            if isinstance(value, np.integer) and target.dtype.kind in "iu":
                info = np.iinfo(target.dtype)
                if not info.min <= int(value) <= info.max:
                    raise Undefined(
                        "a NumPy integer that does not fit, which some dtypes refuse and others wrap"
                    )
        return value


def _require_one_direction(target: Any, index: Any, value: Any) -> None:
    """NumPy copies overlapping vectors of different strides in place: ``x[::2] = x[:3]`` reads what it wrote."""
    if isinstance(value, np.ndarray) and value.ndim and np.may_share_memory(target, value):
        place = target[index]
        if isinstance(place, np.ndarray) and place.ndim == 1 and place.strides[0] != value.strides[-1]:
            raise Undefined("an overlapping copy between different strides")


def _require_castable(dtype: np.dtype[Any], value: Any) -> None:
    """Floats that are cast to an integer type must fit it."""
    data = np.asarray(value)
    if dtype.kind not in "iu" or data.dtype.kind not in "fc" or not data.size:
        return
    info = np.iinfo(dtype)
    real = data.real.astype(np.float64)
    if not np.isfinite(real).all() or (np.trunc(real) < info.min).any() or (np.trunc(real) > info.max).any():
        raise Undefined("a float is cast to an integer type that it does not fit")
    if (np.abs(real) >= 2.0**62).any():
        raise Undefined("a float is cast to an integer type that it hardly fits")


def _require_no_negative_zero(value: Any) -> None:
    data = np.asarray(value)
    if data.dtype.kind == "c":
        raise Undefined("an order of complex numbers")
    if data.dtype.kind == "f" and (np.signbit(data) & (data == 0)).any():
        raise Undefined("the smaller or larger of two zeros")


def _parts(value: Any) -> Any:
    data = np.asarray(value)
    if data.dtype.kind == "c":
        data = np.stack([data.real, data.imag])
    return data


def _require_exact_sum(value: Any, dtype: Any = None) -> None:
    data = _parts(value)
    if data.dtype.kind != "f":
        return
    size = data.dtype.itemsize if dtype is None else _parts(np.empty(0, dtype)).dtype.itemsize
    if (np.signbit(data) & (data == 0)).any():
        raise Undefined("the sign of a sum of zeros")
    wide = data.astype(np.float64) * 16
    wide = wide[np.isfinite(wide)]
    if (wide != np.rint(wide)).any() or np.abs(wide).sum() >= 2 ** _MANTISSA.get(size, 11):
        raise Undefined("a sum that depends on the order")


def _require_exact_prod(value: Any) -> None:
    data = _parts(value)
    if np.asarray(value).dtype.kind == "c":
        raise Undefined("a product of complex numbers")
    if data.dtype.kind != "f":
        return
    wide = data.astype(np.float64) * 4
    if not np.isfinite(wide).all() or (wide != np.rint(wide)).any():
        raise Undefined("a product that depends on the order")
    bits = np.log2(np.maximum(np.abs(wide), 1)).sum()
    if bits >= _MANTISSA[data.dtype.itemsize] or (data == 0).any():
        raise Undefined("a product that depends on the order")


def _require_exact_complex(left: Any, right: Any) -> None:
    """NumPy's complex multiplication is fused on some paths and not on others."""
    if "c" in (np.asarray(left).dtype.kind, np.asarray(right).dtype.kind):
        try:
            _require_exact_product(left, right)
        except Undefined:
            raise Undefined("a rounded product of complex numbers") from None


def _require_exact_product(left: Any, right: Any) -> None:
    a, b = np.asarray(left), np.asarray(right)
    dtype = np.result_type(a, b)
    if dtype.kind not in "fc":
        return
    for data in (_parts(a), _parts(b)):
        wide = data.astype(np.float64) * 4
        if not np.isfinite(wide).all() or (wide != np.rint(wide)).any():
            raise Undefined("a sum of products that depends on the order")
    most = float(np.abs(a).max(initial=0)) * float(np.abs(b).max(initial=0)) * 32 * max(a.size, 1)
    size = dtype.itemsize // (2 if dtype.kind == "c" else 1)
    if most >= 2 ** _MANTISSA[size]:
        raise Undefined("a sum of products that depends on the order")
