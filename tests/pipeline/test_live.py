"""Live speech: pieces as they arrive become the same frames however they are cut, as soon as they can be known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Event

import numpy as np
import pytest
from jaxtyping import Float32

from vasa_core.assets import ASSETS
from vasa_core.audio.features import LiveEncoder
from vasa_core.errors import Cancelled, InputError
from vasa_core.evaluation.bench import measure_live
from vasa_core.io.audio import read_audio
from vasa_core.motion.stream import LIVE_HOP, LIVE_LOOK_AHEAD
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.pipeline.sound import Sound, open_sound
from vasa_core.provenance.mark import MARKED_FROM, mark_score
from vasa_core.rates import SAMPLES_PER_FRAME, frame_count

OPTIONS = GenerationOptions(steps=2, size=256, seed=5)
NEEDED = LIVE_HOP + LIVE_LOOK_AHEAD  # frames of sound before the first frame


class FrameEncoder:
    """A tiny live encoder: each frame's features are a fixed linear map of its own samples."""

    name = version = "frames"

    def __init__(self, channels: int) -> None:
        self.channels = channels
        map_ = np.random.default_rng(0).normal(0, 0.3, (SAMPLES_PER_FRAME, channels))
        self._map = map_.astype(np.float32)

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames channels"]:
        count = frame_count(len(waveform))
        padded = np.pad(waveform, (0, SAMPLES_PER_FRAME))[: count * SAMPLES_PER_FRAME]
        # One product a frame: a larger one need not give the same last bit.
        frames = [frame @ self._map for frame in padded.reshape(count, SAMPLES_PER_FRAME)]
        return np.array(frames, np.float32).reshape(count, self.channels)

    def stream(
        self, chunks: Iterator[Float32[np.ndarray, " samples"]]
    ) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        held = np.zeros(0, np.float32)
        for chunk in chunks:
            held = np.concatenate([held, chunk])
            whole = len(held) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME
            if whole:
                yield self(held[:whole])
            held = held[whole:]
        if frame_count(len(held)):
            yield self(held)


@pytest.fixture(scope="module")
def live(pipeline: Pipeline) -> Pipeline:
    """The bundled pipeline with an encoder that gives each frame's features at once."""
    encoder = FrameEncoder(pipeline.motion_model.config.audio_channels)
    return Pipeline(pipeline.face, pipeline.motion_model, encoder, pipeline.preprocessor, pipeline.person)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(ASSETS / "speech.wav")


def pieces(waveform: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (waveform[i : i + size] for i in range(0, len(waveform), size))


def ahead_threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name == "feeder" or t.name.startswith("ThreadPoolExecutor")}


def test_the_same_frames_however_the_sound_is_cut(live: Pipeline, prepared: Prepared, speech: np.ndarray) -> None:
    waveform = speech[: 12_000 + 123]
    one, other = (np.stack(list(live.stream(prepared, pieces(waveform, n), OPTIONS))) for n in (320, 3_201))
    odd = [waveform[:0], waveform[:1], waveform[1:9_999], waveform[9_999:9_999], waveform[9_999:]]
    assert len(one) == frame_count(len(waveform))
    assert np.array_equal(one, other)
    assert np.array_equal(one, np.stack(list(live.stream(prepared, odd, OPTIONS))))
    assert mark_score(list(one)) > MARKED_FROM


def test_pieces_without_a_live_encoder_become_as_many_frames_too(
    pipeline: Pipeline, prepared: Prepared, speech: np.ndarray
) -> None:
    waveform = speech[:9_600]
    one, other = (list(pipeline.stream(prepared, pieces(waveform, n), OPTIONS)) for n in (640, 9_600))
    assert len(one) == 15
    assert np.array_equal(one, other)


def test_frames_come_as_soon_as_their_sound_is_there(live: Pipeline, prepared: Prepared, speech: np.ndarray) -> None:
    """Every piece is given only after all frames that the pieces before it can make were taken."""
    given: SimpleQueue[np.ndarray | None] = SimpleQueue()

    def arriving() -> Iterator[np.ndarray]:
        while (piece := given.get()) is not None:
            yield piece

    frames = live.stream(prepared, arriving(), OPTIONS)
    for hop in range(3):
        for index in range(NEEDED if hop == 0 else LIVE_HOP):
            start = (index + (hop > 0) * (NEEDED + LIVE_HOP * (hop - 1))) * SAMPLES_PER_FRAME
            given.put(speech[start : start + SAMPLES_PER_FRAME])
        assert all(next(frames).shape == (256, 256, 3) for _ in range(LIVE_HOP))
    given.put(None)
    assert len(list(frames)) == LIVE_LOOK_AHEAD


def test_closing_early_stops_reading_and_its_threads(live: Pipeline, prepared: Prepared) -> None:
    before, read = ahead_threads(), 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal read
        while True:
            read += 1
            yield np.zeros(SAMPLES_PER_FRAME, np.float32)

    frames = live.stream(prepared, endless(), OPTIONS)
    for _ in range(LIVE_HOP + 1):
        next(frames)
    assert read < 100  # what is made ahead is bounded
    frames.close()  # type: ignore[attr-defined] # a generator
    assert ahead_threads() == before
    stopped = read
    assert list(zip(range(3), frames, strict=False)) == []
    assert read == stopped


def test_being_cancelled(live: Pipeline, prepared: Prepared, speech: np.ndarray) -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(Cancelled, match="stopped after 3 frames"):
        list(
            live.stream(
                prepared,
                pieces(speech, 640),
                OPTIONS,
                cancelled=lambda: len(seen) == 3,
                progress=lambda done, total: seen.append((done, total)),
            )
        )
    assert seen == [(1, 0), (2, 0), (3, 0)]


GOOD = np.zeros(NEEDED * SAMPLES_PER_FRAME, np.float32)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (np.zeros(320), "piece 1 of the audio is float64 of shape"),
        (np.zeros(320, np.int16), "is int16"),
        (np.zeros((320, 2), np.float32), r"shape \(320, 2\)"),
        (np.array([0, np.nan], np.float32), "holds nan"),
        (np.array([0, -np.inf], np.float32), "holds -inf"),
        (np.array([0, 12_000], np.float32), "holds 12000"),
        (b"\0\0", "is bytes"),
    ],
)
def test_a_bad_piece_is_named_after_the_frames_before_it(
    live: Pipeline, prepared: Prepared, bad: object, named: str
) -> None:
    frames = live.stream(prepared, iter([GOOD, bad]), OPTIONS)  # type: ignore[list-item]
    assert sum(1 for _ in zip(range(LIVE_HOP), frames, strict=False)) == LIVE_HOP
    with pytest.raises(InputError, match=named):
        next(frames)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (np.zeros((2, 320), np.float32), "the audio is float32 of shape"),
        (np.array([np.nan], np.float32), "the audio holds nan"),
        (np.zeros(0, np.float32), "the audio is empty"),
        ([np.zeros(0, np.float32)], "the audio is empty"),
        (iter([]), "the audio is empty"),
    ],
)
def test_bad_audio_as_a_whole(live: Pipeline, prepared: Prepared, bad: object, named: str) -> None:
    with pytest.raises(InputError, match=named):
        list(live.stream(prepared, bad, OPTIONS))  # type: ignore[arg-type]


def test_the_live_figures_count_what_a_frame_waits_for(live: Pipeline, prepared: Prepared) -> None:
    figures = measure_live(live, prepared, OPTIONS, seconds=0.5)
    assert figures["live_first_frame_ms"] > 0  # after the sound was there: the work alone
    assert figures["live_delay_ms"] > (NEEDED - 2) * 40  # a hop's first frame waits for nearly all of that
    assert figures["live_late_ms"] >= 0


def test_sound_that_is_no_longer_wanted_is_not_read(speech: np.ndarray) -> None:
    stopped = Event()
    sound = open_sound(pieces(speech, 640), stopped)
    assert sound.live
    assert len(next(sound.chunks)) == 640
    stopped.set()
    with pytest.raises(Cancelled):
        next(sound.chunks)


def test_the_bundled_encoder_waits_for_little_sound(pipeline: Pipeline, prepared: Prepared) -> None:
    assert isinstance(pipeline.live, LiveEncoder)
    assert pipeline.live.name == pipeline.motion_model.audio_encoder
    speech = read_audio(ASSETS / "speech.wav")
    sent = 0

    def arriving() -> Iterator[np.ndarray]:
        nonlocal sent
        for piece in np.split(speech, np.arange(640, 32000, 640))[:-1]:
            sent += len(piece)
            yield piece

    first = next(m for m in pipeline.speech_motion(prepared.portrait, Sound(arriving(), None), OPTIONS) if len(m))
    assert len(first) == LIVE_HOP
    assert sent <= 16000 * (LIVE_HOP + LIVE_LOOK_AHEAD) / 25 + 0.2 * 16000
