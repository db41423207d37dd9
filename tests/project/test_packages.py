"""What `pip install` leaves behind: the explicit package list is complete, and `pydsl` is the one top-level module."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = CONFIG["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]


def packages_in_the_tree() -> set[str]:
    found = set()
    for package, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join((package, *init.parent.relative_to(ROOT / folder).parts)))
    return found


def test_the_package_list_is_complete() -> None:
    listed = SETUPTOOLS["packages"]
    assert sorted(listed) == listed
    assert set(listed) == packages_in_the_tree()


def test_every_source_folder_is_a_package() -> None:
    for folder in FOLDERS.values():
        for file in (ROOT / folder).rglob("*.py"):
            assert (file.parent / "__init__.py").exists(), f"{file.parent} has no __init__.py"


def test_the_version_is_one() -> None:
    import pydsl

    assert pydsl.__version__ == CONFIG["project"]["version"]


def test_a_plain_install_leaves_one_module(tmp_path: Path) -> None:
    if int(metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip("building needs setuptools 77, which `pip install .[dev]` brings")
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in FOLDERS.values():
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))

    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(site)
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"pydsl"}
    assert "pydsl/py.typed" in names
    assert {name for name in names if name.endswith(".py")} == {
        "/".join((package.replace(".", "/"), file.relative_to(ROOT / folder).as_posix()))
        for package, folder in FOLDERS.items()
        for file in (ROOT / folder).rglob("*.py")
    }

    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pydsl, pydsl.jit; print(pydsl.jit.__file__)"
    )
    command = [sys.executable, "-c", program, str(site)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert Path(done.stdout.strip()) == site / "pydsl" / "jit" / "__init__.py"
