"""The trained weights, which the wheel `mtcnn` ships, and the photograph, which `scikit-image` ships.

Only the data of `mtcnn` is used. Its code needs TensorFlow and is never imported.
"""

from __future__ import annotations

import importlib
from importlib.metadata import distribution
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Weights = tuple[NDArray[Any], ...]


class Networks(NamedTuple):
    """The weights of the three networks."""

    pnet: Weights
    rnet: Weights
    onet: Weights


def load_weights(name: str) -> Weights:
    """The arrays of one network, in the order of its layers."""
    path = distribution("mtcnn").locate_file(f"mtcnn/assets/weights/{name}.lz4")
    joblib = importlib.import_module("joblib")
    return tuple(
        np.ascontiguousarray(w, dtype=np.float32).squeeze() if is_slope(w) else w for w in joblib.load(path)
    )


def is_slope(weights: NDArray[Any]) -> bool:
    """Slopes of PReLU are stored as `(1, 1, C)`."""
    return weights.ndim == 3


def load_networks() -> Networks:
    """The weights of all three networks."""
    return Networks(load_weights("pnet"), load_weights("rnet"), load_weights("onet"))


def load_photograph() -> NDArray[np.uint8]:
    """The portrait `astronaut`, `(512, 512, 3)` uint8."""
    return importlib.import_module("skimage.data").astronaut()
