"""Drop-in arrays: `pydsl.numpy`. `find` and `names` are the namespace."""

from __future__ import annotations

from pydsl.jit.arrays.namespace import find as find
from pydsl.jit.arrays.namespace import names as names
