"""Frames of talking clips for the volume face model: pictures, mattes, landmarks, pose and dynamics, cached.

Pictures and mattes stay in the cache's files, so that memory does not grow with them.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.assets import resolve
from vasa_core.data.clips import few_per_person, find_clips
from vasa_core.data.crops import kept_frames
from vasa_core.data.tracking import TrackedClip, track_clips
from vasa_core.errors import InputError
from vasa_core.face.basis import LIDS, FaceBasis
from vasa_core.face.measure import lip_gap_of_width, whole_eye_opening
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.topology import LIPS_INNER
from vasa_core.face.volume.model import laid_over_grey
from vasa_core.files import write_arrays
from vasa_core.io.video import read_frames
from vasa_core.preprocess.person import PersonMatte
from vasa_core.types import Motion

MIN_FRAMES = 4  # of a clip
REST_GAP = 0.03  # face widths between the inner lips at rest, so that offsets can take closed and open lips there
MOUTH_FADE = 0.2  # face widths from the inner lips: how far around them faces at rest are alike


class StoredArray:
    """An array in an uncompressed npz file, of which is read what is asked for. No file stays open."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
            np.lib.format.read_magic(stream)
            self.shape, _, self._dtype = np.lib.format.read_array_header_1_0(stream)
            member = archive.getinfo(f"{name}.npy")
            inside = stream.tell()
        with path.open("rb") as stream:
            stream.seek(member.header_offset + 26)  # where the zip format has the lengths of the name and of the rest
            lengths = np.frombuffer(stream.read(4), "<u2")
        self._offset = member.header_offset + 30 + int(lengths.sum()) + inside

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: object) -> np.ndarray:
        return np.array(np.memmap(self._path, self._dtype, "r", self._offset, self.shape)[index])  # pyright: ignore


@dataclass(frozen=True)
class FaceFrames:
    """Kept frames of one clip at the model's size.

    mattes: opacity of the person, 0..255. landmarks: px of `frames`. pose, dynamics: the mesh face model's motion of
    these frames (`face.pose`, `face.basis`). mirrored: dynamics of the same frames seen in a mirror. rest: the person's
    face as canonical space holds it (see `canonical_rest`). shapes: as the dynamics move it.
    """

    speaker: str
    split: str
    frames: UInt8[np.ndarray, "n size size 3"] | StoredArray
    mattes: UInt8[np.ndarray, "n size size"] | StoredArray
    landmarks: Float[np.ndarray, "n 478 3"]
    pose: Float[np.ndarray, "n 6"]
    dynamics: Float[np.ndarray, "n dynamics"]
    mirrored: Float[np.ndarray, "n dynamics"]
    rest: Float[np.ndarray, "478 3"]
    shapes: Float[np.ndarray, "n 478 3"]

    def __len__(self) -> int:
        return len(self.frames)

    def person(self, index: int) -> UInt8[np.ndarray, "size size 3"]:
        """A frame with its background replaced by mid-grey."""
        return laid_over_grey(self.frames[index], self.mattes[index])


def load_face_frames(
    folders: list[Path], face: MeshFaceModel, cache: Path, size: int, most: int, clips_per_speaker: int
) -> list[FaceFrames]:
    """At most `most` frames of at most so many clips of each speaker of the folders, at `size` px; cached.

    Raises InputError if there is no clip with a face.
    """
    from tqdm import tqdm

    found = few_per_person([clip for folder in folders for clip in find_clips(folder)], clips_per_speaker)
    tracked = [clip for clip in track_clips(found, cache / "tracking") if clip.valid.sum() >= MIN_FRAMES]
    if not tracked:
        places = ", ".join(str(folder) for folder in folders)
        raise InputError(f"{places}: no clip with a face in {MIN_FRAMES} frames; expected videos of faces.")
    matte = PersonMatte(resolve("person_mask"))
    store = cache / f"volume-{size}"
    return [_load(clip, face, matte, store, size, most) for clip in tqdm(tracked, "cutting frames")]


def _load(clip: TrackedClip, face: MeshFaceModel, matte: PersonMatte, store: Path, size: int, most: int) -> FaceFrames:
    target = store / f"{clip.clip.key}-{most}.npz"
    if not target.is_file():
        _cut(clip, face, matte, target, size, most)
    with np.load(target, allow_pickle=False) as data:
        arrays = {name: data[name] for name in ("landmarks", "pose", "dynamics")}
    frames, mattes = (StoredArray(target, name) for name in ("frames", "mattes"))
    mirrored = face.basis.mirror(Motion(arrays["pose"], arrays["dynamics"])).dynamics.astype(np.float32)
    rest, shapes = _shapes(face, arrays["landmarks"], arrays["dynamics"], size)
    return FaceFrames(
        clip.clip.person, clip.clip.split, frames, mattes, mirrored=mirrored, rest=rest, shapes=shapes, **arrays
    )


def _shapes(
    face: MeshFaceModel, landmarks: Float[np.ndarray, "n 478 3"], dynamics: Float[np.ndarray, "n dynamics"], size: int
) -> tuple[Float[np.ndarray, "478 3"], Float[np.ndarray, "n 478 3"]]:
    """The person's face as canonical space holds it, and as the dynamics move it."""
    identity, _ = face.encode_landmarks(landmarks, (size, size))
    still = np.zeros(dynamics.shape[1])
    still[LIDS] = 1
    shapes = face.basis.decode(dynamics.astype(np.float64), identity.neutral, still)
    return canonical_rest(face.basis, identity.neutral).astype(np.float32), shapes.astype(np.float32)


def canonical_rest(basis: FaceBasis, neutral: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "478 3"]:
    """A face at rest with lips REST_GAP apart, and with the mean face's lips at the mean face's place.

    Upper and lower lip meet where they do in nobody else's face; a warp can only learn where it has to part them if
    that is one place for all. The lips' own form and place are in the offsets, without a tear.
    """
    own, common = (basis.parted(shape, REST_GAP) for shape in (neutral, basis.mean))
    away = np.linalg.norm(common[:, None] - common[list(LIPS_INNER)], axis=-1).min(1)  # (478,)
    return own + np.exp(-np.square(away / MOUTH_FADE))[:, None] * (common - own)


def _cut(clip: TrackedClip, face: MeshFaceModel, matte: PersonMatte, target: Path, size: int, most: int) -> None:
    keep = kept_frames(clip.valid, lip_gap_of_width(clip.landmarks), whole_eye_opening(clip.landmarks), most)
    place = {frame: index for index, frame in enumerate(keep.tolist())}
    _, motion = face.encode_landmarks(clip.landmarks, clip.size)
    frames = np.zeros((len(keep), size, size, 3), np.uint8)
    mattes = np.zeros((len(keep), size, size), np.uint8)
    for number, frame in enumerate(read_frames(clip.clip.path)):
        if number in place:
            opacity = matte(frame, clip.landmarks[number])
            frames[place[number]] = cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)
            mattes[place[number]] = cv2.resize(opacity, (size, size), interpolation=cv2.INTER_AREA)
    scale = np.array([size / clip.size[1], size / clip.size[0], size / clip.size[1]])
    write_arrays(
        target,
        frames=frames,
        mattes=mattes,
        landmarks=(clip.landmarks[keep] * scale).astype(np.float32),
        pose=motion.pose[keep].astype(np.float32),
        dynamics=motion.dynamics[keep].astype(np.float32),
    )
