"""Motion from speech features, window by window (VASA-1, section 3.2): the same object for streaming and offline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.errors import InputError
from vasa_core.motion.breath import HEAD_RISES, breathing
from vasa_core.motion.eyes import STARTLED, Eyes
from vasa_core.motion.head import Head
from vasa_core.motion.representation import POSE, from_model, with_emotion
from vasa_core.motion.style import Style
from vasa_core.motion.window import NAMES, MotionSampler, Window, emotion_code
from vasa_core.options import EMOTIONS, GenerationOptions
from vasa_core.types import Motion

CODES, CODE_STEPS = 4, 16.0  # of the sound of a window; steps of a standard deviation
# Of speech that is still arriving; frames. Lips prepare for the next sound: with no look-ahead the confidence of
# lip-sync falls from 0.59 to 0.48, with 1 frame to 0.54, with 2 to 0.58; more adds nothing.
LIVE_HOP = 5
LIVE_LOOK_AHEAD = 2
BEYOND = 13  # frames that are sampled after those a short hop has heard, and not kept; more cost time, and add nothing


class MotionStream:
    """Push features as they come, get motion back; what comes out does not depend on how they were cut.

    Windows lie at fixed places of the stream, each with noise of its own from the seed, its number and its sound, and
    take the last frames of motion before them as context. Memory is bounded by one window. Poses are those of the usual
    distance: the one asked for is a condition, and the zoom of the whole picture, shoulders included.
    """

    def __init__(
        self,
        model: MotionSampler,
        portrait_pose: Float[np.ndarray, " 6"],
        options: GenerationOptions,
        hop: int | None = None,
        look_ahead: int = 0,
        style: Style | None = None,
        widest_lids: float = 1 + STARTLED,
    ) -> None:
        """portrait_pose: the usual pose of the head to be animated.

        hop: frames kept of each window, which is sampled as soon as their features are there, with no later audio; by
        default the whole window. Of a short hop's window no more than BEYOND frames after these are sampled.
        look_ahead: frames of audio after the kept ones that every window waits for, too.
        style: of somebody else, to move like. widest_lids: opening at which white comes to show above the irises.
        Raises InputError unless they fit into a window.
        """
        config = model.config
        self.hop = config.window if hop is None else hop
        self._look_ahead = look_ahead
        self._window = min(config.window, self.hop + look_ahead + BEYOND)
        if look_ahead < 0:
            raise InputError(f"look_ahead is {look_ahead}; expected 0 or more frames.")
        if not 1 <= self.hop <= config.window - look_ahead:
            raise InputError(f"hop is {self.hop}; expected 1 to {config.window - look_ahead} frames.")
        self._model = model
        self._usual = portrait_pose
        self._options = options
        self._gaze = np.deg2rad([options.gaze_yaw, options.gaze_pitch])
        self._log_distance = math.log(options.distance)
        self._style = style
        lively = style.liveliness if style else None
        self._numbers = model.numbers
        self._liveliness = self._numbers.liveliness(float(options.expressiveness), lively)
        self._scales = {name: float(getattr(options, f"guidance_{name}")) for name in NAMES}
        self._pending = np.zeros((0, config.audio_channels), np.float32)
        self._context_audio = np.zeros((1, config.context, config.audio_channels), np.float32)
        self._previous = np.zeros((1, config.context, config.motion_channels), np.float32)
        self._known = 0  # frames of the context that are there
        self._windows = 0
        self._given = 0  # frames
        self._head = Head()
        self._eyes = Eyes(int(options.seed), widest_lids)

    def push(self, features: Float[np.ndarray, "frames audio"]) -> Motion:
        """Motion of all windows that these features complete; often none (0 frames) or several windows."""
        self._pending = np.concatenate([self._pending, features])
        parts = []
        while len(self._pending) >= self.hop + self._look_ahead:
            parts.append(self._sample())
        return self._joined(parts)

    def finish(self) -> Motion:
        """Motion of the features still held back; audio after them is null. The stream is then at its end."""
        parts = []
        while len(self._pending):
            parts.append(self._sample())
        return self._joined(parts)

    def fed(self, blocks: Iterable[Float[np.ndarray, "_ audio"]]) -> Iterator[Motion]:
        """Motion of all of these features, to the stream's end."""
        for features in blocks:
            # A hop at a time, so that the first frame does not wait for the whole block's motion.
            for start in range(0, len(features), self.hop):
                yield self.push(features[start : start + self.hop])
        yield self.finish()

    def _sample(self) -> Float[np.ndarray, "frames channels"]:
        """Motion of the next window's hop, whose features are then no longer pending."""
        config = self._model.config
        heard = self._pending[: self.hop + self._look_ahead]
        kept = min(self.hop, len(heard))
        audio = np.zeros((1, self._window, config.audio_channels), np.float32)
        audio[0, : len(heard)] = self._numbers.normalise_audio(heard)
        entropy = [int(self._options.seed), self._windows, *_code(audio[0, :kept])]
        state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
        window = self._asked(np.concatenate([self._context_audio, audio], 1), len(heard))
        x = self._model.sampled(window, self._scales, int(self._options.steps), int(state[0] >> np.uint64(1)))[:kept]
        self._context_audio = np.concatenate([self._context_audio, audio[:, :kept]], 1)[:, -config.context :]
        # Where the stream is yet shorter than the context, its first frame is repeated.
        before = self._previous if self._windows else np.repeat(x[None, :1], config.context, 1)
        self._previous = np.concatenate([before, x[None]], 1)[:, -config.context :]
        self._known = min(config.context, self._known + kept)
        self._pending = self._pending[kept:]
        self._windows += 1
        return self._numbers.denormalise(x).astype(np.float64)

    def _asked(self, audio: Float32[np.ndarray, "1 total audio"], heard: int) -> Window:
        context, options = self._model.config.context, self._options
        present = np.zeros(audio.shape[:2], bool)
        present[:, context - self._known : context + heard] = True
        yes = np.array([True])
        return Window(
            audio,
            present,
            self._previous,
            np.array([self._windows > 0]),
            self._gaze[None].astype(np.float32),
            yes,
            np.array([[self._log_distance]], np.float32),
            yes,
            emotion_code(options.emotion or "neutral", float(options.emotion_strength))[None],
            np.array([options.emotion is not None and options.emotion_strength > 0]),
            self._liveliness[None],
            yes,
        )

    def _joined(self, parts: list[Float[np.ndarray, "_ channels"]]) -> Motion:
        x = np.concatenate([np.zeros((0, self._model.config.motion_channels)), *parts])
        x = self._head(self._eyes(x))
        if self._style:
            x = self._style.applied(x)
        breath = breathing(self._given, len(x), int(self._options.seed))
        x[:, POSE] += breath[:, None] * HEAD_RISES
        self._given += len(x)
        if self._options.emotion is not None:
            rest = self._numbers.emotion_rest[EMOTIONS.index(self._options.emotion)]
            x = with_emotion(x, rest, float(self._options.emotion_strength))
        head_motion = float(self._options.head_motion)
        motion = from_model(x, self._usual, self._gaze, head_motion=head_motion)
        return replace(motion, breath=head_motion * breath)


def _code(heard: Float[np.ndarray, "frames audio"]) -> list[int]:
    """A few whole numbers that differ from sound to sound: with noise of the seed alone, a head goes the same way
    whatever it says. heard: normalised features.
    """
    means = heard[:, : heard.shape[1] // CODES * CODES].reshape(len(heard), CODES, -1).mean((0, 2))  # (CODES,)
    return [int(value) for value in np.floor(CODE_STEPS * means + 0.5) % 2**16]


def whole_motion(
    model: MotionSampler,
    features: Float[np.ndarray, "frames audio"],
    portrait_pose: Float[np.ndarray, " 6"],
    options: GenerationOptions,
    style: Style | None = None,
) -> Motion:
    """Motion for all of some speech features at once; see `MotionStream`."""
    stream = MotionStream(model, portrait_pose, options, style=style)
    return Motion.joined([stream.push(features), stream.finish()])
