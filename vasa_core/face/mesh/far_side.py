"""The side of a face that is turned away from the camera: what a photo does not show of it is the seen side's mirror.

A far cheek's triangles lie, in the photo, over the nose, the mouth or the background. Taken from there, a head that
turns back shows a second nose beside its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from vasa_core.face.topology import N_FACE

CLEAR = 8.0  # px to the person that are needed
COVERED = 0.25  # of a triangle beside the face lies over the face in the photo: it is no place to look for hair
FRONT = -1  # sign of `facing` for triangles that face the camera
LEAST_YAW = np.radians(20)  # of a head; before that all of the face is seen


@dataclass(frozen=True)
class MeshSource:
    """Where the mesh takes its pixels from. points: in the photo, px, of each vertex. triangles: corners.

    hidden: the triangles that the photo does not show: they are drawn only when they face the camera.
    """

    points: Float[np.ndarray, "vertices 2"]
    triangles: Int[np.ndarray, "n 3"]
    hidden: Int[np.ndarray, " hidden"]

    def drawn(
        self, face: Float[np.ndarray, "478 3"], rings: Float[np.ndarray, "rings 3"]
    ) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "drawn 3"]]:
        """Vertices of a frame, and the triangles to be drawn. face, rings: where they are in the frame, px."""
        vertices = np.concatenate([face[:N_FACE], rings])
        if not len(self.hidden):
            return vertices, self.triangles
        vertices = np.concatenate([vertices, face[:N_FACE]])
        vertices = np.tile(vertices, (len(self.points) // len(vertices), 1))
        away = facing(vertices, self.triangles[self.hidden]) * FRONT < 0
        return vertices, np.delete(self.triangles, self.hidden[away], 0)


def facing(vertices: Float[np.ndarray, "vertices _"], triangles: Int[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Twice the area that each triangle shows; its sign says which way its corners go round."""
    a, b, c = np.moveaxis(vertices[triangles, :2], 1, 0)  # (n, 2) each
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]


def mesh_source(
    landmarks: Float[np.ndarray, "478 3"],
    rings: Float[np.ndarray, "rings 3"],
    triangles: Int[np.ndarray, "n 3"],
    mirror: Int[np.ndarray, " 478"],
    yaw: float,
    clear: Float[np.ndarray, " 2"] | None,
) -> MeshSource:
    """The source of a photo. landmarks, rings: px. triangles: the face's, then those of the rings. yaw: of the head.

    Hidden triangles of the face are taken from their mirror image, for which the face's vertices come once more. Those
    of the rings that lie over the face in the photo show nothing: they are taken from `clear`, a point (px) where
    nothing of the person is, if there is one.
    """
    points = np.concatenate([landmarks[:N_FACE], rings])[:, :2]
    of_face = (triangles < N_FACE).all(1)
    turn = facing(points, triangles[of_face])
    hidden = np.flatnonzero(turn * FRONT < 0)
    if abs(yaw) < LEAST_YAW or not len(hidden):
        return MeshSource(points, triangles, np.zeros(0, int))
    taken = triangles.copy()
    taken[hidden] += len(points)
    points = np.concatenate([points, landmarks[mirror[:N_FACE], :2]])
    if clear is not None:
        around = np.flatnonzero(~of_face)
        over = around[_over_face(points, np.delete(triangles[of_face], hidden, 0), triangles[around])]
        taken[over] += len(points)  # all vertices come once more, from that one point
        points = np.concatenate([points, np.broadcast_to(clear, points.shape)])
    return MeshSource(points, taken, hidden)


def clear_point(person: UInt8[np.ndarray, "height width"], margin: int) -> Float[np.ndarray, " 2"] | None:
    """The point farthest from the person, px of the photo inside `margin`; None where the person is everywhere."""
    empty = cv2.distanceTransform((person == 0).astype(np.uint8), cv2.DIST_L2, 3)
    y, x = np.unravel_index(int(empty.argmax()), empty.shape)
    return np.array([x - margin, y - margin], float) if empty[y, x] > CLEAR else None


def _over_face(
    points: Float[np.ndarray, "vertices 2"], face: Int[np.ndarray, "shown 3"], around: Int[np.ndarray, "n 3"]
) -> Bool[np.ndarray, " n"]:
    """Which triangles `around` the face cover some of it."""
    low = np.floor(points.min(0)).astype(int)
    size = np.ceil(points.max(0)).astype(int) - low + 1
    corners = np.rint(points - low).astype(np.int32)
    shown = np.zeros(size[::-1], np.uint8)
    for triangle in corners[face]:
        cv2.fillConvexPoly(shown, triangle, (1,))
    over = []
    for triangle in corners[around]:
        own = np.zeros_like(shown)
        cv2.fillConvexPoly(own, triangle, (1,))
        over.append((shown & own).sum() > COVERED * max(own.sum(), 1))
    return np.array(over)
