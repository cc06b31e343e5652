"""Linear face basis in canonical space: identity, facial dynamics, lids and gaze, each closed-form both ways.

z_dyn = [gaze yaw, gaze pitch (rad, in the head), opening of the image-left and image-right eye (1 = this person's
open rest, 0 = closed), K coefficients of the dynamics basis in units of their standard deviation].
Lids and irises are kept out of the basis on purpose: a lid closes exactly and an iris turns by an exact angle on
any face, which no shared linear displacement does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vasa_core.face.measure import CENTRAL_PAIRS, LIPS_MIDDLE, LOWER_LIP, UPPER_LIP, eye_gap, lip_gaps
from vasa_core.face.pose import fit_similarity, to_pose, unproject
from vasa_core.face.topology import EYES, MOUTH_CORNERS, STABLE
from vasa_core.types import Motion

GAZE = slice(0, 2)
LIDS = slice(2, 4)
EXPRESSION = slice(4, None)

LID_MEETING = 0.8  # share of the way from upper to lower lid where they meet: the upper lid does most of the work
BROWS = [70, 63, 105, 66, 107, 300, 293, 334, 296, 336]  # their upper edges
LIP_GAP_NOISE = 0.001  # face widths
CLOSED_LIPS = 0.012  # face widths; an inner-lip gap below this reads as closed
MAX_SINE = 0.9
# What is drawn must go further than what is meant, for the landmarker to read it as it reads real eyes:
IRIS_TRAVEL = (1.15, 1.25)  # times the real travel of an iris, sideways and up; lids hide some of the latter
SHUT, LID_CURVE = 0.15, 1.25  # the opening drawn as shut; how fast lids close from there
MIN_REST_OPENING = 0.2  # a photo with closed eyes has nothing to open
WHITE_ABOVE = 0.05  # of an iris's height: white above it that a wide eye may show
LOWER_LID_TRAVEL = 0.25  # of the iris's: how far the lower lid goes up and down with the gaze

Shape = Float[np.ndarray, "points 3"]
Shapes = Float[np.ndarray, "n points 3"]


def iris_offset(shape: Float[np.ndarray, "*n points 3"]) -> Float[np.ndarray, "*n 2 2"]:
    """(x, y) of each iris centre from the middle of its eye's corners, canonical units: (..., eye, xy)."""
    offsets = [shape[..., eye.iris[0], :2] - shape[..., list(eye.corners), :2].mean(-2) for eye in EYES]
    return np.stack(offsets, -2)


def move_lips(shapes: Shapes, dynamics: Float[np.ndarray, "k points 3"], gaps: Float[np.ndarray, " pairs"]) -> Shapes:
    """Shapes moved along the dynamics, as little as it takes, until their lip gaps are `gaps`."""
    coefficients = (gaps - lip_gaps(shapes)) @ toward_gaps(dynamics)  # (n, k)
    return shapes + np.tensordot(coefficients, dynamics, 1)


def toward_gaps(dynamics: Float[np.ndarray, "k points 3"]) -> Float[np.ndarray, "pairs k"]:
    """The smallest coefficients of the dynamics that change each lip gap by 1 (all but exactly, against noise)."""
    moves = lip_gaps(dynamics)  # (k, pairs)
    return np.linalg.solve(moves.T @ moves + LIP_GAP_NOISE**2 * np.eye(moves.shape[1]), moves.T)


@dataclass(frozen=True)
class FaceBasis:
    """mean: canonical face, lips closed. identity, dynamics: displacement per standard deviation. lids: displacement
    of the skin around each eye per unit of closing. iris_rest: (eye, xy) iris offset when looking straight ahead.
    eyeball_radius: canonical units. iris_gain: share of a real eye's rotation that the landmarker reads. lid_floor:
    measured opening of a closed eye. lid_follow: how much the opening grows per sine of upward gaze. noise: landmark
    noise, canonical."""

    mean: Float[np.ndarray, "478 3"]
    identity: Float[np.ndarray, "identities 478 3"]
    dynamics: Float[np.ndarray, "components 478 3"]
    lids: Float[np.ndarray, "2 478 3"]
    iris_rest: Float[np.ndarray, "2 2"]
    mirror_index: Int[np.ndarray, " 478"]
    eyeball_radius: float
    iris_gain: float
    lid_floor: float
    lid_follow: float
    noise: float

    @property
    def dimensions(self) -> int:
        """Length of z_dyn."""
        return 4 + len(self.dynamics)

    def align(
        self, landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int], neutral: Shape | None = None
    ) -> tuple[Shapes, Float[np.ndarray, "n 6"]]:
        """Landmarks in px of an image of `size` -> canonical shapes and poses, fitted on the stable points."""
        reference = self.mean if neutral is None else neutral
        stable = list(STABLE)
        points = landmarks.astype(np.float64)
        rotation, scale, translation = fit_similarity(reference[stable], points[:, stable])
        return unproject(points, rotation, scale, translation), to_pose(rotation, scale, translation, size)

    def neutral(self, shapes: Shapes) -> Shape:
        """This person's face at rest (z_dyn = 0, open eyes), from one or more canonical shapes of theirs.

        One ridge solve for identity and dynamics of the mean shape (a Gaussian MAP estimate); what the dynamics
        explain is taken off, then the lips are closed: everything else belongs to the person.
        """
        mean = shapes.mean(0)
        rows = self._expression_points
        design = np.concatenate([self.identity[:, rows], self.dynamics[:, rows]]).reshape(-1, 3 * len(rows)).T
        gram = design.T @ design + self._ridge * np.eye(design.shape[1])
        solution = np.linalg.solve(gram, design.T @ (mean - self.mean)[rows].ravel())
        relaxed = mean - np.tensordot(solution[len(self.identity) :], self.dynamics, 1)
        return move_lips(relaxed[None], self.dynamics, lip_gaps(self.mean))[0]

    def parted(self, neutral: Shape, gap: float) -> Shape:
        """A face at rest with its lips so far apart, canonical units."""
        return move_lips(neutral[None], self.dynamics, lip_gaps(self.mean) + gap)[0]

    def encode(
        self, shapes: Shapes, neutral: Shape, open_gap: Float[np.ndarray, " 2"]
    ) -> Float[np.ndarray, "n dynamics"]:
        """Canonical shapes -> z_dyn. open_gap: this person's `eye_gap` at rest."""
        gaze = self.gaze(shapes)
        share = eye_gap(shapes) / open_gap / self._lid_factor(gaze)[:, None]
        lids = np.clip((share - self.lid_floor) / (1 - self.lid_floor), 0, 2)
        rows = self._expression_points
        difference = (shapes - neutral - np.tensordot(1 - lids, self.lids, 1))[:, rows].reshape(len(shapes), -1)
        design = self.dynamics[:, rows].reshape(len(self.dynamics), -1).T
        gram = design.T @ design + self._ridge * np.eye(design.shape[1])
        expression = np.linalg.solve(gram, design.T @ difference.T).T
        return np.concatenate([gaze, lids, expression], 1)

    def gaze(self, shapes: Shapes) -> Float[np.ndarray, "n 2"]:
        """Gaze (yaw, pitch) in the head, rad, from the iris centres of both eyes as the landmarker sees them."""
        offset = (iris_offset(shapes) - self.iris_rest).mean(1) / (self.eyeball_radius * self.iris_gain)  # (n, xy)
        return np.arcsin(np.clip(offset * [1, -1], -MAX_SINE, MAX_SINE))

    def decode(self, dynamics: Float[np.ndarray, "n dynamics"], rest: Shape, rest_dynamics: np.ndarray) -> Shapes:
        """z_dyn -> canonical shapes of the face whose photographed shape is `rest` with z_dyn `rest_dynamics`.

        dynamics == rest_dynamics gives back `rest`. Lids meet exactly at opening SHUT and below, lips never cross.
        """
        expression = dynamics[:, EXPRESSION] - rest_dynamics[EXPRESSION]
        closing = rest_dynamics[LIDS] - dynamics[:, LIDS]  # (n, eye)
        shapes = rest + np.tensordot(expression, self.dynamics, 1) + np.tensordot(closing, self.lids, 1)
        factor = self._lid_factor(dynamics[:, GAZE]) / self._lid_factor(rest_dynamics[None, GAZE])
        drawn, own = (_drawn_opening(lids) for lids in (dynamics[:, LIDS], rest_dynamics[LIDS]))
        opening = drawn * factor[:, None] / np.maximum(own, MIN_REST_OPENING)
        _place_lids(shapes, rest, opening)
        self._lids_follow(shapes, rest, dynamics[:, GAZE], rest_dynamics[GAZE])
        self._place_irises(shapes, rest, dynamics[:, GAZE], rest_dynamics[GAZE])
        _separate_lips(shapes, rest)
        return shapes

    def widest_lids(self, rest: Shape, rest_dynamics: np.ndarray) -> Float[np.ndarray, " 2"]:
        """How far each eye may open before white shows above its iris; no further than in the photo where it does."""
        room = []
        for eye, gap in zip(EYES, eye_gap(rest), strict=True):
            iris = rest[list(eye.iris), 1]
            covered = rest[list(eye.upper)[CENTRAL_PAIRS], 1].mean() - iris.min() + WHITE_ABOVE * np.ptp(iris)
            room.append(max(covered, 0) / (LID_MEETING * gap))
        drawn = np.maximum(_drawn_opening(rest_dynamics[LIDS]), MIN_REST_OPENING) * (1 + np.array(room))
        return SHUT + (1 - SHUT) * drawn ** (1 / LID_CURVE)

    def mirror(self, motion: Motion) -> Motion:
        """The same motion seen in a mirror (left and right exchanged)."""
        pose = motion.pose * [1, -1, -1, -1, 1, 1]
        flipped = self.dynamics[:, self.mirror_index] * [-1, 1, 1]
        rows = self._expression_points
        design = self.dynamics[:, rows].reshape(len(self.dynamics), -1)
        matrix = np.linalg.lstsq(design.T, flipped[:, rows].reshape(len(flipped), -1).T, rcond=None)[0]
        gaze, lids = motion.dynamics[:, GAZE] * [-1, 1], motion.dynamics[:, LIDS][:, ::-1]
        return Motion(pose, np.concatenate([gaze, lids, motion.dynamics[:, EXPRESSION] @ matrix.T], 1))

    def readings(self) -> Float[np.ndarray, "components 4"]:
        """How far one standard deviation of each component moves what shows life in a face, face widths: the gap
        between the lips, the height of the brows over the eyes' corners, the width of the mouth, its corners' rise."""
        moves = self.dynamics
        left, right = MOUTH_CORNERS
        corners = [point for eye in EYES for point in eye.corners]
        brows = moves[:, corners, 1].mean(1) - moves[:, BROWS, 1].mean(1)
        middle = moves[:, list(LIPS_MIDDLE), 1].mean(1)
        rise = middle - moves[:, list(MOUTH_CORNERS), 1].mean(1)
        return np.stack([lip_gaps(moves).mean(1), brows, moves[:, right, 0] - moves[:, left, 0], rise], 1)

    @property
    def _ridge(self) -> float:
        return self.noise**2

    @property
    def _expression_points(self) -> Int[np.ndarray, " points"]:
        """Points that the dynamics are fitted on: all but irises and the lids' edges."""
        lids = {point for eye in EYES for point in (*eye.upper, *eye.lower)}
        return np.array([point for point in range(468) if point not in lids])

    def _lid_factor(self, gaze: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        """The upper lid follows the eye: opening at this gaze over opening when looking straight ahead."""
        return np.clip(1 + self.lid_follow * np.sin(gaze[:, 1]), 0.5, 1.3)

    def _lids_follow(self, shapes: Shapes, rest: Shape, gaze: Float[np.ndarray, "n 2"], rest_gaze: np.ndarray) -> None:
        """Both lids' edges go up and down with the eye until the lower lid has gone LOWER_LID_TRAVEL of its way.

        That the lid factor also moves the lower lid, the other way, is made up for.
        """
        sine = np.sin(gaze[:, 1]) - np.sin(rest_gaze[1])  # (n,)
        for eye, gap in zip(EYES, eye_gap(rest), strict=True):
            up = LOWER_LID_TRAVEL * self.eyeball_radius + (1 - LID_MEETING) * self.lid_follow * gap
            shapes[:, [*eye.upper, *eye.lower], 1] -= (up * sine)[:, None]

    def iris_travel(
        self, gaze: Float[np.ndarray, "n 2"], rest_gaze: Float[np.ndarray, " 2"]
    ) -> Float[np.ndarray, "n 2"]:
        """How far (x, y) both irises are drawn from where they were at another gaze, canonical units."""
        turned = (np.sin(gaze) - np.sin(rest_gaze)) * [1, -1]  # (n, xy)
        return turned * np.multiply(IRIS_TRAVEL, self.eyeball_radius)

    def _place_irises(self, shapes: Shapes, rest: Shape, gaze: Float[np.ndarray, "n 2"], rest_gaze: np.ndarray) -> None:
        turned = self.iris_travel(gaze, rest_gaze)
        for index, eye in enumerate(EYES):
            iris = list(eye.iris)
            middle = shapes[:, list(eye.corners), :2].mean(1)
            centre = middle + iris_offset(rest)[index] + turned  # (n, xy)
            depth = shapes[:, list(eye.corners), 2].mean(1)
            rim = rest[iris] - rest[iris[0]]
            shapes[:, iris, :2] = centre[:, None] + rim[:, :2]
            shapes[:, iris, 2] = depth[:, None]


def _drawn_opening(lids: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Opening to draw for an opening that was read: 1 stays 1, SHUT is 0."""
    return np.maximum((lids - SHUT) / (1 - SHUT), 0) ** LID_CURVE


def _place_lids(shapes: Shapes, rest: Shape, opening: Float[np.ndarray, "n 2"]) -> None:
    """Set the lids' edges so that each eye's gap is `opening` times the photographed gap."""
    for index, eye in enumerate(EYES):
        upper, lower = list(eye.upper), list(eye.lower)
        share = opening[:, index, None, None]
        moved = shapes[:, upper + lower] - rest[upper + lower]  # expression's own shift of this eye
        shift = (moved[:, : len(upper)] + moved[:, len(upper) :]) / 2
        meeting = rest[upper] + LID_MEETING * (rest[lower] - rest[upper])
        shapes[:, upper] = meeting + share * (rest[upper] - meeting) + shift
        shapes[:, lower] = meeting + share * (rest[lower] - meeting) + shift


def _separate_lips(shapes: Shapes, rest: Shape) -> None:
    """Lips that would cross meet in the middle instead; a gap under CLOSED_LIPS closes to the photo's own."""
    gap, rest_gap = lip_gaps(shapes), lip_gaps(rest)
    closed = np.where(rest_gap < CLOSED_LIPS, rest_gap, 0)
    wanted = np.where(gap < CLOSED_LIPS, np.maximum(closed, 2 * gap - CLOSED_LIPS), gap)
    shapes[:, LOWER_LIP, 1] += (wanted - gap) / 2
    shapes[:, UPPER_LIP, 1] -= (wanted - gap) / 2
