"""Pictures that are encoded and the sound of a file, put together as one file without encoding the pictures again."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from vasa_core.errors import InputError
from vasa_core.io.audio import CodedSound, coded_sound, on_timeline
from vasa_core.io.containers import Container
from vasa_core.io.ffmpeg import file_argument, input_arguments, quiet_command
from vasa_core.rates import FPS, exact_div

_AUDIO_RATE = 48_000  # Hz, of the written file
_EQUAL_SECONDS = 1e-4
# Samples that are no number, or beyond [-1, 1]: as the speech encoder hears them. The AAC encoder stops at them.
_CLEAN = "aeval=exprs='if(isnan(val(ch)),0,clip(val(ch),-1,1))':c=same"
_AUDIO_SAMPLES_PER_FRAME = exact_div(_AUDIO_RATE, FPS)


class Muxer:
    """Makes a file of one kind of pictures and sound.

    Sound that the kind of file has and that ends with the frames at the latest is copied as it is; other sound is cut
    or filled with silence to exactly the frames' length.
    """

    def __init__(
        self, kind: Container, part: Path, audio: Path | None, metadata: Mapping[str, str], transparent: bool
    ) -> None:
        """part: where the file is written. audio: a file with sound. metadata: tags of the container.

        Raises InputError if the sound cannot go into such a file.
        """
        self._kind, self._part, self._metadata, self._transparent = kind, part, dict(metadata), transparent
        self._audio = audio if kind.sound else None
        self._copied = self._copied_sound()
        if self._audio is not None:
            self._try_sound(self._audio, self._encoded_sound(_AUDIO_RATE))
            if self._copied is not None:
                self._try_sound(self._audio, ["-c:a", "copy"])

    def command(self, pictures: Sequence[str], frames: int) -> list[str]:
        """ffmpeg's, which writes the part. pictures: arguments that open them. frames: that they are."""
        command = [*quiet_command(), *pictures]
        if self._audio is not None:
            command += [*input_arguments(self._audio), "-map", "0:v:0", "-map", "1:a:0", *self._sound_options(frames)]
        command += ["-c:v", "copy", "-map_metadata", "-1"]
        for key, value in self._metadata.items():
            command += ["-metadata", f"{key}={value}"]
        if self._transparent and self._kind.muxer == "webm":
            command += ["-metadata:s:v:0", "alpha_mode=1"]
        return [*command, *self._kind.muxing, "-f", self._kind.muxer, "-y", file_argument(self._part)]

    def _copied_sound(self) -> CodedSound | None:
        """The sound as it is stored, if such can be copied into this kind of file."""
        found = coded_sound(self._audio) if self._audio is not None else None
        return found if found is not None and found.codec in self._kind.copied else None

    def _try_sound(self, audio: Path, options: list[str]) -> None:
        """Put a second of the sound into a file as it will be in the end."""
        sound = [*input_arguments(audio), "-map", "0:a:0", "-t", "1", *options]
        command = [*quiet_command(), *sound, "-f", self._kind.muxer, "-y", file_argument(self._part)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        finally:
            self._part.unlink(missing_ok=True)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["ffmpeg stopped"]
            raise InputError(f"The sound of {audio.name} cannot go into a video ({said[-1]}); expected another file.")

    def _sound_options(self, frames: int) -> list[str]:
        samples = frames * _AUDIO_SAMPLES_PER_FRAME
        if self._copied and self._copied.seconds <= samples / _AUDIO_RATE + _EQUAL_SECONDS:
            return ["-c:a", "copy"]
        return self._encoded_sound(samples)

    def _encoded_sound(self, samples: int) -> list[str]:
        """A video's sound, made of any: cut or filled with silence to `samples` of _AUDIO_RATE."""
        exact_length = f"apad=whole_len={samples},atrim=end_sample={samples}"
        return ["-af", f"{on_timeline(_AUDIO_RATE)},{_CLEAN},{exact_length}", *self._kind.sound]
