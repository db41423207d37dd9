"""Knobs: types, precedence, scopes, and the documentation made from them."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pydsl import knobs
from pydsl.errors import KnobError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for knob in knobs.REGISTRY.values():
        monkeypatch.delenv(knob.env, raising=False)


def test_defaults() -> None:
    assert knobs.LOG.get() == "off"
    assert knobs.DUMP.get() == knobs.Dump()
    assert knobs.NUM_THREADS.get() >= 1
    assert knobs.TARGET.get() == "cpu"
    assert not (knobs.DISABLE_JIT.get() or knobs.VERIFY.get() or knobs.FASTMATH.get())


def test_the_default_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert knobs.CACHE_DIR.get() == tmp_path / "pydsl"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    assert knobs.CACHE_DIR.get() == Path("~/.cache/pydsl").expanduser()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("log", "Debug", "debug"),
        ("num_threads", " 3 ", 3),
        ("disable_jit", "1", True),
        ("verify", "on", True),
        ("fastmath", "No", False),
        ("fastmath", "", False),
        ("target", "cuda", "cuda"),
        ("cache_dir", "off", None),
        ("cache_dir", "/tmp/x", Path("/tmp/x")),
        ("dump", "ir, loops", knobs.Dump(frozenset({"ir", "loops"}))),
        ("dump", "all", knobs.Dump(frozenset(knobs.DUMP_STAGES))),
        ("dump", "./out", knobs.Dump(frozenset(knobs.DUMP_STAGES), Path("out"))),
        ("dump", "llvm,/tmp/out/", knobs.Dump(frozenset({"llvm"}), Path("/tmp/out"))),
    ],
)
def test_the_environment_is_read_at_use(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    knob = knobs.REGISTRY[name]
    monkeypatch.setenv(knob.env, text)
    assert knob.get() == value
    monkeypatch.delenv(knob.env)
    if text.strip():
        with knobs.scope(**{name: text.strip()}):
            assert knob.get() == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log", "loud"),
        ("num_threads", "0"),
        ("num_threads", "-1"),
        ("num_threads", "two"),
        ("verify", "maybe"),
        ("target", "tpu"),
        ("dump", "irr"),
    ],
)
def test_a_wrong_value_names_the_variable(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    knob = knobs.REGISTRY[name]
    monkeypatch.setenv(knob.env, text)
    with pytest.raises(KnobError, match=re.escape(f"{knob.env}={text!r}: expected {knob.expected}")):
        knob.get()


@pytest.mark.parametrize("overrides", [{"num_threads": 0}, {"num_threads": True}, {"verify": 1}, {"log": 3}])
def test_a_scope_checks_its_values(overrides: dict[str, object]) -> None:
    with pytest.raises(KnobError), knobs.scope(**overrides):
        pass


def test_a_scope_names_known_knobs() -> None:
    with pytest.raises(KnobError, match="treads"), knobs.scope(treads=1):
        pass


def test_scopes_nest_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDSL_NUM_THREADS", "5")
    with knobs.scope(num_threads=2, log="info"):
        with knobs.scope(num_threads=1, cache_dir=None):
            assert (knobs.NUM_THREADS.get(), knobs.LOG.get(), knobs.CACHE_DIR.get()) == (1, "info", None)
        assert knobs.NUM_THREADS.get() == 2
        with pytest.raises(ZeroDivisionError), knobs.scope(num_threads=3):
            raise ZeroDivisionError
        assert knobs.NUM_THREADS.get() == 2
    assert (knobs.NUM_THREADS.get(), knobs.LOG.get()) == (5, "off")


def test_scopes_do_not_reach_other_threads_that_already_run() -> None:
    inside, seen = threading.Event(), []

    def other() -> None:
        inside.wait(10)
        seen.append(knobs.NUM_THREADS.get())

    thread = threading.Thread(target=other)
    outside = knobs.NUM_THREADS.get()
    thread.start()
    with knobs.scope(num_threads=outside + 1):
        inside.set()
        thread.join()
    assert seen == [outside]


def test_the_cache_key_holds_what_changes_code() -> None:
    names = ["num_threads", "target", "fastmath", "shapes", "cuda_arch"]
    assert [name for name, _ in knobs.cache_key()] == names
    with knobs.scope(fastmath=True):
        changed = knobs.cache_key()
    assert changed != knobs.cache_key()
    with knobs.scope(log="debug", verify=True):
        assert changed != knobs.cache_key()


def test_names_and_constants_agree() -> None:
    for name, knob in knobs.REGISTRY.items():
        assert getattr(knobs, name.upper()) is knob
        assert knob.env == f"PYDSL_{name.upper()}"


def test_only_the_registry_reads_the_environment() -> None:
    readers = [
        str(file.relative_to(ROOT))
        for folder in ("pydsl", "jit", "kernels")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"\bos\.(environ|getenv)\b|\bfrom os import .*\b(environ|getenv)\b", file.read_text())
    ]
    assert readers == ["pydsl/knobs.py"]


def test_the_page_is_not_stale() -> None:
    page = (ROOT / "docs" / "knobs.md").read_text(encoding="utf-8")
    assert page == knobs.markdown(), "run python -m pydsl.knobs > docs/knobs.md"
    done = subprocess.run(
        [sys.executable, "-m", "pydsl.knobs"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == page
