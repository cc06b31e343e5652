"""Conditions of the motion model, C = [X_pre, A_pre; A, g, d, e] of VASA-1 (section 3.2), and their labels.

Every condition carries a mask; where it is absent the denoiser puts a learned null in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vasa_core.motion.window import NAMES, Window

_BIN = np.deg2rad(4.0)  # of the gaze histogram


@dataclass(frozen=True)
class Conditions:
    """Conditions of a batch of windows of W frames with K frames of context before them.

    audio, has_audio: features of the K context frames and the W frames of the window (A_pre, A).
    previous, has_previous: normalised motion of the K frames before the window (X_pre).
    gaze: main gaze in the camera (yaw, pitch), rad. distance: log of the head's distance over its usual one.
    emotion: probabilities of options.EMOTIONS. liveliness: of motion.liveliness, in standard deviations over people.
    """

    audio: Float[Tensor, "batch frames audio"]
    has_audio: Bool[Tensor, "batch frames"]
    previous: Float[Tensor, "batch context channels"]
    has_previous: Bool[Tensor, " batch"]
    gaze: Float[Tensor, "batch 2"]
    has_gaze: Bool[Tensor, " batch"]
    distance: Float[Tensor, "batch 1"]
    has_distance: Bool[Tensor, " batch"]
    emotion: Float[Tensor, "batch 7"]
    has_emotion: Bool[Tensor, " batch"]
    liveliness: Float[Tensor, "batch 4"]
    has_liveliness: Bool[Tensor, " batch"]

    @classmethod
    def of(cls, window: Window) -> Conditions:
        """A batch of one window."""
        return cls(**{name: torch.from_numpy(value) for name, value in vars(window).items()})

    def __len__(self) -> int:
        return len(self.gaze)

    def present(self, name: str) -> bool:
        """Whether the condition is there for any item of the batch (audio: for any frame of its window)."""
        context = self.previous.shape[1]
        return bool(self.has_audio[:, context:].any() if name == "audio" else getattr(self, f"has_{name}").any())

    def without(self, name: str, items: Bool[Tensor, " batch"] | None = None) -> Conditions:
        """The same with one of NAMES set to null, for the given items or for all.

        "audio" is the window's own audio; "previous" is the context's motion and audio together.
        """
        context = self.previous.shape[1]
        lost = torch.ones(len(self), dtype=torch.bool) if items is None else items
        lost = lost.to(self.has_gaze.device)
        if name == "audio":
            return replace(self, has_audio=self._audio_mask(slice(context, None), lost))
        if name == "previous":
            mask = self._audio_mask(slice(0, context), lost)
            return replace(self, has_audio=mask, has_previous=self.has_previous & ~lost)
        return replace(self, **{f"has_{name}": getattr(self, f"has_{name}") & ~lost})

    def dropped(self, probabilities: Mapping[str, float], tail: float, generator: torch.Generator) -> Conditions:
        """Condition dropout of training: each condition of each item is null with its probability.

        tail: probability that a random number of the last audio frames is null, so that audio may end in a window.
        """
        result = self
        for name in NAMES:
            lost = torch.rand(len(self), generator=generator) < probabilities[name]
            result = result.without(name, lost)
        frames, context = self.has_audio.shape[1], self.previous.shape[1]
        cut = torch.rand(len(self), generator=generator) < tail
        length = torch.randint(context + 1, frames, (len(self),), generator=generator)
        kept = (torch.arange(frames)[None] < length[:, None]) | ~cut[:, None]
        return replace(result, has_audio=result.has_audio & kept.to(result.has_audio.device))

    def to(self, device: torch.device) -> Conditions:
        """The same on another device."""
        return Conditions(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def _audio_mask(self, part: slice, lost: Bool[Tensor, " batch"]) -> Bool[Tensor, "batch frames"]:
        mask = self.has_audio.clone()
        mask[:, part] &= ~lost[:, None]
        return mask


def concatenated(parts: list[Conditions]) -> Conditions:
    """One batch of several."""
    names = [field.name for field in fields(Conditions)]
    return Conditions(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def main_gaze(gaze: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " 2"]:
    """Main gaze of a window: mean of the fullest neighbourhood of a 2-D histogram (VASA-1, section 3.2)."""
    cells = np.floor(gaze / _BIN).astype(int)
    near = np.abs(cells[:, None] - cells[None]).max(-1) <= 1  # (n, n): in the same or a neighbouring cell
    fullest = near[near.sum(1).argmax()]
    return gaze[fullest].mean(0)
