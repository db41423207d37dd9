"""The cascade: which function follows which, with what thresholds."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.mtcnn import networks, stages
from examples.mtcnn.data import Networks

Array = NDArray[Any]
Call = Callable[..., Any]

MIN_FACE = 20
"""Side of the smallest face that is looked for, in pixels."""
PYRAMID_FACTOR = 0.709
"""Ratio of the sizes of neighbouring levels: half of the area."""
PNET_THRESHOLD, RNET_THRESHOLD, ONET_THRESHOLD = 0.6, 0.7, 0.8
LEVEL_OVERLAP, PNET_OVERLAP, RNET_OVERLAP, ONET_OVERLAP = 0.5, 0.7, 0.7, 0.7


@dataclass(frozen=True)
class Detection:
    """Faces `(K, 15)` f32 (box, score, five landmarks) and the number of boxes after each step."""

    faces: Array
    counts: dict[str, int]


class Runner:
    """Calls the functions of the cascade, compiled or as plain NumPy, and adds up the time each of them
    takes.
    """

    def __init__(self, plain: bool) -> None:
        self.plain = plain
        self.seconds: dict[str, float] = defaultdict(float)
        self.last_arguments: dict[str, tuple[Any, ...]] = {}

    def __call__(self, function: Any, *args: Any) -> Any:
        target = function.__wrapped__ if self.plain else function
        name = function.__wrapped__.__name__
        start = time.perf_counter()
        result = target(*args)
        self.seconds[name] += time.perf_counter() - start
        self.last_arguments[name] = args
        return result


def pyramid_scales(height: int, width: int) -> list[float]:
    """Scales at which a face of `MIN_FACE` pixels and larger ones fit the window of the proposal network."""
    scale = stages.CELL / MIN_FACE
    scales = []
    while min(height, width) * scale >= stages.CELL:
        scales.append(scale)
        scale *= PYRAMID_FACTOR
    return scales


def propose(call: Call, image: Array, weights: Networks, counts: dict[str, int]) -> Array:
    """First stage: the proposal network on every level of the pyramid."""
    levels = []
    counts["candidates"] = 0
    for scale in pyramid_scales(*image.shape[:2]):
        height, width = math.floor(image.shape[0] * scale), math.floor(image.shape[1] * scale)
        level = call(stages.shrink, image, height, width)
        prob, offsets = call(networks.pnet, level, weights.pnet)
        found = call(stages.candidates, prob, offsets, scale, PNET_THRESHOLD)
        counts["candidates"] += len(found)
        levels.append(call(stages.suppress, found, LEVEL_OVERLAP, "union"))
    boxes = call(stages.join, tuple(levels))
    counts["suppressed by level"] = len(boxes)
    boxes = call(stages.suppress, boxes, PNET_OVERLAP, "union")
    counts["proposals"] = len(boxes)
    return call(stages.square, boxes)


def detect(photograph: NDArray[np.uint8], weights: Networks, call: Call) -> Detection:
    """Finds the faces in a photograph `(H, W, 3)` uint8; `call(function, *args)` runs one function of the
    cascade.
    """
    counts: dict[str, int] = {}
    image = call(stages.normalise, photograph)
    padded = call(stages.pad_border, image)
    boxes = propose(call, image, weights, counts)

    crops = call(stages.crop, padded, boxes, 24)
    prob, offsets = call(networks.rnet, crops, weights.rnet)
    boxes = call(stages.refine, boxes, prob, offsets, RNET_THRESHOLD)
    counts["refined"] = len(boxes)
    boxes = call(stages.suppress, boxes, RNET_OVERLAP, "union")
    counts["refined and suppressed"] = len(boxes)
    boxes = call(stages.square, boxes)

    crops = call(stages.crop, padded, boxes, 48)
    prob, offsets, landmarks = call(networks.onet, crops, weights.onet)
    faces = call(stages.finish, boxes, prob, offsets, landmarks, ONET_THRESHOLD)
    counts["faces before suppression"] = len(faces)
    faces = call(stages.suppress, faces, ONET_OVERLAP, "smaller")
    counts["faces"] = len(faces)
    return Detection(faces, counts)
