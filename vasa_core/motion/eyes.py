"""Eyes that fixate, jump and blink: what 25 sampled frames a second blur, put back, frame by frame as they come.

Eyes rest on one place and jump to the next within two frames (saccades); sampled ones drift and tremble, as the
tracking does that they learned from. Lids are open or in a blink, both alike; sampled ones hang half closed and seldom
close. So the model says where to look and when to blink, and how eyes do it comes from here.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vasa_core.motion.representation import GAZE, LIDS
from vasa_core.rates import FPS

AWAKE = 12  # frames without a blink at first: the first picture stands for the video
NEAR = np.radians(3.0)  # from where the eyes rest: a gaze nearer than that does not move them
SMOOTH = 3  # frames: the gaze that is asked for is their mean
LANDING = (0.7, 1.0)  # of the way, in the frames of a jump
DROWSY = 0.06  # of the way to closed that lids outside a blink go at most
STARTLED = 0.08  # how much wider than usual lids open at most
BLINK_BELOW = 0.5  # opening, as sampled, that is meant to be a blink
CLOSING, OPENING = (0.55,), (0.3, 0.6, 0.8, 0.92)  # of filmed blinks (medians of 58): a frame down, four up
SHUT = (2, 3)  # frames with closed lids, at least and at most
PAUSE = 1.6  # s from one blink to the next, at least
PATIENCE = (1.8, 1.5)  # s: nobody goes without a blink for longer than the first and some (exponential) of the second


class Eyes:
    """Gaze and lids of a stream of sampled motion, which may be cut anywhere."""

    def __init__(self, seed: int, widest: float = 1 + STARTLED) -> None:
        """widest: opening at which white comes to show above the irises, 1 = usual."""
        self._startled = min(max(widest - 1, 0.0), STARTLED)
        self._random = np.random.default_rng([seed, 1])
        self._frames = 0
        self._asked: list[Float[np.ndarray, " 2"]] = []  # gaze of the last SMOOTH frames
        self._rest = np.zeros(2)  # where the eyes rest, or jump to
        self._jump: list[Float[np.ndarray, " 2"]] = []  # where they are in the frames to come, until they rest
        self._blink: list[float] = []  # opening in the frames to come of a blink
        self._since = 0  # frames since the last blink began
        self._patience = self._drawn_patience()

    def __call__(self, x: Float[np.ndarray, "n channels"]) -> Float[np.ndarray, "n channels"]:
        """The same motion with these eyes. x: the stream's next frames, as the model gives them."""
        result = x.copy()
        for frame, asked in zip(result, x, strict=True):
            frame[GAZE] = self._look(asked[GAZE])
            frame[LIDS] = self._lids(asked[LIDS])
            self._frames += 1
        return result

    def _look(self, asked: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 2"]:
        self._asked = [*self._asked, asked][-SMOOTH:]
        if self._jump:
            return self._jump.pop(0)
        wanted = np.mean(self._asked, 0)
        if np.linalg.norm(wanted - self._rest) > NEAR:
            start, self._rest = self._rest, wanted
            self._jump = [start + share * (wanted - start) for share in LANDING]
            return self._jump.pop(0)
        return self._rest

    def _lids(self, asked: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 2"]:
        self._since += 1
        meant = asked.mean() < BLINK_BELOW and self._since > PAUSE * FPS
        if not self._blink and self._frames >= AWAKE and (meant or self._since > self._patience):
            shut = self._random.integers(SHUT[0], SHUT[1] + 1)
            self._blink = [*CLOSING, *[0.0] * shut, *OPENING]
            self._since, self._patience = 0, self._drawn_patience()
        return opened(asked.mean(), self._startled) * (self._blink.pop(0) if self._blink else 1.0) * np.ones(2)

    def _drawn_patience(self) -> float:
        """Frames."""
        least, more = PATIENCE
        return FPS * (least + self._random.exponential(more))


def opened(lids: float, startled: float) -> float:
    """Opening of lids outside a blink: hardly closed, and no more than `startled` wider than usual; bent smoothly."""
    if lids > 1:
        return 1 + startled * np.tanh((lids - 1) / max(startled, 1e-6))
    return 1 - DROWSY * min((1 - lids) / (1 - BLINK_BELOW), 1) ** 2
