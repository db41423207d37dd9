"""What a measurement depends on: processor, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pydsl-jit", "numpy", "llvmlite", "numba", "scipy-openblas32")


def describe() -> dict[str, Any]:
    """Host, versions, commit and time, for the head of a results file."""
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "host": {
            "processor": processor(),
            "cores": cores(),
            "system": platform.system(),
            "arch": platform.machine(),
        },
        "versions": {"python": platform.python_version(), **{p: v for p in PACKAGES if (v := installed(p))}},
        "threads": {k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS")},
        "free_threaded": not getattr(sys, "_is_gil_enabled", lambda: True)(),
    }


def installed(package: str) -> str | None:
    """The version of a package, if it is installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The name of the processor."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for entry in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if entry.startswith("model name"):
                return entry.partition(":")[2].strip()
    return platform.processor()


def commit() -> str | None:
    """The commit of the working tree, with a mark if something is changed."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def first_message(error: BaseException) -> str:
    """The class and the first line of an error, with paths as they are in this repository."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0].replace(f'{ROOT}/', '')}"[:200]
