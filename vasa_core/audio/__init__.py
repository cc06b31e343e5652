"""Speech features for the motion model: waveform -> one vector per video frame."""

from __future__ import annotations

from vasa_core.assets import resolve
from vasa_core.audio.features import SpeechEncoder, features, stream_features
from vasa_core.audio.moonshine import LiveMoonshine, MoonshineEncoder
from vasa_core.audio.prosody import WithProsody
from vasa_core.errors import InputError

__all__ = ["SpeechEncoder", "features", "live_encoder", "open_encoder", "stream_features"]

PROSODY = "+prosody"


def open_encoder(name: str = "moonshine", threads: int = 1, device: str = "cpu") -> SpeechEncoder:
    """Open the speech encoder of that name: "moonshine" or "wav2vec2:<folder or hub name>".

    Followed by "+prosody", loudness, pitch, voicing and onsets stand beside its features.

    Raises InputError for another name, MissingModelError if its weights are not on this machine.
    """
    if name.endswith(PROSODY):
        return WithProsody(open_encoder(name.removesuffix(PROSODY), threads, device))
    kind, _, source = name.partition(":")
    if kind == "moonshine" and not source:
        return MoonshineEncoder(resolve("speech_encoder"), threads, device)
    if kind == "wav2vec2" and source:
        from vasa_core.audio.wav2vec2 import Wav2Vec2Encoder

        return Wav2Vec2Encoder(source)
    raise InputError(f"speech encoder is {name!r}; expected 'moonshine' or 'wav2vec2:<folder or hub name>'.")


def live_encoder(encoder: SpeechEncoder) -> SpeechEncoder:
    """What hears sound that is still arriving with the same weights: little ahead, where the encoder can do that."""
    if isinstance(encoder, WithProsody):
        return WithProsody(live_encoder(encoder.phonetic))
    return LiveMoonshine(encoder) if isinstance(encoder, MoonshineEncoder) else encoder
