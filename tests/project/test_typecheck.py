"""The type checker sees the package as a user does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.typecheck import ROOT, lay_out, real_paths

PROGRAM = """
import pydsl.jit.runtime
from pydsl import jit

@jit
def plain(x: int) -> int:
    return x

@jit(target="cpu")
def with_options(x: int) -> int:
    return x

wrong: int = "text"
"""


def test_messages_name_the_real_files() -> None:
    text = "build/typecheck/pydsl/jit/a.py:1: error\nbuild/typecheck/pydsl/ir/b.py:2: error\n"
    assert real_paths(text) == "jit/a.py:1: error\npydsl/ir/b.py:2: error\n"


@pytest.mark.skipif(not (ROOT / "jit" / "decorator.py").exists(), reason="there is no decorator yet")
def test_a_program_can_use_the_decorator(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    lay_out()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    mypy = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache")]
    environment = {"MYPYPATH": str(ROOT / "build" / "typecheck"), "PATH": ""}
    done = subprocess.run(
        [*mypy, "program.py"], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1, (
        done.stdout + done.stderr
    )  # the decorator is one, not a module that cannot be called
    assert "program.py:13: error: Incompatible types in assignment" in errors[0]
