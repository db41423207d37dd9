"""Importing is cheap, and `jit` is the decorator whatever was imported before it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Stands in for the real decorator: these tests are about the import system only.
STUB = """
import sys, types
stub = types.ModuleType("pydsl.jit.decorator")
def jit(function=None, /, **options):
    if function is None:
        return lambda function: jit(function, **options)
    function.options = options
    return function
stub.jit = jit
class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        if name != "pydsl.jit.decorator":
            return None
        import importlib.machinery
        return importlib.machinery.ModuleSpec(name, Loader)
class Loader:
    @staticmethod
    def create_module(spec):
        return stub
    @staticmethod
    def exec_module(module):
        pass
sys.meta_path.insert(0, Finder)
"""

USE = """
@jit
def f(x): ...
@jit()
def g(x): ...
@jit(target="cpu")
def h(x): ...
assert (f.options, g.options, h.options) == ({}, {}, {"target": "cpu"})
assert callable(jit)
import pydsl, pydsl.jit
import pydsl.jit.decorator
from pydsl.jit.decorator import jit as direct
assert pydsl.jit is jit is sys.modules["pydsl.jit"]
assert direct is stub.jit is pydsl.jit.decorator.jit is jit.decorator.jit
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "imports",
    [
        "from pydsl import jit",
        "import pydsl; jit = pydsl.jit",
        "import pydsl.jit; from pydsl import jit",
        "import pydsl.jit; jit = pydsl.jit",
        "import pydsl.jit as jit",
        "import pydsl.jit.runtime; from pydsl import jit",
        "import pydsl.jit.decorator; from pydsl import jit",
        "from pydsl.jit.decorator import jit as direct; from pydsl import jit",
        "from pydsl import jit as first; import pydsl.jit.decorator; from pydsl import jit; assert first is jit",
        "import importlib; jit = importlib.import_module('pydsl.jit')",
        "from pydsl import *",
    ],
)
def test_every_order_of_imports_gives_the_decorator(imports: str) -> None:
    run(STUB + imports + "\n" + USE)


def test_importing_is_light() -> None:
    loaded = run("import sys, pydsl; print(*sys.modules)").split()
    heavy = {"llvmlite", "numpy", "scipy_openblas32", "cuda", "astunparse", "ast", "inspect", "pydsl.jit"}
    assert heavy.isdisjoint(loaded)


def test_naming_the_decorator_loads_no_compiler() -> None:
    loaded = run("import sys; from pydsl import jit; print(*sys.modules)").split()
    assert {"llvmlite", "numpy", "cuda"}.isdisjoint(loaded)


def test_no_cuda_package_comes_with_the_decorator() -> None:
    if not (ROOT / "jit" / "decorator.py").exists():
        pytest.skip("there is no decorator yet")
    loaded = run("import sys, pydsl.jit.decorator; print(*sys.modules)").split()
    assert not [name for name in loaded if name.partition(".")[0] in {"cuda", "nvidia"}]


def test_import_time() -> None:
    program = """
    import time
    start = time.perf_counter()
    import pydsl
    print(time.perf_counter() - start)
    """
    assert min(float(run(textwrap.dedent(program))) for _ in range(12)) < 0.05


def test_public_names() -> None:
    import pydsl

    for name in pydsl.__all__:
        assert getattr(pydsl, name) is not None
        assert name in dir(pydsl)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pydsl.nothing
