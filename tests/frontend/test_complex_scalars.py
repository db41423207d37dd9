"""Python's conversions of NumPy's complex scalars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydsl import jit


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_float_and_int_take_the_real_part(dtype: Any) -> None:
    @jit
    def f(x: Any) -> Any:
        return (float(x[0]) + 1) / 2, int(x[1])

    x = np.array([6 + 3.5j, 4.7 - 2j], dtype)
    assert f(x) == f.__wrapped__(x) == (3.5, 4)


def test_a_python_complex_has_no_float() -> None:
    @jit
    def f(x: complex) -> float:
        return float(x)

    with pytest.raises(TypeError, match="not 'complex'"):
        f(1 + 2j)
