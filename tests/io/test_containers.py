"""Videos for editors: each kind of file by its name, with opacity where it is asked for, and sound as it was."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from vasa_core.errors import InputError
from vasa_core.io.audio import AudioFile, coded_sound
from vasa_core.io.containers import CONTAINERS, TRANSPARENT, container_of
from vasa_core.io.ffmpeg import executable
from vasa_core.io.video import VideoWriter, read_frames

SIZE = (64, 96)  # height, width in px
FRAMES = 25


def _frames(channels: int = 3) -> list[np.ndarray]:
    """Smooth pictures that get brighter; of four channels, with a clear left, an opaque right and a ramp between."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    base = np.stack([x, y * 2, 120 - x, np.clip((x - 32) * 8, 0, 255)], 2)
    bright = np.array([1, 1, 1, 0])
    return [(base + 40 * bright + i * bright).clip(0, 255).astype(np.uint8)[..., :channels] for i in range(FRAMES)]


def _write(target: Path, audio: Path | None = None, transparent: bool = False) -> Path:
    with VideoWriter(target, SIZE, audio, {"comment": "AI-generated: a=b"}, transparent) as writer:
        for frame in _frames(4 if transparent else 3):
            writer.write(frame)
    return target


def _encoded(target: Path, seconds: float, *codec: str) -> Path:
    source = f"sine=frequency=300:sample_rate=48000:duration={seconds}"
    subprocess.run([executable(), "-v", "error", "-f", "lavfi", "-i", source, *codec, str(target)], check=True)
    return target


def _report(path: Path) -> str:
    return subprocess.run([executable(), "-i", str(path)], capture_output=True, text=True, check=False).stderr


def _packets(path: Path) -> list[str]:
    """Checksums of the sound's packets."""
    command = [executable(), "-v", "error", "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "framecrc", "pipe:1"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split(",")[5].strip() for line in lines if not line.startswith("#")]


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "h264"), (".mov", "h264"), (".webm", "vp9"), (".gif", "gif")])
def test_the_name_decides_and_pictures_come_back(tmp_path: Path, suffix: str, codec: str) -> None:
    target = _write(tmp_path / f"out{suffix}")
    assert f"Video: {codec}" in _report(target)
    assert b"AI-generated: a=b" in target.read_bytes()
    error = np.array(list(read_frames(target))).astype(int) - np.array(_frames())
    assert len(error) == FRAMES
    assert np.abs(error).mean() < (6 if suffix == ".gif" else 2.5)
    assert np.abs(error.mean((0, 1, 2))).max() < 1
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("suffix", "codec", "decoder"), [(".mov", "prores", "prores"), (".webm", "vp9", "libvpx-vp9")])
def test_transparency_comes_back(tmp_path: Path, suffix: str, codec: str, decoder: str) -> None:
    target = _write(tmp_path / f"out{suffix}", transparent=True)
    assert f"Video: {codec}" in _report(target)
    command = [executable(), "-v", "error", "-c:v", decoder, "-i", str(target), "-pix_fmt", "rgba", "-f", "rawvideo"]
    decoded = np.frombuffer(subprocess.run([*command, "pipe:1"], check=True, capture_output=True).stdout, np.uint8)
    error = decoded.reshape(-1, *SIZE, 4).astype(int) - np.array(_frames(4))
    assert len(error) == FRAMES
    assert np.abs(error[..., 3]).mean() < 2
    assert np.abs(error[..., :3]).mean() < 4
    assert decoded.reshape(-1, *SIZE, 4)[:, :, :28, 3].max() < 4
    assert decoded.reshape(-1, *SIZE, 4)[:, :, 68:, 3].min() > 251


@pytest.mark.parametrize(
    ("sound", "codec", "suffix"),
    [
        ("a.m4a", ["-c:a", "aac"], ".mp4"),
        ("a.m4a", ["-c:a", "aac"], ".mov"),
        ("a.opus", ["-c:a", "libopus"], ".webm"),
    ],
)
def test_sound_of_the_files_own_kind_is_copied(tmp_path: Path, sound: str, codec: list[str], suffix: str) -> None:
    speech = _encoded(tmp_path / sound, 0.97, *codec)
    assert _packets(_write(tmp_path / f"out{suffix}", speech)) == _packets(speech)
    assert AudioFile.open(tmp_path / f"out{suffix}").seconds == pytest.approx(0.97, abs=0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_sound_that_is_longer_or_of_another_kind_is_made_to_fit_and_as_loud(tmp_path: Path, suffix: str) -> None:
    speech = _encoded(tmp_path / ("a.m4a" if suffix != ".webm" else "a.opus"), 1.5)
    for sound in (speech, _encoded(tmp_path / "a.wav", 0.5)):
        target = _write(tmp_path / f"out{suffix}", sound)
        assert _packets(target) != _packets(sound)
        heard, given = (np.concatenate(list(AudioFile.open(path).chunks())) for path in (target, sound))
        assert len(heard) == pytest.approx(FRAMES * 640, abs=16)
        within = slice(1000, 7000)
        assert np.std(heard[within]) == pytest.approx(np.std(given[within]), rel=0.03)


def test_a_gif_is_silent(tmp_path: Path) -> None:
    target = _write(tmp_path / "out.gif", _encoded(tmp_path / "a.wav", 1))
    assert coded_sound(target) is None
    assert "Audio" not in _report(target)


def test_where_coded_sound_ends(tmp_path: Path) -> None:
    found = coded_sound(_encoded(tmp_path / "a.m4a", 0.3, "-c:a", "aac"))
    assert found
    assert found.codec == "aac"
    assert found.seconds == pytest.approx(0.3, abs=0.001)
    (tmp_path / "text.m4a").write_bytes(b"no sound")
    assert coded_sound(tmp_path / "text.m4a") is None


def test_names_that_are_none() -> None:
    for suffix, container in CONTAINERS.items():
        assert container_of(Path(f"out{suffix.upper()}")) is container
        if suffix in TRANSPARENT:
            assert container_of(Path(f"out{suffix}"), transparent=True) is container
            continue
        with pytest.raises(InputError, match=r"transparent background; expected a name that ends in \.mov or \.webm"):
            container_of(Path(f"out{suffix}"), transparent=True)
    with pytest.raises(InputError, match=r"out\.avi is the output; expected a name that ends in \.mp4, \.mov, "):
        container_of(Path("out.avi"))
