"""Statements by template: the rest of NumPy's functions, and forms of the Python language.

In a template ``{x}`` is an array, ``{v}`` one of one dimension, ``{m}`` one of two, ``{i}`` an integer array, ``{b}``
a bool array, ``{y}`` an array of the shape of ``{x}``, ``{a}`` an axis of ``{x}``, ``{k}`` a small number and ``{t}``,
``{u}`` new variables.
"""

from __future__ import annotations

import re

from tests.generator.expressions import fit
from tests.generator.scope import Scope
from tests.generator.values import random_literal

FUNCTIONS = """
{t} = np.take({x}, [0, -1], axis={a})
{t} = np.take_along_axis({x}, np.argsort({x}, axis={a}, kind='stable'), axis={a})
{t} = np.sort({x}, axis={a})
{t} = np.argsort({x}, axis={a}, kind='stable')
{t} = np.unique({x})
{t} = np.searchsorted(np.sort({v}), {x})
{t} = np.searchsorted(np.sort({v}), {k}, side='right')
{t} = np.bincount(abs({i}.ravel()) % 7)
{t} = np.isin({x}, {v})
{t} = np.count_nonzero({x})
{t} = np.count_nonzero({x}, axis={a})
{t} = np.flatnonzero({x} > {k})
{t}, {u} = np.nonzero({m} > {k})
{t} = np.where({v} > {k})[0]
{t} = np.argwhere({m})
{t} = np.triu({m})
{t} = np.tril({m}, -1)
{t} = np.pad({x}, 1)
{t} = np.pad({v}, (1, 2), mode='edge')
{t} = np.pad({m}, ((0, 1), (2, 0)), constant_values={k})
{t}, {u} = np.split({v}[:4], [1])
{t}, {u} = np.array_split({x}, 2)
{t}, {u} = np.meshgrid({v}, {v}[:2])
{t}, {u} = np.meshgrid({v}, {v}[::-1], indexing='ij')
{t} = np.linspace(0, {k}, 5)
{t} = np.diff({x}, axis={a})
{t} = np.maximum.reduce({x}, axis={a})
{t} = np.add.reduce({x})
{t} = np.minimum.accumulate({x}, axis={a})
{t} = np.add.outer({v}, {v}[:2])
np.add.at({x}, [0, 0, -1], 1)
np.subtract.at({v}, np.array([0, -1, 0]), {v}[:3])
{t} = np.atleast_2d({x})
{t} = np.moveaxis({m}, 0, -1)
{t} = np.rot90({m})
{t} = np.fliplr({m})
{t} = np.flipud({x})
{t} = np.einsum('ij->ji', {m})
{t} = np.einsum('ij,ij->i', {m}, {m})
{t} = np.tensordot({m}, {m}, axes=([0], [0]))
{t} = {m} @ {m}.T
{t} = np.matmul({m}.T, {m})
{t} = np.ptp({x}, axis={a})
{t} = np.nan_to_num({x})
{t} = np.nansum({x}, axis={a})
{t} = np.nanmax({x})
{t} = {m}[np.ix_([0, -1], [0])]
{t} = np.eye({m}.shape[0])
{t} = np.identity(3, dtype={x}.dtype)
{t} = np.diag({v})
{t} = np.diag({m})
{t} = np.trace({m})
{t} = np.round({x}, 1)
{t} = np.round({x})
{t} = divmod({x}, 2)
{t}, {u} = np.divmod({x}, 3)
{t}, {u} = np.modf({x})
{t} = np.gcd({i}, 6)
{t} = np.lcm({i}, 4)
{x}.fill({k})
{x}.sort()
{t} = {x}.repeat(2)
{t} = {x}.repeat(2, axis={a})
{t} = np.append({v}, {v}[:1])
{t} = np.delete({v}, 0)
{t} = np.insert({v}, 1, {k})
{t} = np.select([{x} > {k}, {x} < -1], [{x}, {y}], 0)
{t} = np.array([{v}[0], {v}[-1], {k}])
{t} = np.array([[{k}, 2], [3, 4]])
{t} = np.asarray({x}, dtype=np.float32)
{t} = np.array({x})
{t} = np.asfortranarray({x})
{t} = np.column_stack([{v}, {v}])
{t} = np.dstack([{m}, {m}])
{t} = np.ones_like({x}, dtype=bool)
{t} = np.full((2, 3), {k}, dtype=np.float32)
{t} = np.tile({x}, (2, 1))
{t} = {x}.view(np.uint8)
{t} = np.indices((2, 3))
{t} = np.unravel_index(3, (2, 3))
{t} = np.ravel({x})
{t} = {m}.ravel(order='F')
{t} = {x}.flatten('F')
{t} = {m}.reshape(-1, order='F')
{t} = np.copyto({x}, {k})
np.copyto({x}, {y}, where={y} > {k})
np.putmask({x}, {x} > {k}, 1)
np.place({x}, {x} > {k}, [1, 2])
np.fill_diagonal({m}, {k})
{t} = np.argmax({x}, axis={a})
{t} = {x}.argmin()
{t} = np.sum({x}, axis={a}, where={x} > {k}) if {x}.dtype != np.complex64 else 0
{t} = np.add({x}, {k}, where={b}, out={x}) if {b}.shape == {x}.shape else {x}
{t} = np.floor({x}).astype(np.int64)
{t} = np.sum({x}, axis={a}, initial={k})
{t} = np.min({x}, axis={a}, initial=9)
{t} = {i}[{i} > 0].sum()
{t} = np.arange({i}.size)[{i}.ravel() > 1]
{t} = {b}.sum(axis=0)
{t} = {x}[..., None] * {v}
{t} = {v}[:, None] == {v}[None, :]
{t} = np.minimum({v}[:, None], {v}).max(axis=1)
{t} = np.vstack([{v}, {v}[::-1]])
{t} = np.shape({x})
{t} = np.size({x}), np.ndim({x}), {x}.itemsize, {x}.nbytes
{t} = np.result_type({x}, np.float32)
{t} = np.iinfo({i}.dtype).max
{t} = np.all(np.isclose({x}, {x}))
{t} = np.array_equal({x}, {y})
{t} = np.expand_dims({x}, (0, -1))
{t} = np.signbit({i})
{t} = np.logical_and.reduce({x} > {k}, axis={a})
{t} = {m}[{m}[:, 0] > {k}]
{t} = {m}[:, {m}[0] > {k}]
{m}[{m}[:, 0] > {k}] = 0
{m}[:, 0][{m}[:, -1] > {k}] = {k}
{t} = {m}[[0, -1], [0, -1]]
{m}[[0, -1], [0, -1]] = {k}
{m}[[-1, 0]] = {m}[[0, -1]]
{t} = {x}.T.copy()
{t} = {x}.copy(order='K')
""".strip().split("\n")

PYTHON = """
{t} = [{x} * j for j in range(3)]
{t} = sum([{v}[j] for j in range(len({v}))])
{t} = np.stack([row * 2 for row in {m}])
{t} = (lambda p, q=2: p * q)({x})
{t} = {x} if {x}.ndim > 1 else {x} + 1
{t} = {u} = {x} + {k}
{t}, *{u} = {x}[0], {x}[-1], {k}
{u} = {{'a': {x}, 'b': {k}}}\\n{u}['a'][0] = {k}\\n{t} = {u}['a'] + {u}['b']
{u} = []\\nfor {t} in range(3):\\n    {u}.append({v}[{t}:])\\n{t} = np.concatenate({u})
{t} = max({v}[0], {v}[-1])
{t} = min(len({x}), 3) + abs(-{k})
{t} = -1 < {v}[0] <= 3
{t} = {v}[0] > 1 or {v}[-1] > 1
{t} = {v}[0] > 1 and {v}.sum() > 1
{t} = not {v}[0]
{t} = any(bool(e > {k}) for e in {v})
{t} = all([e < 5 for e in {v}])
def {u}(p, q={k}):\\n    p[0] = q\\n    return p\\n{t} = {u}({x})
def {u}(*parts, scale=1):\\n    return np.concatenate(parts) * scale\\n{t} = {u}({v}, {v}, scale=2)
for {t} in range(5):\\n    if {v}[0] > {t}:\\n        break\\nelse:\\n    {v}[0] = {k}
{t} = 0\\nwhile True:\\n    {t} += 1\\n    if {t} > 3:\\n        break
{t} = 0\\nfor {u} in {v}:\\n    {t} += {u}
{t} = 0\\nfor {u} in {i}.ravel():\\n    if {u} % 2:\\n        continue\\n    {t} += int({u})
for {t}, {u} in zip({m}, {m}[::-1]):\\n    {t} += {u}
for {t}, {u} in enumerate({m}):\\n    {u}[:] = {t}
for {t} in reversed(range(2)):\\n    {x}[{t}] = {k}
{t} = int({v}[0]) % 3\\n{u} = {v}[{t}:{t} + 2]
{t} = int({i}.ravel()[0]) % {x}.shape[0]\\n{x}[{t}] = {k}
{t} = int({i}.ravel()[0]) % 4\\n{u} = np.zeros({t} + 1)
{t} = int({i}.ravel()[0]) % 4\\n{u} = np.arange({t}) * 2
{t} = {x}.shape[0] * 2 // 3\\n{u} = {x}[:{t}]
{t} = slice(1, None)\\n{u} = {x}[{t}]
{t} = {x}[tuple([0] * {x}.ndim)]
{t} = f'{{{x}.ndim}}'
{t} = round(float({v}[0]))
{t} = (float({v}[0]) + 1) / 2
{t} = int({i}.ravel()[0]) // 2 - int({i}.ravel()[-1]) % 3
{t} = {x}.dtype.type(3)
{t} = {x}.dtype == np.float32
assert {x}.ndim >= 0
{t} = isinstance({x}, np.ndarray)
{t} = {x}\\n{t} += {k}
{t} = {x}[0]\\n{t} += 1
{t} = np.float32({k}) * {x}
{t} = np.int64(3) + {x}
{t} = {x} * np.array(2)
{t} = {k} ** {i}[:2] if {i}.dtype.kind == 'u' else {i}
{t} = sorted([3, 1, 2])[0] + {v}[0]
{t} = [{v}[0], {v}[-1]][::-1]
{t} = {x}.sum() if {b}.any() else {x}.max()
""".strip().split("\n")


def from_template(scope: Scope, templates: list[str]) -> str | None:
    """A random template with its places filled, or nothing where no variable fits."""
    text = scope.rng.choice(templates).replace("\\n", "\n")
    chosen: dict[str, str] = {}
    needed = set(re.findall(r"(?<!\{)\{(\w)\}", text.replace("{{{x}", "{x}")))
    wanted = {
        "x": lambda v: v.ndim > 0 and v.size > 0,
        "v": lambda v: v.ndim == 1 and v.size > 0,
        "m": lambda v: v.ndim == 2 and v.size > 0,
        "i": lambda v: v.dtype.kind in "iu" and 0 < v.size < 40,
        "b": lambda v: v.dtype.kind == "b" and v.size > 0,
    }
    for letter, fits in wanted.items():
        if letter in needed or (letter == "x" and needed & set("ya")):
            name = scope.pick_array(fits)
            if name is None:
                return None
            chosen[letter] = name
    kind = scope.env[next(iter(chosen.values()))].dtype.kind if chosen else "i"
    chosen["k"] = random_literal(scope.rng, kind if kind in "iu" else "f")
    if "x" in chosen:
        value = scope.env[chosen["x"]]
        chosen["a"] = str(scope.rng.randint(-value.ndim, value.ndim - 1))
        chosen["y"] = chosen["x"]
        other = scope.pick_array(lambda v: v.ndim > 0)
        if other is not None:
            chosen["y"] = fit(scope, other, scope.env[other], value.shape, exactly=True) or chosen["x"]
    chosen["t"], chosen["u"] = scope.fresh("g"), scope.fresh("g")
    return text.format(**chosen)


def function_call(scope: Scope) -> str | None:
    """One of NumPy's other functions."""
    return from_template(scope, FUNCTIONS)


def python_form(scope: Scope) -> str | None:
    """A form of the Python language."""
    return from_template(scope, PYTHON)
