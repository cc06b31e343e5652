"""The motion model: the denoiser with the statistics that normalise motion and audio, as one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.checkpoint import config_from, load_checkpoint, save_checkpoint
from vasa_core.motion.conditions import Conditions
from vasa_core.motion.continuity import continued
from vasa_core.motion.denoiser import Denoiser, DenoiserConfig
from vasa_core.motion.guidance import guided
from vasa_core.motion.liveliness import LIVELINESS
from vasa_core.motion.representation import FACE, GAZE, LIDS
from vasa_core.motion.sampler import sample
from vasa_core.options import EMOTIONS

MOST_LIVELY = 2.5  # standard deviations over people: a style further out is taken for that
EXPRESSIVENESS = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0])  # at which a checkpoint says what liveliness is meant


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation per channel of the training motion (see `representation`) and audio features."""

    motion_mean: Float[Tensor, " channels"]
    motion_std: Float[Tensor, " channels"]
    audio_mean: Float[Tensor, " audio"]
    audio_std: Float[Tensor, " audio"]


@dataclass(frozen=True)
class LivelyPeople:
    """How lively the people of the training data are, and what is meant by expressiveness.

    mean, std: of `motion.liveliness` over people. at: for each of EXPRESSIVENESS, in standard deviations from the mean.
    """

    mean: Float[Tensor, " 4"]
    std: Float[Tensor, " 4"]
    at: Float[Tensor, "5 4"]

    @classmethod
    def usual(cls) -> LivelyPeople:
        """Nothing known: liveliness as it is, one unit more or less for each unit of expressiveness."""
        parts = len(LIVELINESS)
        return cls(torch.zeros(parts), torch.ones(parts), (EXPRESSIVENESS - 1)[:, None] * torch.ones(parts))


class MotionModel(nn.Module):
    """Samples windows of motion. `audio_encoder` names the speech features it was trained on.

    emotion_rest: what each of options.EMOTIONS adds at full strength (see `representation.with_emotion`).
    lively_mean, lively_std: of people's liveliness, by which the condition is normalised. liveliness_at: the condition
    that each of EXPRESSIVENESS means.
    """

    motion_mean: Tensor
    motion_std: Tensor
    audio_mean: Tensor
    audio_std: Tensor
    emotion_rest: Tensor
    lively_mean: Tensor
    lively_std: Tensor
    liveliness_at: Tensor

    def __init__(
        self,
        config: DenoiserConfig,
        statistics: Statistics,
        audio_encoder: str,
        emotion_rest: Float[Tensor, "7 face"] | None = None,
        people: LivelyPeople | None = None,
    ) -> None:
        """emotion_rest: by default emotions add nothing of their own."""
        super().__init__()
        self.config = config
        self.audio_encoder = audio_encoder
        self.denoiser = Denoiser(config)
        for name, value in vars(statistics).items():
            self.register_buffer(name, value.float())
        nothing = torch.zeros(len(EMOTIONS), config.motion_channels - FACE.start)
        self.register_buffer("emotion_rest", nothing if emotion_rest is None else emotion_rest.float())
        people = people or LivelyPeople.usual()
        self.register_buffer("lively_mean", people.mean.float())
        self.register_buffer("lively_std", people.std.float())
        self.register_buffer("liveliness_at", people.at.float())

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> MotionModel:
        """From a checkpoint folder. Raises InputError if it is missing, damaged or of another architecture."""
        checkpoint = load_checkpoint(folder)
        stored = dict(checkpoint.config)
        encoder = str(stored.pop("audio_encoder", ""))
        config = config_from(DenoiserConfig, stored)
        names = ("motion_mean", "motion_std", "audio_mean", "audio_std")
        model = cls(config, Statistics(**{name: checkpoint.tensors[name] for name in names}), encoder)
        model.load_state_dict(checkpoint.tensors, strict=True)
        return model.to(device).eval()

    def save(self, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write a checkpoint folder, of these weights of the denoiser (an average, say) or of its own."""
        tensors = dict(self.state_dict())
        for name, value in (weights or {}).items():
            tensors[f"denoiser.{name}"] = value
        save_checkpoint(folder, {**asdict(self.config), "audio_encoder": self.audio_encoder}, tensors)

    @property
    def device(self) -> torch.device:
        return self.motion_mean.device

    def denormalise(self, x: Float[Tensor, "*shape channels"]) -> Float[Tensor, "*shape channels"]:
        """What the denoiser gives -> motion in `representation` units."""
        return x * self.motion_std + self.motion_mean

    def normalise_audio(self, features: Float[Tensor, "*shape audio"]) -> Float[Tensor, "*shape audio"]:
        """Speech features -> what the denoiser sees."""
        return (features - self.audio_mean) / self.audio_std

    def liveliness(self, expressiveness: float, style: Float[np.ndarray, " 4"] | None = None) -> Float[Tensor, " 4"]:
        """The condition at an expressiveness from 0 to 2: `liveliness_at`, linear in between.

        style: somebody's own `motion.liveliness`, which takes the place of expressiveness 1.
        """
        place = min(max(expressiveness, 0.0), 2.0) / float(EXPRESSIVENESS[1])
        low = min(int(place), len(EXPRESSIVENESS) - 2)
        asked = torch.lerp(self.liveliness_at[low], self.liveliness_at[low + 1], place - low)
        if style is None:
            return asked
        own = (torch.from_numpy(style).to(self.lively_mean) - self.lively_mean) / self.lively_std
        return own.clamp(-MOST_LIVELY, MOST_LIVELY) + asked - self.liveliness_at[len(EXPRESSIVENESS) // 2]

    @torch.inference_mode()
    def sample_window(
        self, conditions: Conditions, scales: Mapping[str, float], steps: int, generator: torch.Generator
    ) -> Float[Tensor, "batch window channels"]:
        """One window of normalised motion per item of `conditions`; noise is drawn on the generator's device.

        Its frames are those of the conditions' audio after the context: the configured window, or fewer.
        Where there is a previous window, motion goes on from it without a jump.
        """
        conditions = conditions.to(self.device)
        beside_eyes = torch.ones(self.config.motion_channels)
        beside_eyes[GAZE] = beside_eyes[LIDS] = 0  # lively people do not blink more: their lids are not guided to
        denoise = guided(self.denoiser.bind, conditions, scales, {"liveliness": beside_eyes})
        follows = conditions.has_previous[:, None, None]

        def on_device(x: Float[Tensor, "batch frames channels"], t: Tensor) -> Float[Tensor, "batch frames channels"]:
            x0 = denoise(x.to(self.device), t.to(self.device))
            return torch.where(follows, continued(x0, conditions.previous), x0).to(generator.device)

        window = conditions.audio.shape[1] - self.config.context
        shape = (len(conditions), window, self.config.motion_channels)
        return sample(on_device, shape, self.denoiser.schedule, steps, generator)
