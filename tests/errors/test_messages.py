"""The messages of wrong and unsupported programs, as a whole: pinned, and each with its line and a remedy."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import pytest

from pydsl import UnsupportedError, jit
from tests.errors.wrong import WRONG

PLACE = re.compile(r'  File ".*wrong\.py", line \d+, column')


def message(function: Any, args: tuple[Any, ...]) -> str:
    """Class and text of the error, without the name of the file."""
    try:
        given = copy.deepcopy(args)
    except TypeError:
        given = args
    with np.errstate(all="ignore"), pytest.raises(Exception) as caught:
        jit(function)(*given)
    error = caught.value
    text = str(error).rstrip()
    assert PLACE.search(text), text
    if isinstance(error, UnsupportedError):
        assert text.count("  write instead: ") == len(error.diagnostics), text
    lines = [line.rstrip() for line in re.sub(r'File ".*wrong\.py", line \d+', "Line", text).splitlines()]
    return "\n".join([f"{type(error).__name__}:", *lines])


def test_messages(golden: Any) -> None:
    texts = [message(function, args) for function, args in WRONG]
    assert len(texts) >= 60
    golden("messages", "\n\n".join(texts) + "\n")
