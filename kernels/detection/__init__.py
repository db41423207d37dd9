"""Post-processing of detection networks: anchors, coders, decoders, masks, suppression, preparation.

Boxes are `(x1, y1, x2, y2)` in pixels unless a docstring says otherwise.
"""

from pydsl.kernels.detection.anchors import gen_base_anchors, grid_priors, valid_flags
from pydsl.kernels.detection.boxes import bbox_flip_tta, bbox_overlaps
from pydsl.kernels.detection.coders import delta2bbox, offset2bbox, tblr2bbox
from pydsl.kernels.detection.decode import fcos_decode, yolov3_decode
from pydsl.kernels.detection.masks import yolact_masks
from pydsl.kernels.detection.nms import batched_nms
from pydsl.kernels.detection.preprocess import preprocess

__all__ = [
    "batched_nms",
    "bbox_flip_tta",
    "bbox_overlaps",
    "delta2bbox",
    "fcos_decode",
    "gen_base_anchors",
    "grid_priors",
    "offset2bbox",
    "preprocess",
    "tblr2bbox",
    "valid_flags",
    "yolact_masks",
    "yolov3_decode",
]
