"""Face crops of talking clips for the renderer's training: which frames are kept of a clip, and the cache of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from vasa_core.data.tracking import TrackedClip
from vasa_core.face.inpaint.regions import MOUTH, Region
from vasa_core.face.measure import distance, face_height, face_width, lip_gap_of_width, whole_eye_opening
from vasa_core.face.topology import EYES, N_FACE
from vasa_core.files import write_arrays
from vasa_core.io.video import read_frames

CROP_SIDE = 1.7  # of a cached crop, in face widths
LARGE_FACE = 120  # px, forehead to chin: smaller faces show no teeth to learn from
SMALL_FACE_WEIGHT = 0.3
LIPS_CORNERS = (78, 308)  # of the inner lips
LIVELY_LIPS = 0.06  # face widths: a clip whose lips open less than this teaches less
WIDE_OPENING = 0.07  # face heights between the lips of a mouth that is wide open
WIDE_SMILE, SMILE_OPENING = 0.38, 0.02  # face widths between its corners, face heights between the lips, of a smile
WIDE_RANK = 60  # percentile of its clip's opening (or width) that such a mouth has too
MANY_WIDE = 12  # frames: a clip with fewer wide mouths teaches less about them


@dataclass(frozen=True)
class FaceClip:
    """Face crops of a clip's kept frames. landmarks: px of the crops. follower: the index of the next frame of the
    clip where it was kept, else the frame's own. lips: inner-lip gap in face widths. lids: opening over eye width.
    gaze: iris offset from the eye's middle over eye width."""

    speaker: str
    frames: UInt8[np.ndarray, "n side side 3"]
    landmarks: Float[np.ndarray, "n 478 3"]
    follower: Int[np.ndarray, " n"]
    lips: Float[np.ndarray, " n"]
    lids: Float[np.ndarray, " n"]
    gaze: Float[np.ndarray, "n 2"]
    face_height: float

    @cached_property
    def wide(self) -> Int[np.ndarray, " wide"]:
        """Frames in which the mouth is wide open or smiles with parted lips: by the face's size, and for this clip."""
        across = np.maximum(face_width(self.landmarks), 1e-6)
        opening = self.lips * across / np.maximum(face_height(self.landmarks, 3), 1e-6)
        width = distance(self.landmarks, LIPS_CORNERS, 3) / across
        opened = (opening >= WIDE_OPENING) & (opening >= np.percentile(opening, WIDE_RANK))
        smiles = (width >= WIDE_SMILE) & (width >= np.percentile(width, WIDE_RANK)) & (opening >= SMILE_OPENING)
        return np.flatnonzero(opened | smiles)

    @property
    def wide_weight(self) -> float:
        """How much this clip has to teach about wide mouths; nothing, if there is none in it."""
        return self.weight(MOUTH) * min(1.0, len(self.wide) / MANY_WIDE)

    def weight(self, region: Region) -> float:
        """How much this clip has to teach about a region."""
        size = 1.0 if self.face_height >= LARGE_FACE else SMALL_FACE_WEIGHT
        return size * (1.0 if region.iris else min(1.0, float(np.percentile(self.lips, 95)) / LIVELY_LIPS))


def face_clip(
    speaker: str, frames: UInt8[np.ndarray, "n side side 3"], landmarks: np.ndarray, numbers: Int[np.ndarray, " n"]
) -> FaceClip:
    """A clip from crops. numbers: each crop's frame number in the video."""
    place = {number: index for index, number in enumerate(numbers.tolist())}
    follower = np.array([place.get(number + 1, place[number]) for number in numbers.tolist()])
    height = float(np.median(face_height(landmarks, 3)))
    lids, gaze = whole_eye_opening(landmarks), iris_offsets(landmarks)
    return FaceClip(speaker, frames, landmarks, follower, lip_gap_of_width(landmarks), lids, gaze, height)


def iris_offsets(landmarks: Float[np.ndarray, "n 478 3"]) -> Float[np.ndarray, "n 2"]:
    """Iris centre from the middle of the eye's corners, over eye width, mean of both eyes."""
    offsets = []
    for eye in EYES:
        corners = landmarks[:, list(eye.corners), :2]
        width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1)[:, None]
        offsets.append((landmarks[:, eye.iris[0], :2] - corners.mean(1)) / width)
    return np.mean(offsets, 0)


def kept_frames(
    valid: Bool[np.ndarray, " n"], lips: Float[np.ndarray, " n"], lids: Float[np.ndarray, " n"], most: int
) -> Int[np.ndarray, " kept"]:
    """Frames to keep of a clip, each with the next: half evenly spaced, the rest widest lips and closed eyes."""
    frames = np.flatnonzero(valid)
    if len(frames) <= most:
        return frames
    even = frames[np.linspace(0, len(frames) - 1, most // 4).astype(int)]
    widest = frames[np.argsort(lips[frames])[::-1][: most // 8]]
    closed = frames[np.argsort(lids[frames])[: most // 8]]
    chosen = np.unique(np.concatenate([even, widest, closed]))
    both = np.unique(np.concatenate([chosen, chosen + 1]))
    return np.intersect1d(both, frames)


def load_clip(clip: TrackedClip, cache: Path, most: int) -> FaceClip:
    """Face crops of a clip, from the cache or cut now."""
    target = cache / f"{clip.clip.key}-{most}.npz"
    if not target.is_file():
        _cut(clip, target, most)
    with np.load(target, allow_pickle=False) as data:
        return face_clip(clip.clip.person, data["frames"], data["landmarks"], data["numbers"])


def _cut(clip: TrackedClip, target: Path, most: int) -> None:
    keep = kept_frames(clip.valid, lip_gap_of_width(clip.landmarks), whole_eye_opening(clip.landmarks), most)
    landmarks = clip.landmarks[keep]
    side = int(np.ceil(CROP_SIDE * np.percentile(face_width(landmarks), 95)))
    corners = np.round(landmarks[:, :N_FACE, :2].mean(1) - side / 2).astype(int)  # (n, xy)
    place = {frame: index for index, frame in enumerate(keep.tolist())}
    crops = np.zeros((len(keep), side, side, 3), np.uint8)
    for number, frame in enumerate(read_frames(clip.clip.path)):
        if number in place:
            left, top = corners[place[number]]
            rows = np.clip(np.arange(top, top + side), 0, frame.shape[0] - 1)
            columns = np.clip(np.arange(left, left + side), 0, frame.shape[1] - 1)
            crops[place[number]] = frame[rows[:, None], columns]
    landmarks = landmarks - np.pad(corners, ((0, 0), (0, 1)))[:, None]
    write_arrays(target, frames=crops, landmarks=landmarks.astype(np.float32), numbers=keep)
