"""Sound comes in whole, at 16 kHz, whatever the container; the bad ones are one sentence."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from vasa_core.errors import InputError
from vasa_core.io.audio import AudioFile, read_audio
from vasa_core.io.ffmpeg import executable

WriteSound = Callable[..., Path]


def _tone(samples: int, rate: int = 16_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 220 * np.arange(samples) / rate)


def test_16_khz_wav_is_read_exactly(write_sound: WriteSound) -> None:
    tone = _tone(12_345)
    assert np.abs(read_audio(write_sound(tone)) - tone).max() < 1e-4


def test_chunks_are_the_whole(write_sound: WriteSound) -> None:
    file = AudioFile.open(write_sound(_tone(50_001)))
    chunks = list(file.chunks(7_000))
    assert file.samples == 50_001
    assert [len(c) for c in chunks] == [7_000] * 7 + [1_001]
    assert np.array_equal(np.concatenate(chunks), read_audio(file.path))


def test_stopping_early_is_clean(write_sound: WriteSound) -> None:
    chunks = AudioFile.open(write_sound(_tone(200_000))).chunks(1_000)
    assert len(next(chunks)) == 1_000
    del chunks  # ends ffmpeg


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg", "m4a", "opus", "mkv", "webm"])
def test_other_containers_keep_time(write_sound: WriteSound, tmp_path: Path, suffix: str) -> None:
    sound = np.zeros(32_000)
    sound[16_000:16_800] = _tone(800)  # a beep at 1 s
    target = tmp_path / f"sound.{suffix}"
    subprocess.run([executable(), "-v", "error", "-i", str(write_sound(sound)), str(target)], check=True)
    read = read_audio(target)
    onset = int(np.argmax(np.abs(read) > 0.2))
    assert abs(len(read) - 32_000) <= 1_200
    assert abs(onset - 16_010) < 320


def test_stereo_44100(tmp_path: Path) -> None:
    target = tmp_path / "stereo.wav"
    source = "sine=frequency=220:sample_rate=44100:duration=1.5"
    subprocess.run([executable(), "-v", "error", "-f", "lavfi", "-i", source, "-ac", "2", str(target)], check=True)
    assert abs(len(read_audio(target)) - 24_000) <= 1


def test_a_video_s_sound(portrait: Path, write_sound: WriteSound, tmp_path: Path) -> None:
    target = tmp_path / "video.mp4"
    inputs = ["-loop", "1", "-i", str(portrait), "-i", str(write_sound(_tone(16_000)))]
    subprocess.run([executable(), "-v", "error", *inputs, "-shortest", "-r", "25", str(target)], check=True)
    assert 15_000 <= len(read_audio(target)) <= 17_100


def test_silence_is_sound(write_sound: WriteSound) -> None:
    read = read_audio(write_sound(np.zeros(16_000)))
    assert len(read) == 16_000
    assert not read.any()


def test_not_a_number_becomes_silence(tmp_path: Path) -> None:
    raw, target = tmp_path / "raw", tmp_path / "float.wav"
    raw.write_bytes(np.array([np.nan, 5.0, -7.0, np.inf] * 1_000, "<f4").tobytes())
    command = [executable(), "-v", "error", "-f", "f32le", "-ar", "16000", "-ac", "1", "-i", str(raw)]
    subprocess.run([*command, "-c:a", "pcm_f32le", str(target)], check=True)
    read = read_audio(target)
    assert np.isfinite(read).all()
    assert np.abs(read).max() <= 1


def _stereo(path: Path, left: np.ndarray, right: np.ndarray) -> Path:
    wavfile.write(path, 16_000, np.stack([left, right], 1).astype(np.float32))
    return path


@pytest.mark.parametrize("louder", [0, 1])
def test_of_channels_that_cancel_the_louder_is_heard(tmp_path: Path, louder: int) -> None:
    """One channel inverted, as a miswired cable or some microphones give it: their mean is silence."""
    tone = _tone(16_000)
    channels = [tone, -tone]
    channels[louder] = channels[louder] * 1.2
    file = AudioFile.open(_stereo(tmp_path / "inverted.wav", *channels))
    assert file.channel == louder
    for samples in (16_000, 777):
        assert np.abs(np.concatenate(list(file.chunks(samples))) - channels[louder]).max() < 1e-4


def test_other_channels_are_mixed(tmp_path: Path) -> None:
    tone, noise = _tone(16_000), np.random.default_rng(0).normal(0, 0.1, (2, 16_000))
    for left, right in ((tone, tone), (tone, 0 * tone), (tone + noise[0], noise[1]), (noise[0], noise[1])):
        read = read_audio(_stereo(tmp_path / "stereo.wav", left, right))
        assert np.abs(read - (left + right) / 2).max() < 1e-4


def test_a_gap_of_hours_is_refused_in_little_memory(write_sound: WriteSound, tmp_path: Path) -> None:
    """Two packets, the second ten hours after the first: filling what lies between took 3 GB."""
    target = tmp_path / "gap.mkv"
    late = ["-itsoffset", "36000", "-i", str(write_sound(_tone(16_000), "late.wav"))]
    both = ["-i", str(write_sound(_tone(16_000))), *late]
    parts = []
    for number in (0, 1):
        parts += [tmp_path / f"part{number}.flv"]
        encode = [*both, "-map", f"{number}:a", "-c:a", "pcm_s16le", "-ar", "44100", "-copyts", str(parts[-1])]
        subprocess.run([executable(), "-v", "error", "-y", *encode], check=True)
    first, second = (part.read_bytes() for part in parts)
    target.write_bytes(first + second[13:])  # an FLV file is its header and tags, each with its time
    program = "\n".join(
        [
            "import resource, sys",
            "from pathlib import Path",
            "from vasa_core.errors import InputError",
            "from vasa_core.io.audio import AudioFile",
            "try: AudioFile.open(Path(sys.argv[1]))",
            "except InputError as error: print(error)",
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", program, target], capture_output=True, text=True, check=True)
    sentence, kilobytes = done.stdout.splitlines()
    assert "has 35999 s without sound between two packets; expected at most 300 s" in sentence
    assert int(kilobytes) < 700_000


@pytest.mark.parametrize("name", ["-i.wav", "a%03d.wav", "a:b'c [x].wav", "два слова.wav"])
def test_odd_names_are_names(write_sound: WriteSound, name: str) -> None:
    assert len(read_audio(write_sound(_tone(4_000), name))) == 4_000


def test_missing_and_not_audio(tmp_path: Path, portrait: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        AudioFile.open(tmp_path / "nowhere.wav")
    text = tmp_path / "text.wav"
    for content in (b"", b"Hello, I am a text file.\n" * 100):
        text.write_bytes(content)
        with pytest.raises(InputError, match="no sound that can be read"):
            AudioFile.open(text)
    with pytest.raises(InputError, match="no sound that can be read"):
        AudioFile.open(portrait)


def test_too_short_and_too_long(write_sound: WriteSound) -> None:
    with pytest.raises(InputError, match="no sound that can be read"):
        AudioFile.open(write_sound(np.zeros(0)))
    with pytest.raises(InputError, match=r"is 0\.05 s long; expected at least 0\.1 s"):
        AudioFile.open(write_sound(np.zeros(800)))
    with pytest.raises(InputError, match="longer than 60 s"):
        AudioFile.open(write_sound(np.zeros(62 * 4_000), rate=4_000), 60)


def test_sound_of_more_than_an_hour_has_its_exact_length(write_sound: WriteSound) -> None:
    assert AudioFile.open(write_sound(np.zeros(3_700 * 4_000 + 1), rate=4_000)).samples == 3_700 * 16_000 + 4


@pytest.mark.parametrize("suffix", ["m3u8", "wav", "txt", "ffconcat"])
def test_playlists_never_open_other_files(write_sound: WriteSound, tmp_path: Path, suffix: str) -> None:
    other = write_sound(_tone(32_000), "other.wav")
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n"
    for content in (hls, f"ffconcat version 1.0\nfile {other.name}\n"):
        playlist = tmp_path / f"playlist.{suffix}"
        playlist.write_text(content)
        with pytest.raises(InputError):
            AudioFile.open(playlist)
