"""The NumPy (and builtin) callables that the front end knows, found by identity.

``lookup(callable)`` gives ``handler(builder, *args, **kwargs)``; ``method(value, name)`` the handler of a method, called
as ``handler(builder, value, *args, **kwargs)``; ``attribute(builder, value, name)`` an attribute's value.
"""

from __future__ import annotations

from pydsl.frontend.numpy_api.registry import attribute, creates_array, handles, lookup, method

__all__ = ["attribute", "creates_array", "handles", "lookup", "method"]
