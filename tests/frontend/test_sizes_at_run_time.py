"""Functions whose answer has another form for some sizes that only the run knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import UnsupportedError, jit


def squeezed(x: Any) -> Any:
    return x[x > 1.0].squeeze()


def test_squeeze_of_a_length_that_only_the_run_knows() -> None:
    compiled = jit(squeezed)
    for x in (np.array([-1.0, 2, 3]), np.zeros(3)):
        np.testing.assert_array_equal(compiled(x), squeezed(x), strict=True)
    with pytest.raises(UnsupportedError, match=r"turned out to be 1.*name the axis"):
        compiled(np.array([-1.0, 2, 0]))


def test_squeeze_in_code_for_several_sizes() -> None:
    compiled = jit(lambda x: x.squeeze() * 2)
    for n in (5, 7, 1, 9, 0, 1):
        x = np.ones((1, n, 2))
        np.testing.assert_array_equal(compiled(x), x.squeeze() * 2, strict=True)


@pytest.mark.parametrize("dtype", ["u8", "f8"])
def test_bincount_casts_unsigned_integers_where_there_are_none(dtype: str) -> None:
    def counts(x: Any) -> Any:
        return np.bincount(x[x > 5])

    compiled = jit(counts)
    few, some = np.arange(4).astype(dtype), np.arange(9).astype(dtype)
    with pytest.raises(TypeError, match="Cannot cast"):
        compiled(some)
    if dtype == "u8":
        np.testing.assert_array_equal(compiled(few), counts(few), strict=True)
    else:
        with pytest.raises(TypeError, match="Cannot cast"):
            compiled(few)
