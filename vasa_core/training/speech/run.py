"""The command `train-speech`: read speech, talking videos and synthetic voices in, an encoder with its card out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from vasa_core.audio import open_encoder
from vasa_core.audio.alignment import Aligner, transcripts
from vasa_core.audio.block_wav2vec2 import ARCHITECTURE, LOOK_AHEAD, build_network
from vasa_core.data.synthesis import Synthesiser
from vasa_core.files import write_text
from vasa_core.rates import SAMPLE_RATE
from vasa_core.training.speech.data import (
    Source,
    Utterance,
    load_utterances,
    read_speech,
    synthetic_speech,
    video_speech,
)
from vasa_core.training.speech.train import SpeechTrainingConfig, train_speech

TEACHER = "moonshine"
LONGEST_TEXT = 300  # letters of a sentence that is read aloud


def run_speech_training(
    data: list[Path],
    speech: list[Path],
    synthesiser: Path | None,
    synthetic: int,
    out: Path,
    cache: Path,
    config: SpeechTrainingConfig,
) -> dict[str, float]:
    """Train the block encoder; returns its scores on voices never trained on.

    data: folders of talking videos. speech: folders of read speech with transcripts. synthesiser: folder of Kokoro's
    model and voices, for `synthetic` sentences of the transcripts. Raises InputError for folders without speech,
    MissingModelError for a tool or model that is not installed.
    """
    aligner = Aligner()
    sources: list[Iterator[Source]] = [read_speech(folder, aligner) for folder in speech]
    sources += [video_speech(folder, aligner) for folder in data]
    if synthesiser and synthetic:
        texts = [row.text for folder in speech for row in transcripts(folder) if len(row.text) < LONGEST_TEXT]
        sources.append(synthetic_speech(Synthesiser(synthesiser), texts, synthetic))
    utterances = load_utterances(itertools.chain(*sources), open_encoder(TEACHER), cache / "utterances")
    scores = train_speech(utterances, config, out, cache / "runs" / out.name)
    names = [folder.resolve().name for folder in (*speech, *data)]
    write_text(out / "MODEL_CARD.md", card(utterances, names, config, scores))
    return scores


def card(utterances: list[Utterance], names: list[str], config: SpeechTrainingConfig, scores: dict[str, float]) -> str:
    """The model card."""
    minutes: dict[tuple[str, str], float] = {}
    voices: dict[tuple[str, str], set[str]] = {}
    for utterance in utterances:
        kind = (utterance.kind, utterance.split)
        minutes[kind] = minutes.get(kind, 0.0) + len(utterance.sound) / SAMPLE_RATE / 60
        voices.setdefault(kind, set()).add(utterance.voice)
    used = [f"| {k} | {s} | {len(voices[k, s])} | {minutes[k, s]:.0f} |" for k, s in sorted(minutes)]
    ahead = 1000 * LOOK_AHEAD / SAMPLE_RATE
    size = sum(p.numel() for p in build_network(ARCHITECTURE).parameters()) / 1e6
    return "\n".join(
        [
            "# Speech encoder (`speech`)",
            "",
            f"A small Wav2Vec2 (`transformers`' classes, {size:.1f} M parameters, float16) that turns 16 kHz sound",
            f"into 192 features a video frame. It hears 0.8 s back and at most {ahead:.0f} ms ahead, so it can stream;",
            "streamed and offline features are the same.",
            "",
            "## Training",
            "",
            "Supervised: phones (ARPAbet, cross entropy), Moonshine tiny's features (MIT) as a teacher, loudness,",
            "voicing and pitch. Sound is sped up and slowed down, and goes through rooms, noise, other voices, music,",
            "telephones and coarse quantisation.",
            "",
            f"    python -m vasa_core train-speech {' '.join(names)}",
            "",
            f"Config: `{json.dumps(asdict(config))}`",
            "",
            "| speech | split | voices | minutes |",
            "|---|---|---|---|",
            *used,
            "",
            "Phone times: forced alignment by pocketsphinx (read speech, and clips with known words); of synthetic",
            "speech (Kokoro, Apache-2.0) its own durations.",
            "",
            "## Scores on voices never trained on (of one-voice folders: sentences never trained on)",
            "",
            "| score | value |",
            "|---|---|",
            *(f"| {name} | {value:.3f} |" for name, value in scores.items()),
            "",
            "phones_*: share of 20 ms steps whose phone (of 40) is right, on clean sound, with the look-ahead of use.",
            "",
            "## Limits",
            "",
            "English phones only: other languages are heard as if they were English. Whispering and singing are rare",
            "in the data. Phone times of read speech are an aligner's, not a listener's.",
            "",
        ]
    )
