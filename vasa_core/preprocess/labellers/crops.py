"""Face crops as the networks of other projects expect them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from vasa_core.preprocess.labellers.labels import Image

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, RGB 0..1

Box = tuple[int, int, int, int]  # left, top, right, bottom in px, the last two outside


def face_box(landmarks: Float[np.ndarray, "478 3"]) -> Box:
    """The upright box of the face, forehead to chin and ear to ear, much as face detectors give it."""
    low = np.floor(landmarks[:, :2].min(0)).astype(int)
    high = np.maximum(np.ceil(landmarks[:, :2].max(0)).astype(int), low + 1)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def cut(image: Image, box: Box, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """The box of an image, stretched to a square of `side` px; beyond the image its edges go on."""
    height, width = image.shape[:2]
    left, top, right, bottom = box
    columns = np.arange(left, right).clip(0, width - 1)
    rows = np.arange(top, bottom).clip(0, height - 1)
    smaller = side < min(right - left, bottom - top)
    return cv2.resize(
        image[rows][:, columns], (side, side), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )


def as_tensor(crops: list[Image]) -> Float32[Tensor, "b 3 h w"]:
    """RGB crops of one size -> 0..1."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def imagenet_normalised(images: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 3 h w"]:
    """RGB 0..1 less the mean of ImageNet's colours, over their deviation."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
    return (images - mean) / deviation
