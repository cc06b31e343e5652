"""The volume face model's smallest preset, made smaller still for tests."""

from __future__ import annotations

import dataclasses

from vasa_core.face.volume.config import preset

SMALL = dataclasses.replace(
    preset("tiny-128"),
    image=64,
    side=64,
    warp_side=8,
    appearance_widths=(8, 8, 16),
    warp_fields=0,
    paints_unseen=False,
    warp_widths=(16, 16, 8),
    identity_widths=(8, 8, 16, 16),
    pose_widths=(8, 8, 16, 16),
    dynamics_widths=(8, 8, 16, 16),
    dynamics_depths=(1, 1, 1, 1),
    pooled=2,
    dropout=0.1,
    decoder_widths=(16, 8, 8),
    unet_widths=(8, 16),
)
