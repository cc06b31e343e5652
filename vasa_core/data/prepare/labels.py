"""Labels of one clip: motion latents, gaze, distance and emotion; and the lips that its sound lets expect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.audio import SpeechEncoder, features, open_encoder
from vasa_core.audio.lip_sync import SyncJudge
from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.source import Frame
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.preprocess.detector import FaceDetector
from vasa_core.preprocess.labellers import Labellers, open_labellers
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.types import Motion

_MIN_SCORE = (
    0.65  # of the detector: rendered and painted bodies reach 0.6, the usual talking head 0.9 and no less than 0.68
)


@dataclass(frozen=True)
class ClipLabels:
    """What a clip is labelled with.

    gaze: yaw, pitch in the camera, degrees. distance: of the head, up to a factor. emotion: probabilities of the
    classes of `Tools.labellers`. motion: in the mesh face model's latents.
    """

    gaze: Float32[np.ndarray, "n 2"]
    distance: Float32[np.ndarray, " n"]
    emotion: Float32[np.ndarray, "n classes"]
    motion: Motion


class Tools:
    """The networks that preparation runs; each is loaded when it is first used, and then kept."""

    def __init__(self, config: PreparationConfig) -> None:
        self.names = {"gaze": config.gaze, "distance": config.distance, "emotion": config.emotion}

    @cached_property
    def detector(self) -> FaceDetector:
        return FaceDetector(resolve("face_detector"), _MIN_SCORE)

    @cached_property
    def landmarker(self) -> Landmarker:
        return Landmarker(resolve("face_landmarker"))

    @cached_property
    def face(self) -> MeshFaceModel:
        return MeshFaceModel.load(CHECKPOINTS)

    @cached_property
    def labellers(self) -> Labellers:
        return open_labellers(**self.names, face=self.face)

    @cached_property
    def scorer(self) -> SyncJudge:
        return SyncJudge.load(CHECKPOINTS / "sync_judge")

    @cached_property
    def speech(self) -> SpeechEncoder:
        return open_encoder(self.scorer.config.encoder)

    def check(self) -> None:
        """Raises InputError or MissingModelError, as `open_labellers` does, if the labellers cannot be had."""
        _ = self.labellers

    def labels(self, frames: Iterable[Frame], landmarks: Float[np.ndarray, "n 478 3"], side: int) -> ClipLabels:
        """Labels of a clip of one person; landmarks: px of its frames, which are `side` px square."""
        found = self.labellers(frames, landmarks, (side, side))
        _, motion = self.face.encode_landmarks(landmarks, (side, side))
        return ClipLabels(found.gaze, found.distance, found.emotion, motion)

    def expected_lips(self, sound: Float32[np.ndarray, " samples"]) -> Float[np.ndarray, "n channels"]:
        """The lip shapes that the lip-sync scorer expects of a sound."""
        return self.scorer(features(self.speech, sound))


@lru_cache(maxsize=1)
def tools(config: PreparationConfig) -> Tools:
    """This process's tools."""
    return Tools(config)
