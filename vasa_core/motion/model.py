"""The motion model: the denoiser with the statistics that normalise motion and audio, as one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.checkpoint import load_checkpoint, save_checkpoint
from vasa_core.motion.conditions import Conditions
from vasa_core.motion.config import DenoiserConfig
from vasa_core.motion.continuity import continued
from vasa_core.motion.denoiser import Denoiser
from vasa_core.motion.guidance import guided
from vasa_core.motion.liveliness import LIVELINESS
from vasa_core.motion.numbers import LEVELS, MotionNumbers
from vasa_core.motion.representation import FACE, GAZE, LIDS
from vasa_core.motion.sampler import sample
from vasa_core.motion.window import Window
from vasa_core.options import EMOTIONS
from vasa_core.weights import config_from

EXPRESSIVENESS = torch.tensor(LEVELS)


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

    @property
    def numbers(self) -> MotionNumbers:
        """The buffers as numpy arrays."""
        return MotionNumbers.of({name: value.cpu().numpy() for name, value in self.named_buffers()})

    def sampled(
        self, window: Window, scales: Mapping[str, float], steps: int, seed: int
    ) -> Float[np.ndarray, "window channels"]:
        """See `MotionSampler`."""
        generator = torch.Generator().manual_seed(seed)
        return self.sample_window(Conditions.of(window), scales, steps, generator)[0].cpu().numpy()

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
