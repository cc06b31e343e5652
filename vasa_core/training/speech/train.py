"""Training of the block speech encoder: phones, a teacher's features, loudness and pitch, from dirty sound.

Wav2Vec2's architecture (arXiv:2006.11477) at a fortieth of its size; instead of its masked prediction, which needs
thousands of hours, supervision by known phones and by a trained encoder's features.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vasa_core.audio.block_wav2vec2 import (
    AHEAD,
    ARCHITECTURE,
    BLOCK,
    HISTORY,
    STEPS_PER_FRAME,
    WINDOW,
    build_network,
    steps_of,
    transformed,
)
from vasa_core.audio.phones import PHONES, UNKNOWN
from vasa_core.checkpoint import load_tensors, optimizer_tensors, restore_optimizer, save_checkpoint, save_tensors
from vasa_core.data.noise import SpeechBatch, SpeechCrops, clean_crop
from vasa_core.errors import InputError
from vasa_core.training.engine.accelerator import cpu_autocast
from vasa_core.training.speech.data import Utterance

LEARNED = slice(8, WINDOW - AHEAD)  # steps of a crop that hear enough on both sides to be judged
_CHECK_UTTERANCES = 120


@dataclass(frozen=True)
class SpeechTrainingConfig:
    """One run. steps: 0 trains for `minutes`. *_weight: of the losses. seed: of weights, crops and noise."""

    batch: int = 48
    steps: int = 0
    minutes: float = 30.0
    learning_rate: float = 1.5e-3
    warmup: int = 150
    phone_weight: float = 1.0
    teacher_weight: float = 1.0
    voice_weight: float = 0.3
    average_decay: float = 0.998
    half: bool = True
    snapshot_minutes: float = 4.0
    seed: int = 0


class Heads(nn.Module):
    """What the features are asked for in training; not part of the encoder."""

    def __init__(self, channels: int, teacher: int) -> None:
        super().__init__()
        self.phones = nn.Linear(channels, len(PHONES))
        self.voice = nn.Linear(channels, 3)
        self.teacher = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, teacher))


class SpeechRun:
    """A run's state: encoder, heads, averaged encoder, optimiser, step, seconds; and the folder that records it."""

    def __init__(self, config: SpeechTrainingConfig, utterances: Sequence[Utterance], folder: Path) -> None:
        """Raises InputError if there is no utterance to train on."""
        self.config, self.folder = config, folder
        self.train = [u for u in utterances if u.split == "train"]
        self.val = [u for u in utterances if u.split != "train"]
        if not self.train:
            raise InputError("there is no speech to train on; expected at least one utterance of the split 'train'.")
        sample = np.concatenate([u.teacher[::7] for u in self.train[::3]]).astype(np.float32)
        self.mean, self.std = torch.from_numpy(sample.mean(0)), torch.from_numpy(sample.std(0) + 1e-3)
        torch.manual_seed(config.seed)
        self.network = build_network(ARCHITECTURE)
        self.heads = Heads(ARCHITECTURE["hidden_size"], len(self.mean))
        self.average = {name: value.detach().clone() for name, value in self._parameters()}
        self.optimizer = torch.optim.AdamW(
            [value for _, value in self._parameters()], config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
        )
        self.step, self.seconds = 0, 0.0

    def _parameters(self) -> list[tuple[str, nn.Parameter]]:
        parts = (("network", self.network), ("heads", self.heads))
        return [(f"{part}.{name}", value) for part, module in parts for name, value in module.named_parameters()]

    def losses(self, batch: SpeechBatch) -> dict[str, Float[Tensor, ""]]:
        """Weighted losses by name."""
        config = self.config
        with cpu_autocast(config.half):
            found = transformed(self.network, steps_of(self.network, batch.sound))  # (b, steps, channels)
            phones, voice = self.heads.phones(found).float(), self.heads.voice(found).float()
            frames = found.unflatten(1, (-1, STEPS_PER_FRAME)).mean(2)
            taught = self.heads.teacher(frames).float()
        wanted = (batch.teacher - self.mean) / self.std
        inner = slice(LEARNED.start // STEPS_PER_FRAME, LEARNED.stop // STEPS_PER_FRAME)
        labels, truth = batch.phones[:, LEARNED].flatten(), batch.voice[:, LEARNED]
        return {
            "phones": config.phone_weight
            * F.cross_entropy(phones[:, LEARNED].flatten(0, 1), labels, ignore_index=UNKNOWN),
            "teacher": config.teacher_weight * F.mse_loss(taught[:, inner], wanted[:, inner]),
            "voice": config.voice_weight * voice_loss(voice[:, LEARNED], truth),
        }

    def train_step(self, batch: SpeechBatch, progress: float) -> dict[str, float]:
        """One step; progress: share of the run that is done, for the learning rate."""
        self.network.train()
        scale = min(1.0, (self.step + 1) / self.config.warmup) * max(0.02, 0.5 * (1 + np.cos(np.pi * progress)))
        self.optimizer.param_groups[0]["lr"] = self.config.learning_rate * scale
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # of dropout
            losses = self.losses(batch)
        self.optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_([value for _, value in self._parameters()], 1.0)
        self.optimizer.step()
        decay = min(self.config.average_decay, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, value in self._parameters():
                self.average[name].lerp_(value, 1 - decay)
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def averaged(self) -> tuple[nn.Module, Heads]:
        """Encoder and heads with the averaged weights."""
        network, heads = build_network(ARCHITECTURE), Heads(ARCHITECTURE["hidden_size"], len(self.mean))
        for part, module in (("network", network), ("heads", heads)):
            values = {n.split(".", 1)[1]: v for n, v in self.average.items() if n.split(".", 1)[0] == part}
            module.load_state_dict(values, strict=True)
        return network.eval(), heads.eval()

    def save(self, out: Path) -> None:
        """Write the state from which `resume` goes on, and the averaged encoder as a checkpoint."""
        tensors = {name: value.detach() for name, value in self._parameters()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= optimizer_tensors("optimizer", self.optimizer)
        facts = {"step": str(self.step), "seconds": str(self.seconds), "config": json.dumps(asdict(self.config))}
        save_tensors(self.folder / "state.safetensors", tensors, facts)
        save_checkpoint(out, dict(ARCHITECTURE), dict(self.averaged()[0].state_dict()))

    def resume(self) -> None:
        """Go on from the folder's state, if it has one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "state.safetensors"
        if not path.is_file():
            return
        tensors, facts = load_tensors(path)
        with torch.no_grad():
            for name, value in self._parameters():
                value.copy_(tensors[name])
        self.average = {name: tensors[f"average.{name}"] for name in self.average}
        restore_optimizer("optimizer", self.optimizer, tensors)
        self.step, self.seconds = int(facts["step"]), float(facts["seconds"])


def voice_loss(found: Float[Tensor, "b steps 3"], truth: Float[Tensor, "b steps 3"]) -> Float[Tensor, ""]:
    """Of loudness, voicing (logits) and, where it is voiced, pitch; see `SpeechBatch.voice`."""
    loudness, voiced, pitch = found.unbind(-1)
    wanted_loudness, sung, wanted_pitch = truth.unbind(-1)
    off_pitch = (sung * (pitch - wanted_pitch).square()).sum() / sung.sum().clamp_min(1)
    return 0.2 * F.mse_loss(loudness, wanted_loudness) + F.binary_cross_entropy_with_logits(voiced, sung) + off_pitch


@torch.no_grad()
def phone_scores(run: SpeechRun) -> dict[str, float]:
    """On clean speech of voices never trained on, with the look-ahead of use: share of steps whose phone is right, by
    kind of speech; and how much of the teacher's variance is explained."""
    network, heads = run.averaged()
    right: dict[str, list[float]] = {}
    explained = []
    for utterance in run.val[:: max(1, len(run.val) // _CHECK_UTTERANCES)]:
        crops = [clean_crop(utterance, s - HISTORY) for s in range(0, len(utterance.labels) - BLOCK + 1, BLOCK)]
        if not crops:
            continue
        sound = torch.from_numpy(np.stack([crop[0] for crop in crops]))
        found = transformed(network, steps_of(network, sound))[:, HISTORY : HISTORY + BLOCK]  # pyright: ignore
        labels = np.stack([crop[1] for crop in crops])[:, HISTORY : HISTORY + BLOCK]
        guess = heads.phones(found).argmax(-1).numpy()
        if (labels != UNKNOWN).any():
            right.setdefault(utterance.kind, []).extend((guess == labels)[labels != UNKNOWN].tolist())
        frames = slice(HISTORY // STEPS_PER_FRAME, (HISTORY + BLOCK) // STEPS_PER_FRAME)
        wanted = (torch.from_numpy(np.stack([crop[2] for crop in crops])[:, frames]) - run.mean) / run.std
        taught = heads.teacher(found.unflatten(1, (-1, STEPS_PER_FRAME)).mean(2))
        explained.append(float(1 - (taught - wanted).square().mean() / wanted.square().mean()))
    scores = {f"phones_{kind}": round(float(np.mean(values)), 4) for kind, values in sorted(right.items())}
    return {**scores, "teacher_explained": round(float(np.mean(explained)), 4) if explained else 0.0}


def train_speech(
    utterances: Sequence[Utterance], config: SpeechTrainingConfig, out: Path, folder: Path
) -> dict[str, float]:
    """Train to the end, from the state in `folder` if there is one; the encoder goes to `out`. Returns its scores."""
    from tqdm import tqdm

    run = SpeechRun(config, utterances, folder)
    run.resume()
    crops = SpeechCrops(run.train, config.batch, config.seed, run.step)
    loader = iter(DataLoader(crops, batch_size=None, num_workers=1, prefetch_factor=4))
    bar = tqdm(desc="training the speech encoder", total=config.steps or None, initial=run.step)
    last = time.monotonic()
    start, scores = last - run.seconds, {}
    while True:
        run.seconds = time.monotonic() - start
        progress = run.step / config.steps if config.steps else run.seconds / (60 * config.minutes)
        due = run.step > 0 and time.monotonic() - last >= 60 * config.snapshot_minutes
        if due or progress >= 1:
            run.save(out)
            scores = phone_scores(run)
            line = json.dumps({"step": run.step, "minutes": round(run.seconds / 60, 1), **scores})
            bar.write(line)
            with (folder / "scores.jsonl").open("a") as stream:
                stream.write(line + "\n")
            last = time.monotonic()
        if progress >= 1:
            return scores
        values = run.train_step(next(loader), progress)
        bar.update()
        if run.step % 20 == 0:
            bar.set_postfix({name: f"{value:.3f}" for name, value in values.items()})
