"""Run the type checker on the package as it is installed: `python -m tests.project.typecheck [options of mypy]`.

`pydsl.jit` and `pydsl.kernels` live in folders beside `pydsl/`, which a type checker cannot know. So the three folders
are laid out as one package of links under `build/typecheck` (the place named in `pyproject.toml`), and the checker's
messages are mapped back to the real files.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FARM = ROOT / "build" / "typecheck" / "pydsl"
BESIDE = ("jit", "kernels")


def lay_out() -> None:
    """Link every entry of `pydsl/`, and the folders beside it, into the farm."""
    FARM.mkdir(parents=True, exist_ok=True)
    for old in FARM.iterdir():
        old.unlink()
    entries = [entry for entry in (ROOT / "pydsl").iterdir() if entry.name != "__pycache__"]
    for entry in [*entries, *(ROOT / name for name in BESIDE)]:
        (FARM / entry.name).symlink_to(os.path.relpath(entry, FARM))


def real_paths(text: str) -> str:
    text = re.sub(rf"build/typecheck/pydsl/({'|'.join(BESIDE)})/", r"\1/", text)
    return text.replace("build/typecheck/pydsl/", "pydsl/")


def main(options: list[str]) -> int:
    lay_out()
    command = [sys.executable, "-m", "mypy", "-p", "pydsl", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    sys.stdout.write(real_paths(done.stdout))
    sys.stderr.write(real_paths(done.stderr))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
