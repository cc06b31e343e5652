"""Classifier-free guidance with one scale per condition (VASA-1, eq. 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jaxtyping import Float, Int
from torch import Tensor

from vasa_core.motion.conditions import Conditions, concatenated
from vasa_core.motion.sampler import Denoise
from vasa_core.motion.window import WITHHELD

Bind = Callable[[Conditions], Denoise]


def guided(
    bind: Bind,
    conditions: Conditions,
    scales: Mapping[str, float],
    channels: Mapping[str, Float[Tensor, " channels"]] | None = None,
) -> Denoise:
    """x_t, t -> (1 + sum_c lambda_c) H(x_t, t, C) - sum_c lambda_c H(x_t, t, C | c = null).

    bind: conditions -> H(., ., conditions). One batched call of the denoiser serves all terms, all from the same x_t.
    Conditions with scale 0, and those that are absent already (their term would cancel), cost nothing. One with scale
    WITHHELD is taken from all terms. channels: share of a condition's scale that each channel of x is guided by, by
    default all of it.
    """
    for name, scale in scales.items():
        if scale == WITHHELD:
            conditions = conditions.without(name)
    active = {name: scale for name, scale in scales.items() if scale != 0 and conditions.present(name)}
    batch = concatenated([conditions, *(conditions.without(name) for name in active)])
    parts = 1 + len(active)
    denoiser = bind(batch)

    def denoise(
        x: Float[Tensor, "batch frames channels"], t: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch frames channels"]:
        full, *nulls = denoiser(x.repeat(parts, 1, 1), t.repeat(parts)).chunk(parts)
        result = full
        for (name, scale), null in zip(active.items(), nulls, strict=True):
            share = scale * channels[name].to(full) if channels and name in channels else scale
            result = result + share * (full - null)
        return result

    return denoise
