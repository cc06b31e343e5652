"""Which landmark is what, and the triangles: MediaPipe's face mesh and rings of skull around it.

The landmarker's own 898 triangles fill the eye openings and the inner lips too.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

N_FACE = 468  # mesh points; 468..477 are the iris points
CHEEK_LEFT, CHEEK_RIGHT = 234, 454  # in the image; their distance is the face's width
FOREHEAD, CHIN = 10, 152

MOUTH_CORNERS = (61, 291)  # image-left, image-right
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
# Points that speech and expression hardly move: pose is fitted on them.
STABLE = (10, 151, 9, 8, 168, 6, 197, 195, 5, 33, 133, 263, 362, 127, 356, 234, 454, 67, 297)


class Eye:
    """Landmarks of one eye; upper[i] and lower[i] meet when the lids close."""

    def __init__(
        self, corners: tuple[int, int], upper: tuple[int, ...], lower: tuple[int, ...], iris: tuple[int, ...]
    ) -> None:
        self.corners = corners  # image-left, image-right
        self.upper = upper
        self.lower = lower
        self.iris = iris  # centre, then four points on the rim
        self.contour = (corners[0], *upper, corners[1], *reversed(lower))


EYES = (
    Eye((33, 133), (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155), (468, 469, 470, 471, 472)),
    Eye(
        (362, 263), (398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249), (473, 474, 475, 476, 477)
    ),
)  # image-left eye, image-right eye

# Inner-lip pairs that meet when the mouth closes: (upper, lower).
LIP_PAIRS = (
    *((191, 95), (80, 88), (81, 178), (82, 87), (13, 14)),
    *((312, 317), (311, 402), (310, 318), (415, 324)),
)


def ring_triangles(first_vertex: int, rings: int) -> Int[np.ndarray, "triangles 3"]:
    """Triangles of `rings` rings around the face oval; ring k's vertices follow each other from `first_vertex`."""
    count = len(FACE_OVAL)
    triangles, inner = [], np.array(FACE_OVAL)
    for ring in range(rings):
        outer = first_vertex + ring * count + np.arange(count)
        for i in range(count):
            j = (i + 1) % count
            triangles += [(inner[i], inner[j], outer[i]), (inner[j], outer[j], outer[i])]
        inner = outer
    return np.array(triangles, np.int32)


def canonical_mesh(task: Path) -> tuple[Float[np.ndarray, "468 3"], Int[np.ndarray, "898 3"]]:
    """The landmarker file's own canonical face, in this package's axes (x right, y down, z away), face width 1.

    Reads the two fields of the `Mesh3d` message that `face_landmarker.task` carries: 5 floats a vertex
    (x, y, z, u, v in centimetres, y up, z towards the camera) and 3 indices a triangle.
    """
    with zipfile.ZipFile(task) as archive:
        data = archive.read("geometry_pipeline_metadata_landmarks.binarypb")
    _, start = _varint(data, 1)
    floats, indices, at = [], [], start
    while at < len(data):
        tag = data[at]
        if tag == 0x1D:  # field 3, 32 bit
            floats.append(struct.unpack_from("<f", data, at + 1)[0])
            at += 5
        elif tag in (0x08, 0x10, 0x20):  # fields 1, 2 and 4, varint
            value, at = _varint(data, at + 1)
            if tag == 0x20:
                indices.append(value)
        else:
            break
    vertices = np.array(floats, np.float64).reshape(-1, 5)[:, :3] * [1, -1, -1]
    vertices -= vertices[list(STABLE)].mean(0)
    vertices /= np.linalg.norm(vertices[CHEEK_LEFT] - vertices[CHEEK_RIGHT])
    return vertices, np.array(indices, np.int32).reshape(-1, 3)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Value of the varint at `at`, and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
