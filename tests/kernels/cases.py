"""ViewBench: the kernels, and arguments for them at every size, memory layout and overlap."""

from __future__ import annotations

import numpy as np

from pydsl.kernels import detection
from tests.kernels.case import (
    SIZES,
    Args,
    Case,
    f32,
    random_boxes,
    reversed_rows,
    same_array,
    shared_rows,
    unit,
)
from tests.kernels.more_detection_cases import (
    BBOX_TARGET_EXPAND,
    CROP_MASK,
    FAST_NMS,
    FCOS_TARGETS,
    MAP_ROI_LEVELS,
    MASKS_TO_BOXES,
)
from tests.kernels.sequence_cases import ATTN_KV_DECODE, LSTM_STACK, SEQ2SEQ_GREEDY, SINE_POS_EMBED
from tests.kernels.tolerance import EXACT, SCALED_TRANSCENDENTAL, Tolerance, matmul_bound

__all__ = ["CASES", "SIZES", "Args", "Case"]

# P1


def build_valid_flags(
    rng: np.random.Generator, h: int, w: int, valid_h: int, valid_w: int, anchors: int
) -> Args:
    return h, w, valid_h, valid_w, anchors


VALID_FLAGS = Case(
    "P1",
    "valid_flags",
    detection.valid_flags,
    build_valid_flags,
    {
        "small": {"h": 160, "w": 120, "valid_h": 150, "valid_w": 110, "anchors": 3},
        "batch1": {"h": 200, "w": 336, "valid_h": 190, "valid_w": 320, "anchors": 3},
        "batch4": {"h": 400, "w": 672, "valid_h": 380, "valid_w": 640, "anchors": 3},
        "longtail_m": {"h": 320, "w": 240, "valid_h": 300, "valid_w": 240, "anchors": 6},
        "longtail_l": {"h": 480, "w": 360, "valid_h": 480, "valid_w": 300, "anchors": 9},
        "tiny": {"h": 2, "w": 3, "valid_h": 1, "valid_w": 2, "anchors": 1},
        "all_valid": {"h": 4, "w": 5, "valid_h": 9, "valid_w": 9, "anchors": 2},
        "none_valid": {"h": 4, "w": 5, "valid_h": 0, "valid_w": 3, "anchors": 2},
        "from_the_end": {"h": 4, "w": 5, "valid_h": -1, "valid_w": -2, "anchors": 2},
        "empty": {"h": 0, "w": 5, "valid_h": 0, "valid_w": 3, "anchors": 3},
        "empty_anchors": {"h": 3, "w": 5, "valid_h": 2, "valid_w": 3, "anchors": 0},
    },
    layouts=("c",),
)

# P2


def build_base_anchors(rng: np.random.Generator, size: float, ratios: int, scales: int) -> Args:
    return (
        size,
        np.linspace(0.5, 2.0, ratios).astype(np.float32),
        (8.0 * 2.0 ** (np.arange(scales) / 3)).astype(np.float32),
    )


def same_ratios_and_scales(rng: np.random.Generator) -> Args:
    x = unit(rng, 5) + np.float32(0.5)
    return 16, x, x


def reversed_ratios(rng: np.random.Generator) -> Args:
    x = unit(rng, 5) + np.float32(0.5)
    return 16.0, x, x[::-1]


def interleaved_ratios(rng: np.random.Generator) -> Args:
    x = unit(rng, 9) + np.float32(0.5)
    return 8, x[0:6:2], x[1:9:3]


GEN_BASE_ANCHORS = Case(
    "P2",
    "gen_base_anchors",
    detection.gen_base_anchors,
    build_base_anchors,
    {
        "small": {"size": 4, "ratios": 3, "scales": 1},
        "batch1": {"size": 32, "ratios": 3, "scales": 3},
        "batch4": {"size": 32, "ratios": 6, "scales": 6},
        "longtail_m": {"size": 8, "ratios": 6, "scales": 2},
        "longtail_l": {"size": 16, "ratios": 12, "scales": 4},
        "float_size": {"size": 12.5, "ratios": 2, "scales": 2},
        "empty": {"size": 32, "ratios": 0, "scales": 3},
    },
    overlaps={
        "same": same_ratios_and_scales,
        "reversed": reversed_ratios,
        "interleaved": interleaved_ratios,
    },
)

# P3


def build_offset2bbox(rng: np.random.Generator, n: int, classes: int = 1) -> Args:
    return random_boxes(rng, n), f32(rng, n, 4 * classes)


def leading_columns(rng: np.random.Generator) -> Args:
    x = f32(rng, 13, 12)
    return x[:, :4], x


def mismatched_rows(rng: np.random.Generator) -> Args:
    return f32(rng, 5, 4), f32(rng, 6, 8)


OFFSET2BBOX = Case(
    "P3",
    "offset2bbox",
    detection.offset2bbox,
    build_offset2bbox,
    {
        "small": {"n": 100},
        "batch1": {"n": 4000},
        "batch4": {"n": 16000},
        "classes": {"n": 1000, "classes": 81},
        "one": {"n": 1},
        "empty": {"n": 0},
        "empty_classes": {"n": 3, "classes": 0},
    },
    tolerances=(SCALED_TRANSCENDENTAL,),
    overlaps={"same": same_array, "reversed": reversed_rows, "columns": leading_columns, "rows": shared_rows},
    bad={"rows": (ValueError, mismatched_rows)},
)

# P4


def build_tblr2bbox(rng: np.random.Generator, n: int) -> Args:
    return random_boxes(rng, n), unit(rng, n, 4), 800, 1333


TBLR2BBOX = Case(
    "P4",
    "tblr2bbox",
    detection.tblr2bbox,
    build_tblr2bbox,
    {
        "small": {"n": 100},
        "batch1": {"n": 4000},
        "batch4": {"n": 16000},
        "levels": {"n": 22400},
        "one": {"n": 1},
        "empty": {"n": 0},
    },
    overlaps={
        "same": lambda rng: (*same_array(rng), 800, 1333),
        "reversed": lambda rng: (*reversed_rows(rng), 0.5, 0.75, 2.0),
        "rows": lambda rng: (*shared_rows(rng), 2.0, 1.0),
    },
    bad={"rows": (ValueError, lambda rng: (f32(rng, 5, 4), f32(rng, 6, 4), 800, 1333))},
)

# P5


def build_grid_priors(rng: np.random.Generator, sizes: tuple[tuple[int, int], ...], anchors: int = 3) -> Args:
    strides = tuple(4 * 2**i for i in range(len(sizes)))
    base = tuple(f32(rng, anchors, 4, scale=4.0 * s) for s in strides)
    return base, sizes, strides


def shared_base_anchors(rng: np.random.Generator) -> Args:
    x = f32(rng, 5, 4, scale=32)
    return (x[:3], x[1:4], x[::-2]), ((3, 2), (2, 2), (1, 3)), (8, 16, 32)


GRID_PRIORS = Case(
    "P5",
    "grid_priors",
    detection.grid_priors,
    build_grid_priors,
    {
        "small": {"sizes": ((10, 12), (5, 6), (3, 3), (2, 2), (1, 1))},
        "batch1": {"sizes": ((200, 336), (100, 168), (50, 84), (25, 42), (13, 21))},
        "batch4": {"sizes": ((400, 672), (200, 336), (100, 168), (50, 84), (26, 42))},
        "empty": {"sizes": ((0, 3), (2, 0), (0, 0))},
        "empty_level": {"sizes": ((4, 3), (0, 2))},
        "empty_anchors": {"sizes": ((4, 3), (2, 2)), "anchors": 0},
    },
    overlaps={"shared": shared_base_anchors},
)

# P6


def build_delta2bbox(rng: np.random.Generator, n: int, classes: int) -> Args:
    means = np.zeros(4, dtype=np.float32)
    stds = np.array([0.1, 0.1, 0.2, 0.2], dtype=np.float32)
    return random_boxes(rng, n), f32(rng, n, 4 * classes), means, stds, 800, 1333


def deltas_with_rois(rng: np.random.Generator) -> Args:
    x = f32(rng, 11, 12, scale=30)
    return x[:, 4:8], x, x[0, :4], x[1, 3::-1], 40.0, 30.0


def shared_means(rng: np.random.Generator) -> Args:
    x = unit(rng, 5)
    return random_boxes(rng, 7), f32(rng, 7, 8), x[:4], x[1:], 800.0, 1333.0


DELTA2BBOX = Case(
    "P6",
    "delta2bbox",
    detection.delta2bbox,
    build_delta2bbox,
    {
        "small": {"n": 20, "classes": 4},
        "batch1": {"n": 1000, "classes": 80},
        "batch4": {"n": 4000, "classes": 80},
        "one": {"n": 1, "classes": 1},
        "empty": {"n": 0, "classes": 80},
        "empty_classes": {"n": 3, "classes": 0},
    },
    tolerances=(SCALED_TRANSCENDENTAL,),
    overlaps={"head": deltas_with_rois, "means": shared_means},
)

# P7


def build_flip(rng: np.random.Generator, n: int, classes: int) -> Args:
    return np.tile(random_boxes(rng, n), (1, classes)), 1333.0, 16.5, 4


def window_of_head(rng: np.random.Generator) -> Args:
    return f32(rng, 9, 20, scale=100)[1:-1, 3:15], 640, 3, 5.25


def read_only_boxes(rng: np.random.Generator) -> Args:
    boxes = random_boxes(rng, 4)
    boxes.flags.writeable = False
    return boxes, 640.0, 0.0, 0.0


BBOX_FLIP_TTA = Case(
    "P7",
    "bbox_flip_tta",
    detection.bbox_flip_tta,
    build_flip,
    {
        "small": {"n": 20, "classes": 4},
        "batch1": {"n": 1000, "classes": 80},
        "batch4": {"n": 4000, "classes": 80},
        "one": {"n": 1, "classes": 1},
        "empty": {"n": 0, "classes": 80},
        "empty_classes": {"n": 3, "classes": 0},
    },
    writes=True,
    overlaps={"window": window_of_head},
    bad={"read_only": (ValueError, read_only_boxes)},
)

# P8


def build_overlaps(rng: np.random.Generator, n: int, m: int, mode: str = "iou") -> Args:
    return random_boxes(rng, n), random_boxes(rng, m), mode


def boxes_within_boxes(rng: np.random.Generator) -> Args:
    x = random_boxes(rng, 12, side=800)
    return x, x[3:8], "iou"


def boxes_reversed(rng: np.random.Generator) -> Args:
    x = random_boxes(rng, 12, side=800)
    return x, x[::-1], "giou"


def boxes_themselves(rng: np.random.Generator) -> Args:
    x = random_boxes(rng, 12, side=800)
    return x, x, "iof", 1.0


BBOX_OVERLAPS = Case(
    "P8",
    "bbox_overlaps",
    detection.bbox_overlaps,
    build_overlaps,
    {
        "small": {"n": 100, "m": 8},
        "batch1": {"n": 22400, "m": 32},
        "batch4": {"n": 89600, "m": 32},
        "iof": {"n": 100, "m": 8, "mode": "iof"},
        "giou": {"n": 100, "m": 8, "mode": "giou"},
        "one": {"n": 1, "m": 1},
        "empty": {"n": 0, "m": 32},
        "empty_second": {"n": 5, "m": 0, "mode": "giou"},
    },
    overlaps={"within": boxes_within_boxes, "reversed": boxes_reversed, "themselves": boxes_themselves},
    bad={"mode": (ValueError, lambda rng: (random_boxes(rng, 2), random_boxes(rng, 2), "dice"))},
)

# P10


def build_preprocess(rng: np.random.Generator, h: int, w: int, divisor: int = 32) -> Args:
    image = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
    mean = np.array([123.675, 116.28, 103.53], dtype=np.float32)
    inv_std = (1 / np.array([58.395, 57.12, 57.375])).astype(np.float32)
    return image, mean, inv_std, divisor


def shared_statistics(rng: np.random.Generator) -> Args:
    x = unit(rng, 2, 3)
    return rng.integers(0, 256, (5, 7, 3), dtype=np.uint8), x[0], x.ravel()[4:1:-1], 4, 114


PREPROCESS = Case(
    "P10",
    "preprocess",
    detection.preprocess,
    build_preprocess,
    {
        "small": {"h": 30, "w": 45},
        "batch1": {"h": 800, "w": 1333},
        "batch4": {"h": 1600, "w": 2666},
        "no_padding": {"h": 32, "w": 64},
        "one": {"h": 1, "w": 1, "divisor": 1},
        "empty": {"h": 0, "w": 40},
    },
    overlaps={"statistics": shared_statistics},
    bad={"grey": (ValueError, lambda rng: (np.zeros((5, 7, 4), np.uint8), unit(rng, 3), unit(rng, 3)))},
)

# P11


def build_yolov3(rng: np.random.Generator, sides: tuple[tuple[int, int], ...], classes: int) -> Args:
    preds = tuple(f32(rng, 3 * (5 + classes), h, w) for h, w in sides)
    anchors = tuple((unit(rng, 3, 2) + np.float32(0.2)) * np.float32(32 * 2**i) for i in range(len(sides)))
    return preds, anchors, tuple(32 // 2**i for i in range(len(sides)))


def shared_preds(rng: np.random.Generator) -> Args:
    x = f32(rng, 24, 6, 7)
    anchors = unit(rng, 6, 2)
    return (
        (x[:, :3, :3], x[:, 2:5, 1:6], x[..., ::-2]),
        (anchors[:3], anchors[1:4], anchors[::-2]),
        (32, 16, 8),
    )


YOLOV3_DECODE = Case(
    "P11",
    "yolov3_decode",
    detection.yolov3_decode,
    build_yolov3,
    {
        "small": {"sides": ((2, 2), (3, 4), (5, 5)), "classes": 3},
        "batch1": {"sides": ((19, 19), (38, 38), (76, 76)), "classes": 80},
        "batch4": {"sides": ((38, 38), (76, 76), (152, 152)), "classes": 80},
        "one": {"sides": ((1, 1),), "classes": 1},
        "empty": {"sides": ((0, 3), (2, 0)), "classes": 3},
        "empty_level": {"sides": ((2, 3), (2, 0)), "classes": 3},
    },
    # a score is a product of two sigmoids, and each of the two results is off by up to 3.4 (ours) and 3.2 (NumPy's) ULP
    # for each of them: 2 * (3.4 + 3.2) and the rounding of the product
    tolerances=(SCALED_TRANSCENDENTAL, Tolerance(ulps=14)),
    overlaps={"shared": shared_preds},
)

# P12


def build_fcos(rng: np.random.Generator, sides: tuple[tuple[int, int], ...], classes: int) -> Args:
    cls_probs = tuple(unit(rng, classes, h, w) for h, w in sides)
    distances = tuple(unit(rng, 4, h, w) * np.float32(8) for h, w in sides)
    centers = tuple(unit(rng, 1, h, w) for h, w in sides)
    return cls_probs, distances, centers, tuple(8 * 2**i for i in range(len(sides))), 800, 1333


def slices_of_heads(rng: np.random.Generator) -> Args:
    heads = (unit(rng, 10, 3, 4), unit(rng, 10, 2, 2))
    return (
        tuple(h[:5] for h in heads),
        tuple(h[4:8] for h in heads),
        tuple(h[7:8] for h in heads),
        (8, 16),
        20.0,
        25.0,
    )


FCOS_DECODE = Case(
    "P12",
    "fcos_decode",
    detection.fcos_decode,
    build_fcos,
    {
        "small": {"sides": ((6, 7), (3, 4), (2, 2), (1, 1), (1, 1)), "classes": 4},
        "batch1": {"sides": ((100, 167), (50, 84), (25, 42), (13, 21), (7, 11)), "classes": 80},
        "batch4": {"sides": ((200, 334), (100, 168), (50, 84), (26, 42), (14, 22)), "classes": 80},
        "one": {"sides": ((1, 1),), "classes": 1},
        "empty": {"sides": ((0, 3), (2, 0)), "classes": 4},
        "empty_level": {"sides": ((2, 3), (2, 0)), "classes": 4},
    },
    tolerances=(EXACT, EXACT, EXACT),
    overlaps={"head": slices_of_heads},
)

# P13


def build_yolact(rng: np.random.Generator, n: int, side: int, protos: int, k: int) -> Args:
    priors = np.concatenate([unit(rng, n, 2), unit(rng, n, 2) * np.float32(0.5)], axis=1)
    return f32(rng, n, 4), priors, f32(rng, side, side, protos), f32(rng, k, protos, scale=0.5)


def coeffs_from_protos(rng: np.random.Generator) -> Args:
    loc, priors = shared_rows(rng, 20)
    protos = f32(rng, 6, 7, 4)
    return loc, priors, protos, protos.reshape(42, 4)[10:15]


def loc_is_priors(rng: np.random.Generator) -> Args:
    x = unit(rng, 9, 4)
    return x, x, f32(rng, 5, 4, 3), f32(rng, 4, 3)


def mismatched_protos(rng: np.random.Generator) -> Args:
    return f32(rng, 9, 4), f32(rng, 9, 4), f32(rng, 5, 4, 3), f32(rng, 4, 2)


YOLACT_MASKS = Case(
    "P13",
    "yolact_masks",
    detection.yolact_masks,
    build_yolact,
    {
        "small": {"n": 50, "side": 14, "protos": 8, "k": 5},
        "batch1": {"n": 19248, "side": 138, "protos": 32, "k": 100},
        "batch4": {"n": 76992, "side": 276, "protos": 32, "k": 100},
        "one": {"n": 1, "side": 2, "protos": 1, "k": 1},
        "empty": {"n": 0, "side": 14, "protos": 8, "k": 0},
        "empty_detections": {"n": 5, "side": 14, "protos": 8, "k": 0},
    },
    tolerances=(SCALED_TRANSCENDENTAL, matmul_bound(32)),
    overlaps={"protos": coeffs_from_protos, "same": loc_is_priors},
    bad={"protos": (ValueError, mismatched_protos)},
)

# P14


def build_nms(rng: np.random.Generator, n: int, classes: int = 80) -> Args:
    return random_boxes(rng, n), unit(rng, n), rng.integers(0, classes, n), 0.5


def detections(rng: np.random.Generator) -> Args:
    dets = np.concatenate([random_boxes(rng, 60, 200, 200, 100), unit(rng, 60, 1)], axis=1)
    return dets[:, :4], dets[:, 4], rng.integers(0, 3, 60), 0.4


def tied_scores(rng: np.random.Generator) -> Args:
    dets = np.concatenate([random_boxes(rng, 60, 200, 200, 100), np.ones((60, 1), np.float32)], axis=1)
    dets[::3, 4] = 0.5
    return dets[::-1, :4], dets[::-1, 4], rng.integers(0, 2, 60)


def score_is_column(rng: np.random.Generator) -> Args:
    boxes = random_boxes(rng, 40, 200, 200, 100)
    return boxes, boxes[:, 0], rng.integers(0, 2, 40), 0.3


BATCHED_NMS = Case(
    "P14",
    "batched_nms",
    detection.batched_nms,
    build_nms,
    {
        "small": {"n": 30},
        "batch1": {"n": 1000},
        "batch4": {"n": 4000},
        "crowded": {"n": 500, "classes": 1},
        "one": {"n": 1},
        "empty": {"n": 0},
    },
    overlaps={"detections": detections, "ties": tied_scores, "column": score_is_column},
)

CASES = (
    VALID_FLAGS,
    GEN_BASE_ANCHORS,
    OFFSET2BBOX,
    TBLR2BBOX,
    GRID_PRIORS,
    DELTA2BBOX,
    BBOX_FLIP_TTA,
    BBOX_OVERLAPS,
    BBOX_TARGET_EXPAND,
    PREPROCESS,
    YOLOV3_DECODE,
    FCOS_DECODE,
    YOLACT_MASKS,
    BATCHED_NMS,
    LSTM_STACK,
    ATTN_KV_DECODE,
    FAST_NMS,
    SEQ2SEQ_GREEDY,
    SINE_POS_EMBED,
    MAP_ROI_LEVELS,
    MASKS_TO_BOXES,
    FCOS_TARGETS,
    CROP_MASK,
)
