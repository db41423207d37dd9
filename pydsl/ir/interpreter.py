"""The reference interpreter of the tensor IR: op by op, in NumPy, on real memory.

It says what a function of the tensor IR means; every later stage is compared with it. Storages are real memory
(:mod:`pydsl.ir.memory`), every tensor reference is a strided array over it, and each view is checked to lie within
its storage. What an operation computes is asked of its record; only the structure of each kind of operation is here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pydsl.errors import InternalCompilerError, user_error
from pydsl.ir import ops as _ops  # fills the table of records
from pydsl.ir.affine import Affine
from pydsl.ir.calls import perform
from pydsl.ir.core import Block, Function, Op, Value
from pydsl.ir.memory import Array, Memory
from pydsl.ir.record import Kind
from pydsl.ir.types import Origin, ScalarType, Storage, TensorType

__all__ = ["IRExecutionError", "Outcome", "interpret"]

_ = _ops


class IRExecutionError(InternalCompilerError):
    """The IR is wrong: an operation does not do what the types say."""


@dataclass
class Outcome:
    """What a function returned.

    Parameters
    ----------
    site: number of the return site.
    values: its dynamic leaves; arrays are views of the real memory, weak scalars Python's.
    """

    site: int
    values: list[Any]


class Tensor(NamedTuple):
    """A tensor reference at run time: the array, and the memory and offset it was made of."""

    array: Array
    memory: Memory
    offset: int


class Exit(NamedTuple):
    """How a block ended: its terminator and the values of its operands."""

    op: Op
    values: list[Any]


def interpret(function: Function, args: Sequence[Any], max_iterations: int = 10_000_000) -> Outcome:
    """Run a function on its dynamic leaves; writes reach the caller's arrays.

    Parameters
    ----------
    args: one NumPy array, NumPy scalar or Python scalar for each block argument of the function.
    max_iterations: of all loops together.

    Raises
    ------
    IRExecutionError: the function is not well-formed, or ran too long.
    Exception: what the function itself raises.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Interpreter(function, max_iterations).run(args)


class Interpreter:
    """The state of one run: the value of every SSA value and the memory of every storage of the caller."""

    def __init__(self, function: Function, max_iterations: int = 10_000_000) -> None:
        self.function = function
        self.env: dict[Value, Any] = {}
        self.globals: dict[Storage, Memory] = {}
        self.iterations_left = max_iterations

    def run(self, args: Sequence[Any]) -> Outcome:
        self._bind_arguments(args)
        end = self._block(self.function.body)
        if end.op.name != "return":
            raise IRExecutionError(f"the function ends in {end.op.name}")
        values = [
            self._leave(operand, value) for operand, value in zip(end.op.operands, end.values, strict=True)
        ]
        return Outcome(end.op.attrs["site"], values)

    def _leave(self, operand: Value, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.array
        return value.item() if operand.scalar.weak else value

    # --- arguments ------------------------------------------------------------------------------------------

    def _bind_arguments(self, args: Sequence[Any]) -> None:
        params = self.function.body.args
        if len(params) != len(args):
            raise IRExecutionError(f"{len(params)} arguments expected, {len(args)} given")
        groups: dict[Storage, list[tuple[Value, Array]]] = {}
        for param, arg in zip(params, args, strict=True):
            if isinstance(param.type, TensorType):
                groups.setdefault(param.type.storage, []).append((param, arg))
            else:
                number = isinstance(arg, bool | int | float | complex | np.generic | np.ndarray)
                self.env[param] = self._scalar(param.type, arg if number else id(arg))
        for storage, group in groups.items():
            self._bind_group(storage, group)

    def _bind_group(self, storage: Storage, group: list[tuple[Value, Array]]) -> None:
        """Arguments that share a storage: their offsets must fit their addresses."""
        arrays = [array for _, array in group]
        for param, array in group:
            type_ = param.tensor
            if not isinstance(array, np.ndarray) or array.dtype != type_.dtype or array.ndim != type_.rank:
                raise IRExecutionError(f"{param!r} is {type_}, got {array!r}")
            for expr, actual in zip(
                (*type_.shape, *type_.strides), (*array.shape, *array.strides), strict=True
            ):
                self._solve(expr, actual)
        addressed = [(param, array) for param, array in group if array.size] or group
        bases = {array.ctypes.data - self._affine(param.tensor.offset) for param, array in addressed}
        if len(bases) != 1:
            raise IRExecutionError(f"the offsets of the arguments in {storage!r} do not fit their addresses")
        memory = Memory.of_arrays(arrays, bases.pop(), storage.writeable, storage.name)
        for param, array in group:
            self._bind_tensor(param, Tensor(array, memory, self._affine(param.tensor.offset)))

    def _solve(self, expr: Affine, actual: int) -> None:
        """Find the value of a dimension symbol that no argument gives."""
        unknown = [symbol for symbol in expr.symbols() if symbol not in self.env]
        if len(unknown) != 1:
            return
        (symbol,) = unknown
        assert isinstance(symbol, Value)
        rest, coeff = self._affine(expr.without(unknown)), expr.coeff(symbol)
        if (actual - rest) % coeff:
            raise IRExecutionError(f"{expr} cannot be {actual}")
        self.env[symbol] = np.int64((actual - rest) // coeff)

    # --- values ---------------------------------------------------------------------------------------------

    def _affine(self, expr: Affine) -> int:
        total = expr.const
        for symbol, coeff in expr.terms:
            total += coeff * int(self.env[symbol])  # type: ignore[index]
        return total

    def _shape(self, type_: TensorType) -> tuple[int, ...]:
        return tuple(self._affine(dim) for dim in type_.shape)

    def _scalar(self, type_: ScalarType, value: Any) -> Any:
        if isinstance(value, np.generic | np.ndarray) and value.dtype != type_.dtype:
            raise IRExecutionError(f"{type_} expected, got {value!r} of {value.dtype}")
        if isinstance(value, np.ndarray):
            value = value[()]
        return type_.dtype.type(value)

    def _bind(self, targets: Sequence[Value], values: Sequence[Any]) -> None:
        """Give values to block arguments or results; scalars first, since types of tensors mention them."""
        if len(targets) != len(values):
            raise IRExecutionError(f"{len(targets)} values expected, {len(values)} given")
        for target, value in zip(targets, values, strict=True):
            if isinstance(target.type, ScalarType):
                self.env[target] = self._scalar(target.type, value)
        for target, value in zip(targets, values, strict=True):
            if isinstance(target.type, TensorType):
                self._bind_tensor(target, value)

    def _bind_tensor(self, target: Value, tensor: Any) -> None:
        """Check that a reference is what the type says, and bind it."""
        type_ = target.tensor
        if not isinstance(tensor, Tensor) or tensor.array.dtype != type_.dtype:
            raise IRExecutionError(f"{target!r} is {type_}, got {tensor!r}")
        shape, strides, offset = self._layout(type_)
        array = tensor.array
        if array.shape != shape:
            raise IRExecutionError(f"{target!r}: shape {array.shape} where the type says {shape}")
        if array.size and tensor.offset != offset:
            raise IRExecutionError(f"{target!r}: offset {tensor.offset} where the type says {offset}")
        if array.size and any(
            n > 1 and a != b for n, a, b in zip(shape, array.strides, strides, strict=True)
        ):
            raise IRExecutionError(f"{target!r}: strides {array.strides} where the type says {strides}")
        self.env[target] = Tensor(
            tensor.memory.view(type_.dtype, shape, strides, offset), tensor.memory, offset
        )

    def _layout(self, type_: TensorType) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        strides = tuple(self._affine(stride) for stride in type_.strides)
        return self._shape(type_), strides, self._affine(type_.offset)

    def _reference(self, memory: Memory, result: Value) -> Tensor:
        """The tensor reference of a result type over some memory."""
        shape, strides, offset = self._layout(result.tensor)
        return Tensor(memory.view(result.tensor.dtype, shape, strides, offset), memory, offset)

    def _operands(self, op: Op) -> list[Any]:
        """The operands as NumPy arrays and scalars."""
        values = [self.env[value] for value in op.operands]
        return [value.array if isinstance(value, Tensor) else value for value in values]

    # --- blocks and operations ------------------------------------------------------------------------------

    def _block(self, block: Block) -> Exit:
        for op in block.ops:
            if op.record.terminator:
                if op.name == "raise":
                    raise self._error(op, op.operands)
                return Exit(op, [self.env[value] for value in op.operands])
            end = self._op(op)
            if end is not None:
                return end
        raise IRExecutionError("a block without terminator")

    def _op(self, op: Op) -> Exit | None:
        """Run one operation; an Exit when a region of it left the enclosing block."""
        if op.record.kind is Kind.CONTROL:
            return _CONTROL[op.name](self, op)
        special = _SPECIAL.get(op.name)
        if special is not None:
            special(self, op)
        else:
            self._compute(op)
        return None

    def _compute(self, op: Op) -> None:
        """An operation that makes one new value by its record's reference evaluation."""
        operands = self._operands(op)
        evaluate = op.record.evaluate
        if evaluate is not None:
            value = evaluate(op, operands)
        elif op.record.ufunc is not None:
            value = op.record.ufunc(*operands)
        else:
            raise IRExecutionError(f"{op.name} has no reference evaluation")
        self._define(op, value)

    def _define(self, op: Op, value: Any) -> None:
        """Bind a computed value to the one result: a scalar, or a tensor in new memory."""
        result = op.result
        if isinstance(result.type, ScalarType):
            self.env[result] = self._scalar(result.type, value)
            return
        value = np.asarray(value)
        tensor = self._allocate(result)
        if value.dtype != result.type.dtype or value.shape not in (tensor.array.shape, ()):
            raise IRExecutionError(
                f"{op!r} gives {value.dtype}{list(value.shape)}; the type says {result.type}"
            )
        tensor.array[...] = value
        self.env[result] = tensor

    def _allocate(self, result: Value) -> Tensor:
        type_ = result.tensor
        nbytes = type_.storage.nbytes
        size = int(np.prod(self._shape(type_), dtype=np.int64)) * type_.itemsize
        memory = Memory.allocate(size if nbytes is None else self._affine(nbytes), type_.storage.name)
        return self._reference(memory, result)

    def _error(self, op: Op, operands: Sequence[Value]) -> BaseException:
        values = [self.env[value] for value in operands]
        message = op.attrs["message"].format(*(v.item() if isinstance(v, np.generic) else v for v in values))
        return user_error(op.attrs["error"], message, op.loc)

    # --- memory ---------------------------------------------------------------------------------------------

    def _alloc(self, op: Op) -> None:
        self.env[op.result] = self._allocate(op.result)

    def _constant_array(self, op: Op) -> None:
        storage = op.result.tensor.storage
        if storage not in self.globals:
            data = storage.data
            base = np.lib.array_utils.byte_bounds(data)[0]
            writeable = storage.writeable and storage.origin is not Origin.CONST
            self.globals[storage] = Memory.of_arrays([data], base, writeable, storage.name)
        self.env[op.result] = self._reference(self.globals[storage], op.result)

    def _view(self, op: Op) -> None:
        self.env[op.result] = self._reference(self.env[op.operands[0]].memory, op.result)

    def _store(self, op: Op) -> None:
        dst, value = self._operands(op)
        self._check_value(op, dst, value)
        dst[...] = value.copy()

    def _masked_store(self, op: Op) -> None:
        dst, mask, value = self._operands(op)
        self._check_value(op, dst, value)
        if mask.shape != dst.shape or mask.dtype != np.bool_:
            raise IRExecutionError(f"{op!r}: mask {mask.dtype}{list(mask.shape)}")
        np.copyto(dst, value.copy(), where=mask.copy())

    def _check_value(self, op: Op, dst: Array, value: Any) -> None:
        if value.dtype != dst.dtype or (value.shape != dst.shape and isinstance(value, np.ndarray)):
            raise IRExecutionError(
                f"{op!r} writes {value.dtype}{list(value.shape)} into {dst.dtype}{list(dst.shape)}"
            )

    def _gather(self, op: Op) -> None:
        src, *index = self._operands(op)
        axes, position = op.attrs["axes"], op.attrs["position"]
        rows = np.moveaxis(src, axes, range(len(axes)))[tuple(index)]
        depth = np.ndim(index[0])
        self._define(op, np.moveaxis(rows, range(depth), range(position, position + depth)))

    def _scatter(self, op: Op) -> None:
        dst, value, *index = self._operands(op)
        axes, position, accumulate = op.attrs["axes"], op.attrs["position"], op.attrs.get("accumulate")
        if value.dtype != dst.dtype:
            raise IRExecutionError(f"{op!r} writes {value.dtype} into {dst.dtype}")
        depth = np.ndim(index[0])
        if isinstance(value, np.ndarray):
            value = np.moveaxis(value.copy(), range(position, position + depth), range(depth))
        rows = np.moveaxis(dst, axes, range(len(axes)))
        where = tuple(i.copy() for i in index)
        if accumulate:
            ufunc = getattr(np, accumulate) if isinstance(accumulate, str) else accumulate
            ufunc.at(rows, where, value)
            return
        for point in np.ndindex(np.shape(index[0])):
            rows[tuple(i[point] for i in where)] = value[point] if isinstance(value, np.ndarray) else value

    def _load(self, op: Op) -> None:
        (array,) = self._operands(op)
        if array.ndim:
            raise IRExecutionError(f"{op!r}: the operand has {array.ndim} dimensions")
        self._define(op, array[()])

    def _iota(self, op: Op) -> None:
        (length,) = self._shape(op.result.tensor)
        self._define(op, np.arange(length, dtype=np.int64))

    # --- scalars and checks ---------------------------------------------------------------------------------

    def _constant(self, op: Op) -> None:
        self.env[op.result] = op.result.scalar.dtype.type(op.attrs["value"])

    def _index(self, op: Op) -> None:
        self.env[op.result] = op.result.scalar.dtype.type(self._affine(op.attrs["expr"]))

    def _check(self, op: Op) -> None:
        if not self.env[op.operands[0]]:
            raise self._error(op, op.operands[1:])

    def _check_bounds(self, op: Op) -> None:
        (index,) = self._operands(op)
        size, axis = self._affine(Affine.of(op.attrs["size"])), op.attrs["axis"]
        index = np.asarray(index)
        bad = index[(index < -size) | (index >= size)]
        if bad.size:
            message = f"index {bad[0]} is out of bounds for axis {axis} with size {size}"
            raise user_error(IndexError, message, op.loc)

    # --- control flow ---------------------------------------------------------------------------------------

    def _if(self, op: Op) -> Exit | None:
        chosen = 0 if self.env[op.operands[0]] else 1
        if chosen == len(op.regions):
            return None
        end = self._block(op.regions[chosen])
        if end.op.name != "yield":
            return end
        self._bind(op.results, end.values)
        return None

    def _for(self, op: Op) -> Exit | None:
        start, stop, *carried = [self.env[value] for value in op.operands]
        (body,) = op.regions
        for i in range(int(start), int(stop), int(op.attrs["step"])):
            self._tick()
            self._bind(body.args, [np.int64(i), *carried])
            end = self._block(body)
            if end.op.name == "return":
                return end
            carried = end.values
            if end.op.name == "break":
                break
        self._bind(op.results, carried)
        return None

    def _while(self, op: Op) -> Exit | None:
        carried = [self.env[value] for value in op.operands]
        header, body = op.regions
        while True:
            self._tick()
            self._bind(header.args, carried)
            test = self._block(header)
            if test.op.name != "yield":
                return test
            if not test.values[0]:
                carried = [self.env[value] for value in header.args]
                break
            end = self._block(body)
            if end.op.name == "return":
                return end
            carried = end.values
            if end.op.name == "break":
                break
        self._bind(op.results, carried)
        return None

    def _tick(self) -> None:
        self.iterations_left -= 1
        if self.iterations_left < 0:
            raise IRExecutionError("too many loop iterations")


def _call(machine: Interpreter, op: Op) -> None:
    """The caller's error state and warnings are those of the interpreter's."""
    perform(op.attrs["site"], [array.view() for array in machine._operands(op)])


_SPECIAL: dict[str, Callable[[Interpreter, Op], None]] = {
    "alloc": Interpreter._alloc,
    "constant_array": Interpreter._constant_array,
    "view": Interpreter._view,
    "store": Interpreter._store,
    "masked_store": Interpreter._masked_store,
    "gather": Interpreter._gather,
    "scatter": Interpreter._scatter,
    "load": Interpreter._load,
    "iota": Interpreter._iota,
    "constant": Interpreter._constant,
    "index": Interpreter._index,
    "check": Interpreter._check,
    "check_bounds": Interpreter._check_bounds,
    "call": _call,
}

_CONTROL: dict[str, Callable[[Interpreter, Op], Exit | None]] = {
    "if": Interpreter._if,
    "for": Interpreter._for,
    "while": Interpreter._while,
}
