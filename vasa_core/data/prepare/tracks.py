"""Who is where: faces seen in each shot, joined into tracks by the overlap of their boxes, and cut into clips.

A clip has one fixed crop, so it lasts only as long as the face stays in it; `spans` cuts a track there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.data.prepare.source import LOOK_EVERY, Frame, Span
from vasa_core.preprocess.framing import face_place

Box = tuple[float, float, float, float]  # x0, y0, x1, y1
Detector = Callable[[Frame], Float[np.ndarray, "faces 4"]]
Landmarks = Callable[[Frame], tuple[Float[np.ndarray, "478 3"], Float[np.ndarray, "4 4"]] | None]

DETECT_EVERY = 3  # looks between two runs of the detector; between them faces are followed by their landmarks
_MAX_STEP = 0.5  # of its height, how far a followed face may move from look to look
MIN_OVERLAP = 0.3  # intersection over union of a face's boxes at two looks
MAX_MISSED = 3  # looks in which a track may go unseen
_SEARCH_PER_BOX = 2.0  # side of the landmarker's picture over the box's
_SEARCH_SIDE = 256  # px of that picture
# How far the face may be from where the crop has it, in heights of the face, and how much nearer or farther.
_MAX_ASIDE, _MAX_UP, _MAX_NEARER = 0.6, 0.4, 1.35


@dataclass(frozen=True)
class Sighting:
    """A face in one look. All lengths are px of the source video.

    face: centre x and y, and height from forehead to chin; None if the landmarker saw none there.
    """

    frame: int
    box: Box
    face: tuple[float, float, float] | None


@dataclass
class Track:
    """One face through one shot."""

    shot: int
    sightings: list[Sighting] = field(default_factory=list)

    @property
    def span(self) -> Span:
        """From its first to its last sighting."""
        return self.sightings[0].frame, self.sightings[-1].frame + 1

    def near(self, frame: int) -> Sighting | None:
        """The sighting at a look's frame, if there is one."""
        return next((s for s in self.sightings if s.frame == frame), None)


def find_faces(
    looks: Iterable[Frame], size: tuple[int, int], detect: Detector, find: Landmarks
) -> list[list[Sighting]]:
    """The faces in each look, left to right. size: height, width of the source."""
    faces: list[list[Sighting]] = []
    for index, picture in enumerate(looks):
        number = index * LOOK_EVERY
        scale = size[1] / picture.shape[1], size[0] / picture.shape[0]
        seen = None if index % DETECT_EVERY == 0 else _followed(picture, number, scale, faces[-1], find)
        if seen is None:
            seen = list(_sightings(picture, number, scale, detect, find))
        faces.append(sorted(seen, key=lambda s: s.box[0]))
    return faces


def find_tracks(faces: Sequence[Sequence[Sighting]], starts: Sequence[int]) -> list[Track]:
    """Tracks in the order of their start (then left to right). faces: of each look. starts: frames of new shots."""
    tracks: list[Track] = []
    active: list[Track] = []
    shot = -1
    for index, seen in enumerate(faces):
        number = index * LOOK_EVERY
        now = sum(start <= number for start in starts)
        if now != shot:
            active, shot = [], now
        active = [t for t in active if number - t.sightings[-1].frame <= (MAX_MISSED + 1) * LOOK_EVERY]
        for sighting, track in _matched(seen, active):
            if track is None:
                track = Track(shot)
                tracks.append(track)
                active.append(track)
            track.sightings.append(sighting)
    return tracks


def _followed(
    picture: Frame, number: int, scale: tuple[float, float], before: Sequence[Sighting], find: Landmarks
) -> list[Sighting] | None:
    """The faces of the look before, found by their landmarks alone; None if one of them is not where it was."""
    seen = []
    for last in before:
        if last.face is None:
            return None
        face = _face(picture, np.array(last.box) / [*scale, *scale], scale, find)
        if face is None:
            return None
        x, y, height = last.face
        nearer = face[2] / height
        if max(abs(face[0] - x), abs(face[1] - y)) > _MAX_STEP * height or not 1 / _MAX_NEARER < nearer < _MAX_NEARER:
            return None
        x0, y0, x1, y1 = (
            (v - c) * nearer + to for v, c, to in zip(last.box, (x, y, x, y), (*face[:2], *face[:2]), strict=True)
        )
        seen.append(Sighting(number, (x0, y0, x1, y1), face))
    return seen


def _sightings(
    picture: Frame, number: int, scale: tuple[float, float], detect: Detector, find: Landmarks
) -> Iterator[Sighting]:
    ratio = np.array([*scale, *scale])
    for box in detect(picture):
        x0, y0, x1, y1 = (box * ratio).tolist()
        yield Sighting(number, (x0, y0, x1, y1), _face(picture, box, scale, find))


def _face(
    picture: UInt8[np.ndarray, "height width 3"],
    box: Float[np.ndarray, " 4"],
    scale: tuple[float, float],
    find: Landmarks,
) -> tuple[float, float, float] | None:
    """Centre and height of the face in a box, as `preprocess.portrait` frames it, in px of the source."""
    side = _SEARCH_PER_BOX * float(max(box[2] - box[0], box[3] - box[1]))
    if side < 2:
        return None
    zoom = _SEARCH_SIDE / side
    x, y = float(box[0] + box[2]) / 2 - side / 2, float(box[1] + box[3]) / 2 - side / 2
    matrix = np.array([[zoom, 0, -zoom * x], [0, zoom, -zoom * y]])
    size = (_SEARCH_SIDE, _SEARCH_SIDE)
    found = find(cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    if found is None:
        return None
    centre_x, centre_y, height = face_place(found[0])
    height *= (scale[0] * scale[1]) ** 0.5 / zoom
    return (centre_x / zoom + x) * scale[0], (centre_y / zoom + y) * scale[1], height


def _matched(seen: Sequence[Sighting], active: Sequence[Track]) -> list[tuple[Sighting, Track | None]]:
    """Each sighting with the track whose last box it overlaps most; each track is taken once."""
    pairs = [(overlap(s.box, t.sightings[-1].box), i, j) for i, s in enumerate(seen) for j, t in enumerate(active)]
    owner: dict[int, int] = {}
    for share, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if share >= MIN_OVERLAP and i not in owner and j not in owner.values():
            owner[i] = j
    return [(s, active[owner[i]] if i in owner else None) for i, s in enumerate(seen)]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    shared = intersection(a, b)
    return shared / max(1e-9, _area(a) + _area(b) - shared)


def intersection(a: Box, b: Box) -> float:
    """Area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def spans(track: Track, max_frames: int) -> list[list[Sighting]]:
    """A track cut into clips of at most `max_frames`, equally long where the face keeps its place.

    Each is the sightings with landmarks that lie in it; it lasts from the first to the last of them.
    """
    framed = [s for s in track.sightings if s.face is not None]
    breaks = [i for i, (a, b) in enumerate(pairwise(framed), 1) if b.frame - a.frame > (MAX_MISSED + 1) * LOOK_EVERY]
    parts = []
    for first, after in pairwise([0, *breaks, len(framed)]):
        rest = framed[first:after]
        while rest:
            length = rest[-1].frame + 1 - rest[0].frame
            wanted = math.ceil(length / math.ceil(length / max_frames) / LOOK_EVERY) * LOOK_EVERY
            taken = _while_in_place(rest, min(wanted, max_frames))
            parts.append(rest[:taken])
            rest = rest[taken:]
    return parts


def _while_in_place(sightings: Sequence[Sighting], most: int) -> int:
    """How many of the first sightings one crop can show, in a clip of at most `most` frames."""
    faces = np.array([s.face for s in sightings if s.frame + 1 - sightings[0].frame <= most])  # (n, 3)
    for count in range(len(faces), 1, -1):
        x, y, height = np.median(faces[:count], 0)
        aside, up = np.abs(faces[:count, 0] - x).max() / height, np.abs(faces[:count, 1] - y).max() / height
        nearer = np.exp(np.abs(np.log(faces[:count, 2] / height)).max())
        if aside <= _MAX_ASIDE and up <= _MAX_UP and nearer <= _MAX_NEARER:
            return count
    return 1
