"""The text of an einsum: its labels, and the order in which several operands are best contracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from pydsl.frontend.failures import NumpyError

Labels = tuple[int, ...]

#: with so many operands or fewer all orders are tried
_TRIED = 5


def subscripts_of(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as a subscripts string and its operands."""
    given = list(operands)
    arrays, texts = [], []
    while len(given) > 1:
        arrays.append(given.pop(0))
        texts.append(_listed_term(given.pop(0)))
    text = ",".join(texts)
    return (f"{text}->{_listed_term(given[0])}" if given else text), arrays


def _listed_term(axes: Any) -> str:
    out = ""
    for axis in axes:
        if axis is Ellipsis:
            out += "..."
        elif hasattr(axis, "__index__") and 0 <= int(axis) < 52:
            number = int(axis)
            out += chr(ord("A") + number) if number < 26 else chr(ord("a") + number - 26)
        else:
            raise NumpyError(ValueError, "subscript is not within the valid range [0, 52)")
    return out


def parse_subscripts(subscripts: str, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
    """Labels of the operands and of the result; ``...`` becomes labels below zero (the last axis is -1)."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise NumpyError(
            ValueError, "the operands provided to einstein sum function do not fit the subscripts"
        )
    inputs = [_term_labels(term, rank, k) for k, (term, rank) in enumerate(zip(terms, ranks, strict=True))]
    dots = min((label for labels in inputs for label in labels if label < 0), default=0)
    ellipsis = tuple(range(dots, 0))
    if arrow:
        return inputs, _output_labels(right, ellipsis, {label for labels in inputs for label in labels})
    letters = [label for labels in inputs for label in labels if label >= 0]
    return inputs, (*ellipsis, *sorted(label for label in set(letters) if letters.count(label) == 1))


def _output_labels(right: str, ellipsis: Labels, known: set[int]) -> Labels:
    named = right.replace("...", "")
    if len(set(named)) != len(named):
        raise NumpyError(
            ValueError, "einstein sum subscripts string includes output subscript multiple times"
        )
    head, found, tail = right.partition("...")
    if ellipsis and not found:
        raise NumpyError(
            ValueError,
            "output has more dimensions than subscripts given in einstein sum, but no '...' ellipsis provided to "
            "broadcast the extra dimensions.",
        )
    output = (*map(ord, head), *(ellipsis if found else ()), *map(ord, tail))
    for label in output:
        if label not in known and label >= 0:
            raise NumpyError(
                ValueError,
                f"einstein sum subscripts string included output subscript '{chr(label)}' which never appeared "
                "in an input",
            )
    return output


def _term_labels(term: str, rank: int, position: int) -> Labels:
    head, found, tail = term.partition("...")
    named = len(head) + len(tail)
    if not (head + tail).isalpha() and named:
        raise NumpyError(ValueError, f"invalid subscript in einstein sum subscripts string: '{term}'")
    if named > rank or (named < rank and not found):
        amount = "too many" if named > rank else "fewer"
        message = (
            f"einstein sum subscripts string contains too many subscripts for operand {position}"
            if amount == "too many"
            else "operand has more dimensions than subscripts given in einstein sum, but no '...' ellipsis provided to "
            "broadcast the extra dimensions."
        )
        raise NumpyError(ValueError, message)
    return (*map(ord, head), *range(named - rank, 0), *map(ord, tail))


# --- the order of contractions ----------------------------------------------------------------------------------------


def contraction_path(
    terms: Sequence[Labels], output: Labels, sizes: Mapping[int, int]
) -> list[tuple[int, int]]:
    """Which two operands to contract, step by step: positions in the list of those that are left; the result goes
    to its end.

    Few operands: the order with the fewest products; many: always the pair that makes the list smallest.

    Parameters
    ----------
    terms: labels of the operands.
    output: labels of the result.
    sizes: length of each label.
    """
    if len(terms) <= _TRIED:
        return _best([tuple(dict.fromkeys(t)) for t in terms], output, sizes)[1]
    path = []
    left = [tuple(dict.fromkeys(t)) for t in terms]
    while len(left) > 1:
        pair = min(combinations(range(len(left)), 2), key=lambda p: _gain(left, p, output, sizes))
        path.append(pair)
        left = _contracted(left, pair, output)
    return path


def _contracted(left: Sequence[Labels], pair: tuple[int, int], output: Labels) -> list[Labels]:
    rest = [labels for k, labels in enumerate(left) if k not in pair]
    return [*rest, kept_labels(left[pair[0]], left[pair[1]], rest, output)]


def kept_labels(a: Labels, b: Labels, rest: Sequence[Labels], output: Labels) -> Labels:
    """The labels of a product that somebody still needs."""
    needed = set(output).union(*map(set, rest)) if rest else set(output)
    return tuple([label for label in dict.fromkeys((*a, *b)) if label in needed])


def _size(labels: Sequence[int], sizes: Mapping[int, int]) -> int:
    total = 1
    for label in labels:
        total *= max(1, sizes[label])
    return total


def _gain(
    left: Sequence[Labels], pair: tuple[int, int], output: Labels, sizes: Mapping[int, int]
) -> tuple[int, int]:
    a, b = (left[k] for k in pair)
    made = _contracted(left, pair, output)[-1]
    change = _size(made, sizes) - _size(a, sizes) - _size(b, sizes)
    return change, _size(tuple(dict.fromkeys((*a, *b))), sizes)


def _best(
    left: Sequence[Labels], output: Labels, sizes: Mapping[int, int]
) -> tuple[int, list[tuple[int, int]]]:
    if len(left) < 2:
        return 0, []
    found: tuple[int, list[tuple[int, int]]] | None = None
    for pair in combinations(range(len(left)), 2):
        own = _size(tuple(dict.fromkeys((*left[pair[0]], *left[pair[1]]))), sizes)
        if found is not None and own >= found[0]:
            continue
        rest, path = _best(_contracted(left, pair, output), output, sizes)
        if found is None or own + rest < found[0]:
            found = own + rest, [pair, *path]
    assert found is not None
    return found


def chain_path(terms: Sequence[Labels], sizes: Mapping[int, int]) -> list[tuple[int, int]]:
    """The cheapest way to multiply a chain of matrices, each step with its right neighbour: positions in the list of
    those that are left, in which the product takes the place of both."""
    path: list[tuple[int, int]] = []
    left = [(term[0], term[1]) for term in terms]
    split = _splits([*(sizes[a] for a, _ in left), sizes[left[-1][1]]])

    def multiply(first: int, last: int) -> None:
        if first == last:
            return
        middle = split[first, last]
        multiply(first, middle)
        multiply(middle + 1, last)
        position = left.index((terms[first][0], terms[middle][1]))
        path.append((position, position + 1))
        left[position : position + 2] = [(terms[first][0], terms[last][1])]

    multiply(0, len(terms) - 1)
    return path


def _splits(dims: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where each part of a chain is best split."""
    count = len(dims) - 1
    cost = {(k, k): 0 for k in range(count)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            ways = [
                (cost[i, k] + cost[k + 1, j] + dims[i] * dims[k + 1] * dims[j + 1], k) for k in range(i, j)
            ]
            cost[i, j], split[i, j] = min(ways)
    return split
