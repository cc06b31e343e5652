"""Z-buffered rasterisation of a deformed mesh into a dense backward flow, on the CPU; `raster_torch` does it on a GPU.

The flow says, for each pixel of the picture to be drawn, which point of the photo it shows. Both versions give the
same flow: same edge rule, and of two triangles at equal depth the one with the lower index wins.
"""

from __future__ import annotations

from functools import lru_cache
from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

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
