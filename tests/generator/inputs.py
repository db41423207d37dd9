"""Random inputs: arguments that are views of a few buffers, and so may overlap in every way."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from tests.generator.program import Argument, Buffer
from tests.generator.values import random_array, random_dtype

NAMES = ["x", "y", "z", "w"]


def random_shape(rng: random.Random, size: int) -> tuple[int, ...]:
    """A shape of at most ``size`` elements."""
    rank = rng.choices([0, 1, 2, 3, 4], [1, 9, 12, 4, 1])[0]
    while True:
        shape = tuple(rng.choices([0, 1, 2, 3, 4, 5, 6, 9], [1, 3, 8, 9, 9, 5, 4, 1])[0] for _ in range(rank))
        if np.prod(shape, dtype=np.int64) <= size:
            return shape


def random_inputs(rng: random.Random) -> tuple[tuple[Buffer, ...], tuple[Argument, ...]]:
    """Buffers, and arguments on them."""
    special = rng.random() < 0.25
    dtypes = [random_dtype(rng) for _ in range(rng.choice([1, 1, 2, 2, 3]))]
    count = rng.choice([1, 2, 2, 3, 3, 4])
    overlapping = rng.random() < 0.4
    buffers: list[Buffer] = []
    arguments: list[Argument] = []
    common = random_shape(rng, 60)
    for name in NAMES[:count]:
        if arguments and rng.random() < 0.12:
            arguments.append(Argument(name, _scalar(rng)))
            continue
        dtype = rng.choice(dtypes)
        shape = common if rng.random() < 0.5 else random_shape(rng, 60)
        shared = [buffer for buffer in buffers if buffer.values.dtype == dtype]
        if overlapping and shared and rng.random() < 0.7:
            arguments.append(_overlapping(rng, name, rng.choice(shared), arguments))
            continue
        text, size = _layout(rng, shape)
        slack = rng.choice([0, 0, 0, 3, 8])
        buffer = Buffer(f"b{len(buffers)}", random_array(rng, dtype, size + slack, special))
        buffers.append(buffer)
        readonly = rng.random() < 0.04
        arguments.append(Argument(name, f"{buffer.name}[:{size}]{text}", readonly))
    return tuple(buffers), tuple(arguments)


def _scalar(rng: random.Random) -> str:
    return rng.choice(
        [
            *("2", "3", "-1", "0", "5", "0.5", "-2.0", "True", "False", "1.5"),
            *("np.float32(0.5)", "np.int32(3)", "np.float64(2.0)", "np.int64(2)", "np.uint8(4)"),
        ]
    )


def _layout(rng: random.Random, shape: tuple[int, ...]) -> tuple[str, int]:
    """A view expression on a one-dimensional buffer that has the shape, and the elements it needs."""
    size = int(np.prod(shape, dtype=np.int64))
    how = rng.choice(["c", "c", "c", "f", "step", "reversed", "padded", "transposed"])
    if how == "f" and len(shape) > 1:
        return f".reshape({shape[::-1]}).T", size
    if how == "reversed" and shape:
        axis = rng.randrange(len(shape))
        index = ", ".join("::-1" if k == axis else ":" for k in range(len(shape)))
        return f".reshape({shape})[{index}]", size
    if how in ("step", "padded") and shape:
        axis = rng.randrange(len(shape))
        bigger = list(shape)
        bigger[axis] = shape[axis] * 2 if how == "step" else shape[axis] + 2
        cut = "::2" if how == "step" else f"1:{shape[axis] + 1}"
        index = ", ".join(cut if k == axis else ":" for k in range(len(shape)))
        return f".reshape({tuple(bigger)})[{index}]", int(np.prod(bigger, dtype=np.int64))
    if how == "transposed" and len(shape) > 1:
        order = rng.sample(range(len(shape)), len(shape))
        inner = [0] * len(shape)
        for position, axis in enumerate(order):
            inner[axis] = shape[position]
        return f".reshape({tuple(inner)}).transpose({tuple(order)})", size
    return f".reshape({shape})", size


def _overlapping(rng: random.Random, name: str, buffer: Buffer, others: list[Argument]) -> Argument:
    """An argument on memory that another one may use: the same, reversed, shifted, transposed."""
    same = [argument for argument in others if argument.text.startswith(buffer.name + "[")]
    if same and rng.random() < 0.5:
        other = rng.choice(same)
        return Argument(name, other.name + rng.choice(["", "", ".T", "[...]", "[::-1]", "[1:]", "[:-1]"]))
    total = buffer.values.size
    for _ in range(20):
        shape = random_shape(rng, max(total, 1))
        text, size = _layout(rng, shape)
        if size <= total:
            start = rng.randint(0, total - size)
            return Argument(name, f"{buffer.name}[{start}:{start + size}]{text}")
    return Argument(name, f"{buffer.name}[:]")


def usable(buffers: tuple[Buffer, ...], arguments: tuple[Argument, ...]) -> bool:
    """Whether the argument expressions are valid (a 0-d argument cannot be sliced further)."""
    names: dict[str, Any] = {"np": np}
    names.update({buffer.name: buffer.values.copy() for buffer in buffers})
    for argument in arguments:
        try:
            names[argument.name] = eval(argument.text, names)
        except IndexError:
            return False
    return True
