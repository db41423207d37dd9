"""From a seed to a program: inputs, helpers, blocks of statements, loops, branches and returns."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np

from tests.generator.compare import run
from tests.generator.expressions import random_slice
from tests.generator.inputs import random_inputs, usable
from tests.generator.program import Line, Nest, Node, Program, forget
from tests.generator.scope import Scope
from tests.generator.statements import MAKERS, wrong
from tests.generator.validity import why_undefined
from tests.generator.values import random_literal

HELPERS = [
    "def h0(v, k):\n    v[...] = v * k\n    return v\n",
    "def h1(v, k=1):\n    v += k\n",
    "def h2(v, k):\n    w = v[::-1]\n    w[...] = k\n    return w\n",
    "def h3(v, k):\n    if v.ndim > 1:\n        return v.T + v.sum()\n    return v - k\n",
    "def h4(v, k):\n    for i in range(v.shape[0] - 1):\n        v[i + 1] += v[i]\n    return v[:1]\n",
    "def h5(v, k):\n    big = v > k\n    v[big] = 1\n    return big\n",
    "def h6(v, k):\n    v[1:] = v[:-1]\n    return v.shape[0]\n",
    "def h7(v, k):\n    if v[0] > k:\n        v[0] = k\n        return v[0]\n    return v[-1]\n",
]


def generate(seed: int, exact: bool = True) -> Program:
    """The program of a seed. Programs whose answer NumPy leaves open are replaced by the next attempt's."""
    for attempt in range(200):
        rng = random.Random(f"{seed}/{attempt}/{exact}")
        program = _attempt(seed, rng, exact)
        if program is not None and not why_undefined(program):
            return program
    raise RuntimeError(f"no program for seed {seed}")


def _attempt(seed: int, rng: random.Random, exact: bool) -> Program | None:
    buffers, arguments = random_inputs(rng)
    if not usable(buffers, arguments):
        return None
    helpers = rng.sample(HELPERS if exact else HELPERS[:5], rng.choice([0, 0, 1, 2]))
    empty = Program(seed, tuple(helpers), buffers, arguments, (), exact)
    made = empty.make_arguments()
    scope = Scope(rng, exact)
    exec("import numpy as np\n" + "\n".join(helpers), scope.env)
    scope.env.pop("__builtins__", None)
    scope.env.update({argument.name: value for argument, value in zip(arguments, made.values)})
    if not exact:
        scope.env = {n: v for n, v in scope.env.items() if not _is_integer(v)} | {"np": np}
        scope.disabled |= {
            "masked",
            "indexed",
            "function",
            "python",
        }  # comparisons and indices are not continuous
    scope.disabled |= {name for name in MAKERS if rng.random() < 0.2}
    body = block(scope, rng.randint(1, 9), depth=0)
    if rng.random() < 0.12:
        line = wrong(scope)
        if line is not None:
            body.insert(rng.randint(0, len(body)), Line(line))
    body.append(Line(final_return(scope)))
    program = empty.with_body(body)
    raises = _raises(program)
    if raises and rng.random() < 0.6:
        return None
    return program


def _is_integer(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biu"


def _raises(program: Program) -> bool:
    function = program.function()
    error = run(program, function).error
    forget(function)
    return error is not None


# --- blocks ---------------------------------------------------------------------------------------------------------


def block(scope: Scope, count: int, depth: int) -> list[Node]:
    """Some statements, with loops and branches among them."""
    nodes: list[Node] = []
    for _ in range(count):
        compound = _compound(scope, depth) if depth < 2 and scope.chance(0.23) else []
        nodes += compound or _simple(scope)
    return nodes


def _simple(scope: Scope) -> list[Node]:
    names = [name for name in MAKERS if name not in scope.disabled]
    weights = [MAKERS[name][1] for name in names]
    for _ in range(12):
        maker = MAKERS[scope.rng.choices(names, weights)[0]][0]
        text = maker(scope)
        if text is not None and _assignable(scope, text) and scope.run(text):
            return [Line(text)]
    return []


def _assignable(scope: Scope, text: str) -> bool:
    """Loop variables and helpers are not assigned."""
    match = re.match(r"(\w+) (?:[^\w\s]{0,2}=) ", text)
    return match is None or match.group(1) not in scope.loops


def _compound(scope: Scope, depth: int) -> list[Node]:
    how = scope.rng.random()
    if how < 0.4:
        node = _branch(scope, depth)
    elif how < 0.75:
        node = _range_loop(scope, depth)
    elif how < 0.87:
        return _while_loop(scope, depth)
    else:
        node = _loop_over(scope, depth)
    return [node] if node is not None else []


def condition(scope: Scope) -> str | None:
    """A scalar condition on the data."""
    rng = scope.rng
    name = scope.pick_array(lambda v: v.size > 0 and v.dtype.kind != "c")
    if name is None or not scope.exact:
        return rng.choice([f"len({name}.shape) > 1", f"{name}.ndim == 2"]) if name is not None else None
    value = scope.env[name]
    place = f"{name}[{', '.join(str(rng.randrange(n)) for n in value.shape) or '()'}]"
    literal = random_literal(rng, value.dtype.kind)
    options = [
        f"{place} > {literal}",
        f"{place} <= {literal}",
        f"{name}.max() > {literal}",
        f"({name} > {literal}).any()",
        f"np.all({name} != {literal})",
        f"{place}",
        f"not {place} < {literal}",
        f"{place} > {literal} and {name}.shape[0] > 2" if value.ndim else place,
        f"{literal} < {place} or {place} == {random_literal(rng, value.dtype.kind)}",
    ]
    if value.dtype.kind != "b":
        options.append(f"{place} > {name}.sum()")
    options += [f"{k} % 2 == 0" for k in scope.loops] + [f"{k} > 1" for k in scope.loops]
    scalars = [s for s in scope.scalars() if not isinstance(scope.env[s], complex | np.complexfloating)]
    options += [f"{s} > {literal}" for s in scalars[:2]]
    return rng.choice(options)


def _branch(scope: Scope, depth: int) -> Node | None:
    test = condition(scope)
    if test is None or scope.try_value(test) is None:
        return None
    with scope.block():
        body = block(scope, scope.rng.randint(1, 3), depth + 1)
        body += _leaving(scope)
    orelse: list[Node] = []
    if scope.chance(0.45):
        with scope.block():
            orelse = block(scope, scope.rng.randint(1, 3), depth + 1)
    return Nest(f"if {test}", tuple(body), tuple(orelse))


def _leaving(scope: Scope) -> list[Node]:
    """Perhaps a jump or a return at the end of a branch."""
    if scope.in_loop and scope.chance(0.5):
        return [Line(scope.rng.choice(["break", "continue"]))]
    if scope.chance(0.12):
        return [Line(final_return(scope))]
    if scope.chance(0.07):
        return [
            Line(scope.rng.choice(["raise ValueError('no')", "raise IndexError('out')", "raise KeyError"]))
        ]
    return []


def _range_loop(scope: Scope, depth: int) -> Node | None:
    rng = scope.rng
    name = scope.fresh("i")
    arrays = scope.arrays(lambda v: v.ndim > 0 and v.shape[0] > 0)
    n = rng.randint(0, 4)
    stop = str(n)
    if arrays and scope.chance(0.6):
        source = rng.choice(arrays)
        n = scope.env[source].shape[0]
        stop = rng.choice([f"{source}.shape[0]", f"len({source})", str(n)])
    headers = [(f"range({stop})", n - 1), (f"range({stop})", n - 1), (f"range(1, {stop})", n - 1)]
    headers += [(f"range({stop} - 1, -1, -1)", n - 1), (f"range(0, {stop}, 2)", n - 1)]
    header, most = rng.choice(headers)
    body = _loop_body(scope, name, min(1, max(most, 0)), max(most, 0), depth)
    return Nest(f"for {name} in {header}", tuple(body)) if body else None


def _loop_body(scope: Scope, name: str, value: int, most: int, depth: int) -> list[Node]:
    scope.in_loop += 1
    with scope.block():
        scope.env[name] = value
        scope.fixed[-1].add(name)
        scope.loops[name] = most
        body = block(scope, scope.rng.randint(1, 3), depth + 1)
        del scope.loops[name]
    scope.in_loop -= 1
    return body


def _while_loop(scope: Scope, depth: int) -> list[Node]:
    name = scope.fresh("n")
    limit = scope.rng.randint(1, 4)
    test = f"{name} < {limit}"
    more = condition(scope)
    if more is not None and scope.chance(0.5) and scope.try_value(more) is not None:
        test += f" and {more}" if " or " not in more else f" and ({more})"
    body = _loop_body(scope, name, 0, limit, depth)
    if not body:
        return []
    # the counter comes first, so that `continue` cannot skip it
    loop = Nest(f"while {test}", (Line(f"{name} += 1"), *body))
    scope.env[name] = limit
    return [Line(f"{name} = 0"), loop]


def _loop_over(scope: Scope, depth: int) -> Node | None:
    rng = scope.rng
    name = scope.fresh("e")
    source = scope.pick_array(lambda v: v.ndim > 0 and 0 < v.shape[0] < 7)
    if source is None:
        return None
    value = scope.env[source]
    other = scope.pick_array(lambda v: v.ndim > 0) or source
    n = scope.fresh("q")
    header, values = rng.choice(
        [
            (f"for {name} in {source}", {name: value[0]}),
            (f"for {n}, {name} in enumerate({source})", {name: value[0], n: 0}),
            (f"for {name} in ({source}, {source}[::-1])", {name: value}),
            (f"for {name}, {n} in zip({source}, {source}[::-1])", {name: value[0], n: value[-1]}),
            (f"for {name} in [{other}[{random_slice(scope, 3)}], {other}]", {name: scope.env[other]}),
        ]
    )
    scope.in_loop += 1
    with scope.block():
        scope.env.update(values)
        body = block(scope, rng.randint(1, 3), depth + 1)
    scope.in_loop -= 1
    return Nest(header, tuple(body)) if body else None


def final_return(scope: Scope) -> str:
    """A return of arrays, views, scalars, tuples, or nothing."""
    rng = scope.rng
    names = [
        n
        for n, v in scope.env.items()
        if isinstance(v, np.ndarray | np.generic | bool | int | float | complex)
    ]
    if not names or scope.chance(0.07):
        return rng.choice(["return", "return None"])
    recent = names[-4:]
    picked = [
        rng.choice(recent) if scope.chance(0.7) else rng.choice(names)
        for _ in range(rng.choice([1, 1, 1, 2, 3]))
    ]
    texts = []
    for name in picked:
        value = scope.env[name]
        if isinstance(value, np.ndarray) and value.ndim and scope.chance(0.25):
            texts.append(f"{name}[{random_slice(scope, value.shape[0])}]")
        elif isinstance(value, np.ndarray) and scope.chance(0.1):
            texts.append(f"{name}.T")
        else:
            texts.append(name)
    if len(texts) == 1:
        return f"return {texts[0]}"
    return rng.choice(
        [f"return {', '.join(texts)}", f"return ({', '.join(texts)})", f"return [{', '.join(texts)}]"]
    )
