"""The first half of a native entry: guards on the call's objects, which also fill the argument slots.

Works on fields of live objects, at the offsets that `layout.py` verified. A guard that fails jumps to the label
`miss`. Nothing is changed before all guards have passed, except that objects read from lists, dicts and
attributes are held (one reference each) from then on, since another thread may drop them there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pydsl.jit.runtime.abi import (
    MISSING,
    ArgPath,
    ArrayGuard,
    AttributesGuard,
    BoolGuard,
    CallForm,
    CellGuard,
    ComplexGuard,
    Condition,
    DictGuard,
    Disjoint,
    EqualGuard,
    FloatGuard,
    GlobalGuard,
    Guard,
    IdentityGuard,
    IntGuard,
    ListGuard,
    NameGuard,
    NoneGuard,
    NumpyScalarGuard,
    ObjectGuard,
    OverlapGuard,
    SameOffset,
    Specialization,
    TupleGuard,
)
from pydsl.jit.runtime.irtext import Code
from pydsl.jit.runtime.layout import ALIGNED, WRITEABLE, Layout
from pydsl.jit.runtime.spectable import SpecTable
from pydsl.jit.runtime.statics import static_equal

MISS = "miss"


class GuardWriter:
    """Writes the guards of one specialization. `objects` maps argument paths to the names of object pointers,
    `arrays` maps data slots to the guards of their arrays; both are complete when the guards are written."""

    def __init__(self, code: Code, layout: Layout, objects: SpecTable, slots: str) -> None:
        self.code = code
        self.layout = layout
        self.table = objects
        self.slots = slots
        self.objects: dict[ArgPath, str] = {}
        self.arrays: dict[int, ArrayGuard] = {}
        self.hold: Callable[[str], None] = lambda _: None

    # the call ---------------------------------------------------------------------------------------

    def write(self, spec: Specialization) -> None:
        self._call_form(spec.call_form)
        self._names(spec.name_guards)
        for position, guard in enumerate(spec.guards):
            implicit = position - spec.call_form.n_passed
            if implicit < 0:
                obj = self.code.load("ptr", "%args", 8 * position)
            else:
                obj = self.code.object(self.table.object(spec.implicit[implicit]))
            self._guard(guard, obj, (position,))
        for overlap in spec.overlaps:
            self._overlap(overlap)
        for condition in spec.conditions:
            self._condition(condition)

    def _call_form(self, form: CallForm) -> None:
        code = self.code
        code.require(code.op(f"icmp eq i64 %nargs, {form.nargs}"), MISS)
        if not form.kwnames:
            if form.nargs == 0:
                none = code.op("icmp eq ptr %kwnames, null")
                code.require(none, MISS)
                return
            given = code.fresh("keywords")
            ready = code.fresh("positional")
            code.do(f"br i1 {code.op('icmp eq ptr %kwnames, null')}, label %{ready}, label %{given}")
            code.label(given)
            size = code.load("i64", "%kwnames", self.layout.sequence_size)
            code.do(f"br i1 {code.op(f'icmp eq i64 {size}, 0')}, label %{ready}, label %{MISS}")
            code.label(ready)
            return
        code.require_not_null("%kwnames", MISS)
        size = code.load("i64", "%kwnames", self.layout.sequence_size)
        code.require(code.op(f"icmp eq i64 {size}, {len(form.kwnames)}"), MISS)
        for position, name in enumerate(form.kwnames):
            given = code.load("ptr", "%kwnames", self.layout.tuple_items + 8 * position)
            self._same_string(given, code.object(self.table.object(_interned(name))))

    def _same_string(self, given: str, expected: str) -> None:
        """Two exact strings are equal: mostly the same interned object."""
        code = self.code
        same, other = code.fresh("same"), code.fresh("compare")
        code.do(f"br i1 {code.op(f'icmp eq ptr {given}, {expected}')}, label %{same}, label %{other}")
        code.label(other)
        order = code.call("i32", "PyUnicode_Compare", f"ptr {given}", f"ptr {expected}")
        code.do(f"br i1 {code.op(f'icmp eq i32 {order}, 0')}, label %{same}, label %{MISS}")
        code.label(same)

    # names: globals and closure cells -----------------------------------------------------------------

    def _names(self, guards: tuple[NameGuard, ...]) -> None:
        namespaces: dict[int, tuple[dict[str, Any], list[GlobalGuard]]] = {}
        for guard in guards:
            if isinstance(guard, CellGuard):
                self._cell(guard)
            else:
                namespaces.setdefault(id(guard.namespace), (guard.namespace, []))[1].append(guard)
        for namespace, members in namespaces.values():
            self._namespace(namespace, members)

    def _cell(self, guard: CellGuard) -> None:
        code = self.code
        cell = code.object(self.table.object(guard.cell))
        held = code.load("ptr", cell, self.layout.cell_value)
        expected = "null" if guard.obj is MISSING else code.object(self.table.object(guard.obj))
        code.require(code.op(f"icmp eq ptr {held}, {expected}"), MISS)

    def _namespace(self, namespace: dict[str, Any], guards: list[GlobalGuard]) -> None:
        """Look the names up only when the dict has changed since the last successful check."""
        code, offset = self.code, self.layout.dict_version
        pointer = code.object(self.table.object(namespace))
        if offset is None:
            self._look_up(pointer, guards)
            return
        seen = self.table.word(0)
        version = code.load("i64", pointer, offset)
        before = code.load("i64", "%spec", 8 * seen)
        unchanged, changed = code.fresh("unchanged"), code.fresh("changed")
        code.do(f"br i1 {code.op(f'icmp eq i64 {version}, {before}')}, label %{unchanged}, label %{changed}")
        code.label(changed)
        self._look_up(pointer, guards)
        code.store("i64", version, "%spec", 8 * seen)
        code.do(f"br label %{unchanged}")
        code.label(unchanged)

    def _look_up(self, namespace: str, guards: list[GlobalGuard]) -> None:
        code = self.code
        for guard in guards:
            name = code.object(self.table.object(_interned(guard.name)))
            found = code.call("ptr", "PyDict_GetItemWithError", f"ptr {namespace}", f"ptr {name}")
            expected = "null" if guard.obj is MISSING else code.object(self.table.object(guard.obj))
            code.require(code.op(f"icmp eq ptr {found}, {expected}"), MISS)

    # objects ------------------------------------------------------------------------------------------

    def _guard(self, guard: Guard, obj: str, path: ArgPath) -> None:
        self.objects[path] = obj
        match guard:
            case ArrayGuard():
                self._array(guard, obj)
            case FloatGuard(slot):
                self._type(obj, self.code.runtime("float"))
                self._fill(slot, "double", self.code.load("double", obj, self.layout.scalar_value))
            case IntGuard(slot):
                self._int(obj, slot)
            case ComplexGuard(slot):
                self._type(obj, self.code.runtime("complex"))
                for part in (0, 1):
                    value = self.code.load("double", obj, self.layout.scalar_value + 8 * part)
                    self._fill(slot + part, "double", value)
            case BoolGuard(value):
                self._is(obj, self.code.runtime("True" if value else "False"))
            case NumpyScalarGuard():
                self._numpy_scalar(guard, obj)
            case ObjectGuard(cls, slot):
                self._type(obj, self.code.object(self.table.object(cls)))
                self._fill(slot, "ptr", obj)
            case NoneGuard():
                self._is(obj, self.code.runtime("None"))
            case IdentityGuard(expected):
                self._is(obj, self.code.object(self.table.object(expected)))
            case EqualGuard(expected):
                self._equal(obj, expected)
            case TupleGuard() | ListGuard():
                self._sequence(guard, obj, path)
            case DictGuard():
                self._dict(guard, obj, path)
            case AttributesGuard():
                self._attributes(guard, obj, path)

    def _type(self, obj: str, cls: str) -> None:
        actual = self.code.load("ptr", obj, self.layout.type)
        self.code.require(self.code.op(f"icmp eq ptr {actual}, {cls}"), MISS)

    def _is(self, obj: str, expected: str) -> None:
        self.code.require(self.code.op(f"icmp eq ptr {obj}, {expected}"), MISS)

    def _fill(self, slot: int, kind: str, value: str) -> None:
        self.code.store(kind, value, self.slots, 8 * slot)

    def _array(self, guard: ArrayGuard, obj: str) -> None:
        code, at = self.code, self.layout
        self.arrays[guard.slot] = guard
        self._type(obj, code.runtime("ndarray"))
        wanted_flags = (ALIGNED if guard.aligned else 0) | (WRITEABLE if guard.needs_writeable else 0)
        mask = wanted_flags | (WRITEABLE if guard.read_only else 0)
        flags = code.op(f"and i32 {code.load('i32', obj, at.array_flags)}, {mask}")
        nd = code.load("i32", obj, at.array_nd)
        code.require(
            code.all_of(
                [
                    code.op(f"icmp eq i32 {flags}, {wanted_flags}"),
                    code.op(f"icmp eq i32 {nd}, {len(guard.shape)}"),
                ]
            ),
            MISS,
        )
        self._dtype(guard, obj)
        slot = guard.slot + 1
        equal: list[str] = []
        strides: list[str] = []
        dims: dict[int, str] = {}
        for field, wanted in ((at.array_dims, guard.shape), (at.array_strides, guard.strides)):
            words = code.load("ptr", obj, field) if wanted else "null"
            for axis, number in enumerate(wanted):
                value = code.load("i64", words, 8 * axis)
                if number is None:
                    self._fill(slot, "i64", value)
                    slot += 1
                    if wanted is guard.shape:
                        dims[axis] = value
                elif wanted is guard.shape:
                    equal.append(code.op(f"icmp eq i64 {value}, {number}"))
                elif not guard.is_empty:
                    strides.append(code.op(f"icmp eq i64 {value}, {number}"))
        if strides:
            empty = [code.op(f"icmp eq i64 {dim}, 0") for dim in dims.values()]
            equal.append(self._any_of([code.all_of(strides), *empty]))
        if equal:
            code.require(code.all_of(equal), MISS)
        for axes, divisor in guard.products:
            first, *others = (dims[axis] for axis in axes)
            for other in others:
                first = code.op(f"mul i64 {first}, {other}")
            if divisor != 1:
                first = code.op(f"sdiv i64 {first}, {divisor}")
            self._fill(slot, "i64", first)
            slot += 1
        self._fill(guard.slot, "ptr", code.load("ptr", obj, at.array_data))

    def _dtype(self, guard: ArrayGuard, obj: str) -> None:
        code = self.code
        actual = code.load("ptr", obj, self.layout.array_descr)
        expected = code.object(self.table.object(guard.dtype))
        same, other = code.fresh("same"), code.fresh("compare")
        code.do(f"br i1 {code.op(f'icmp eq ptr {actual}, {expected}')}, label %{same}, label %{other}")
        code.label(other)
        equal = code.call("i32", "same_dtype", f"ptr {actual}", f"ptr {expected}")
        code.do(f"br i1 {code.op(f'icmp ne i32 {equal}, 0')}, label %{same}, label %{MISS}")
        code.label(same)

    def _int(self, obj: str, slot: int) -> None:
        code = self.code
        self._type(obj, code.runtime("int"))
        value = code.call("i64", "PyLong_AsLongLongAndOverflow", f"ptr {obj}", "ptr %overflow")
        overflow = code.load("i32", "%overflow")
        code.require(code.op(f"icmp eq i32 {overflow}, 0"), MISS)
        self._fill(slot, "i64", value)

    def _numpy_scalar(self, guard: NumpyScalarGuard, obj: str) -> None:
        code, where = self.code, self.layout.scalar_value
        self._type(obj, code.object(self.table.object(guard.dtype.type)))
        kind, size = guard.dtype.kind, guard.dtype.itemsize
        if kind in "biu":
            value = code.load(f"i{8 * size}", obj, where)
            if size < 8:
                value = code.op(f"{'sext' if kind == 'i' else 'zext'} i{8 * size} {value} to i64")
            self._fill(guard.slot, "i64", value)
            return
        parts = 2 if kind == "c" else 1
        narrow = {2: "half", 4: "float", 8: "double"}[size // parts]
        for part in range(parts):
            value = code.load(narrow, obj, where + part * size // parts)
            if narrow == "half":
                value, narrow = code.op(f"fpext half {value} to float"), "float"
            if narrow == "float":
                value = code.op(f"fpext float {value} to double")
            self._fill(guard.slot + part, "double", value)

    def _equal(self, obj: str, expected: Any) -> None:
        code = self.code
        wanted = code.object(self.table.object(expected))
        same, other = code.fresh("same"), code.fresh("compare")
        code.do(f"br i1 {code.op(f'icmp eq ptr {obj}, {wanted}')}, label %{same}, label %{other}")
        code.label(other)
        cls = type(expected)
        self._type(obj, code.object(self.table.object(cls)))
        if cls is float:
            bits = [code.load("i64", value, self.layout.scalar_value) for value in (obj, wanted)]
            equal = code.op(f"icmp eq i64 {bits[0]}, {bits[1]}")
        elif cls is str:
            order = code.call("i32", "PyUnicode_Compare", f"ptr {obj}", f"ptr {wanted}")
            equal = code.op(f"icmp eq i32 {order}, 0")
        elif cls is int:
            answer = code.call("i32", "PyObject_RichCompareBool", f"ptr {obj}", f"ptr {wanted}", "i32 2")
            equal = code.op(f"icmp eq i32 {answer}, 1")
        else:
            compare = code.object(self.table.object(static_equal))
            code.store("ptr", obj, "%pair", 0)
            code.store("ptr", wanted, "%pair", 8)
            arguments = (f"ptr {compare}", "ptr %pair", "i64 2", "ptr null")
            answer = code.call("ptr", "PyObject_VectorcallDict", *arguments)
            self._clear_error(answer)
            code.require_not_null(answer, MISS)
            code.run("Py_DecRef", f"ptr {answer}")
            true = code.runtime("True")
            equal = code.op(f"icmp eq ptr {answer}, {true}")
        code.do(f"br i1 {equal}, label %{same}, label %{MISS}")
        code.label(same)

    def _clear_error(self, pointer: str) -> None:
        """Forget a Python exception if the pointer is null: the guard just fails."""
        code = self.code
        failed, go_on = code.fresh("failed"), code.fresh("goon")
        code.do(f"br i1 {code.op(f'icmp eq ptr {pointer}, null')}, label %{failed}, label %{go_on}")
        code.label(failed)
        code.run("PyErr_Clear")
        code.do(f"br label %{go_on}")
        code.label(go_on)

    def _sequence(self, guard: TupleGuard | ListGuard, obj: str, path: ArgPath) -> None:
        code, at = self.code, self.layout
        if isinstance(guard, ListGuard):
            self._type(obj, code.runtime("list"))
        elif guard.cls is tuple:
            self._type(obj, code.runtime("tuple"))
        else:
            self._type(obj, code.object(self.table.object(guard.cls)))
        size = code.load("i64", obj, at.sequence_size)
        code.require(code.op(f"icmp eq i64 {size}, {len(guard.items)}"), MISS)
        mutable = isinstance(guard, ListGuard)
        items = []
        first = (code.load("ptr", obj, at.list_items), 0) if mutable else (obj, at.tuple_items)
        for position in range(len(guard.items)):
            items.append(code.load("ptr", first[0], first[1] + 8 * position))
        if mutable:
            for item in items:
                code.run("Py_IncRef", f"ptr {item}")
                self.hold(item)
        for position, (item, inner) in enumerate(zip(items, guard.items, strict=True)):
            self._guard(inner, item, (*path, position))

    def _dict(self, guard: DictGuard, obj: str, path: ArgPath) -> None:
        code = self.code
        self._type(obj, code.runtime("dict"))
        size = code.call("i64", "PyDict_Size", f"ptr {obj}")
        code.require(code.op(f"icmp eq i64 {size}, {len(guard.items)}"), MISS)
        for key, inner in guard.items:
            name = code.object(self.table.object(_interned(key)))
            item = code.call("ptr", "PyDict_GetItemWithError", f"ptr {obj}", f"ptr {name}")
            self._clear_error(item)
            code.require_not_null(item, MISS)
            code.run("Py_IncRef", f"ptr {item}")
            self.hold(item)
            self._guard(inner, item, (*path, key))

    def _attributes(self, guard: AttributesGuard, obj: str, path: ArgPath) -> None:
        code = self.code
        self._type(obj, code.object(self.table.object(guard.cls)))
        for attribute, inner in guard.items:
            name = code.object(self.table.object(_interned(attribute)))
            item = code.call("ptr", "PyObject_GetAttr", f"ptr {obj}", f"ptr {name}")
            self._clear_error(item)
            code.require_not_null(item, MISS)
            self.hold(item)
            self._guard(inner, item, (*path, attribute))

    # overlap ------------------------------------------------------------------------------------------

    def _overlap(self, guard: OverlapGuard) -> None:
        code = self.code
        first, second = (code.load("i64", self.slots, 8 * slot) for slot in (guard.first, guard.second))
        if isinstance(guard, SameOffset):
            distance = code.op(f"sub i64 {second}, {first}")
            code.require(code.op(f"icmp eq i64 {distance}, {guard.delta}"), MISS)
            return
        self._disjoint(guard, first, second)

    def _disjoint(self, guard: Disjoint, first: str, second: str) -> None:
        code = self.code
        bounds = [self._extent(self.arrays[slot]) for slot in (guard.first, guard.second)]
        if None in bounds:
            return
        (low1, high1, empty1), (low2, high2, empty2) = (bound for bound in bounds if bound is not None)
        start1, end1 = code.op(f"add i64 {first}, {low1}"), code.op(f"add i64 {first}, {high1}")
        start2, end2 = code.op(f"add i64 {second}, {low2}"), code.op(f"add i64 {second}, {high2}")
        fine = code.op(f"icmp ule i64 {end1}, {start2}")
        after = code.op(f"icmp ule i64 {end2}, {start1}")
        for condition in (after, empty1, empty2):
            if condition is not None:
                fine = code.op(f"or i1 {fine}, {condition}")
        code.require(fine, MISS)

    def _condition(self, condition: Condition) -> None:
        code = self.code
        total = str(condition.const)
        for slot, factor in condition.terms:
            number = code.load("i64", self.slots, 8 * slot)
            term = number if factor == 1 else code.op(f"mul i64 {number}, {factor}")
            total = term if total == "0" else code.op(f"add i64 {total}, {term}")
        compare = {"eq": "eq", "ne": "ne", "ge": "sge"}[condition.kind]
        fine = [code.op(f"icmp {compare} i64 {total}, 0")]
        for slot in condition.unless:
            fine.append(code.op(f"icmp eq i64 {code.load('i64', self.slots, 8 * slot)}, 0"))
        code.require(self._any_of(fine), MISS)

    def _any_of(self, conditions: list[str]) -> str:
        result = conditions[0]
        for condition in conditions[1:]:
            result = self.code.op(f"or i1 {result}, {condition}")
        return result

    def _extent(self, guard: ArrayGuard) -> tuple[str, str, str | None] | None:
        """Lowest and highest byte relative to the data pointer, and the condition that the array is empty (None:
        it never is); no answer at all for an array that is always empty."""
        if guard.is_empty:
            return None
        code = self.code
        if None not in guard.shape and None not in guard.strides:
            steps = [
                (n - 1) * stride
                for n, stride in zip(guard.shape, guard.strides, strict=True)
                if n is not None and stride is not None
            ]
            low = sum(step for step in steps if step < 0)
            high = sum(step for step in steps if step > 0) + guard.dtype.itemsize
            return str(low), str(high), None
        open_slot = guard.slot + 1
        numbers: list[str] = []
        for number in (*guard.shape, *guard.strides):
            if number is None:
                numbers.append(code.load("i64", self.slots, 8 * open_slot))
                open_slot += 1
            else:
                numbers.append(str(number))
        lowest, highest, empty = "0", str(guard.dtype.itemsize), None
        rank = len(guard.shape)
        for size, stride in zip(numbers[:rank], numbers[rank:], strict=True):
            step = code.op(f"mul i64 {code.op(f'sub i64 {size}, 1')}, {stride}")
            negative = code.op(f"icmp slt i64 {step}, 0")
            lowest = code.op(f"add i64 {lowest}, {code.op(f'select i1 {negative}, i64 {step}, i64 0')}")
            highest = code.op(f"add i64 {highest}, {code.op(f'select i1 {negative}, i64 0, i64 {step}')}")
            none = code.op(f"icmp eq i64 {size}, 0")
            empty = none if empty is None else code.op(f"or i1 {empty}, {none}")
        return lowest, highest, empty


def _interned(name: str) -> str:
    return sys.intern(name)
