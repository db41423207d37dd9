"""Control flow, checks and scalar bookkeeping."""

from __future__ import annotations

from pydsl.ir.record import Cost, Kind, OpRecord, define

CONSTANT = define(
    OpRecord("constant", Kind.SCALAR, "A scalar constant, `value`.", cost=Cost.FREE, attrs=("value",))
)

INDEX = define(
    OpRecord(
        "index",
        Kind.SCALAR,
        "An index expression `expr` as a scalar (Python int).",
        cost=Cost.FREE,
        attrs=("expr",),
    )
)

FOR = define(
    OpRecord(
        "for",
        Kind.CONTROL,
        "`for(start, stop, inits...) {^(i, carried...): ... yield next...}`: `step` is a non-zero constant; i is an"
        " int64 scalar. Results are the carried values after the last iteration (or at `break`). Tensors may be"
        " carried: then the type of the block argument names a PHI storage and"
        " symbols that are carried beside it.",
        attrs=("step",),
    )
)

WHILE = define(
    OpRecord(
        "while",
        Kind.CONTROL,
        "`while(inits...) {^(carried...): ... condition(c)...} {^: ... yield next...}`: region 0 computes the condition"
        " and ends in `yield(c)`, region 1 is the body; both see the block arguments of region 0. Results are the"
        " carried values when the condition fails or at `break`.",
    )
)

IF = define(
    OpRecord(
        "if",
        Kind.CONTROL,
        "`if(c) {... yield values} {... yield values}`; a branch may end in another terminator instead.",
    )
)

YIELD = define(
    OpRecord("yield", Kind.CONTROL, "Ends a region, handing values to the enclosing op.", terminator=True)
)
BREAK = define(
    OpRecord("break", Kind.CONTROL, "Leaves the nearest loop with these carried values.", terminator=True)
)
CONTINUE = define(
    OpRecord(
        "continue",
        Kind.CONTROL,
        "Next iteration of the nearest loop with these carried values.",
        terminator=True,
    )
)
RETURN = define(
    OpRecord(
        "return",
        Kind.CONTROL,
        "Ends the function through return site `site`; operands are its dynamic leaves.",
        terminator=True,
        attrs=("site",),
    )
)
RAISE = define(
    OpRecord(
        "raise",
        Kind.CONTROL,
        "Raises `error` (exception class) with `message`, a format string over the operands.",
        may_raise=True,
        terminator=True,
        attrs=("error", "message"),
    )
)

CHECK = define(
    OpRecord(
        "check",
        Kind.CHECK,
        "Raises `error` with `message` (a format string over the further operands) unless the first operand, a bool"
        " scalar, is true.",
        may_raise=True,
        attrs=("error", "message"),
    )
)

CHECK_BOUNDS = define(
    OpRecord(
        "check_bounds",
        Kind.CHECK,
        "Raises IndexError unless every element of the integer tensor (or scalar) lies in [-size, size); `size` is an"
        " index expression, `axis` names"
        " the axis in the message.",
        may_raise=True,
        attrs=("size", "axis"),
    )
)
