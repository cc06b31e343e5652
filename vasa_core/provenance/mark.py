"""The one place where frames are marked as AI-generated: a visible badge, an invisible pattern, container tags."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from vasa_core.provenance.pattern import add_pattern, pattern_score

METADATA = {
    "title": "AI-generated video",
    "comment": "AI-generated: a talking head synthesised from one photo and a voice recording. "
    "digitalSourceType=http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
}

MARKED_FROM = 6.0  # mark score
FALSE_ALARM_RATE = 1.5e-8  # of unmarked videos, by the score's distribution; none of 304 reached more than 3.3

_BADGE_TEXT = "AI-generated"
_BADGE_HEIGHT = 0.042  # of the frame's height
_BADGE_MARGIN = 0.02
_PLATE_OPACITY, _TEXT_OPACITY = 0.35, 0.85  # dark plate, white letters
_OVERSAMPLING = 4

Frame = UInt8[np.ndarray, "height width 3"]
Picture = UInt8[np.ndarray, "height width channels"]  # RGB or RGBA


def mark(frame: Picture, number: int = 0) -> Picture:
    """A copy of a frame that carries the pattern and the badge, always the same. number: of it in its video.

    The badge of an RGBA frame is opaque.
    """
    height, width = frame.shape[:2]
    marked = add_pattern(np.ascontiguousarray(frame[..., :3]), number)
    top, left, keep, paint = _badge(height, width)
    region = marked[top : top + keep.shape[0], left : left + keep.shape[1]]
    covered = keep < 256
    if frame.shape[2] == 4:
        opacity = frame[..., 3:].copy()
        beneath = opacity[top : top + keep.shape[0], left : left + keep.shape[1]]
        region[:] = np.where(covered, region.astype(np.uint16) * beneath // 255, region)  # before black
        beneath[covered] = 255
        region[:] = (region.astype(np.uint16) * keep + paint) >> 8
        return np.dstack([marked, opacity])
    region[:] = (region.astype(np.uint16) * keep + paint) >> 8
    return marked


def mark_score(frames: Iterable[Frame], every: int = 1) -> float:
    """How sure it is that these frames of a video, `every` frames apart, or a picture carry the pattern.

    In standard deviations: 10 and more in marked videos of a few seconds, MARKED_FROM practically never in others. Any
    size. Raises ValueError if there are no frames.
    """
    return pattern_score(frames, every)


@lru_cache(maxsize=4)
def _badge(height: int, width: int) -> tuple[int, int, UInt16[np.ndarray, "h w 1"], UInt16[np.ndarray, "h w 1"]]:
    """Where the badge lies (top, left), what it keeps of the frame (of 256) and what it adds (256ths of a level)."""
    margin = max(1, round(_BADGE_MARGIN * min(height, width)))
    high = max(8, round(_BADGE_HEIGHT * min(height, width)))
    font, scale = cv2.FONT_HERSHEY_DUPLEX, high * _OVERSAMPLING / 44
    (text_width, text_height), _ = cv2.getTextSize(_BADGE_TEXT, font, scale, _OVERSAMPLING)
    wide = min(width - 2 * margin, text_width // _OVERSAMPLING + high)
    big = (high * _OVERSAMPLING, wide * _OVERSAMPLING)
    plate, text = np.zeros(big, np.uint8), np.zeros(big, np.uint8)
    radius = big[0] // 2
    cv2.line(plate, (radius, radius), (big[1] - radius, radius), 255, big[0] - 2)  # a line with round ends
    origin = ((big[1] - text_width) // 2, (big[0] + text_height) // 2)
    cv2.putText(text, _BADGE_TEXT, origin, font, scale, 255, _OVERSAMPLING // 2, cv2.LINE_AA)
    plate_share, text_share = (
        cv2.resize(layer, (wide, high), interpolation=cv2.INTER_AREA)[..., None] / 255.0 * opacity  # (h, w, 1)
        for layer, opacity in ((plate, _PLATE_OPACITY), (text, _TEXT_OPACITY))
    )
    keep = np.rint(256 * (1 - plate_share) * (1 - text_share)).astype(np.uint16)
    paint = np.rint(255 * 256 * text_share).clip(0, 255 * (256.0 - keep)).astype(np.uint16)
    return height - margin - high, width - margin - wide, keep, paint
