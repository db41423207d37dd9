"""Integer affine forms ``const + sum(coeff * symbol)``: the index expressions of every stage of the compiler.

Symbols are opaque: anything hashable that is not an integer (SSA values, loop variables). They are told apart
by ``==``, which for SSA values and loop variables is identity. Terms keep the order in which their symbols
came first, so that printing is deterministic; two forms with the same terms in another order are equal.

Nothing here knows what a symbol means. What is not affine (a product of two symbols, an inexact division) is
answered by None; the caller names it by a new symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from math import gcd
from operator import index
from typing import Final

Symbol = Hashable
Term = tuple[Symbol, int]
Range = tuple[int | None, int | None]
"""Inclusive bounds of an integer; None where it is not bounded."""


class Affine:
    """An immutable integer affine form. Made by :meth:`of`, :meth:`linear` and arithmetic, never by the constructor.

    Equal to another form with the same constant and terms; a constant form equals the same ``int``. It has no
    truth value.

    const: the constant part.
    terms: ``(symbol, coefficient)`` pairs; no symbol twice, no coefficient zero.
    is_const: whether there are no terms.
    """

    __slots__ = ("_hash", "const", "is_const", "terms")

    const: Final[int]
    terms: Final[tuple[Term, ...]]
    is_const: Final[bool]
    _hash: int | None

    def __init__(self, const: int, terms: tuple[Term, ...]) -> None:
        self.const = const
        self.terms = terms
        self.is_const = not terms
        self._hash = None

    # --- construction ---------------------------------------------------------------------------------------

    @staticmethod
    def of(x: object) -> Affine:
        """The form of an integer (anything with ``__index__``) or of a symbol; ``x`` itself when it is a form."""
        if type(x) is Affine:
            return x
        if type(x) is int:
            return _SMALL[x] if 0 <= x < _SMALL_COUNT else Affine(x, ())
        try:
            return Affine(index(x), ())  # type: ignore[arg-type]
        except TypeError:
            return Affine(0, ((x, 1),))

    @staticmethod
    def linear(const: int, terms: Iterable[Term]) -> Affine:
        """``const + sum(coeff * symbol)``; symbols may repeat and coefficients may be zero."""
        return _normalised(const, _merged({}, terms, 1))

    # --- parts ----------------------------------------------------------------------------------------------

    @property
    def value(self) -> int:
        """The integer that a constant form stands for.

        Raises
        ------
        ValueError: the form has symbols.
        """
        if self.terms:
            raise ValueError(f"index expression {self} is not constant")
        return self.const

    def symbols(self) -> tuple[Symbol, ...]:
        return tuple([symbol for symbol, _ in self.terms])

    def coeff(self, symbol: Symbol) -> int:
        """The coefficient of a symbol, 0 where it does not occur."""
        for other, coeff in self.terms:
            if other is symbol or other == symbol:
                return coeff
        return 0

    def content(self) -> int:
        """The greatest common divisor of the coefficients (0 for a constant): values are ``const`` modulo it."""
        return gcd(*[coeff for _, coeff in self.terms])

    def split(self, symbols: Collection[Symbol]) -> tuple[Affine, Affine]:
        """The part over the given symbols, without constant, and the rest; their sum is the form."""
        inside = tuple([term for term in self.terms if term[0] in symbols])
        if not inside:
            return _SMALL[0], self
        return Affine(0, inside), Affine(
            self.const, tuple([term for term in self.terms if term[0] not in symbols])
        )

    def without(self, symbols: Collection[Symbol]) -> Affine:
        """The form with the terms of the given symbols left out."""
        return self.split(symbols)[1]

    # --- arithmetic -----------------------------------------------------------------------------------------

    def __add__(self, other: Affine | int) -> Affine:
        if type(other) is Affine:
            if not other.terms:
                other = other.const
            elif not self.terms:
                return Affine(self.const + other.const, other.terms)
            else:
                return _sum(self, other, 1)
        elif not isinstance(other, int):
            return NotImplemented
        return Affine(self.const + other, self.terms) if other else self

    __radd__ = __add__

    def __sub__(self, other: Affine | int) -> Affine:
        if type(other) is Affine:
            if other.terms:
                if self.terms is other.terms:
                    return Affine.of(self.const - other.const)
                return _sum(self, other, -1)
            other = other.const
        elif not isinstance(other, int):
            return NotImplemented
        return Affine(self.const - other, self.terms) if other else self

    def __rsub__(self, other: int) -> Affine:
        if not isinstance(other, int):
            return NotImplemented
        return self.__mul__(-1).__add__(other)

    def __neg__(self) -> Affine:
        return self.__mul__(-1)

    def __mul__(self, factor: int) -> Affine:
        if not isinstance(factor, int):
            return NotImplemented
        if factor == 1:
            return self
        if factor == 0:
            return _SMALL[0]
        if not self.terms:
            return Affine(self.const * factor, ())
        return Affine(self.const * factor, tuple([(symbol, coeff * factor) for symbol, coeff in self.terms]))

    __rmul__ = __mul__

    def mul(self, other: Affine | int) -> Affine | None:
        """The product, or None where neither factor is constant."""
        if type(other) is Affine:
            if not other.terms:
                return self.__mul__(other.const)
            return None if self.terms else other.__mul__(self.const)
        return self.__mul__(other)  # type: ignore[operator]

    def divide_exact(self, divisor: int) -> Affine | None:
        """The quotient where the constant and every coefficient is a multiple of ``divisor``, else None."""
        if divisor == 1:
            return self
        if self.const % divisor:
            return None
        for _, coeff in self.terms:
            if coeff % divisor:
                return None
        return Affine(
            self.const // divisor, tuple([(symbol, coeff // divisor) for symbol, coeff in self.terms])
        )

    # --- substitution and range -----------------------------------------------------------------------------

    def substitute(self, mapping: Mapping[Symbol, Affine | int]) -> Affine:
        """All given symbols replaced at once; the others stay."""
        if not any(symbol in mapping for symbol, _ in self.terms):
            return self
        const = self.const
        out: dict[Symbol, int] = {}
        for symbol, coeff in self.terms:
            if symbol not in mapping:
                out[symbol] = out.get(symbol, 0) + coeff
                continue
            image = Affine.of(mapping[symbol])
            const += coeff * image.const
            _merged(out, image.terms, coeff)
        return _normalised(const, out)

    def evaluate(self, values: Mapping[Symbol, int]) -> int:
        """The value where every symbol has one.

        Raises
        ------
        KeyError: a symbol has no value.
        """
        total = self.const
        for symbol, coeff in self.terms:
            total += coeff * values[symbol]
        return total

    def bounds(self, ranges: Mapping[Symbol, Range]) -> Range:
        """Inclusive bounds of the value when each symbol stays within its range (None, or no entry: not bounded).

        Exact when all symbols are bounded and independent of each other.
        """
        low: int | None = self.const
        high: int | None = self.const
        for symbol, coeff in self.terms:
            first, last = ranges.get(symbol, _OPEN)
            if coeff < 0:
                first, last = last, first
            low = None if low is None or first is None else low + coeff * first
            high = None if high is None or last is None else high + coeff * last
        return low, high

    # --- comparison and text --------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is Affine:
            if self.const != other.const or len(self.terms) != len(other.terms):
                return False
            return self.terms == other.terms or (
                len(self.terms) > 1 and dict(self.terms) == dict(other.terms)
            )
        if isinstance(other, int):
            return not self.terms and self.const == other
        return NotImplemented

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.const, frozenset(self.terms))) if self.terms else hash(self.const)
        return self._hash

    def __bool__(self) -> bool:
        raise TypeError("an index expression has no truth value; compare it, or ask is_const and value")

    def text(self, name: Callable[[Symbol], str] = str) -> str:
        """The form as in ``4*%i - %n + 16``, with symbols printed by ``name``."""
        out = ""
        for symbol, coeff in self.terms:
            sign = ("-" if coeff < 0 else "") if not out else (" - " if coeff < 0 else " + ")
            factor = "" if abs(coeff) == 1 else f"{abs(coeff)}*"
            out += f"{sign}{factor}{name(symbol)}"
        if not out:
            return str(self.const)
        if self.const:
            out += f" {'-' if self.const < 0 else '+'} {abs(self.const)}"
        return out

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"Affine({self.text()})"

    def __reduce__(self) -> tuple[Callable[[int, tuple[Term, ...]], Affine], tuple[int, tuple[Term, ...]]]:
        return Affine, (self.const, self.terms)


_OPEN: Range = (None, None)
_SMALL_COUNT = 1025
_SMALL = tuple([Affine(value, ()) for value in range(_SMALL_COUNT)])


def _sum(form: Affine, other: Affine, factor: int) -> Affine:
    coeffs = dict(form.terms)
    cancelled = False
    for symbol, coeff in other.terms:
        total = coeffs.get(symbol, 0) + factor * coeff
        coeffs[symbol] = total
        if not total:
            cancelled = True
    const = form.const + factor * other.const
    return _normalised(const, coeffs) if cancelled else Affine(const, tuple(coeffs.items()))


def _merged(into: dict[Symbol, int], terms: Iterable[Term], factor: int) -> dict[Symbol, int]:
    """Adds ``factor`` times the terms to ``into``; coefficients may become zero."""
    for symbol, coeff in terms:
        into[symbol] = into.get(symbol, 0) + factor * coeff
    return into


def _normalised(const: int, coeffs: Mapping[Symbol, int]) -> Affine:
    return Affine(const, tuple([term for term in coeffs.items() if term[1]]))
