"""What the generator knows while it writes a program: the live variables with the values they would have.

Every statement is executed as it is written, so shapes and dtypes are NumPy's own. Both branches of an ``if`` and one
iteration of a loop are executed; values may so differ from a real run, types do not.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST_ELEMENTS = 300


@dataclass
class Scope:
    """Live variables, and the random numbers.

    fixed: variables that exist outside of the block being written: they may only be assigned a value of the same type.
    loops: loop variables with the greatest value they take, and whether they run from 0 by 1.
    """

    rng: random.Random
    exact: bool
    env: dict[str, Any] = field(default_factory=dict)
    fixed: list[set[str]] = field(default_factory=list)
    loops: dict[str, int] = field(default_factory=dict)
    counter: int = 0
    disabled: set[str] = field(default_factory=set)
    in_loop: int = 0

    # --- choices --------------------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def fresh(self, prefix: str = "t") -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def arrays(self, keep: Callable[[Any], bool] = lambda value: True) -> list[str]:
        """Names of array variables."""
        return [
            n for n, v in self.env.items() if isinstance(v, np.ndarray) and keep(v) and n not in self.loops
        ]

    def scalars(self) -> list[str]:
        """Names of scalar variables."""
        return [
            n
            for n, v in self.env.items()
            if isinstance(v, bool | int | float | complex | np.generic) and n not in self.loops
        ]

    def pick_array(self, keep: Callable[[Any], bool] = lambda value: True) -> str | None:
        """A random array variable, newer ones more often."""
        names = self.arrays(keep)
        if not names:
            return None
        return self.rng.choice(names[-3:]) if self.chance(0.4) else self.rng.choice(names)

    # --- execution ------------------------------------------------------------------------------------------

    def value(self, text: str) -> Any:
        """The value of an expression; whatever it raises is raised."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return eval(text, dict(self.env))

    def try_value(self, text: str) -> Any:
        """The value of an expression, or None where it raises or is too large."""
        try:
            value = self.value(text)
        except Exception:
            return None
        if isinstance(value, np.ndarray) and (value.size > MOST_ELEMENTS or value.ndim > 5):
            return None
        return value

    def run(self, text: str) -> bool:
        """Execute statements; False, with the variables as before, where they do not fit."""
        before = dict(self.env)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(text, self.env)
        except Exception:
            self.env.clear()
            self.env.update(before)
            return False
        self.env.pop("__builtins__", None)
        if self._fits(before):
            return True
        self.env.clear()
        self.env.update(before)
        return False

    def _fits(self, before: dict[str, Any]) -> bool:
        outside = set().union(*self.fixed) if self.fixed else set()
        for name, value in self.env.items():
            if isinstance(value, np.ndarray) and (value.size > MOST_ELEMENTS or value.ndim > 5):
                return False
            if name in outside and value is not before.get(name) and not same_type(value, before.get(name)):
                return False
        return True

    @contextmanager
    def block(self) -> Iterator[None]:
        """Variables that are new inside are gone afterwards."""
        outside = set(self.env)
        self.fixed.append(outside)
        try:
            yield
        finally:
            self.fixed.pop()
            for name in list(self.env):
                if name not in outside:
                    del self.env[name]


def same_type(a: Any, b: Any) -> bool:
    """Whether a variable may hold either at a join."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.flags.writeable == b.flags.writeable
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same_type(x, y) for x, y in zip(a, b))
    return True
