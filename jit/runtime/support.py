"""Native functions shared by all specializations: dispatch, the allocation callback, error raising.

Compiled once in a process, with the first specialization. `pydsl_dispatch` is the vectorcall function of jitted
functions (`dispatch.py` has the object's fields); the others are reached through the runtime table.
"""

from __future__ import annotations

from string import Template

from pydsl.jit.runtime import spectable
from pydsl.jit.runtime.abi import STATE_SLOT, TABLE_SLOT
from pydsl.jit.runtime.layout import Layout
from pydsl.jit.runtime.table import index

FUNCTIONS = {
    "alloc": "pydsl_alloc",
    "finish": "pydsl_finish",
    "raise": "pydsl_raise",
    "same_dtype": "pydsl_same_dtype",
    "call_python": "pydsl_call_python",
}
"""Entries of the runtime table that this module provides."""

DISPATCH = "pydsl_dispatch"

# An object of `dispatch.NativeCallable`, behind its header: the vectorcall pointer, then these words.
OBJECT_TABLE, OBJECT_HINT, OBJECT_ACTIVE, OBJECT_WORDS = 8, 16, 24, 4
# A published table: number of specializations, runtime table, name of the method for a miss, then pairs.
# The pairs come after the context variable of the knobs and the value of it that the table is for.
TABLE_COUNT, TABLE_RT, TABLE_MISS, TABLE_VARIABLE, TABLE_CONTEXT = 0, 8, 16, 24, 32
TABLE_EXACT, TABLE_PAIRS = 40, 48

_DISPATCH = Template("""
define ptr @pydsl_dispatch(ptr %self, ptr %args, i64 %flags, ptr %kwnames) {
entry:
  %current = alloca ptr
  %nargs = and i64 %flags, 9223372036854775807
  %activep = getelementptr i8, ptr %self, i64 $active
  $enter
  %tablep = getelementptr i8, ptr %self, i64 $table
  %table = load atomic ptr, ptr %tablep $order, align 8
  %count = load i64, ptr %table
  %rtp = getelementptr i8, ptr %table, i64 $table_rt
  %rt = load ptr, ptr %rtp
  %variablep = getelementptr i8, ptr %table, i64 $table_variable
  %variable = load ptr, ptr %variablep
  %contextp = getelementptr i8, ptr %table, i64 $table_context
  %context = load ptr, ptr %contextp
  %getp = getelementptr i8, ptr %rt, i64 $f_context
  %get = load ptr, ptr %getp
  %decrefp = getelementptr i8, ptr %rt, i64 $f_decref
  %decref = load ptr, ptr %decrefp
  %gotten = call i32 %get(ptr %variable, ptr null, ptr %current)
  %now = load ptr, ptr %current
  call void %decref(ptr %now)
  %matching = icmp eq ptr %now, %context
  br i1 %matching, label %begin, label %miss, !prof !{!"branch_weights", i32 1048575, i32 1}

begin:
  %hintp = getelementptr i8, ptr %self, i64 $hint
  %hint = load atomic i64, ptr %hintp monotonic, align 8
  %pairs = getelementptr i8, ptr %table, i64 $pairs
  %known = icmp ult i64 %hint, %count
  br i1 %known, label %first, label %scan

first:
  %fp = getelementptr [2 x ptr], ptr %pairs, i64 %hint
  %fe = load ptr, ptr %fp
  %fsp = getelementptr ptr, ptr %fp, i64 1
  %fs = load ptr, ptr %fsp
  %fr = call ptr %fe(ptr %fs, ptr %args, i64 %nargs, ptr %kwnames)
  %fmiss = icmp eq ptr %fr, inttoptr (i64 1 to ptr)
  br i1 %fmiss, label %scan, label %fhit, !prof !{!"branch_weights", i32 1, i32 1048575}
fhit:
  br label %hit

scan:
  %tried = phi i64 [ %hint, %first ], [ -1, %begin ]
  br label %loop
loop:
  %i = phi i64 [ 0, %scan ], [ %next, %again ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %check, label %miss
check:
  %next = add i64 %i, 1
  %skip = icmp eq i64 %i, %tried
  br i1 %skip, label %again, label %try
try:
  %ep = getelementptr [2 x ptr], ptr %pairs, i64 %i
  %e = load ptr, ptr %ep
  %sp = getelementptr ptr, ptr %ep, i64 1
  %s = load ptr, ptr %sp
  %r = call ptr %e(ptr %s, ptr %args, i64 %nargs, ptr %kwnames)
  %rmiss = icmp eq ptr %r, inttoptr (i64 1 to ptr)
  br i1 %rmiss, label %again, label %found
again:
  br label %loop
found:
  %exactp = getelementptr i8, ptr %table, i64 $table_exact
  %exact = load i64, ptr %exactp
  %isexact = icmp ult i64 %i, %exact
  br i1 %isexact, label %note, label %hit
note:
  store atomic i64 %i, ptr %hintp monotonic, align 8
  br label %hit

hit:
  %answer = phi ptr [ %fr, %fhit ], [ %r, %found ], [ %r, %note ]
  $leave_hit
  ret ptr %answer

miss:
  %namep = getelementptr i8, ptr %table, i64 $table_miss
  %name = load ptr, ptr %namep
  $leave_miss
  %slow = call ptr @pydsl.slow(ptr %rt, ptr %name, ptr %self, ptr %args, i64 %nargs, ptr %kwnames)
  ret ptr %slow
}

define internal ptr @pydsl.slow(ptr %rt, ptr %name, ptr %self, ptr %args, i64 %nargs, ptr %kwnames) noinline {
entry:
  %positional = icmp eq ptr %kwnames, null
  br i1 %positional, label %ready, label %keywords
keywords:
  %sizep = getelementptr i8, ptr %kwnames, i64 $sequence_size
  %size = load i64, ptr %sizep
  br label %ready
ready:
  %nkw = phi i64 [ 0, %entry ], [ %size, %keywords ]
  %n = add i64 %nargs, %nkw
  %words = add i64 %n, 1
  %copy = alloca ptr, i64 %words
  store ptr %self, ptr %copy
  br label %loop
loop:
  %i = phi i64 [ 0, %ready ], [ %next, %body ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %go
body:
  %from = getelementptr ptr, ptr %args, i64 %i
  %obj = load ptr, ptr %from
  %next = add i64 %i, 1
  %to = getelementptr ptr, ptr %copy, i64 %next
  store ptr %obj, ptr %to
  br label %loop
go:
  %callp = getelementptr i8, ptr %rt, i64 $f_method
  %call = load ptr, ptr %callp
  %count = add i64 %nargs, 1
  %answer = call ptr %call(ptr %name, ptr %copy, i64 %count, ptr %kwnames)
  ret ptr %answer
}
""")

_ALLOCATION = Template("""
define ptr @pydsl_alloc(ptr %rt, ptr %slots, i64 %storage, i64 %nbytes) {
entry:
  %dims = alloca [64 x i64]
  %specp = getelementptr i64, ptr %slots, i64 $table_slot
  %spec = load ptr, ptr %specp
  %nslotsp = getelementptr i64, ptr %spec, i64 $n_slots
  %nslots = load i64, ptr %nslotsp
  %skip = mul i64 %storage, $storage_words
  %first = add i64 %skip, $storages
  %descrp = getelementptr i64, ptr %spec, i64 %first
  %descr = load ptr, ptr %descrp
  %rankp = getelementptr i64, ptr %descrp, i64 1
  %rank = load i64, ptr %rankp
  %itemp = getelementptr i64, ptr %descrp, i64 2
  %item = load i64, ptr %itemp
  %dataslotp = getelementptr i64, ptr %descrp, i64 3
  %dataslot = load i64, ptr %dataslotp
  %elements = sdiv i64 %nbytes, %item
  store i64 %elements, ptr %dims
  br label %ones
ones:
  %axis = phi i64 [ 1, %entry ], [ %nextaxis, %one ]
  %another = icmp ult i64 %axis, %rank
  br i1 %another, label %one, label %lock
one:
  %dimp = getelementptr i64, ptr %dims, i64 %axis
  store i64 1, ptr %dimp
  %nextaxis = add i64 %axis, 1
  br label %ones

lock:
  %statep = getelementptr i64, ptr %slots, i64 $state_slot
  %state = load ptr, ptr %statep
  %released = icmp ne ptr %state, null
  br i1 %released, label %take, label %make
take:
  %restorep = getelementptr i8, ptr %rt, i64 $f_restore
  %restore = load ptr, ptr %restorep
  call void %restore(ptr %state)
  br label %make
make:
  %increfp = getelementptr i8, ptr %rt, i64 $f_incref
  %incref = load ptr, ptr %increfp
  call void %incref(ptr %descr)
  %typep = getelementptr i8, ptr %rt, i64 $o_ndarray
  %type = load ptr, ptr %typep
  %newp = getelementptr i8, ptr %rt, i64 $f_new
  %new = load ptr, ptr %newp
  %rank32 = trunc i64 %rank to i32
  %array = call ptr %new(ptr %type, ptr %descr, i32 %rank32, ptr %dims, ptr null, ptr null, i32 0, ptr null)
  %objword = add i64 %nslots, %storage
  %objp = getelementptr i64, ptr %slots, i64 %objword
  store ptr %array, ptr %objp
  br i1 %released, label %give, label %done
give:
  %savep = getelementptr i8, ptr %rt, i64 $f_save
  %save = load ptr, ptr %savep
  %newstate = call ptr %save()
  store ptr %newstate, ptr %statep
  br label %done
done:
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %nothing, label %fine
nothing:
  ret ptr null
fine:
  %fieldp = getelementptr i8, ptr %array, i64 $array_data
  %data = load ptr, ptr %fieldp
  %slotp = getelementptr i64, ptr %slots, i64 %dataslot
  store ptr %data, ptr %slotp
  ret ptr %data
}

define void @pydsl_finish(ptr %rt, ptr %array, i64 %rank, i64 %item, ptr %dims, ptr %strides) {
entry:
  %wanted = alloca [64 x i64]
  %request = alloca { ptr, i32 }
  %olddimsp = getelementptr i8, ptr %array, i64 $array_dims
  %oldstridesp = getelementptr i8, ptr %array, i64 $array_strides
  %scalar = icmp eq i64 %rank, 0
  br i1 %scalar, label %exit, label %start
start:
  %olddims = load ptr, ptr %olddimsp
  %had = load i64, ptr %olddims
  br label %count
count:
  %axis = phi i64 [ 0, %start ], [ %nextaxis, %counted ]
  %total = phi i64 [ 1, %start ], [ %product, %counted ]
  %more = icmp ult i64 %axis, %rank
  br i1 %more, label %counted, label %compare
counted:
  %dimp = getelementptr i64, ptr %dims, i64 %axis
  %dim = load i64, ptr %dimp
  %product = mul i64 %total, %dim
  %wantedp = getelementptr i64, ptr %wanted, i64 %axis
  store i64 1, ptr %wantedp
  %nextaxis = add i64 %axis, 1
  br label %count
compare:
  %spare = sub i64 %had, %total
  %waste = mul i64 %spare, %item
  %large = icmp sgt i64 %waste, 4096
  br i1 %large, label %shrink, label %write

shrink:
  store i64 %total, ptr %wanted
  store ptr %wanted, ptr %request
  %lenp = getelementptr i8, ptr %request, i64 8
  %rank32 = trunc i64 %rank to i32
  store i32 %rank32, ptr %lenp
  %resizep = getelementptr i8, ptr %rt, i64 $f_resize
  %resize = load ptr, ptr %resizep
  %none = call ptr %resize(ptr %array, ptr %request, i32 0, i32 0)
  %failed = icmp eq ptr %none, null
  br i1 %failed, label %forget, label %shrunk
forget:
  %clearp = getelementptr i8, ptr %rt, i64 $f_clear
  %clear = load ptr, ptr %clearp
  call void %clear()
  br label %write
shrunk:
  %decrefp = getelementptr i8, ptr %rt, i64 $f_decref
  %decref = load ptr, ptr %decrefp
  call void %decref(ptr %none)
  br label %write

write:
  %todims = load ptr, ptr %olddimsp
  %tostrides = load ptr, ptr %oldstridesp
  br label %copy
copy:
  %i = phi i64 [ 0, %write ], [ %next, %copied ]
  %left = icmp ult i64 %i, %rank
  br i1 %left, label %copied, label %flags
copied:
  %fromdim = getelementptr i64, ptr %dims, i64 %i
  %d = load i64, ptr %fromdim
  %todim = getelementptr i64, ptr %todims, i64 %i
  store i64 %d, ptr %todim
  %fromstride = getelementptr i64, ptr %strides, i64 %i
  %s = load i64, ptr %fromstride
  %tostride = getelementptr i64, ptr %tostrides, i64 %i
  store i64 %s, ptr %tostride
  %next = add i64 %i, 1
  br label %copy
flags:
  %updatep = getelementptr i8, ptr %rt, i64 $f_update
  %update = load ptr, ptr %updatep
  call void %update(ptr %array, i32 259)
  br label %exit
exit:
  ret void
}
""")

_CALLS = Template("""
define i64 @pydsl_call_python(ptr %rt, ptr %slots, i64 %number, ptr %words) {
entry:
  %pair = alloca [2 x ptr]
  %statep = getelementptr i64, ptr %slots, i64 $state_slot
  %state = load ptr, ptr %statep
  %released = icmp ne ptr %state, null
  br i1 %released, label %take, label %make
take:
  %restorep = getelementptr i8, ptr %rt, i64 $f_restore
  %restore = load ptr, ptr %restorep
  call void %restore(ptr %state)
  store ptr null, ptr %statep
  br label %make
make:
  %specp = getelementptr i64, ptr %slots, i64 $table_slot
  %spec = load ptr, ptr %specp
  %callerp = getelementptr i64, ptr %spec, i64 $caller
  %caller = load ptr, ptr %callerp
  %longp = getelementptr i8, ptr %rt, i64 $f_long
  %long = load ptr, ptr %longp
  %first = call ptr %long(i64 %number)
  store ptr %first, ptr %pair
  %word = ptrtoint ptr %words to i64
  %second = call ptr %long(i64 %word)
  %secondp = getelementptr ptr, ptr %pair, i64 1
  store ptr %second, ptr %secondp
  %callp = getelementptr i8, ptr %rt, i64 $f_vectorcall
  %call = load ptr, ptr %callp
  %answer = call ptr %call(ptr %caller, ptr %pair, i64 2, ptr null)
  %decrefp = getelementptr i8, ptr %rt, i64 $f_decref
  %decref = load ptr, ptr %decrefp
  call void %decref(ptr %first)
  call void %decref(ptr %second)
  %failed = icmp eq ptr %answer, null
  br i1 %failed, label %done, label %answered
answered:
  %nonep = getelementptr i8, ptr %rt, i64 $o_none
  %none = load ptr, ptr %nonep
  %fine = icmp eq ptr %answer, %none
  br i1 %fine, label %drop, label %set
set:
  %typep = getelementptr i8, ptr %answer, i64 $type
  %type = load ptr, ptr %typep
  %setp = getelementptr i8, ptr %rt, i64 $f_set
  %seterror = load ptr, ptr %setp
  call void %seterror(ptr %type, ptr %answer)
  br label %drop
drop:
  %status = phi i64 [ 0, %answered ], [ 1, %set ]
  call void %decref(ptr %answer)
  br label %done
done:
  %result = phi i64 [ 1, %make ], [ %status, %drop ]
  br i1 %released, label %give, label %exit
give:
  %savep = getelementptr i8, ptr %rt, i64 $f_save
  %save = load ptr, ptr %savep
  %newstate = call ptr %save()
  store ptr %newstate, ptr %statep
  br label %exit
exit:
  ret i64 %result
}
""")

_ERRORS = Template("""
define void @pydsl_raise(ptr %rt, ptr %spec, ptr %slots, i64 %status) {
entry:
  %pair = alloca [2 x ptr]
  %longp = getelementptr i8, ptr %rt, i64 $f_long
  %long = load ptr, ptr %longp
  %error = sub i64 -1, %status
  %number = call ptr %long(i64 %error)
  store ptr %number, ptr %pair
  %word = ptrtoint ptr %slots to i64
  %address = call ptr %long(i64 %word)
  %secondp = getelementptr ptr, ptr %pair, i64 1
  store ptr %address, ptr %secondp
  %raiserp = getelementptr i64, ptr %spec, i64 $raiser
  %raiser = load ptr, ptr %raiserp
  %callp = getelementptr i8, ptr %rt, i64 $f_vectorcall
  %call = load ptr, ptr %callp
  %exception = call ptr %call(ptr %raiser, ptr %pair, i64 2, ptr null)
  %decrefp = getelementptr i8, ptr %rt, i64 $f_decref
  %decref = load ptr, ptr %decrefp
  call void %decref(ptr %number)
  call void %decref(ptr %address)
  %failed = icmp eq ptr %exception, null
  br i1 %failed, label %exit, label %set
set:
  %typep = getelementptr i8, ptr %exception, i64 $type
  %type = load ptr, ptr %typep
  %setp = getelementptr i8, ptr %rt, i64 $f_set
  %seterror = load ptr, ptr %setp
  call void %seterror(ptr %type, ptr %exception)
  call void %decref(ptr %exception)
  br label %exit
exit:
  ret void
}

define i32 @pydsl_same_dtype(ptr %actual, ptr %expected) {
entry:
  %orderp = getelementptr i8, ptr %actual, i64 $dtype_byteorder
  %order = load i8, ptr %orderp
  %native = icmp eq i8 %order, 61
  %single = icmp eq i8 %order, 124
  %plain = or i1 %native, %single
  %an = call i32 @pydsl.number(ptr %actual)
  %en = call i32 @pydsl.number(ptr %expected)
  %same = icmp eq i32 %an, %en
  %both = and i1 %same, %plain
  %answer = zext i1 %both to i32
  ret i32 %answer
}

define internal i32 @pydsl.number(ptr %dtype) {
  %np = getelementptr i8, ptr %dtype, i64 $dtype_number
  %n = load i32, ptr %np
  %longlong = icmp eq i32 %n, 9
  %ulonglong = icmp eq i32 %n, 10
  %a = select i1 %longlong, i32 7, i32 %n
  %b = select i1 %ulonglong, i32 8, i32 %a
  ret i32 %b
}
""")


def support_ir(layout: Layout) -> str:
    """The IR text of the module, for this interpreter's layout."""
    functions = {
        "f_method": "PyObject_VectorcallMethod",
        "f_vectorcall": "PyObject_VectorcallDict",
        "f_restore": "PyEval_RestoreThread",
        "f_save": "PyEval_SaveThread",
        "f_incref": "Py_IncRef",
        "f_decref": "Py_DecRef",
        "f_new": "PyArray_NewFromDescr",
        "f_resize": "PyArray_Resize",
        "f_update": "PyArray_UpdateFlags",
        "f_clear": "PyErr_Clear",
        "f_long": "PyLong_FromLongLong",
        "f_context": "PyContextVar_Get",
        "f_set": "PyErr_SetObject",
        "o_ndarray": "ndarray",
        "o_none": "None",
    }
    numbers = {name: 8 * index(entry) for name, entry in functions.items()}
    numbers |= {
        name: value for name, value in ((n, getattr(layout, n)) for n in _FIELDS) if value is not None
    }
    numbers |= {
        "active": layout.header + OBJECT_ACTIVE,
        "table": layout.header + OBJECT_TABLE,
        "hint": layout.header + OBJECT_HINT,
        "pairs": TABLE_PAIRS,
        "table_rt": TABLE_RT,
        "table_miss": TABLE_MISS,
        "table_variable": TABLE_VARIABLE,
        "table_context": TABLE_CONTEXT,
        "table_exact": TABLE_EXACT,
        "table_slot": TABLE_SLOT,
        "state_slot": STATE_SLOT,
        "n_slots": spectable.N_SLOTS,
        "storages": spectable.STORAGES,
        "storage_words": spectable.STORAGE_WORDS,
        "raiser": spectable.RAISER,
        "caller": spectable.CALLER,
    }
    words = {name: str(value) for name, value in numbers.items()} | _counting(layout.free_threaded)
    return "".join(part.substitute(words) for part in (_DISPATCH, _ALLOCATION, _CALLS, _ERRORS))


_FIELDS = (
    "type",
    "array_data",
    "array_dims",
    "array_strides",
    "dtype_byteorder",
    "dtype_number",
    "sequence_size",
)


def _counting(free_threaded: bool) -> dict[str, str]:
    """How the number of running calls of an object is counted: it decides when retired code may be freed."""
    if free_threaded:
        change = "atomicrmw {} ptr %activep, i64 1 seq_cst"
        enter, leave = f"%was = {change.format('add')}", change.format("sub")
        return {
            "enter": enter,
            "leave_hit": f"%left1 = {leave}",
            "leave_miss": f"%left2 = {leave}",
            "order": "seq_cst",
        }

    def step(name: str, amount: int) -> str:
        return (
            f"%{name}0 = load i64, ptr %activep\n  %{name}1 = add i64 %{name}0, {amount}\n"
            f"  store i64 %{name}1, ptr %activep"
        )

    return {
        "enter": step("enter", 1),
        "leave_hit": step("hit", -1),
        "leave_miss": step("miss", -1),
        "order": "acquire",
    }
