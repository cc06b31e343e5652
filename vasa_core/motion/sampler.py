"""Few-step sampling of an x0-predicting denoiser: DDIM (Song et al. 2021, eq. 12). A pure function."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vasa_core.motion.schedule import CosineSchedule

Frames = Float[Tensor, "batch frames channels"]
Denoise = Callable[[Frames, Int[Tensor, " batch"]], Frames]


def sample(
    denoise: Denoise,
    shape: tuple[int, int, int],
    schedule: CosineSchedule,
    steps: int,
    generator: torch.Generator,
    eta: float = 0.0,
) -> Frames:
    """x_0 sampled in `steps` calls of `denoise`, from noise of `shape` (batch, frames, channels).

    eta: 0 is deterministic after the first draw (DDIM), 1 adds as much fresh noise as DDPM. All noise is drawn on
    the generator's device.
    """
    times = schedule.spaced(steps)
    x = torch.randn(shape, generator=generator, device=generator.device)
    for now, following in zip(times, [*times[1:], 0], strict=True):
        x0 = denoise(x, torch.full((shape[0],), now))
        kept, kept_next = schedule.alpha_bar(torch.tensor([now, following])).tolist()
        noise = (x - kept**0.5 * x0) / (1 - kept) ** 0.5
        fresh = eta * ((1 - kept_next) / (1 - kept) * (1 - kept / kept_next)) ** 0.5
        x = kept_next**0.5 * x0 + max(1 - kept_next - fresh**2, 0.0) ** 0.5 * noise
        if fresh:
            x = x + fresh * torch.randn(shape, generator=generator, device=generator.device)
    return x
