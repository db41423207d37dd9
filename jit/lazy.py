"""Loads what lies above, at the moment when a call brings its objects: the array class, the CUDA driver."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str) -> Any:
    """The module `pydsl.jit.<name>`."""
    return import_module(f"pydsl.jit.{name}")
