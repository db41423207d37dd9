"""Imports run one way, local ones included; and the gate itself can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project.layering import problems, read_tree

ROOT = Path(__file__).resolve().parents[2]


def test_the_code_base_keeps_its_layers() -> None:
    modules = read_tree(ROOT)
    assert "pydsl.errors" in modules
    assert "pydsl.jit" in modules
    assert "pydsl.kernels.detection" in modules
    assert problems(modules) == []


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


GOOD = {
    "pydsl/__init__.py": "from importlib import import_module\nimport_module(name)\n",
    "pydsl/errors.py": "",
    "pydsl/ir/__init__.py": "from pydsl.ir import core\n",
    "pydsl/ir/core.py": "from pydsl.errors import E\n",
    "pydsl/analysis/__init__.py": "",
    "pydsl/analysis/overlap.py": "from ..ir.core import Op\n",
    "jit/__init__.py": "",
    "jit/decorator.py": "import llvmlite.binding\nfrom pydsl.ir.core import Op\n",
    "kernels/__init__.py": "from pydsl import jit\nfrom pydsl.kernels import boxes\n",
    "kernels/boxes.py": "import numpy as np\nfrom pydsl import jit\n",
}


def test_a_good_tree_passes(tmp_path: Path) -> None:
    assert problems(read_tree(tree(tmp_path, GOOD))) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"pydsl/ir/a.py": "import pydsl.ir.b\n", "pydsl/ir/b.py": "from pydsl.ir.a import x\n"},
            "import cycle: pydsl.ir.a -> pydsl.ir.b -> pydsl.ir.a",
            id="cycle",
        ),
        pytest.param(
            {
                "pydsl/ir/a.py": "def f():\n    from . import b\n",
                "pydsl/ir/b.py": "from pydsl.ir import c\n",
                "pydsl/ir/c.py": "class C:\n    def m(self):\n        from pydsl.ir.a import f\n",
            },
            "import cycle: pydsl.ir.a -> pydsl.ir.b -> pydsl.ir.c -> pydsl.ir.a",
            id="cycle of local imports",
        ),
        pytest.param(
            {"pydsl/ir/a.py": "if TYPE_CHECKING:\n    pass\nelse:\n    import pydsl.analysis.overlap\n"},
            "ir is below analysis and must not import pydsl.analysis.overlap",
            id="upwards",
        ),
        pytest.param(
            {"pydsl/ir/a.py": "def f():\n    import llvmlite.ir\n"},
            "pydsl.ir.a must not import llvmlite.ir",
            id="llvmlite",
        ),
        pytest.param(
            {"pydsl/ir/a.py": "from pydsl import jit\n"}, "pydsl.ir.a must not import pydsl.jit", id="jit"
        ),
        pytest.param(
            {"kernels/boxes.py": "from pydsl.errors import PydslError\n"},
            "kernels use the public API only, not pydsl.errors",
            id="kernels",
        ),
        pytest.param(
            {"kernels/boxes.py": "from jit.decorator import jit\n"},
            "jit.decorator is installed as pydsl.jit.decorator",
            id="wrong name",
        ),
        pytest.param(
            {"pydsl/ir/a.py": "import importlib\nimportlib.import_module(name)\n"},
            "an import hides in a call of import_module",
            id="hidden",
        ),
        pytest.param(
            {"pydsl/ir/a.py": "import importlib\nimportlib.import_module('pydsl.analysis.overlap')\n"},
            "ir is below analysis",
            id="hidden, literal",
        ),
    ],
)
def test_the_gate_can_fail(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    found = problems(read_tree(tree(tmp_path, GOOD | files)))
    assert any(expected in text for text in found), found


def test_type_checking_imports_do_not_count(tmp_path: Path) -> None:
    files = {"pydsl/ir/a.py": "if TYPE_CHECKING:\n    from pydsl.analysis.overlap import Region\n"}
    assert problems(read_tree(tree(tmp_path, GOOD | files))) == []


def test_a_new_component_needs_a_layer(tmp_path: Path) -> None:
    files = {"pydsl/extra/__init__.py": "from pydsl.ir import core\n"}
    with pytest.raises(LookupError, match=r"pydsl\.extra has no layer"):
        problems(read_tree(tree(tmp_path, GOOD | files)))
