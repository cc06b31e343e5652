"""What every face model reads from a photo's or a frame's landmarks: who it is, head pose, dynamics, and two layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.face.basis import EXPRESSION, FaceBasis, toward_gaps
from vasa_core.face.limits import freedom_within
from vasa_core.face.measure import eye_gap, lip_gaps
from vasa_core.face.mesh.layers import Layers, take_apart
from vasa_core.face.pose import YAW, fit_similarity, project, unproject
from vasa_core.face.topology import CHIN, FOREHEAD, N_FACE, STABLE
from vasa_core.types import Border, Motion, TrackedImage

BLINKING = 0.7  # of the usual eye gap
TURNED = np.radians([12, 30])  # yaw of a head from which expressions are read too strong, to which they are no use
USUAL_EXPRESSION = 1.3  # standard deviations, of photos seen from the front


@dataclass(frozen=True)
class Identity:
    """Whose face it is: the canonical shape at rest and the eyes' gap at rest (canonical units)."""

    neutral: Float[np.ndarray, "478 3"]
    open_gap: Float[np.ndarray, " 2"]


@dataclass(frozen=True)
class LiftedPhoto:
    """A photo and the face in it.

    layers: person and background of the photo with `margin` px more of its surroundings on each side. landmarks: px of
    `photo`. rest: the photographed face in canonical space. motion: its own pose and dynamics, one frame. centre: of
    the face, px. widest_lids: how far its eyes may open (see `FaceBasis.widest_lids`). freedom: share of head motion
    that there is room for (see `face.limits`).
    """

    photo: UInt8[np.ndarray, "height width 3"]
    layers: Layers
    margin: int
    landmarks: Float[np.ndarray, "478 3"]
    identity: Identity
    rest: Float[np.ndarray, "478 3"]
    depth_offset: float
    motion: Motion
    centre: Float[np.ndarray, " 2"]
    widest_lids: Float[np.ndarray, " 2"]
    freedom: float


class LandmarkEncoder:
    """Landmarks to motion in the mesh face model's basis: the language of the motion model and of all controls."""

    def __init__(self, basis: FaceBasis) -> None:
        self.basis = basis

    def encode_landmarks(
        self, landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int], identity: Identity | None = None
    ) -> tuple[Identity, Motion]:
        """Landmarks in px of images of `size` (height, width), all of one person -> who, and how they move.

        The eyes' rest is the median opening over the frames; with one frame, that frame.
        """
        shapes, pose = self.basis.align(landmarks, size, identity.neutral if identity else None)
        if identity is None:
            neutral = self.basis.neutral(shapes)
            shapes, pose = self.basis.align(landmarks, size, neutral)
            identity = Identity(neutral, np.median(eye_gap(shapes), 0))
        return identity, Motion(pose, self.basis.encode(shapes, identity.neutral, identity.open_gap))

    def encode_driving(self, landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]) -> Motion:
        """Motion of a driving face whose rest is read from its first frame, as a portrait's is from its photo.

        The eyes' rest is the first frame's too, unless it is caught in a blink.
        """
        first, _ = self.encode_landmarks(landmarks[:1], size)
        gap = np.median(eye_gap(self.basis.align(landmarks, size, first.neutral)[0]), 0)
        open_gap = np.where(first.open_gap > BLINKING * gap, first.open_gap, gap)
        return self.encode_landmarks(landmarks, size, Identity(first.neutral, open_gap))[1]

    def lift(
        self,
        tracked: TrackedImage,
        canvas: UInt8[np.ndarray, "canvas_height canvas_width 3"],
        matte: UInt8[np.ndarray, "canvas_height canvas_width"],
        border: Border | None = None,
    ) -> LiftedPhoto:
        """The face of a photo, and its layers. canvas: the photo with more around it, the same on every side.

        matte: opacity of the person in the canvas, 0 to 255. border: where the whole photo ends, px of the crop.
        """
        margin = (canvas.shape[0] - tracked.image.shape[0]) // 2
        landmarks = tracked.landmarks.astype(np.float64)
        identity, motion = self.encode_landmarks(landmarks[None], tracked.image.shape[:2])
        motion = replace(motion, dynamics=self._without_turn(motion))
        stable = list(STABLE)
        similarity = fit_similarity(identity.neutral[stable], landmarks[None, stable])
        ends = landmarks[[FOREHEAD, CHIN], :2] + margin
        rest = unproject(landmarks[None], *similarity)[0]
        return LiftedPhoto(
            photo=tracked.image,
            layers=take_apart(canvas, matte, ends.mean(0), float(np.linalg.norm(ends[0] - ends[1]))),
            margin=margin,
            landmarks=landmarks,
            identity=identity,
            rest=rest,
            depth_offset=float(similarity[2][0, 2]),
            motion=motion,
            centre=landmarks[:N_FACE, :2].mean(0),
            widest_lids=self.basis.widest_lids(rest, motion.dynamics[0]),
            freedom=freedom_within(landmarks, border),
        )

    def _without_turn(self, photo: Motion) -> Float[np.ndarray, "1 dynamics"]:
        """A photo's dynamics, less what only looks like an expression since the head is turned far.

        Landmarks of a far side are guessed: read as an expression they make six times the usual one at 45 degrees, and
        a face that leaves this "expression" comes apart. How far the lips are open is kept.
        """
        dynamics = photo.dynamics.copy()
        own = dynamics[:, EXPRESSION]
        turned = float(np.clip((abs(photo.pose[0, YAW]) - TURNED[0]) / (TURNED[1] - TURNED[0]), 0, 1))
        usual = min(1.0, USUAL_EXPRESSION / max(float(np.sqrt((own**2).mean())), 1e-6))
        away = turned * (1 - usual) * own
        dynamics[:, EXPRESSION] = own - away + away @ lip_gaps(self.basis.dynamics) @ toward_gaps(self.basis.dynamics)
        return dynamics

    def landmarks(self, portrait: LiftedPhoto, motion: Motion) -> Float[np.ndarray, "n 478 3"]:
        """Where the landmarks are drawn, px of the portrait's crop."""
        shapes = self.basis.decode(motion.dynamics, portrait.rest, portrait.motion.dynamics[0])
        points = project(shapes, motion.pose, portrait.photo.shape[:2])
        points[..., 2] += portrait.depth_offset
        return points
