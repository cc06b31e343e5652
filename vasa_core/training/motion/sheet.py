"""A picture of how a motion model moves the lips: generated opening over the real one, on clips held out."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Int32, UInt8

from vasa_core.motion.model import MotionModel
from vasa_core.motion.representation import to_model
from vasa_core.options import GenerationOptions
from vasa_core.rates import FPS
from vasa_core.training.motion.data import MotionClip
from vasa_core.training.motion.scores import LipReader, generate

MOST_CLIPS, MOST_SECONDS = 4, 6
REAL, MADE, INK, PAPER = (90, 90, 90), (215, 70, 20), (30, 30, 30), 255  # RGB
_WIDTH, _HEIGHT, _MARGIN = 900, 150, 24  # px of a row


class LipSheet:
    """Rows of lip opening over time, real in grey and generated in red; of the first held-out clips with sound."""

    def __init__(self, clips: list[MotionClip]) -> None:
        """clips: of all splits, at least one of them to train on with sound."""
        self._lips = LipReader([clip for clip in clips if clip.split == "train" and clip.synced])
        held = [clip for clip in clips if clip.split != "train" and clip.synced and not clip.still]
        self._clips = held[:MOST_CLIPS]

    @staticmethod
    def possible(clips: list[MotionClip]) -> bool:
        """Whether there are clips with sound both to train on and held out."""
        heard = [clip for clip in clips if clip.synced]
        return any(c.split == "train" for c in heard) and any(c.split != "train" and not c.still for c in heard)

    def __call__(self, model: MotionModel) -> UInt8[np.ndarray, "height width 3"]:
        """The sheet of a model, RGB."""
        rows = []
        for number, clip in enumerate(self._clips):
            frames = slice(min(len(clip), MOST_SECONDS * FPS))
            motion = generate(model, clip.audio[frames], GenerationOptions(seed=number))
            made, real = self._lips(to_model(motion, np.zeros(6))), self._lips(clip.x[frames].astype(float))
            rows.append(draw_curves(clip.name, real - real.mean(), made - made.mean()))
        return np.concatenate(rows)


def draw_curves(
    name: str, real: Float[np.ndarray, " n"], made: Float[np.ndarray, " n"]
) -> UInt8[np.ndarray, "height width 3"]:
    """One row: both curves on the scale of the real one, with their correlation. RGB."""
    image = np.full((_HEIGHT, _WIDTH, 3), PAPER, np.uint8)
    top = 1.2 * max(float(np.abs(real).max()), 1e-6)
    for values, colour in ((real, REAL), (made, MADE)):
        cv2.polylines(image, [_points(values / top)], False, colour, 2, cv2.LINE_AA)
    alike = np.corrcoef(real, made)[0, 1] if len(real) > 1 and real.std() and made.std() else float("nan")
    text = f"{name}: lip opening, real grey, generated red, correlation {alike:.2f}, {len(real) / FPS:.1f} s"
    cv2.putText(image, text, (8, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return image


def _points(values: Float[np.ndarray, " n"]) -> Int32[np.ndarray, "n 1 2"]:
    """Image points of values in -1..1; what is beyond stays at the edge."""
    x = np.linspace(8, _WIDTH - 8, len(values))
    half = (_HEIGHT - _MARGIN) / 2
    y = _MARGIN + half * (1 - np.clip(values, -1, 1) * 0.95)
    return np.stack([x, y], -1).round().astype(np.int32)[:, None]
