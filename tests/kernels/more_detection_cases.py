"""ViewBench P9 and the reserves R1 to R7 that belong to detection networks."""

from __future__ import annotations

import numpy as np

from pydsl.kernels import detection
from tests.kernels.case import Args, Case, f32, random_boxes, shared_rows, unit
from tests.kernels.tolerance import EXACT

# P9


def build_expand(rng: np.random.Generator, n: int, classes: int = 81) -> Args:
    out = np.zeros((n, 4 * classes), np.float32)
    return f32(rng, n, 4), f32(rng, n, 4), rng.integers(0, max(classes, 1), n), out, out.copy()


def outputs_overlap(rng: np.random.Generator) -> Args:
    """The second output is the first, moved by a row and four columns."""
    buffer = f32(rng, 12, 24)
    targets, weights = shared_rows(rng, 11)
    return targets, weights, rng.integers(0, 5, 11), buffer[:-1, :20], buffer[1:, 4:]


def targets_within_outputs(rng: np.random.Generator) -> Args:
    """What is copied lies in what is written, so that later rows see earlier stores."""
    buffer = f32(rng, 9, 24)
    labels = rng.integers(0, 6, 9)
    return buffer[:, 4:8], buffer[::-1, 8:12], labels, buffer, buffer[:, ::-1]


def label_behind_the_end(rng: np.random.Generator) -> Args:
    out = np.zeros((3, 8), np.float32)
    return f32(rng, 3, 4), f32(rng, 3, 4), np.array([2, 0, 0]), out, out.copy()


BBOX_TARGET_EXPAND = Case(
    "P9",
    "bbox_target_expand",
    detection.bbox_target_expand,
    build_expand,
    {
        "small": {"n": 20, "classes": 4},
        "batch1": {"n": 512},
        "batch4": {"n": 2048},
        "one": {"n": 1, "classes": 2},
        "empty": {"n": 0},
    },
    tolerances=(EXACT, EXACT),
    writes=True,
    overlaps={"outputs": outputs_overlap, "inside": targets_within_outputs},
    bad={"label": (ValueError, label_behind_the_end)},
)

# fast_nms


def build_fast_nms(rng: np.random.Generator, n: int, classes: int, top_k: int = 200) -> Args:
    boxes = random_boxes(rng, n, 300, 300, 150)
    return boxes, unit(rng, n, classes), f32(rng, n, 32), 0.05, 0.5, top_k, 100


def head_of_detections(rng: np.random.Generator) -> Args:
    """Boxes, scores and coefficients are columns of one array, rows backwards."""
    head = np.concatenate([random_boxes(rng, 40, 200, 200, 100), unit(rng, 40, 10)], axis=1)[::-1]
    return head[:, :4], head[:, 4:9], head[:, 7:], 0.2, 0.4, 15, 20


def equal_scores(rng: np.random.Generator) -> Args:
    boxes = random_boxes(rng, 30, 200, 200, 100)
    return boxes, np.round(unit(rng, 30, 3), 1), boxes[:, 1:3]


FAST_NMS = Case(
    "R1",
    "fast_nms",
    detection.fast_nms,
    build_fast_nms,
    {
        "small": {"n": 30, "classes": 3, "top_k": 10},
        "batch1": {"n": 1000, "classes": 20},
        "batch4": {"n": 4000, "classes": 20},
        "one": {"n": 1, "classes": 1},
        "empty": {"n": 0, "classes": 4},
        "empty_classes": {"n": 5, "classes": 0},
    },
    tolerances=(EXACT,) * 4,
    overlaps={"head": head_of_detections, "ties": equal_scores},
)

# map_roi_levels


def build_rois(rng: np.random.Generator, n: int) -> Args:
    batch = rng.integers(0, 4, (n, 1)).astype(np.float32)
    return np.concatenate([batch, random_boxes(rng, n, side=900)], axis=1), 4, 56


def rois_with_themselves(rng: np.random.Generator) -> Args:
    x = random_boxes(rng, 60, side=500)
    return np.ndarray((40, 5), np.float32, buffer=x, strides=(16, 4)), 5, 28.0


MAP_ROI_LEVELS = Case(
    "R4",
    "map_roi_levels",
    detection.map_roi_levels,
    build_rois,
    {
        "small": {"n": 20},
        "batch1": {"n": 1000},
        "batch4": {"n": 4000},
        "one": {"n": 1},
        "empty": {"n": 0},
    },
    overlaps={"rows": rois_with_themselves},
    bad={"columns": (IndexError, lambda rng: (random_boxes(rng, 5),))},
)

# masks_to_boxes


def build_masks(rng: np.random.Generator, k: int, h: int, w: int) -> Args:
    masks = np.zeros((k, h, w), dtype=np.bool_)
    for mask in masks[: k - k // 4]:  # the others have no pixels
        top, left = rng.integers(0, h), rng.integers(0, w)
        bottom, right = rng.integers(top, h) + 1, rng.integers(left, w) + 1
        mask[top:bottom, left:right] = rng.random((bottom - top, right - left)) < 0.5
    return (masks,)


MASKS_TO_BOXES = Case(
    "R5",
    "masks_to_boxes",
    detection.masks_to_boxes,
    build_masks,
    {
        "small": {"k": 5, "h": 14, "w": 17},
        "batch1": {"k": 100, "h": 138, "w": 138},
        "batch4": {"k": 100, "h": 276, "w": 276},
        "one": {"k": 1, "h": 1, "w": 1},
        "empty": {"k": 0, "h": 14, "w": 17},
    },
    bad={"flat": (ValueError, lambda rng: (np.zeros((3, 4), np.bool_),))},
)

# fcos_targets


def build_fcos_targets(rng: np.random.Generator, n: int, m: int) -> Args:
    points = unit(rng, n, 2) * np.array([1333, 800], np.float32)
    bounds = np.array([-1, 64, 128, 256, 512, 1e8], np.float32)
    level = rng.integers(0, 5, n)
    ranges = np.stack([bounds[level], bounds[level + 1]], axis=1)
    return points, random_boxes(rng, m, side=400), rng.integers(0, 80, m), ranges


def points_in_boxes(rng: np.random.Generator) -> Args:
    """The points are corners of the boxes; the ranges are columns of them, too."""
    boxes = random_boxes(rng, 12, 60, 60, 80)
    return boxes[:, 1:3], boxes, rng.integers(0, 80, 12), boxes[::-1, 0:4:3], 7


FCOS_TARGETS = Case(
    "R6",
    "fcos_targets",
    detection.fcos_targets,
    build_fcos_targets,
    {
        "small": {"n": 60, "m": 5},
        "batch1": {"n": 22400, "m": 20},
        "batch4": {"n": 89600, "m": 20},
        "one": {"n": 1, "m": 1},
        "empty": {"n": 60, "m": 0},
        "empty_points": {"n": 0, "m": 5},
    },
    tolerances=(EXACT,) * 3,
    overlaps={"corners": points_in_boxes},
    bad={
        "labels": (
            IndexError,
            lambda rng: (
                *build_fcos_targets(rng, 50, 5)[:2],
                np.zeros(0, np.int64),
                np.tile(np.float32([-1, 1e8]), (50, 1)),
            ),
        )
    },
)

# crop_mask


def build_crop(rng: np.random.Generator, h: int, w: int, n: int) -> Args:
    return unit(rng, h, w, n), unit(rng, n, 4), 1


def boxes_from_masks(rng: np.random.Generator) -> Args:
    masks = unit(rng, 8, 9, 4)
    return masks, masks[2, :4], 0.5


CROP_MASK = Case(
    "R7",
    "crop_mask",
    detection.crop_mask,
    build_crop,
    {
        "small": {"h": 14, "w": 17, "n": 5},
        "batch1": {"h": 138, "w": 138, "n": 100},
        "batch4": {"h": 276, "w": 276, "n": 100},
        "one": {"h": 1, "w": 1, "n": 1},
        "empty": {"h": 14, "w": 17, "n": 0},
        "empty_masks": {"h": 0, "w": 17, "n": 3},
    },
    overlaps={"masks": boxes_from_masks},
    bad={"boxes": (ValueError, lambda rng: (unit(rng, 4, 5, 3), unit(rng, 2, 4)))},
)
