"""Sorting, on unsigned keys whose order is that of the values; binary search; what is made of them.

The front end turns values into keys (:mod:`pydsl.frontend.sort_keys`), so that here there is neither sign nor NaN.
Short rows are sorted by insertion, longer ones by radix: stable passes over one byte of the keys at a time, two passes
a turn, so that the result ends where it began; a pair of bytes that all keys share is passed over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydsl.library import unchecked

SHORT = 16
"""Rows of up to this many elements for each byte of a key are sorted by insertion."""


def byte_of(key: Any, digit: Any) -> Any:
    """Byte number ``digit`` of a key, the least significant first."""
    return int((key >> (8 * digit)) & 255)


@unchecked
def count_bytes(keys: Any, counts: Any) -> None:
    """``counts[d, v]``: how many keys have the value ``v`` in byte ``d``."""
    counts[:] = 0
    for i in range(keys.shape[0]):
        key = keys[i]
        for digit in range(counts.shape[0]):
            counts[digit, byte_of(key, digit)] += 1


@unchecked
def running_positions(counts: Any) -> None:
    """Counts into the positions at which each group begins."""
    total = 0
    for value in range(256):
        count = int(counts[value])
        counts[value] = total
        total += count


@unchecked
def is_spread(counts: Any, digit: Any, key: Any, n: Any) -> Any:
    """Whether the keys differ in this byte or the next; ``key`` is one of them."""
    return counts[digit, byte_of(key, digit)] != n or counts[digit + 1, byte_of(key, digit + 1)] != n


# --- keys alone -----------------------------------------------------------------------------------------------------


@unchecked
def sort_rows(keys: Any, digits: int) -> None:
    """Sort each row of a 2-d array of keys of ``digits`` bytes in place."""
    n = keys.shape[1]
    if n <= SHORT * digits:
        for row in range(keys.shape[0]):
            insert_keys(keys[row])
    else:
        spare = np.empty(n, keys.dtype)
        counts = np.empty((digits, 256), np.int64)
        for row in range(keys.shape[0]):
            radix_keys(keys[row], spare, counts)


@unchecked
def insert_keys(keys: Any) -> None:
    """Insertion sort of a 1-d array."""
    for i in range(1, keys.shape[0]):
        key = keys[i]
        j = i
        while j > 0 and key < keys[j - 1]:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key


@unchecked
def radix_keys(keys: Any, spare: Any, counts: Any) -> None:
    """Radix sort of a 1-d array; ``spare`` is of its length, ``counts`` has a row of 256 for each byte."""
    n = keys.shape[0]
    count_bytes(keys, counts)
    for digit in range(0, counts.shape[0], 2):
        if is_spread(counts, digit, keys[0], n):
            move_keys(keys, spare, counts[digit], digit)
            move_keys(spare, keys, counts[digit + 1], digit + 1)


@unchecked
def move_keys(source: Any, target: Any, places: Any, digit: Any) -> None:
    """One stable pass: every key to the next place of its group."""
    running_positions(places)
    for i in range(source.shape[0]):
        key = source[i]
        group = byte_of(key, digit)
        target[places[group]] = key
        places[group] += 1


# --- keys with positions --------------------------------------------------------------------------------------------


@unchecked
def argsort_rows(keys: Any, order: Any, digits: int) -> None:
    """Fill each row of ``order`` with the positions that sort the row of ``keys`` (which is used up), stably."""
    n = keys.shape[1]
    if n <= SHORT * digits:
        for row in range(keys.shape[0]):
            insert_positions(keys[row], order[row])
    else:
        spare_keys = np.empty(n, keys.dtype)
        spare_order = np.empty(n, np.int64)
        counts = np.empty((digits, 256), np.int64)
        for row in range(keys.shape[0]):
            radix_positions(keys[row], order[row], spare_keys, spare_order, counts)


@unchecked
def insert_positions(keys: Any, order: Any) -> None:
    """Insertion sort of keys, their positions moved along."""
    for i in range(keys.shape[0]):
        key = keys[i]
        j = i
        while j > 0 and key < keys[j - 1]:
            keys[j] = keys[j - 1]
            order[j] = order[j - 1]
            j -= 1
        keys[j] = key
        order[j] = i


@unchecked
def radix_positions(keys: Any, order: Any, spare_keys: Any, spare_order: Any, counts: Any) -> None:
    """Radix sort of keys, their positions moved along."""
    n = keys.shape[0]
    count_bytes(keys, counts)
    for i in range(n):
        order[i] = i
    for digit in range(0, counts.shape[0], 2):
        if is_spread(counts, digit, keys[0], n):
            move_both(keys, order, spare_keys, spare_order, counts[digit], digit)
            move_both(spare_keys, spare_order, keys, order, counts[digit + 1], digit + 1)


@unchecked
def move_both(keys: Any, order: Any, to_keys: Any, to_order: Any, places: Any, digit: Any) -> None:
    """One stable pass over keys and positions."""
    running_positions(places)
    for i in range(keys.shape[0]):
        key = keys[i]
        group = byte_of(key, digit)
        place = places[group]
        to_keys[place] = key
        to_order[place] = order[i]
        places[group] = place + 1


# --- searching and counting -----------------------------------------------------------------------------------------


def before(a: Any, b: Any) -> Any:
    """Whether ``a`` sorts before ``b``: NaN behind every number, as in NumPy (never for integers, at no cost)."""
    return (a < b) | (np.isnan(b) & ~np.isnan(a))


@unchecked
def search_left(sorted_values: Any, wanted: Any, positions: Any) -> None:
    """For each wanted value the first position at which it could be inserted."""
    for k in range(wanted.shape[0]):
        key = wanted[k]
        low = 0
        high = sorted_values.shape[0]
        while low < high:
            middle = (low + high) // 2
            if before(sorted_values[middle], key):
                low = middle + 1
            else:
                high = middle
        positions[k] = low


@unchecked
def search_right(sorted_values: Any, wanted: Any, positions: Any) -> None:
    """For each wanted value the last position at which it could be inserted."""
    for k in range(wanted.shape[0]):
        key = wanted[k]
        low = 0
        high = sorted_values.shape[0]
        while low < high:
            middle = (low + high) // 2
            if before(key, sorted_values[middle]):
                high = middle
            else:
                low = middle + 1
        positions[k] = low


@unchecked
def count_values(values: Any, counts: Any) -> None:
    """``counts[v] += 1`` for every value."""
    for i in range(values.shape[0]):
        counts[values[i]] += 1


@unchecked
def add_weights(values: Any, weights: Any, totals: Any) -> None:
    """``totals[v] += weight`` for every value."""
    for i in range(values.shape[0]):
        totals[values[i]] += weights[i]
