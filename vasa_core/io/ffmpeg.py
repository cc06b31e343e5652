"""How ffmpeg is called: the bundled binary, user paths as data only, and a list of the containers it may open."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg

# Containers of plain audio and video. Playlists (HLS, concat, DASH), image patterns and text "formats" are left
# out: an uploaded file must never make ffmpeg open another file.
_DEMUXERS = (
    "mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,wav,w64,mp3,flac,aac,ac3,eac3,aiff,au,caf,amr,wv,dv,gif"
)
_MAX_VIDEO_PIXELS = 8192 * 4320


def executable() -> str:
    """Path of the ffmpeg binary that ships with imageio-ffmpeg."""
    return imageio_ffmpeg.get_ffmpeg_exe()


def quiet_command() -> list[str]:
    """The start of every ffmpeg command: never reads stdin as commands, prints errors only."""
    return [executable(), "-hide_banner", "-nostdin", "-loglevel", "error"]


def file_argument(path: Path) -> str:
    """A path as ffmpeg takes it, never read as an option, a protocol or a pattern."""
    return f"file:{path.resolve()}"


def input_arguments(path: Path) -> list[str]:
    """Options that open an untrusted file: local files only, known containers only, no huge pictures."""
    limits = ["-protocol_whitelist", "file", "-format_whitelist", _DEMUXERS, "-max_pixels", str(_MAX_VIDEO_PIXELS)]
    return [*limits, "-i", file_argument(path)]
