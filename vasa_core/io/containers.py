"""Kinds of video files that are written, each by the ending of its name: how pictures and sound are encoded in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vasa_core.errors import InputError, shortened
from vasa_core.files import check_target

# The same file as from several threads, for a tenth less of the CPU's time: drawing takes the other cores.
_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-threads", "1")
_AAC = ("-c:a", "aac", "-b:a", "128k")
_VP9 = (
    "-c:v",
    "libvpx-vp9",
    "-b:v",
    "0",
    "-crf",
    "22",
    "-deadline",
    "good",
    "-cpu-used",
    "5",
    "-row-mt",
    "1",
    "-threads",
    "2",
)
_INDEX_FIRST = ("-movflags", "+faststart")
_PRORES_4444 = ("-c:v", "prores_ks", "-profile:v", "4444", "-alpha_bits", "16", "-vendor", "apl0", "-threads", "2")


@dataclass(frozen=True)
class Container:
    """Options of ffmpeg for one kind of file.

    muxer: of the file. pictures: that encode RGB. transparent: that encode RGBA, if it can hold it. sound: that encode
    sound, if it has any. copied: codecs of sound that are taken over as they are. muxing: more for the muxer. bulk:
    bytes of disk a pixel, of RGB and of RGBA, while pictures and the file made of them are both there; rough measures.
    """

    muxer: str
    pictures: tuple[str, ...]
    transparent: tuple[str, ...] = ()
    sound: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    muxing: tuple[str, ...] = ()
    bulk: tuple[float, float] = (0.05, 0.05)

    @property
    def animated_picture(self) -> bool:
        """Whether it has a palette instead of a video codec, and no sound."""
        return self.muxer == "gif"


CONTAINERS = {
    ".mp4": Container("mp4", _H264, (), _AAC, ("aac",), _INDEX_FIRST),
    ".mov": Container(
        "mov", _H264, (*_PRORES_4444, "-pix_fmt", "yuva444p10le"), _AAC, ("aac",), _INDEX_FIRST, (0.05, 2.2)
    ),
    ".webm": Container(
        "webm",
        (*_VP9, "-pix_fmt", "yuv420p"),
        (*_VP9, "-auto-alt-ref", "0", "-pix_fmt", "yuva420p"),
        ("-c:a", "libopus", "-b:a", "96k"),
        ("opus", "vorbis"),
        ("-fflags", "+bitexact"),
    ),
    ".gif": Container(
        "gif", ("-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "rgb24"), bulk=(1.3, 1.3)
    ),
}
TRANSPARENT = tuple(suffix for suffix, container in CONTAINERS.items() if container.transparent)


def container_of(path: Path, transparent: bool = False) -> Container:
    """What a file of that name is. Raises InputError if no such file is written, or none that can be transparent."""
    container = CONTAINERS.get(path.suffix.lower())
    name = shortened(str(path))
    if container is None:
        raise InputError(f"{name} is the output; expected a name that ends in {_either(tuple(CONTAINERS))}.")
    if transparent and not container.transparent:
        endings = _either(TRANSPARENT)
        raise InputError(f"{name} is to have a transparent background; expected a name that ends in {endings}.")
    return container


def check_video_target(target: Path, transparent: bool = False, *sources: Path | None) -> Container:
    """What a file of that name is. Raises InputError if none can be written there; see `files.check_target`."""
    container = container_of(target, transparent)
    check_target(target, target.suffix.lower(), *sources)
    return container


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
