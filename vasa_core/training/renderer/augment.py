"""Augmentations of the renderer's training pairs: photos from anywhere, and a motion model's kind of error."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import UInt8

from vasa_core.face.inpaint.regions import Region

Random = np.random.Generator
Recolouring = Callable[[list[np.ndarray]], list[np.ndarray]]


def unshaken(landmarks: np.ndarray) -> np.ndarray:
    """The landmarks as they are."""
    return landmarks


def unchanged(images: list[np.ndarray]) -> list[np.ndarray]:
    """The images as they are."""
    return images


def recompressed(image: UInt8[np.ndarray, "h w 3"], rng: Random) -> UInt8[np.ndarray, "h w 3"]:
    """Sometimes the photo through JPEG, smaller, or with noise, as a photo from anywhere may be."""
    if rng.random() < 0.15:
        small = cv2.resize(image, None, fx=(f := rng.uniform(0.5, 0.9)), fy=f, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.25:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 95))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)  # pyright: ignore[reportAssignmentType]
    if rng.random() < 0.1:
        noisy = image + rng.normal(size=image.shape) * rng.uniform(2, 8)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
    return image


def shaking(region: Region, rng: Random) -> Callable[[np.ndarray], np.ndarray]:
    """A motion model's kind of error: lips or lids a little too open, too wide, or off by a pixel."""
    if rng.random() < 0.6:
        return unshaken
    stretch = np.exp(rng.normal(size=2) * [0.02, 0.06]) - 1
    shift = rng.normal(size=2) * 0.004 * region.patch

    def shake(landmarks: np.ndarray) -> np.ndarray:
        offset = landmarks[:, :2] - landmarks[list(region.centre), :2].mean(0)
        reach = 0.12 * region.patch / region.side  # px
        near = np.exp(-(offset**2).sum(1, keepdims=True) / (2 * reach**2))  # 1 at the centre, 0 far away
        moved = landmarks.copy()
        moved[:, :2] += near * (offset * stretch + shift)
        return moved

    return shake


def recolouring(rng: Random) -> Recolouring:
    """One change of light, colour, sharpness and texture, to be made to photo and truth alike."""
    levels = np.arange(256)[:, None] / 255
    gain = rng.uniform(0.65, 1.25) * rng.uniform(0.88, 1.12, 3)
    table = np.clip(levels ** np.exp(rng.normal() * 0.15) * gain * 255, 0, 255).astype(np.uint8)  # (256, 3)
    saturation = rng.uniform(0, 1.5) if rng.random() < 0.25 else 1.0
    painted = rng.random() < 0.06  # as a painting: flat areas, few levels
    sharpness = 0.0
    if rng.random() < 0.4:
        sharpness = -1.0 if rng.random() < 0.35 else rng.uniform(0.5, 1.5)  # -1 is the blur; portraits are sharper
    sigma = rng.uniform(0.5, 1.2)

    def recolour(images: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        for image in images:
            changed = np.stack([table[image[..., c], c] for c in range(3)], -1)
            if saturation != 1:
                mix = saturation * np.eye(3) + (1 - saturation) / 3
                changed = np.clip(changed @ mix, 0, 255).astype(np.uint8)
            if painted:
                changed = cv2.bilateralFilter(changed, 5, 40, 3) // 16 * 16 + 8
            if sharpness:
                blur = cv2.GaussianBlur(changed, (0, 0), sigma)
                changed = cv2.addWeighted(changed, 1 + sharpness, blur, -sharpness, 0)
            found.append(changed)
        return found

    return recolour
