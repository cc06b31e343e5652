"""Speed and memory of the whole path on the bundled portrait and speech, here and as on a processor with AVX2 only."""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from vasa_core.assets import ASSETS
from vasa_core.errors import InputError
from vasa_core.evaluation.machine import described_cpu
from vasa_core.evaluation.parts import metered
from vasa_core.evaluation.video.tracks import Figures, describe, tracked, video
from vasa_core.io.audio import read_audio
from vasa_core.options import MAX_AUDIO_SECONDS, MIN_AUDIO_SECONDS, PORTRAIT_SIZE, GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.pipeline.sound import Sound
from vasa_core.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from vasa_core.types import Progress

AVX2_ONLY = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
WARM_UP_SECONDS = 1.0
DECODED_FRAMES = 25
LIVE_SECONDS = 3.0
_MEBIBYTE = 1024 * 1024
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


def measure(
    seconds: float,
    device: str = "auto",
    pipeline: Pipeline | None = None,
    progress: Progress | None = None,
    quality: bool = False,
    size: int = PORTRAIT_SIZE,
) -> dict[str, Any]:
    """Generate once from `seconds` of speech, models loaded and warm, and measure it.

    real_time_factor: wall time of the whole `generate` over the length of the audio. frames_per_second: of the same.
    first_frame_ms: from the call of `stream` on a prepared portrait to its first frame. decode_ms_per_frame: drawing
    alone, one thread. live_*: see `measure_live`. peak_rss_mb: this process and its largest child, in MiB; measured
    before `quality`, which adds what `measure_quality` finds. cpu_ms_per_frame: processor time of the whole `generate`,
    child processes included, and of its parts (see `evaluation.parts`). start_up_*: of `generate` of a second of speech
    in a process of its own. Raises InputError for a length or a size that cannot be generated.
    """
    if not MIN_AUDIO_SECONDS <= seconds <= MAX_AUDIO_SECONDS:
        raise InputError(f"seconds is {seconds}; expected a number from {MIN_AUDIO_SECONDS} to {MAX_AUDIO_SECONDS}.")
    options = GenerationOptions.of(size=size)
    pipeline = pipeline or Pipeline.load(device)
    portrait = ASSETS / "portrait.jpg"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short, speech = (
            looped_speech(folder / "short.wav", WARM_UP_SECONDS),
            looped_speech(folder / "long.wav", seconds),
        )
        pipeline.generate(portrait, short, folder / "short.mp4", options)
        prepared = pipeline.prepare(portrait, size=size)
        first_frame = _first_frame_seconds(pipeline, prepared, speech, options)
        decode = _decode_seconds(pipeline, prepared)
        live = measure_live(pipeline, prepared, options)
        with metered(pipeline) as meter:
            made = pipeline.generate(portrait, speech, folder / "long.mp4", options, progress=progress)
        peak = _peak_bytes()
        kept = measure_quality(folder / "long.mp4", pipeline.motion_model.config.window) if quality else {}
        start_up = _start_up(device, size, short, folder / "first.mp4")
    parts = {name: round(1000 * spent / made.frames, 2) for name, spent in meter.seconds().items()}
    return {
        "real_time_factor": round(made.wall_seconds / seconds, 3),
        "frames_per_second": round(made.frames / made.wall_seconds, 1),
        "decode_ms_per_frame": round(decode * 1000, 1),
        "first_frame_ms": round(first_frame * 1000, 1),
        "peak_rss_mb": round(peak / _MEBIBYTE, 1),
        "wall_ms_per_frame": round(1000 * made.wall_seconds / made.frames, 2),
        "cpu_ms_per_frame": {"total": round(1000 * (meter.own + meter.children) / made.frames, 2), **parts},
        **start_up,
        **live,
        **kept,
        "audio_seconds": seconds,
        "frames": made.frames,
        "size": made.size,
        "steps": options.steps,
        **described_cpu(),
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def measure_quality(path: Path, window: int) -> Figures:
    """What is kept to the end of a video (sharpness_kept, scale_kept), its blinks and its seams: see `describe`.

    window: frames from one generated window to the next. Raises InputError if the video shows no face.
    """
    track = tracked(video(path))
    if track is None:
        raise InputError(f"{path} shows no face; expected a video of one.")
    figures = describe(video(path), track, window)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}


def measure_live(
    pipeline: Pipeline, prepared: Prepared, options: GenerationOptions | None = None, seconds: float = LIVE_SECONDS
) -> dict[str, float]:
    """Speak to `stream` in pieces of 40 ms at the speed of speech until `seconds` after its first frame; ms.

    live_first_frame_ms: from when the last sound that frame 0 needs had arrived to frame 0. live_late_ms: how much
    later than 25 a second, counted from frame 0, a later frame came (95th percentile). live_delay_ms: from when a
    frame's own sound had been spoken to the frame (95th percentile): what a player must hold the sound back by.
    """
    options = options or GenerationOptions()
    speech = read_audio(ASSETS / "speech.wav")
    needed = _pieces_before_motion(pipeline, prepared, speech, options)
    heard = threading.Event()
    started = time.perf_counter()

    def spoken() -> Iterator[Float32[np.ndarray, " samples"]]:
        left = seconds
        for number, piece in enumerate(_pieces(speech), 1):
            time.sleep(max(0.0, started + number / FPS - time.perf_counter()))
            yield piece
            left -= heard.is_set() / FPS
            if left <= 0:
                return

    shown = []
    for _ in pipeline.stream(prepared, spoken(), options):
        shown.append(time.perf_counter() - started)
        heard.set()
    times = np.array(shown)
    place = np.arange(len(times)) / FPS
    return {
        "live_first_frame_ms": round(1000 * (shown[0] - needed / FPS), 1),
        "live_late_ms": round(1000 * float(np.percentile((times - times[0] - place)[1:], 95).clip(0)), 1),
        "live_delay_ms": round(1000 * float(np.percentile(times - place - 1 / FPS, 95)), 1),
    }


def measure_jobs(
    pipeline: Pipeline, jobs: int, seconds: float, size: int = PORTRAIT_SIZE, progress: Progress | None = None
) -> dict[str, Any]:
    """Generate from `seconds` of speech of `jobs` portraits one by one, then all at once, with the same models.

    jobs_frames_per_second: of all together. jobs_cpu_ms_per_frame: processor time, child processes included.
    one_*: of the same videos, one by one.
    """
    portraits = [ASSETS / "portrait.jpg", *sorted((ASSETS / "faces").glob("*.jpg"))]
    people = [pipeline.prepare(portrait, size=size) for portrait in portraits[:jobs]]
    options = GenerationOptions.of(size=size)
    with tempfile.TemporaryDirectory() as name:
        speech = looped_speech(Path(name) / "speech.wav", seconds)

        def make(number: int) -> int:
            person = people[number % len(people)]
            return pipeline.generate(person, speech, Path(name) / f"{number}.mp4", options).frames

        found: dict[str, Any] = {"jobs": jobs}
        make(0)
        for label, at_once in (("one", 1), ("jobs", jobs)):
            started, spent, frames = time.perf_counter(), cpu_seconds(), 0
            with ThreadPoolExecutor(at_once) as pool:
                for done, made in enumerate(pool.map(make, range(jobs)), 1):
                    frames += made
                    if progress:
                        progress(done, jobs)
            found[f"{label}_frames_per_second"] = round(frames / (time.perf_counter() - started), 1)
            found[f"{label}_cpu_ms_per_frame"] = round(1000 * (cpu_seconds() - spent) / frames, 2)
    return found


def compared(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Of every number that both have: before, now, and how many times as much it is. Dictionaries likewise."""
    found: dict[str, Any] = {}
    for name, value in now.items():
        old = before.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            found[name] = compared(value, old)
        elif isinstance(value, int | float) and isinstance(old, int | float):
            found[name] = [old, value, round(value / old, 3) if old else None]
    return found


def measure_with_avx2(seconds: float, device: str = "auto", size: int = PORTRAIT_SIZE) -> dict[str, Any]:
    """`measure` in a child process whose matrix libraries may use nothing beyond AVX2, as on most laptops.

    onnxruntime, numba and OpenCV are not held to it.
    """
    command = [sys.executable, "-m", "vasa_core", "bench", "--seconds", str(seconds), "--device", device, "--no-avx2"]
    command += ["--size", str(size)]
    environment = {**os.environ, **AVX2_ONLY}
    child = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, check=True)
    return json.loads(child.stdout)


def looped_speech(target: Path, seconds: float) -> Path:
    """Write the bundled speech, repeated and cut to a length, as a 16 kHz mono WAV."""
    samples = np.resize(read_audio(ASSETS / "speech.wav"), round(seconds * SAMPLE_RATE))
    with wave.open(str(target), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(SAMPLE_RATE)
        stream.writeframes((samples * 32767).round().astype("<i2").tobytes())
    return target


def _pieces(speech: Float32[np.ndarray, " samples"]) -> Iterator[Float32[np.ndarray, " samples"]]:
    """The speech again and again, a frame's sound at a time."""
    for start in itertools.count(0, SAMPLES_PER_FRAME):
        yield np.take(speech, np.arange(start, start + SAMPLES_PER_FRAME), mode="wrap")


def _pieces_before_motion(
    pipeline: Pipeline, prepared: Prepared, speech: Float32[np.ndarray, " samples"], options: GenerationOptions
) -> int:
    """Pieces of a frame each that must have arrived before the live stream knows how frame 0 moves."""
    read = 0

    def counted() -> Iterator[Float32[np.ndarray, " samples"]]:
        nonlocal read
        for piece in _pieces(speech):
            read += 1
            yield piece

    for motion in pipeline.speech_motion(prepared.portrait, Sound(counted(), None), options):
        if len(motion):
            break
    return read


def _first_frame_seconds(pipeline: Pipeline, prepared: Prepared, speech: Path, options: GenerationOptions) -> float:
    started = time.perf_counter()
    frames = pipeline.stream(prepared, speech, options)
    next(frames)
    elapsed = time.perf_counter() - started
    frames.close()  # type: ignore[attr-defined] # a generator: its drawing threads end here
    return elapsed


def _decode_seconds(pipeline: Pipeline, prepared: Prepared) -> float:
    """Seconds a frame that the face model needs to draw, the head turned a little to and fro."""
    motion = prepared.portrait.motion
    pose = np.repeat(motion.pose, DECODED_FRAMES, 0)
    pose[:, 1] += 0.1 * np.sin(np.linspace(0, 2 * np.pi, DECODED_FRAMES))
    moving = type(motion)(pose, np.repeat(motion.dynamics, DECODED_FRAMES, 0))
    started = time.perf_counter()
    count = sum(1 for _ in pipeline.face.decode(prepared.portrait, moving))
    return (time.perf_counter() - started) / count


def cpu_seconds() -> float:
    """Processor time so far of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def _start_up(device: str, size: int, speech: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "vasa_core", "generate", ASSETS / "portrait.jpg", speech, out]
    started, spent = time.perf_counter(), cpu_seconds()
    subprocess.run([*command, "--device", device, "--size", str(size)], capture_output=True, check=True)
    wall, cpu = time.perf_counter() - started, cpu_seconds() - spent
    return {"start_up_cpu_seconds": round(cpu, 2), "start_up_wall_seconds": round(wall, 2)}


def _peak_bytes() -> int:
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + child) * _MAXRSS_UNIT
