"""CenterFace (arXiv:1911.03599): finds faces of any size, small ones included, where the landmarker sees none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

_SIDES = (640, 1600)  # px, long side of the picture as the network sees it; the second only if the first finds nothing
_STRIDE = 4  # px of the network's input per cell of its output
_MULTIPLE = 32  # the network's input sides are multiples of it
_MIN_SCORE = 0.5
_MAX_OVERLAP = 0.3
_OUTPUTS = ("537", "538", "539", "540")  # score, log size, offset, five landmarks


class FaceDetector:
    """Boxes of the faces in a picture."""

    def __init__(self, model: Path, min_score: float = _MIN_SCORE) -> None:
        """model: the `centerface.onnx` file. (Its input size is fixed at 32 px on paper, which only cv2 ignores.)

        min_score: of a face, 0 to 1; faces that are turned away or partly covered score lower than others.
        """
        self._min_score = min_score
        self._network = cv2.dnn.readNetFromONNX(str(model))

    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "faces 4"]:
        """image: RGB. Returns x0, y0, x1, y1 in px, the largest face first."""
        boxes = np.zeros((0, 4), np.float32)
        for side in _SIDES:
            scale = min(1.0, side / max(image.shape[:2]))
            boxes = self._detect(image, scale)
            if len(boxes) or scale == 1:
                break
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return boxes[np.argsort(-area, kind="stable")]

    def _detect(self, image: UInt8[np.ndarray, "height width 3"], scale: float) -> Float[np.ndarray, "faces 4"]:
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        padded = np.zeros((_up_to_multiple(height), _up_to_multiple(width), 3), np.uint8)
        padded[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        self._network.setInput(padded.transpose(2, 0, 1)[None].astype(np.float32))  # (1, 3, h, w), RGB 0-255
        scores, sizes, offsets, _ = (np.asarray(o)[0] for o in self._network.forward(_OUTPUTS))
        rows, columns = np.nonzero(scores[0] > self._min_score)
        box_height, box_width = np.exp(sizes[:, rows, columns]) * _STRIDE  # (faces,) each
        y = (rows + offsets[0, rows, columns] + 0.5) * _STRIDE
        x = (columns + offsets[1, rows, columns] + 0.5) * _STRIDE
        corners = np.stack([x - box_width / 2, y - box_height / 2, box_width, box_height], 1)  # (faces, 4)
        kept = cv2.dnn.NMSBoxes(corners.tolist(), scores[0, rows, columns].tolist(), self._min_score, _MAX_OVERLAP)
        corners = corners[np.asarray(kept, int)]
        corners[:, 2:] += corners[:, :2]
        ratio = np.array([image.shape[1] / width, image.shape[0] / height] * 2)
        return (corners * ratio).clip(0, np.array([image.shape[1], image.shape[0]] * 2)).astype(np.float32)


def _up_to_multiple(side: int) -> int:
    return -(-side // _MULTIPLE) * _MULTIPLE
