"""Z-buffered rasterisation of a deformed mesh into a dense backward flow, on the CPU (numba) and on any torch device.

The flow says, for each pixel of the picture to be drawn, which point of the photo it shows. Both versions give the
same flow: same edge rule, and of two triangles at equal depth the one with the lower index wins.
"""

from __future__ import annotations

from functools import lru_cache
from typing import no_type_check

import cv2
import numba
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor

from vasa_core.face.mesh.compose import Box

EDGE = -1e-4  # barycentric tolerance: shared edges leave no cracks
FAR = 1e9
MIN_AREA = 1e-6  # px^2; thinner triangles draw nothing


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _rasterize(vertices, source, triangles, box, flow, depth):
    """Draw the triangles into the flow and into the depth, which is the box's part alone, (height, width)."""
    left, top, right, bottom = box
    depth[:] = np.float32(FAR)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1 = vertices[a, 0], vertices[a, 1], vertices[b, 0], vertices[b, 1]
        x2, y2 = vertices[c, 0], vertices[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < MIN_AREA:
            continue
        least, most = max(left, np.ceil(min(x0, x1, x2))), min(right - 1, np.floor(max(x0, x1, x2)))
        upper, lower = max(top, int(np.ceil(min(y0, y1, y2)))), min(bottom - 1, int(np.floor(max(y0, y1, y2))))
        second = (y2 - y0) / area, (x0 - x2) / area  # of two corners' weights: a pixel's step along x and y
        third = (y0 - y1) / area, (x1 - x0) / area
        seconds, thirds = -(x0 * second[0] + y0 * second[1]), -(x0 * third[0] + y0 * third[1])  # in pixel (0, 0)
        z, z_step, z_down = _plane(vertices[a, 2], vertices[b, 2], vertices[c, 2], (seconds, *second), (thirds, *third))
        u, u_step, u_down = _plane(source[a, 0], source[b, 0], source[c, 0], (seconds, *second), (thirds, *third))
        v, v_step, v_down = _plane(source[a, 1], source[b, 1], source[c, 1], (seconds, *second), (thirds, *third))
        for y in range(upper, lower + 1):
            w1, w2 = seconds + y * second[1], thirds + y * third[1]
            low, high = _narrowed(least, most, w1, second[0])
            low, high = _narrowed(low, high, w2, third[0])
            low, high = _narrowed(low, high, 1 - w1 - w2, -second[0] - third[0])
            if not low <= high:
                continue
            first, last = int(np.ceil(low)), int(np.floor(high))
            at = np.float32(z + y * z_down + first * z_step)
            place = np.float32(u + y * u_down + first * u_step), np.float32(v + y * v_down + first * v_step)
            for x in range(first, last + 1):
                along = np.float32(x - first)
                if at + along * np.float32(z_step) < depth[y - top, x - left]:
                    depth[y - top, x - left] = at + along * np.float32(z_step)
                    flow[y, x, 0] = place[0] + along * np.float32(u_step)
                    flow[y, x, 1] = place[1] + along * np.float32(v_step)


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _plane(first, second, third, seconds, thirds):
    """A value over a triangle: in pixel (0, 0), and its steps along x and y.

    first, second, third: at the corners. seconds, thirds: the same three of the last two corners' weights.
    """
    of_second, of_third = second - first, third - first
    return (
        first + of_second * seconds[0] + of_third * thirds[0],
        of_second * seconds[1] + of_third * thirds[1],
        of_second * seconds[2] + of_third * thirds[2],
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _narrowed(low, high, weight, step):
    """Where, from low to high in a row, a corner's weight reaches EDGE. weight: in column 0, step more in each next."""
    if step > 0:
        return max(low, (EDGE - weight) / step), high
    if step < 0:
        return low, min(high, (EDGE - weight) / step)
    return low, (high if weight >= EDGE else low - 1)


def backward_flow(
    vertices: Float[np.ndarray, "vertices 3"],
    source: Float[np.ndarray, "vertices 2"],
    triangles: Int[np.ndarray, "triangles 3"],
    size: tuple[int, int],
    behind: Float32[np.ndarray, "height width 2"] | None = None,
    box: Box | None = None,
) -> tuple[Float32[np.ndarray, "height width 2"], Bool[np.ndarray, "height width"]]:
    """Flow (x, y in px of the photo) of a picture of `size` (height, width), and where the mesh covers it.

    vertices: where each vertex is drawn, px, with depth (smaller = nearer). source: where it is in the photo, px.
    behind: the flow of uncovered pixels; by default they show themselves. box: part of the picture in which the mesh
    is drawn, all of it by default.
    """
    flow = (identity_flow(size) if behind is None else behind).copy()
    left, top, right, bottom = box or (0, 0, size[1], size[0])
    depth = np.empty((bottom - top, right - left), np.float32)
    drawn, shown = vertices.astype(np.float64, copy=False), source.astype(np.float64, copy=False)
    _rasterize(drawn, shown, triangles, (left, top, right, bottom), flow, depth)
    covered = np.zeros(size, bool)
    covered[top:bottom, left:right] = depth < FAR
    return flow, covered


def warp(
    photo: UInt8[np.ndarray, "photo_height photo_width channels"], flow: Float32[np.ndarray, "height width 2"]
) -> UInt8[np.ndarray, "height width channels"]:
    """The photo as the flow shows it, bicubic; beyond its edges the edge's own pixels go on."""
    return _remapped(photo, flow, cv2.INTER_CUBIC)


def sample(
    picture: UInt8[np.ndarray, "photo_height photo_width *channels"], flow: Float32[np.ndarray, "height width 2"]
) -> UInt8[np.ndarray, "height width *channels"]:
    """The same, bilinear: for masks and patches, where what a bicubic kernel overshoots would be seen."""
    return _remapped(picture, flow, cv2.INTER_LINEAR)


def _remapped(picture: np.ndarray, flow: np.ndarray, kernel: int) -> np.ndarray:
    return cv2.remap(picture, flow, None, kernel, borderMode=cv2.BORDER_REPLICATE)  # pyright: ignore


def compile_rasterizer() -> None:
    """Compile the CPU version now, so that the first frame does not wait for it."""
    backward_flow(np.zeros((3, 3)), np.zeros((3, 2)), np.zeros((1, 3), np.int32), (2, 2))


@lru_cache(maxsize=4)
def identity_flow(size: tuple[int, int]) -> Float32[np.ndarray, "height width 2"]:
    """Flow in which each pixel shows itself; not to be written to."""
    y, x = np.mgrid[: size[0], : size[1]]
    flow = np.stack([x, y], -1).astype(np.float32)
    flow.flags.writeable = False
    return flow


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
