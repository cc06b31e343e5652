"""Seeded hostile inputs over what the project reads: `python attack.py FIRST COUNT FOLDER`, a line for each.

An input is a damaged or odd picture, sound, video, playlist, checkpoint, shard, array or set of options. What may come
of it is a result or an InputError of one sentence; anything else is a failure. Memory is limited, and time for each.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import torch
from PIL import Image
from scipy.io import wavfile

from vasa_core.checkpoint import load_checkpoint, save_checkpoint
from vasa_core.data.unpack import unpack_shards
from vasa_core.errors import InputError, MissingModelError
from vasa_core.io.audio import AudioFile
from vasa_core.io.image import read_image
from vasa_core.io.video import read_frames
from vasa_core.options import CONTROLS, GenerationOptions
from vasa_core.pipeline.prepared import read_photo
from vasa_core.pipeline.sound import opened

MEMORY = 4 << 30  # bytes of address space, libraries and their threads included
SECONDS = 30  # for each input, on a busy machine
PICTURES = ("jpg", "png", "webp", "gif", "tif", "bmp", "avif")
SOUNDS = ("wav", "mp3", "ogg", "flac")
VIDEOS = ("mp4", "mkv", "gif", "avi")
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**400, 1e308, float("nan"), float("-inf"), "", "x" * 5000, "a\0b", "\ud800", b"bytes"),
    *([], {}, (), [1, [2, [3]]], np.ones(3), np.float16(2), np.datetime64(0, "s"), Path("/"), object(), 1j, "1e999"),
)
Case = Callable[[np.random.Generator, Path, dict[str, bytes]], object]


def seeds(folder: Path) -> dict[str, bytes]:
    """A small sound file of each kind, by its suffix."""
    noise = np.random.default_rng(0)
    y, x = np.mgrid[:48, :64]
    picture = np.dstack([4 * x, 5 * y, noise.integers(0, 256, x.shape)]).astype(np.uint8)
    found = {}
    for suffix in PICTURES:
        Image.fromarray(picture).save(folder / f"seed.{suffix}")
        found[suffix] = (folder / f"seed.{suffix}").read_bytes()
    sound = (0.2 * np.sin(np.arange(8000) / 8)).astype(np.float32)
    wavfile.write(folder / "seed.wav", 16_000, sound)
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error"]
    for suffix in SOUNDS[1:]:
        subprocess.run([*ffmpeg, "-i", folder / "seed.wav", folder / f"seed.{suffix}"], check=True)
    for suffix in ("mp4", "mkv", "avi"):
        made = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=0.4", "-i", folder / "seed.wav"]
        subprocess.run([*ffmpeg, *made, "-shortest", folder / f"seed.{suffix}"], check=True)
    for suffix in ("wav", *SOUNDS[1:], "mp4", "mkv", "avi"):
        found[suffix] = (folder / f"seed.{suffix}").read_bytes()
    return found


def damaged(random: np.random.Generator, data: bytes) -> bytes:
    """The data with some bytes changed, cut out, repeated or cut off."""
    content = bytearray(data)
    for _ in range(int(random.integers(1, 6))):
        place, length = int(random.integers(len(content) + 1)), int(random.integers(1, 200))
        match int(random.integers(5)):
            case 0:
                content[place : place + 4] = random.bytes(4)
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = content[place : place + length] * int(random.integers(1, 50))
            case 3:
                content[place : place + 8] = b"\xff" * 8
            case _:
                content = content[: max(1, place)]
    return bytes(content)


def picture(random: np.random.Generator, folder: Path, whole: dict[str, bytes]) -> object:
    path = folder / f"in.{random.choice(PICTURES)}"
    path.write_bytes(damaged(random, whole[str(random.choice(PICTURES))]))
    return read_image(path)


def sound(random: np.random.Generator, folder: Path, whole: dict[str, bytes]) -> object:
    path = folder / f"in.{random.choice((*SOUNDS, 'mp4', 'm4a'))}"
    path.write_bytes(damaged(random, whole[str(random.choice((*SOUNDS, "mp4")))]))
    return sum(len(chunk) for chunk in islice(AudioFile.open(path).chunks(), 100))


def samples(random: np.random.Generator, folder: Path, _: dict[str, bytes]) -> object:
    """A float sound with some samples that are none."""
    values = random.normal(0, 0.1, (int(random.integers(1, 9000)), int(random.integers(1, 4)))).astype(np.float32)
    places = random.integers(0, values.size, 5)
    values.flat[places] = random.choice(np.array([np.nan, np.inf, -np.inf, 1e30, -3e38], np.float32), 5)
    wavfile.write(folder / "in.wav", int(random.choice([1, 8000, 16_000, 44_100, 192_000])), values)
    chunks = list(AudioFile.open(folder / "in.wav").chunks())
    assert all(np.isfinite(chunk).all() and np.abs(chunk).max(initial=0) <= 1 for chunk in chunks)
    return len(chunks)


def video(random: np.random.Generator, folder: Path, whole: dict[str, bytes]) -> object:
    path = folder / f"in.{random.choice(VIDEOS)}"
    path.write_bytes(damaged(random, whole[str(random.choice(VIDEOS))]))
    return [frame.shape for frame in islice(read_frames(path), 50)]


def playlist(random: np.random.Generator, folder: Path, _: dict[str, bytes]) -> object:
    """A text that asks ffmpeg for another file, or the network."""
    target = random.choice(
        ["/etc/hostname", "file:///etc/passwd", "http://127.0.0.1:9/x", "concat:/etc/hosts", "in.wav"]
    )
    texts = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{target}'\n",
        f"[playlist]\nFile1={target}\nNumberOfEntries=1\n",
        f'<?xml version="1.0"?><MPD><Period><BaseURL>{target}</BaseURL></Period></MPD>',
    ]
    path = folder / f"in.{random.choice(['m3u8', 'wav', 'mp4', 'txt', 'mpd'])}"
    path.write_text(str(random.choice(texts)))
    read = AudioFile.open if random.integers(2) else lambda path: next(read_frames(path))
    try:
        read(path)
    except InputError:
        raise
    raise AssertionError("a playlist was followed")


def options(random: np.random.Generator, _: Path, __: dict[str, bytes]) -> object:
    names = [*CONTROLS, "gaze", "colour", ""]
    chosen = {str(name): ODD[int(random.integers(len(ODD)))] for name in random.choice(names, 3)}
    return GenerationOptions.of(**chosen)


def array(random: np.random.Generator, _: Path, __: dict[str, bytes]) -> object:
    shape = tuple(int(side) for side in random.integers(0, 40, int(random.integers(0, 5))))
    kind = random.choice(["uint8", "float32", "int64", "bool", "complex64", "U3"])
    value = ODD[int(random.integers(len(ODD)))] if random.integers(4) == 0 else np.zeros(shape, str(kind))
    return read_photo(value) if random.integers(2) else opened(value)


def checkpoint(random: np.random.Generator, folder: Path, _: dict[str, bytes]) -> object:
    target = folder / "checkpoint"
    save_checkpoint(target, {"width": 4}, {"weight": torch.ones(4, 4)})
    files = sorted(target.iterdir())
    chosen = files[int(random.integers(len(files)))]
    texts = [b"[]", b"null", b"[" * 5000, b"\xff\xfe", b'{"width": NaN', b'{"a": 1e999}', b""]
    odd = texts[int(random.integers(len(texts)))]
    chosen.write_bytes(odd if random.integers(2) else damaged(random, chosen.read_bytes()))
    return load_checkpoint(target)


def shard(random: np.random.Generator, folder: Path, whole: dict[str, bytes]) -> object:
    name = str(random.choice(["../up", "/tmp/abs", "clip", "a/../../b", "clip\0", "x" * 300]))
    source = folder / "shards"
    source.mkdir(exist_ok=True)
    with tarfile.open(source / "train-000000.tar", "w") as tar:
        for suffix, content in (("json", b'{"split": "train"}'), ("mp4", whole["mp4"]), ("npz", random.bytes(90))):
            member = tarfile.TarInfo(f"{name}.{suffix}")
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    if random.integers(2):
        path = source / "train-000000.tar"
        path.write_bytes(damaged(random, path.read_bytes()))
    result = unpack_shards(source, folder / "out")
    assert not (folder.parent / "up.mp4").exists()
    return result


CASES: tuple[Case, ...] = (picture, sound, samples, video, playlist, options, array, checkpoint, shard)


def outcome(seed: int, folder: Path, whole: dict[str, bytes]) -> dict[str, Any]:
    """What came of the input of this seed: "result", "refused", or "failed" with what was raised."""
    case = CASES[seed % len(CASES)]
    about = {"seed": seed, "case": case.__name__}
    signal.alarm(SECONDS)
    try:
        case(np.random.default_rng(seed), folder, whole)
    except (InputError, MissingModelError) as error:
        sentence = str(error)
        fine = "\n" not in sentence and len(sentence) <= 400 and sentence.endswith((".", ")"))
        return about | ({"outcome": "refused"} if fine else {"outcome": "failed", "raised": sentence[:400]})
    except BaseException as error:  # whatever it is, it is what this looks for
        return about | {"outcome": "failed", "raised": f"{type(error).__name__}: {error}"[:400]}
    finally:
        signal.alarm(0)
    return about | {"outcome": "result"}


def _out_of_time(*_: object) -> None:
    raise TimeoutError(f"took more than {SECONDS} s")


def main() -> None:
    first, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    whole = seeds(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _out_of_time)
    for seed in range(first, first + count):
        place = folder / "in" / str(seed)
        place.mkdir(parents=True)
        print(json.dumps(outcome(seed, place, whole)), flush=True)


if __name__ == "__main__":
    main()
