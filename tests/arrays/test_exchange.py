"""Other libraries' arrays: DLPack both ways, array interfaces, and jitted functions that give back the same kind."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest

import pydsl.numpy as pnp
from pydsl import UnsupportedError, jit
from pydsl.jit import dlpack


class Foreign:
    """An array of another library that speaks DLPack."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class Old(Foreign):
    """One that knows nothing of DLPack 1.0."""

    def __dlpack__(self, *, stream: None = None) -> Any:  # type: ignore[override]
        return self.array.__dlpack__()


class Interfaced:
    """One with an array interface only."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.__array_interface__ = array.__array_interface__
        self.array = array


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "complex128"])
def test_dlpack_both_ways(dtype: str) -> None:
    a = np.arange(24).reshape(4, 6).astype(dtype)
    x = pnp.asarray(a)[::2, ::-3]
    out = np.from_dlpack(x)
    assert np.shares_memory(out, a)
    np.testing.assert_array_equal(out, a[::2, ::-3])
    back = pnp.from_dlpack(a.T)
    assert np.shares_memory(back.to_numpy(), a)
    np.testing.assert_array_equal(back.to_numpy(), a.T)
    np.testing.assert_array_equal(pnp.from_dlpack(pnp.asarray(a)).to_numpy(), a)
    np.testing.assert_array_equal(pnp.from_dlpack(Old(a)).to_numpy(), a)
    assert pnp.asarray(np.zeros((0, 3), dtype)).__dlpack_device__() == (1, 0)
    assert np.from_dlpack(pnp.zeros((0, 3))).shape == (0, 3)


def test_capsules_keep_memory_and_give_it_back() -> None:
    held = len(dlpack._exported)
    x = pnp.asarray(np.arange(5.0))
    capsule = x.__dlpack__()
    assert len(dlpack._exported) == held + 1
    del capsule  # never consumed
    assert len(dlpack._exported) == held
    out = np.from_dlpack(x)
    del x
    np.testing.assert_array_equal(out, np.arange(5.0))
    assert len(dlpack._exported) == held + 1
    del out
    gc.collect()
    assert len(dlpack._exported) == held


def test_imported_memory_is_given_back() -> None:
    class Watched(np.ndarray[Any, Any]):
        pass

    a = np.arange(5.0).view(Watched)
    gone = weakref.ref(a)
    x = pnp.from_dlpack(a)
    view = x[1:]
    del a, x
    gc.collect()
    np.testing.assert_array_equal(view.to_numpy(), [1, 2, 3, 4])
    del view
    gc.collect()
    assert gone() is None


def test_dlpack_refuses_what_it_cannot_say() -> None:
    a = np.zeros(4, [("a", "f4"), ("b", "i1")])["a"]
    with pytest.raises(BufferError, match="strides"):
        pnp.asarray(a).__dlpack__()
    frozen = np.arange(3)
    frozen.flags.writeable = False
    with pytest.raises(BufferError, match="read-only"):
        pnp.asarray(frozen).__dlpack__()
    x = pnp.asarray(frozen)
    assert not pnp.from_dlpack(x).flags.writeable
    with pytest.raises(BufferError, match="another device"):
        x.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="no DLPack capsule"):
        dlpack.import_from(type("Bad", (), {"__dlpack__": lambda self, **k: 3})(), {})


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Box:
    corners: Any
    score: float


@jit
def shifted(x: Any, by: Any) -> Any:
    x += by
    return x, x[1:] * 2, x.sum()


def test_a_jitted_function_gives_back_the_same_kind() -> None:
    a = np.arange(4.0)
    x = pnp.asarray(a)
    same, doubled, total = shifted(x, pnp.asarray(np.ones(4)))
    assert same is x
    assert type(doubled) is pnp.ndarray
    assert type(total) is np.float64
    np.testing.assert_array_equal(a, [1, 2, 3, 4])
    np.testing.assert_array_equal(doubled.to_numpy(), [4, 6, 8])
    plain = shifted(a, 1.0)
    assert plain[0] is a
    assert type(plain[1]) is np.ndarray


@pytest.mark.parametrize("kind", [Foreign, Old, Interfaced])
def test_foreign_arrays_are_shared_not_copied(kind: Any) -> None:
    a = np.arange(4.0)
    x = kind(a)
    same, doubled, _ = shifted(x, 1)
    assert same is x
    assert type(doubled) is pnp.ndarray
    np.testing.assert_array_equal(a, [1, 2, 3, 4])


def test_the_kind_of_a_package_with_from_dlpack(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(sys.modules[__name__.partition(".")[0]], "from_dlpack", _from_dlpack, raising=False)
    result = shifted(Foreign(np.arange(4.0)), 1)[1]
    assert type(result) is Foreign
    np.testing.assert_array_equal(result.array, [4, 6, 8])


def _from_dlpack(array: Any) -> Foreign:
    return Foreign(np.from_dlpack(array))


def test_arrays_inside_containers() -> None:
    @jit
    def swapped(pair: Any, box: Any, named: Any) -> Any:
        pair[0][:] = box.corners * named["scale"]
        return Pair(pair[1], pair[0] + 1), {"corners": box.corners[::-1]}, [box.score]

    a, b = np.zeros(3), np.ones(3)
    pair, box = (pnp.asarray(a), pnp.asarray(b)), Box(pnp.asarray(np.arange(3.0)), 0.5)
    out, named, scores = swapped(pair, box, {"scale": 2.0})
    assert type(out) is Pair
    assert out.first is pair[1]
    np.testing.assert_array_equal(a, [0, 2, 4])
    np.testing.assert_array_equal(out.second.to_numpy(), [1, 3, 5])
    np.testing.assert_array_equal(named["corners"].to_numpy(), [2, 1, 0])
    assert scores == [0.5]


def test_one_array_under_two_names() -> None:
    @jit
    def both(x: Any, y: Any) -> Any:
        x[1:] = y[:-1]
        return y

    a = np.arange(5)
    x = pnp.asarray(a)
    y = pnp.asarray(a)
    assert both(x, y) is y
    np.testing.assert_array_equal(a, [0, 0, 1, 2, 3])
    assert both(x, x) is x


def test_views_of_foreign_arguments_are_views() -> None:
    @jit
    def tail(x: Any) -> Any:
        return x[2:]

    a = np.arange(5)
    assert np.shares_memory(tail(pnp.asarray(a)).to_numpy(), a)


def test_masked_arrays_are_not_taken_for_plain_ones() -> None:
    with pytest.raises(UnsupportedError, match="MaskedArray"):
        shifted(np.ma.masked_array(np.arange(3.0), mask=[0, 1, 0]), 1.0)


def test_without_the_compiler() -> None:
    from pydsl import knobs

    with knobs.scope(disable_jit=True):
        x = pnp.asarray(np.arange(4.0))
        same, doubled, total = shifted(x, 1.0)
    assert same is x
    np.testing.assert_array_equal(doubled.to_numpy(), [4, 6, 8])
    assert float(total) == 10
