"""How well the renderer paints held-out pairs: scores beside the bare warp, and a sheet of pictures."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from vasa_core.data.crops import FaceClip
from vasa_core.face.inpaint.channels import OPENING, WARPED
from vasa_core.face.inpaint.network import PatchNetwork, blended
from vasa_core.training.losses.perceptual import Perceptual
from vasa_core.training.renderer.data import Batch, make_pairs, regions_of, stacked
from vasa_core.training.renderer.losses import about_opening

SHEET_PAIRS, SMALL_PATCH = 45, 64  # pairs, px
VALIDATION_PAIRS = 6  # a clip


def focus(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _h _w"]:
    """The part of a patch in which lips, chin and lids move: its middle three quarters."""
    height, width = image.shape[-2:]
    return image[..., height // 8 : height - height // 8, width // 8 : width - width // 8]


def seen(image: Float[Tensor, "b c h w"], patch: int) -> Float[Tensor, "b c _h _w"]:
    """What the perceptual loss sees: large patches at half size, where it costs a quarter and sees more at once."""
    return F.avg_pool2d(image, 2) if patch > SMALL_PATCH else image


def validation_pairs(clips: list[FaceClip], triangles: np.ndarray, network: str) -> list[Batch]:
    """Fixed pairs of every clip, one batch a clip.

    Mouths: photos over all openings, driving frames of the more open half. Eyes: photos of open eyes, driving frames
    over all openings.
    """
    batches = []
    for clip in clips:
        pairs = []
        for number, (photo, driving) in enumerate(_fixed_frames(clip, network)):
            regions = regions_of(network)
            pairs += make_pairs(clip, photo, [driving], regions[number % len(regions)], triangles)
        batches.append(stacked(pairs))
    return batches


def _fixed_frames(clip: FaceClip, network: str) -> list[tuple[int, int]]:
    order = np.argsort(clip.lips if network == "mouth" else clip.lids)
    last, count = len(order) - 1, min(VALIDATION_PAIRS, len(order))
    first = 0 if network == "mouth" else len(order) // 2
    photos = order[np.linspace(first, last, count).astype(int)]
    driving = order[np.linspace(last, last // 2 if network == "mouth" else 0, count).astype(int)]
    return list(zip(photos.tolist(), driving.tolist(), strict=True))


@torch.no_grad()
def scores(network: PatchNetwork, perceptual: Perceptual, batches: list[Batch]) -> dict[str, float]:
    """L1 (scale -1..1) inside the opening and in the whole patch, and perceptual distance about the opening and in the
    middle of the patch, of the warp alone and of the painted patch."""
    rows = []
    for x, source, truth, judged, *_ in batches:
        warped = x[:, WARPED] * judged + truth * (1 - judged)
        painted = blended(x, *network(x, network.source(source))) * judged + truth * (1 - judged)
        inner = (x[:, OPENING] + 1) / 2
        row, near_truth = {}, seen(focus(truth), network.config.patch)
        for name, image in (("warp", warped), ("painted", painted)):
            row[f"inner_l1_{name}"] = ((image - truth).abs() * inner).sum() / (3 * inner.sum()).clamp_min(1)
            row[f"l1_{name}"] = (focus(image) - focus(truth)).abs().mean()
            row[f"perceptual_{name}"] = perceptual(seen(focus(image), network.config.patch), near_truth)
            row[f"inner_perceptual_{name}"] = perceptual(*about_opening(x, image, truth))
        rows.append({key: float(value) for key, value in row.items()})
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}


@torch.no_grad()
def contact_sheet(network: PatchNetwork, batches: list[Batch]) -> UInt8[np.ndarray, "height width 3"]:
    """Photo | warped | painted | truth, three a row, the hardest pair of each clip first. RGB."""
    x, source, truth = (
        torch.cat([b[k][i : i + 1] for i in (0, 2, 3, 5) for b in batches if len(b.x) > i])[:SHEET_PAIRS]
        for k in range(3)
    )
    painted = blended(x, *network(x, network.source(source)))
    strips = torch.cat([source[:, WARPED], x[:, WARPED], painted, truth], 3)  # (n, 3, p, 4p)
    pixels = ((strips + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    pixels = pixels[: len(pixels) // 3 * 3] if len(pixels) > 2 else pixels[:1]
    rows = [np.concatenate(list(group), 1) for group in np.split(pixels, max(1, len(pixels) // 3))]
    return np.concatenate(rows)
