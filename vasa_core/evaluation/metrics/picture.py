"""Figures of pictures: PSNR, SSIM (Wang et al. 2004), sharpness, and how much the background moves."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from vasa_core.face.topology import FACE_OVAL

Image = UInt8[np.ndarray, "height width 3"]

_SSIM_SIGMA, _SSIM_WINDOW = 1.5, 11
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
HEAD_MARGIN = 0.55  # of the face box, added on each side (hair, ears, neck)
TEXTURED = 4.0  # grey levels a px: gradient above which background is textured enough to show motion


def psnr(image: Image, truth: Image, mask: Bool[np.ndarray, "height width"] | None = None) -> float:
    """Peak signal-to-noise ratio in dB, of the masked pixels or all; infinite for identical images."""
    difference = image.astype(np.float64) - truth.astype(np.float64)
    error = np.mean((difference if mask is None else difference[mask]) ** 2)
    return float(10 * np.log10(255**2 / error)) if error > 0 else float("inf")


def ssim(image: Image, truth: Image) -> float:
    """Structural similarity of the grey images, mean over pixels; 1 for identical images."""
    x, y = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float32) for i in (image, truth))

    def blur(values: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
        return cv2.GaussianBlur(values, (_SSIM_WINDOW, _SSIM_WINDOW), _SSIM_SIGMA)

    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    bottom = (mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2)
    return float((top / bottom).mean())


def sharpness(image: Image, box: tuple[int, int, int, int]) -> float:
    """Standard deviation of the Laplacian inside a box (x0, y0, x1, y1), in grey levels."""
    x0, y0, x1, y1 = box
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[y0:y1, x0:x1], cv2.CV_32F).std())


def box_around(
    landmarks: Float[np.ndarray, "points 3"], size: tuple[int, int], margin: float = 0.0
) -> tuple[int, int, int, int]:
    """Box (x0, y0, x1, y1) px of points, grown by `margin` of its size on each side, inside (height, width)."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    grow = margin * (high - low)
    x0, y0 = np.maximum(np.floor(low - grow), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(high + grow), [size[1], size[0]]).astype(int)
    return int(x0), int(y0), int(max(x1, x0 + 2)), int(max(y1, y0 + 2))


def face_mask(landmarks: Float[np.ndarray, "478 3"], size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """Pixels inside the face oval."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(landmarks[list(FACE_OVAL), :2]).astype(np.int32)], (1,))
    return mask > 0


class BackgroundMotion:
    """Mean change of textured background pixels from frame to frame, in grey levels; frames come one at a time.

    Background is what lies outside the grown box of all landmarks (which must be known first) and not below it,
    where shoulders are.
    """

    def __init__(
        self,
        landmarks: Float[np.ndarray, "n 478 3"],
        size: tuple[int, int],
        visible: tuple[int, int, int, int] | None = None,
    ) -> None:
        """landmarks: of the whole recording. size: height, width of its frames. visible: box that counts, or all."""
        x0, y0, x1, _ = box_around(landmarks.reshape(-1, 3), size, HEAD_MARGIN)
        left, top, right, bottom = visible or (0, 0, size[1], size[0])
        outside = np.zeros(size, bool)
        outside[top:bottom, left:right] = True
        outside[y0:, x0:x1] = False
        outside[round(0.75 * size[0]) :] = False
        self._outside = outside
        self._quiet: Bool[np.ndarray, "height width"] | None = None
        self._before: Float[np.ndarray, "height width"] | None = None
        self._changes: list[float] = []

    def add(self, image: Image) -> None:
        """The next frame."""
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1).astype(np.float32)
        if self._quiet is None or self._before is None:
            gradient = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 4
            self._quiet = self._outside & (gradient > TEXTURED)
        elif self._quiet.any():
            self._changes.append(float(np.abs(grey - self._before)[self._quiet].mean()))
        self._before = grey

    @property
    def value(self) -> float | None:
        """Grey levels a frame; None if the picture shows no textured background."""
        return float(np.mean(self._changes)) if self._changes else None
