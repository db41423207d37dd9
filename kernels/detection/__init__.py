"""Detection networks: anchors, coders, decoders, masks, suppression, targets, preparation.

Boxes are `(x1, y1, x2, y2)` in pixels unless a docstring says otherwise.
"""

from pydsl.kernels.detection.anchors import gen_base_anchors, grid_priors, valid_flags
from pydsl.kernels.detection.boxes import bbox_flip_tta, bbox_overlaps
from pydsl.kernels.detection.coders import delta2bbox, offset2bbox, tblr2bbox
from pydsl.kernels.detection.decode import fcos_decode, yolov3_decode
from pydsl.kernels.detection.levels import map_roi_levels
from pydsl.kernels.detection.masks import crop_mask, masks_to_boxes, yolact_masks
from pydsl.kernels.detection.nms import batched_nms, fast_nms
from pydsl.kernels.detection.preprocess import preprocess
from pydsl.kernels.detection.targets import bbox_target_expand, fcos_targets

__all__ = [
    "batched_nms",
    "bbox_flip_tta",
    "bbox_overlaps",
    "bbox_target_expand",
    "crop_mask",
    "delta2bbox",
    "fast_nms",
    "fcos_decode",
    "fcos_targets",
    "gen_base_anchors",
    "grid_priors",
    "map_roi_levels",
    "masks_to_boxes",
    "offset2bbox",
    "preprocess",
    "tblr2bbox",
    "valid_flags",
    "yolact_masks",
    "yolov3_decode",
]
