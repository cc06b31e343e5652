"""A sheet of rendered lips under the waveform that they speak, so that anybody can look at any voice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from vasa_core.assets import CHECKPOINTS
from vasa_core.audio import features, open_encoder
from vasa_core.audio.lip_sync import SyncJudge
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.geometry import MOUTH
from vasa_core.evaluation.renderer.sheets import upright
from vasa_core.evaluation.video.tracks import Figures, Frame, Sound, describe_speech, tracked
from vasa_core.face.measure import lip_gap_of_height
from vasa_core.io.audio import read_audio
from vasa_core.io.image import write_png
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from vasa_core.types import Progress

MOST_SECONDS = 12.0  # of the speech that are shown
EVERY = 2  # frames from one picture of the lips to the next: 80 ms
ROW_FRAMES = 25 * EVERY  # of one row of the sheet: 2 s
CELL, WIDTH = 72, 0.5  # px of a picture of the lips; face widths that it shows
WAVE, CURVE, TITLE = 56, 44, 20  # px: heights of the waveform, the lips' gap and the title
WIDEST = 0.08  # face heights: the gap that reaches the top of its curve
PAPER, INK, LIPS, GRID = 255, (60, 60, 60), (215, 70, 20), (215, 215, 215)  # RGB

Picture = UInt8[np.ndarray, "_ _ 3"]


def make_lip_sheet(
    pipeline: Pipeline,
    portrait: Path,
    speech: Path,
    out: Path,
    options: GenerationOptions,
    progress: Progress | None = None,
) -> Figures:
    """Render the portrait speaking, track the frames, write the sheet as PNG; return the figures of `describe_speech`.

    At most MOST_SECONDS of the speech are used. Raises InputError for a portrait or speech that cannot be used, and
    where no face is found in the rendered frames.
    """
    waveform = read_audio(speech)[: round(MOST_SECONDS * SAMPLE_RATE)]
    frames = list(pipeline.stream(pipeline.prepare(portrait), waveform, options, progress=progress))
    track = tracked(lambda: iter(frames))
    if track is None:
        raise InputError(f"{portrait} as rendered shows no face; expected a portrait whose face can be followed.")
    scorer = SyncJudge.load(CHECKPOINTS / "sync_judge")
    figures = describe_speech(track, Sound(waveform, features(open_encoder(scorer.config.encoder), waveform)), scorer)
    title = f"{speech.name}: lips' gap in face heights (top {WIDEST})"
    if "confidence" in figures:
        title += f"; lag {figures['lag']} frames, confidence {figures['confidence']:.2f}"
    mouths = [mouth(frame, points) for frame, points in zip(frames, track.landmarks, strict=True)]
    write_png(out, lip_sheet(waveform, lip_gap_of_height(track.landmarks), mouths, title))
    return figures


def mouth(frame: Frame, landmarks: Float[np.ndarray, "478 3"]) -> Picture:
    """Cut out the mouth, upright, CELL px wide and high. landmarks: px of the frame."""
    flat = landmarks * [1, 1, 0]  # face widths as the picture shows them
    return upright(frame, flat, MOUTH, WIDTH, (CELL, CELL), cv2.INTER_AREA)


def lip_sheet(
    waveform: Float32[np.ndarray, " samples"],
    gaps: Float[np.ndarray, " frames"],
    mouths: Sequence[Picture],
    title: str,
) -> Picture:
    """Rows of 2 s: waveform, the lips' gap (face heights) of every frame, and the mouth of every second frame. RGB."""
    width = ROW_FRAMES // EVERY * CELL
    head = np.full((TITLE, width, 3), PAPER, np.uint8)
    cv2.putText(head, title, (4, TITLE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
    loudest = max(float(np.abs(waveform).max()), 1e-6)
    rows = [head]
    for start in range(0, len(mouths), ROW_FRAMES):
        stop = start + ROW_FRAMES
        sound = waveform[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME] / loudest
        pictures = list(mouths[start:stop:EVERY])
        pictures += [np.full((CELL, CELL, 3), PAPER, np.uint8)] * (ROW_FRAMES // EVERY - len(pictures))
        rows += [_wave(sound, width, start), _curve(gaps[start:stop], width), np.concatenate(pictures, 1)]
    return np.concatenate(rows)


def _wave(sound: Float32[np.ndarray, " samples"], width: int, start: int) -> Picture:
    """The waveform's range in each column, with a line and the time every 0.2 s. start: frame of the row's left end."""
    image = np.full((WAVE, width, 3), PAPER, np.uint8)
    for tick in range(0, ROW_FRAMES, FPS // 5):
        x = tick * width // ROW_FRAMES
        cv2.line(image, (x, 0), (x, WAVE), GRID, 1)
        cv2.putText(image, f"{(start + tick) / FPS:.1f}", (x + 2, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.32, INK, 1)
    samples = ROW_FRAMES * SAMPLES_PER_FRAME
    for x in range(width * len(sound) // samples):
        part = sound[x * samples // width : (x + 1) * samples // width]
        low, high = (round(WAVE / 2 * (1 - 0.9 * float(value))) for value in (part.max(), part.min()))
        cv2.line(image, (x, low), (x, high), INK, 1)
    return image


def _curve(gaps: Float[np.ndarray, " frames"], width: int) -> Picture:
    """The lips' gap over the row, each frame in the middle of its time."""
    image = np.full((CURVE, width, 3), PAPER, np.uint8)
    x = (np.arange(len(gaps)) + 0.5) * width / ROW_FRAMES
    y = (CURVE - 3) * (1 - np.clip(gaps / WIDEST, 0, 1)) + 1
    cv2.polylines(image, [np.stack([x, y], -1).round().astype(np.int32)], False, LIPS, 2, cv2.LINE_AA)
    return image
