"""Rings of vertices around the face: skull and hair follow the head, shoulders stay where they are but for breath, the
background altogether."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vasa_core.face.pose import LOG_DISTANCE, ROLL, project, unproject
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, CHIN, FACE_OVAL, FOREHEAD, STABLE
from vasa_core.types import Border, Motion

RADII = (1.18, 1.42, 1.7, 2.1, 2.7)  # of the face oval
HEAD_DEPTH = 0.55  # face widths behind the eyes: where a head is widest, and its outline lies
BACK = (0.45, 0.85, 1.0, 1.0, 1.0)  # how far each ring has gone back from the face oval to there
ROUND = (0.25, 0.7, 1.0, 1.0, 1.0)  # how far each ring keeps its width in a turn, as the outline of a ball does
NECK = (0.03, -0.34)  # face heights above the chin: from the first, all of the rigid motion; at the second, none
SHOULDER = (0.5, 0.8)  # face widths beside the chin: from there on, shoulders and collars reach higher, by so much each
BORDER_REACH = 0.3  # face heights from the photo's border on which what lies there moves less
# A picture in one piece has to bend between head and background: rigid weight of each ring above the face (hair) ...
WHOLE_UP = (1.0, 0.95, 0.5, 0.0, 0.0)
WHOLE_SIDE = (1.0, 0.8, 0.3, 0.0, 0.0)
WHOLE_DOWN = (0.85, 0.4, 0.1, 0.0, 0.0)  # ... and below it (neck, shoulders)


@dataclass(frozen=True)
class Skull:
    """Ring vertices, rings from the inside out. photo: in the photo, px, with depth. rings: in canonical space.

    axis: canonical too, the point of the head's axis that is as deep as each vertex. weights: rigid weights. trunk:
    share of the shoulders' rise that each makes besides.
    """

    photo: Float[np.ndarray, "rings 3"]
    rings: Float[np.ndarray, "rings 3"]
    axis: Float[np.ndarray, "rings 3"]
    weights: Float[np.ndarray, " rings"]
    trunk: Float[np.ndarray, " rings"]

    def moved(
        self, motion: Motion, own: Float[np.ndarray, " 6"], size: tuple[int, int], depth_offset: float
    ) -> Float[np.ndarray, "n rings 3"]:
        """Where the vertices are drawn, px of a picture of `size`. own: the photo's pose."""
        pose = motion.pose
        placed = project(
            np.broadcast_to(np.concatenate([self.rings, self.axis]), (len(pose) + 1, 2 * len(self.rings), 3)),
            np.concatenate([pose, own[None]]),
            size,
        )
        rigid, axis = placed[:-1, : len(self.rings)], placed[:-1, len(self.rings) :]  # (n, rings, 3)
        own_axis = placed[-1, len(self.rings) :]
        angle, scale = pose[:, ROLL] - own[ROLL], np.exp(own[LOG_DISTANCE] - pose[:, LOG_DISTANCE])
        cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
        upright = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)  # (n, 2, 2)
        ball = axis[..., :2] + np.einsum("nij,rj->nri", upright, self.photo[:, :2] - own_axis[:, :2])
        roundness = np.repeat(ROUND, len(FACE_OVAL))[:, None]
        rigid[..., :2] += roundness * (ball - rigid[..., :2])
        rigid[..., 2] += depth_offset
        moved = self.photo + self.weights[:, None] * (rigid - self.photo)  # (n, rings, 3)
        if motion.breath is not None:
            rise = motion.breath * size[0] * np.exp(-own[LOG_DISTANCE])  # (n,) px
            moved[..., 1] -= self.trunk * rise[:, None]
        return moved


def ring_vertices(landmarks: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "rings 3"]:
    """Ring vertices in the photo (px, with depth), rings from the inside out."""
    oval = landmarks[list(FACE_OVAL)]
    centre = oval.mean(0)
    width = np.linalg.norm(landmarks[CHEEK_LEFT] - landmarks[CHEEK_RIGHT])
    back = landmarks[list(STABLE), 2].mean() + HEAD_DEPTH * width
    rings = [
        np.column_stack([(centre + (oval - centre) * radius)[:, :2], oval[:, 2] + share * (back - oval[:, 2])])
        for radius, share in zip(RADII, BACK, strict=True)
    ]
    return np.concatenate(rings)


def build_skull(
    landmarks: Float[np.ndarray, "points 3"],
    similarity: tuple[Float[np.ndarray, "1 3 3"], Float[np.ndarray, " 1"], Float[np.ndarray, "1 3"]],
    layered: bool,
    border: Border | None = None,
) -> Skull:
    """The rings of a photographed face. similarity: canonical space -> photo px. layered: see `layer_weights`.

    border: where the whole photo ends, px. There everything stays where it is.
    """
    photo = ring_vertices(landmarks)
    axis = photo.copy()
    axis[:, :2] = landmarks[list(FACE_OVAL), :2].mean(0)
    weights = layer_weights(landmarks, photo) if layered else whole_weights(landmarks)
    trunk = 1 - weights if layered else np.zeros(len(weights))
    trunk[-len(FACE_OVAL) :] = 0
    if border is not None:
        share = inside_share(landmarks, photo, border)
        weights, trunk = weights * share, trunk * share
        photo[:, :2] = np.clip(photo[:, :2], border[:2], border[2:])
    rings, axis = (unproject(points[None], *similarity)[0] for points in (photo, axis))
    return Skull(photo, rings, axis, weights, trunk)


def inside_share(
    landmarks: Float[np.ndarray, "points 3"], points: Float[np.ndarray, "n 3"], border: Border
) -> Float[np.ndarray, " n"]:
    """Of points' motion, 0..1: none on the photo's border and beyond it, all of it BORDER_REACH within."""
    height = np.linalg.norm(landmarks[FOREHEAD, :2] - landmarks[CHIN, :2])
    room = np.minimum(points[:, :2] - border[:2], np.array(border[2:]) - points[:, :2]).min(1)
    share = np.clip(room / (BORDER_REACH * height), 0, 1)
    return share**2 * (3 - 2 * share)


def layer_weights(
    landmarks: Float[np.ndarray, "points 3"], rings: Float[np.ndarray, "rings 3"]
) -> Float[np.ndarray, " rings"]:
    """Rigid weights of the rings where the person is a layer of its own: head and hair 1, falling to 0 down the neck.

    The outermost ring, where that layer is as good as empty, stays.
    """
    face = landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]
    height = np.linalg.norm(face)
    up = face / height + [0, -1]  # shoulders hold themselves upright, however the head is tilted
    up /= np.linalg.norm(up)
    offset = rings[:, :2] - landmarks[CHIN, :2]
    width = np.linalg.norm(landmarks[CHEEK_LEFT] - landmarks[CHEEK_RIGHT])
    beside = np.abs(offset @ [-up[1], up[0]]) / width
    above = offset @ up / height - SHOULDER[1] * np.maximum(beside - SHOULDER[0], 0)
    share = np.clip((above - NECK[1]) / (NECK[0] - NECK[1]), 0, 1)
    weights = share**2 * (3 - 2 * share)
    weights[-len(FACE_OVAL) :] = 0
    return weights


def whole_weights(landmarks: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " rings"]:
    """Rigid weights of the rings where person and background are one piece."""
    oval = landmarks[list(FACE_OVAL), :2]
    spread = oval - oval.mean(0)
    up = -spread[:, 1] / np.linalg.norm(spread, axis=1)  # 1 above the centre, -1 below
    weights = [
        beside + np.maximum(up, 0) * (above - beside) + np.maximum(-up, 0) * (below - beside)
        for above, beside, below in zip(WHOLE_UP, WHOLE_SIDE, WHOLE_DOWN, strict=True)
    ]
    return np.concatenate(weights)
