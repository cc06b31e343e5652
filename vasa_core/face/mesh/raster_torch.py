"""`raster.backward_flow` on any torch device: the same flow by the same rules."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vasa_core.face.mesh.raster import EDGE, FAR, MIN_AREA, identity_flow


def backward_flow_torch(
    vertices: Float[Tensor, "vertices 3"],
    source: Float[Tensor, "vertices 2"],
    triangles: Int[Tensor, "triangles 3"],
    size: tuple[int, int],
    behind: Float[Tensor, "height width 2"] | None = None,
) -> tuple[Float[Tensor, "height width 2"], Bool[Tensor, "height width"]]:
    """`backward_flow` on the tensors' device: every (triangle, pixel of its box) pair at once, then a z-test."""
    height, width = size
    corners, photo = vertices.double()[triangles], source.double()[triangles]  # (T, 3, 3), (T, 3, 2)
    low = corners[..., :2].amin(1).ceil().clamp_min(0).long()
    high = corners[..., :2].amax(1).floor().long().minimum(torch.tensor([width - 1, height - 1], device=low.device))
    sides = (high - low + 1).clamp_min(0)  # (T, xy)
    counts = sides[:, 0] * sides[:, 1]
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)  # (pairs,)
    inside = torch.arange(len(owner), device=owner.device) - (counts.cumsum(0) - counts)[owner]
    x = low[owner, 0] + inside % sides[owner, 0]
    y = low[owner, 1] + inside // sides[owner, 0]
    p0, p1, p2 = (corners[owner, k, :2] for k in range(3))
    area = _cross(p1 - p0, p2 - p0)
    point = torch.stack([x, y], -1).double()
    w1, w2 = _cross(point - p0, p2 - p0) / area, _cross(p1 - p0, point - p0) / area
    weights = torch.stack([1 - w1 - w2, w1, w2], -1)  # (pairs, 3)
    keep = (weights >= EDGE).all(-1) & (area.abs() >= MIN_AREA)
    owner, weights, pixel = owner[keep], weights[keep], (y * width + x)[keep]
    z = (weights * corners[owner, :, 2]).sum(-1)
    depth = torch.full((height * width,), FAR, dtype=z.dtype, device=z.device)
    depth = depth.scatter_reduce(0, pixel, z, "amin")
    front = z == depth[pixel]
    owner, weights, pixel = owner[front], weights[front], pixel[front]
    first = torch.full_like(depth, len(counts), dtype=torch.long).scatter_reduce(0, pixel, owner, "amin")
    won = owner == first[pixel]
    flow = torch.tensor(identity_flow(size), device=z.device) if behind is None else behind
    flow = flow.double().reshape(-1, 2).clone()
    flow[pixel[won]] = (weights[won][..., None] * photo[owner[won]]).sum(1)
    return flow.reshape(height, width, 2).float(), (depth < FAR).reshape(height, width)


def _cross(a: Float[Tensor, "n 2"], b: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    return a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
