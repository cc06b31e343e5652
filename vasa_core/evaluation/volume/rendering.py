"""Held-out people as both face models render them: the volume model at its own size, the mesh at 512 px and shrunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vasa_core.data.frames import FaceFrames, load_face_frames
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.geometry import landmark_distance
from vasa_core.evaluation.video.tracks import Tracker
from vasa_core.evaluation.volume.figures import Faces, nearest_rest, read_faces, spread_frames
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.face.mesh.photo import Identity
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks, load_volume
from vasa_core.options import PORTRAIT_SIZE
from vasa_core.types import Motion, TrackedImage

BATCH = 4
MOST_FRAMES, MOST_CLIPS = 64, 12  # of a clip, of a person

Pictures = UInt8[np.ndarray, "n size size 3"]


@dataclass(frozen=True)
class Appearance:
    """What is computed once of a source: the canonical volume and the identity code."""

    canonical: Float[Tensor, "1 c d h w"]
    identity: Float[Tensor, "1 identity"]


@dataclass(frozen=True)
class Subject:
    """One held-out clip made ready; entry 0 of everything is the source, the others drive, nearest to it first.

    pictures: the person over mid-grey. landmarks: px of them. moved: % of face height. labels: poses as they were
    tracked; read: as the head-pose encoder reads them; the dynamics are their encoder's, given these poses. real: what
    the landmarker sees in the pictures.
    """

    identity: str
    pictures: UInt8[np.ndarray, "n size size 3"]
    mattes: UInt8[np.ndarray, "n size size"]
    landmarks: Float[np.ndarray, "n 478 3"]
    moved: Float[np.ndarray, " n"]
    labels: MotionCode
    read: MotionCode
    appearance: Appearance
    real: Faces

    def __len__(self) -> int:
        return len(self.pictures)


class Renderer:
    """Renders with the volume face model, without gradients."""

    def __init__(self, networks: VolumeNetworks) -> None:
        self._networks = networks.eval()

    @torch.inference_mode()
    def appear(self, picture: UInt8[np.ndarray, "size size 3"], motion: MotionCode) -> Appearance:
        """The appearance of a person over mid-grey. motion: the picture's own, one frame."""
        image = _images(picture[None])
        identity = self._networks.identity_code(image, motion.pose)
        volume = self._networks.appearance_volume(image)
        return Appearance(self._networks.canonical(volume, identity, motion), identity)

    @torch.inference_mode()
    def read(self, pictures: Pictures) -> MotionCode:
        """Pose and dynamics as the encoders read them."""
        parts = [self._networks.motion_code(_images(part)) for part in _parts(pictures)]
        return MotionCode(torch.cat([part.pose for part in parts]), torch.cat([part.dynamics for part in parts]))

    @torch.inference_mode()
    def dynamics(self, pictures: Pictures, pose: Float[Tensor, "n 6"]) -> Float[Tensor, "n dynamics"]:
        """Dynamics as their encoder reads them. pose: the pictures' own."""
        parts = zip(_parts(pictures), pose.split(BATCH), strict=True)
        return torch.cat([self._networks.dynamics(_images(part), own) for part, own in parts])

    @torch.inference_mode()
    def render(self, appearance: Appearance, motion: MotionCode) -> Pictures:
        """The person in each motion, over mid-grey."""
        frames = []
        for pose, dynamics in zip(motion.pose.split(BATCH), motion.dynamics.split(BATCH), strict=True):
            count = len(pose)
            volume = appearance.canonical.expand(count, -1, -1, -1, -1)
            rendered = self._networks.render(volume, appearance.identity.expand(count, -1), MotionCode(pose, dynamics))
            person = (rendered[:, :3] * rendered[:, 3:]).permute(0, 2, 3, 1)
            frames.append((person * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8).numpy())
        return np.concatenate(frames)


class FaceReader:
    """Sees faces in pictures, which it first enlarges to 512 px."""

    def __init__(self, tracker: Tracker) -> None:
        self._landmarker, self._canonical = tracker.landmarker, tracker.canonical

    def __call__(self, pictures: Pictures) -> Faces:
        """What it sees; landmarks in px of the enlarged pictures."""
        found = (self._landmarker(enlarged(picture)) for picture in pictures)
        nothing = np.full((478, 3), np.nan)
        return read_faces(np.stack([seen[0] if seen else nothing for seen in found]), self._canonical)

    def labelled(self, subject: Subject) -> Faces:
        """The same of the landmarks that a subject came with."""
        return read_faces(in_enlarged(subject.landmarks, subject.pictures.shape[1]), self._canonical)


class MeshRenderer:
    """Renders with the mesh face model from the same pictures."""

    def __init__(self, face: MeshFaceModel) -> None:
        self._face = face

    def appear(self, subject: Subject) -> Portrait:
        """The subject's source, enlarged, as a portrait."""
        points = in_enlarged(subject.landmarks[:1], subject.pictures.shape[1])[0]
        picture = TrackedImage(enlarged(subject.pictures[0]), points.astype(np.float32), np.eye(4, dtype=np.float32))
        return self._face.encode_portrait(picture, matte=enlarged(subject.mattes[0]))

    def render(
        self, portrait: Portrait, driving: Subject, frames: Sequence[int], identity: Identity | None = None
    ) -> Pictures:
        """The portrait in the motion of some frames, at their size. identity: the driving person's, or read of them."""
        motion = self._motion(driving, identity)
        shown = motion[np.array(frames)]
        return self._decoded(portrait, shown, driving.pictures.shape[1])

    def render_mixed(
        self, portrait: Portrait, posed: Subject, moving: Subject, pairs: Sequence[tuple[int, int]]
    ) -> Pictures:
        """The portrait with the pose of frame a of `posed` and the dynamics of frame b of `moving`, for each (a, b)."""
        first, second = (list(index) for index in zip(*pairs, strict=True))
        mixed_motion = Motion(self._motion(posed).pose[first], self._motion(moving).dynamics[second])
        return self._decoded(portrait, mixed_motion, posed.pictures.shape[1])

    def _motion(self, subject: Subject, identity: Identity | None = None) -> Motion:
        points = in_enlarged(subject.landmarks, subject.pictures.shape[1])
        return self._face.encode_landmarks(points, (PORTRAIT_SIZE, PORTRAIT_SIZE), identity)[1]

    def _decoded(self, portrait: Portrait, motion: Motion, side: int) -> Pictures:
        rendered = self._face.decode(portrait, motion)
        return np.stack([cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in rendered])


def load_models(volume: Path, checkpoints: Path) -> tuple[VolumeNetworks, MeshFaceModel]:
    """Load both face models from their checkpoint folders. Raises InputError if one is missing or bad."""
    return load_volume(volume), MeshFaceModel.load(checkpoints)


def held_out_faces(folders: list[Path], networks: VolumeNetworks, mesh: MeshFaceModel, cache: Path) -> list[FaceFrames]:
    """Cut the frames of people that no model was trained on. Raises InputError if the folders have none."""
    kept = load_face_frames(folders, mesh, cache, networks.config.image, MOST_FRAMES, MOST_CLIPS)
    trained = {clip.speaker for clip in kept if clip.split == "train"}
    faces = [clip for clip in kept if clip.split != "train" and clip.speaker not in trained]
    if not faces:
        raise InputError("the folders hold no clip of a held-out person; expected some with another split than train.")
    return faces


def prepare_subject(face: FaceFrames, most: int, renderer: Renderer, reader: FaceReader) -> Subject:
    """Make a clip ready, with at most `most` driving frames.

    Raises InputError if it has fewer than two frames, or the landmarker sees no face in its source.
    """
    if len(face) < 2:
        raise InputError(f"{face.speaker}: {len(face)} frame; expected at least 2.")
    source = nearest_rest(face.pose, face.dynamics)
    moved = landmark_distance(face.landmarks, np.repeat(face.landmarks[source][None], len(face), 0))
    kept = np.concatenate([[source], spread_frames(moved, source, most)])
    pictures = np.stack([face.person(int(index)) for index in kept])
    real = reader(pictures)
    if not real.found[0]:
        raise InputError(f"{face.speaker}: no face is seen in the source; expected a face.")
    pose = torch.from_numpy(face.pose[kept].astype(np.float32))
    labels = MotionCode(pose, renderer.dynamics(pictures, pose))
    return Subject(
        identity=face.speaker,
        pictures=pictures,
        mattes=face.mattes[kept],
        landmarks=face.landmarks[kept],
        moved=moved[kept],
        labels=labels,
        read=renderer.read(pictures),
        appearance=renderer.appear(pictures[0], chosen(labels, [0])),
        real=real,
    )


def chosen(motion: MotionCode, frames: Sequence[int]) -> MotionCode:
    """Some frames of a motion."""
    return MotionCode(motion.pose[list(frames)], motion.dynamics[list(frames)])


def mixed(posed: MotionCode, moving: MotionCode, pairs: Sequence[tuple[int, int]]) -> MotionCode:
    """Pose of frame a of `posed` with the dynamics of frame b of `moving`, for each pair (a, b)."""
    return MotionCode(posed.pose[[a for a, _ in pairs]], moving.dynamics[[b for _, b in pairs]])


def enlarged(picture: UInt8[np.ndarray, "size size *c"]) -> UInt8[np.ndarray, "512 512 *c"]:
    """A picture at the landmarker's and the mesh face model's size."""
    return cv2.resize(picture, (PORTRAIT_SIZE, PORTRAIT_SIZE), interpolation=cv2.INTER_CUBIC)


def in_enlarged(landmarks: Float[np.ndarray, "n 478 3"], side: int) -> Float[np.ndarray, "n 478 3"]:
    """Landmarks in px of pictures of `side` px -> px of the enlarged ones."""
    return landmarks.astype(np.float64) * (PORTRAIT_SIZE / side)


def _images(pictures: Pictures) -> Float[Tensor, "n 3 size size"]:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _parts(pictures: Pictures) -> list[Pictures]:
    return [pictures[first : first + BATCH] for first in range(0, len(pictures), BATCH)]
