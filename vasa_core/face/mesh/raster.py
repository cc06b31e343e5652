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

EDGE = -1e-4  # barycentric tolerance: shared edges leave no cracks
FAR = 1e9
MIN_AREA = 1e-6  # px^2; thinner triangles draw nothing

Box = tuple[int, int, int, int]  # left, top, right, bottom; px, the last two not in it


@numba.njit(cache=True, nogil=True)
@no_type_check
def _rasterize(
    vertices: np.ndarray,
    source: np.ndarray,
    triangles: np.ndarray,
    box: tuple[int, int, int, int],
    flow: np.ndarray,
    depth: np.ndarray,
) -> None:
    box_left, box_top, box_right, box_bottom = box
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1 = vertices[a, 0], vertices[a, 1], vertices[b, 0], vertices[b, 1]
        x2, y2 = vertices[c, 0], vertices[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < MIN_AREA:
            continue
        inverse = 1.0 / area
        left, right = max(box_left, int(np.ceil(min(x0, x1, x2)))), min(box_right - 1, int(np.floor(max(x0, x1, x2))))
        top, bottom = max(box_top, int(np.ceil(min(y0, y1, y2)))), min(box_bottom - 1, int(np.floor(max(y0, y1, y2))))
        for y in range(top, bottom + 1):
            first, last = float(left), float(right)
            for k in range(3):  # the row's part on the inner side of each edge, a pixel more on both ends
                if k == 0:
                    px, py, qx, qy = x0, y0, x1, y1
                elif k == 1:
                    px, py, qx, qy = x1, y1, x2, y2
                else:
                    px, py, qx, qy = x2, y2, x0, y0
                step = (py - qy) * inverse
                value = ((qx - px) * (y - py) + (qy - py) * px) * inverse - EDGE
                if step > 0:
                    first = max(first, -value / step - 1)
                elif step < 0:
                    last = min(last, -value / step + 1)
            for x in range(int(first), int(last) + 1):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
                w0 = 1.0 - w1 - w2
                if w0 >= EDGE and w1 >= EDGE and w2 >= EDGE:
                    z = w0 * vertices[a, 2] + w1 * vertices[b, 2] + w2 * vertices[c, 2]
                    if z < depth[y, x]:
                        depth[y, x] = z
                        flow[y, x, 0] = w0 * source[a, 0] + w1 * source[b, 0] + w2 * source[c, 0]
                        flow[y, x, 1] = w0 * source[a, 1] + w1 * source[b, 1] + w2 * source[c, 1]


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
    depth = np.full(size, FAR)
    whole = (0, 0, size[1], size[0])
    _rasterize(vertices.astype(np.float64), source.astype(np.float64), triangles, box or whole, flow, depth)
    return flow, depth < FAR


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
