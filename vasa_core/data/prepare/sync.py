"""Do the lips of a track follow the sound? Read from the curves of its clips together, then of each clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vasa_core.audio.lip_sync import MAX_LAG, MIN_FRAMES, TRUSTED_LAG, trusted_confidence

_UNSURE_LAG = 1  # frames; how far a measured lag may be off: sound is not moved by so little
_OWN_SHARE = 0.5  # of the confidence asked of a whole track: asked of a clip at the lag of its track
_NEAR_LAG = 2  # frames that a clip's lag may differ from its track's

Curve = Float[np.ndarray, " lags"]  # correlation of lips with sound, for lags -MAX_LAG .. MAX_LAG


@dataclass(frozen=True)
class TrackSync:
    """How the lips of one track follow the sound.

    lag: frames by which the lips come after the sound. frames: on which it was read. reason: why the sound is not the
    face's own; None if it is.
    """

    lag: int
    confidence: float
    frames: int
    reason: str | None

    @property
    def moved(self) -> int:
        """Frames by which the sound is to be moved later."""
        return self.lag if self.reason is None and abs(self.lag) > _UNSURE_LAG else 0


def track_sync(curves: Sequence[tuple[int, Curve]]) -> TrackSync | None:
    """The reading of a track of its clips' curves, each with the clip's frames; None if there is none."""
    if not curves:
        return None
    frames = sum(n for n, _ in curves)
    mean = np.average([curve for _, curve in curves], 0, [n for n, _ in curves])
    best = int(mean.argmax())
    lag, confidence = best - MAX_LAG, round(float(mean[best] - np.median(mean)), 4)
    wanted = trusted_confidence(frames)
    reason = None
    if confidence < wanted:
        reason = f"lips do not follow the sound: confidence {confidence:.2f}, less than {wanted:.2f}"
    elif abs(lag) > TRUSTED_LAG:
        reason = f"lips out of step with the sound: lag {lag} frames, more than {TRUSTED_LAG}"
    return TrackSync(lag, confidence, frames, reason)


def clip_reason(sync: TrackSync | None, clip: tuple[int, Curve] | None) -> str | None:
    """Why the sound is not a clip's own, if so. clip: its frames and its curve; None if it is too short for one."""
    if sync is None:
        return f"lips cannot be compared with the sound: less than {MIN_FRAMES} frames"
    if sync.reason or clip is None:
        return sync.reason
    frames, curve = clip
    low = max(0, sync.lag + MAX_LAG - _NEAR_LAG)
    here = float(curve[low : sync.lag + MAX_LAG + _NEAR_LAG + 1].max() - np.median(curve))
    wanted = _OWN_SHARE * trusted_confidence(frames)
    if here < wanted:
        return f"lips of this clip do not follow the sound: confidence {here:.2f}, less than {wanted:.2f}"
    return None
