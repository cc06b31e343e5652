"""Videos are written whole or not at all, sound and pictures of the same length and at the same time."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from vasa_core.errors import InputError
from vasa_core.io.ffmpeg import executable
from vasa_core.io.video import VideoWriter, read_frames
from vasa_core.rates import frame_count

WriteSound = Callable[..., Path]

SIZE = (64, 96)  # height, width in px


def _frames(count: int) -> list[np.ndarray]:
    """Smooth pictures that get brighter."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    base = np.stack([x, y * 2, 120 - x], 2)
    return [(base + 40 + i % 60).clip(0, 255).astype(np.uint8) for i in range(count)]


def _write(target: Path, frames: list[np.ndarray], audio: Path | None = None, **tags: str) -> None:
    with VideoWriter(target, SIZE, audio, tags) as writer:
        for frame in frames:
            writer.write(frame)


def _sound(path: Path) -> np.ndarray:
    """The written sound track as a player decodes it, 48 kHz."""
    command = [executable(), "-v", "error", "-i", str(path), "-map", "0:a", "-ac", "1", "-f", "f32le", "pipe:1"]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<f4")


def _report(path: Path) -> str:
    return subprocess.run([executable(), "-i", str(path)], capture_output=True, text=True, check=False).stderr


def test_frames_come_back_with_their_colours(tmp_path: Path) -> None:
    frames = _frames(13)
    _write(tmp_path / "out.mp4", frames)
    read = list(read_frames(tmp_path / "out.mp4"))
    assert len(read) == 13
    error = np.array(read).astype(int) - np.array(frames)
    assert np.abs(error).mean() < 2
    assert np.abs(error.mean((0, 1, 2))).max() < 0.6


@pytest.mark.parametrize("samples", [1_600, 16_001, 23_457, 31_999, 48_320, 49_280])
def test_sound_and_pictures_have_the_same_length_and_no_offset(
    tmp_path: Path, write_sound: WriteSound, samples: int
) -> None:
    sound = np.zeros(samples)
    onset = samples // 2
    sound[onset:] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(samples - onset) / 16_000)
    count = frame_count(samples)
    target = tmp_path / "out.mp4"
    _write(target, _frames(count), write_sound(sound))
    assert len(list(read_frames(target))) == count == round(samples / 16_000 * 25)
    decoded = _sound(target)
    assert len(decoded) == count * 1920  # exactly 1/25 s a frame at 48 kHz
    heard = int(np.argmax(np.abs(decoded) > 0.15)) / 48_000
    assert abs(heard - onset / 16_000) < 0.002
    assert "start: 0.000000" in _report(target)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_samples_that_are_no_sound_are_silence_in_the_video(tmp_path: Path, suffix: str) -> None:
    """NaN, infinity and 1e30 among float samples: the model hears nothing or full scale, and so does who watches."""
    sound = 0.3 * np.sin(2 * np.pi * 500 * np.arange(16_000) / 16_000)
    sound[[3_000, 9_000, 9_001, 12_000, 13_000]] = np.nan, 1e30, -1e30, np.inf, -np.inf
    path, target = tmp_path / "broken.wav", tmp_path / f"out{suffix}"
    wavfile.write(path, 16_000, sound.astype(np.float32))
    _write(target, _frames(25), path)
    decoded = _sound(target)
    assert len(decoded) == pytest.approx(25 * 1920, abs=48)
    assert np.abs(decoded).max() < 1.5
    kept = decoded[15_000:24_000]  # between the bad ones
    assert np.abs(np.abs(kept).max() - 0.3) < 0.03


def test_a_44100_stereo_sound(tmp_path: Path) -> None:
    sound, target = tmp_path / "stereo.flac", tmp_path / "out.mp4"
    source = "sine=frequency=220:sample_rate=44100:duration=1.777"
    subprocess.run([executable(), "-v", "error", "-f", "lavfi", "-i", source, "-ac", "2", str(sound)], check=True)
    _write(target, _frames(44), sound)
    assert len(_sound(target)) == 44 * 1920
    assert "stereo" in _report(target)


def test_tags_and_index_first(tmp_path: Path) -> None:
    _write(tmp_path / "out.mp4", _frames(3), comment="AI-generated; a=b")
    assert "AI-generated; a=b" in _report(tmp_path / "out.mp4")
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_nothing_is_left_after_an_exception(tmp_path: Path, write_sound: WriteSound) -> None:
    target = tmp_path / "out.mp4"
    sound = write_sound(np.zeros(16_000))
    target.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), VideoWriter(target, SIZE, sound) as writer:
        writer.write(_frames(1)[0])
        raise KeyboardInterrupt
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "sound.wav"]
    assert target.read_bytes() == b"before"


def test_the_target_appears_only_when_whole_and_replaces_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    for count in (4, 7):
        _write(target, _frames(count))
        assert len(list(read_frames(target))) == count
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_two_writers_of_one_target(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with VideoWriter(target, SIZE) as first, VideoWriter(target, SIZE) as second:
        for frame in _frames(5):
            first.write(frame)
            second.write(frame)
    assert len(list(read_frames(target))) == 5
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_same_frames_same_file(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        _write(tmp_path / name, _frames(30))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("name", ["-y.mp4", "a%03d.mp4", "http:x 'y'.mp4"])
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    _write(tmp_path / name, _frames(2))
    assert len(list(read_frames(tmp_path / name))) == 2


def test_bad_targets(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    (tmp_path / "folder.mp4").mkdir()
    for target, sentence in (
        (tmp_path / "nowhere" / "out.mp4", "expected an existing folder"),
        (file / "out.mp4", "expected an existing folder"),
        (tmp_path / "folder.mp4", "is not a file"),
        (tmp_path / "out.avi", r"ends in \.mp4, \.mov, \.webm or \.gif"),
        (Path("/proc/out.mp4"), "expected a writable folder"),
        (tmp_path / ("x" * 252 + ".mp4"), "at most 255 bytes"),
    ):
        with pytest.raises(InputError, match=sentence):
            VideoWriter(target, SIZE)


def test_wrong_frame_size(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected"), VideoWriter(tmp_path / "out.mp4", SIZE) as writer:
        writer.write(np.zeros((8, 8, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_reading_at_another_rate_turned_and_late(tmp_path: Path) -> None:
    """A phone's video: 30 fps, stored lying down, 1 s long; and one whose pictures start 0.2 s after its sound."""
    turned, late = tmp_path / "turned.mp4", tmp_path / "late.mkv"
    picture = ["-f", "lavfi", "-i", "testsrc=size=64x32:rate=30:duration=1"]
    lying = tmp_path / "lying.mp4"
    subprocess.run([executable(), "-v", "error", *picture, str(lying)], check=True)
    stored = ["-display_rotation", "90", "-i", str(lying), "-c", "copy", str(turned)]
    subprocess.run([executable(), "-v", "error", *stored], check=True)
    frames = list(read_frames(turned))
    assert len(frames) == 25
    assert frames[0].shape == (64, 32, 3)
    sound = ["-f", "lavfi", "-i", "sine=duration=1.2", "-itsoffset", "0.2"]
    subprocess.run([executable(), "-v", "error", *sound, *picture, str(late)], check=True)
    assert len(list(read_frames(late))) == 30


def test_no_folder_for_temporary_files_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    _write(tmp_path / "out.mp4", _frames(3))
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_video_of_long_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.gif"
    Image.new("L", (1, 65_000)).save(path)
    with pytest.raises(InputError, match="has frames of 1x65000 px; expected at most 16384 px a side"):
        next(read_frames(path))


def test_not_a_video(tmp_path: Path, write_sound: WriteSound) -> None:
    text = tmp_path / "text.mp4"
    text.write_bytes(b"Hello, I am a text file.\n" * 100)
    for path, sentence in (
        (tmp_path / "nowhere.mp4", "does not exist"),
        (text, "is not a video"),
        (write_sound(np.zeros(16_000)), "is not a video"),
    ):
        with pytest.raises(InputError, match=sentence):
            next(read_frames(path))
