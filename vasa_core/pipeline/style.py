"""The style of the person of a video, for `motion.style`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.errors import InputError
from vasa_core.face.basis import FaceBasis, toward_gaps
from vasa_core.face.measure import lip_gaps
from vasa_core.face.model import FaceModel
from vasa_core.motion.liveliness import liveliness
from vasa_core.motion.representation import ANGLES, EXPRESSION, POSE, to_model, usual_pose
from vasa_core.motion.style import Style
from vasa_core.motion.window import MotionSampler
from vasa_core.pipeline.driving import track_driving
from vasa_core.preprocess.portrait import Preprocessor
from vasa_core.rates import FPS
from vasa_core.types import Motion

STYLE_SECONDS = 30  # of a video that a style is taken from
MOST_REST = 2.0  # standard deviations of one expression
MOST_MANNER = 2.0  # times as much of one turn of the head, at the cost of the others


def style_of_video(video: Path, preprocessor: Preprocessor, face: FaceModel[Any], model: MotionSampler) -> Style:
    """The style of the person of a video, by its first STYLE_SECONDS.

    Raises InputError for a video that cannot be read, is shorter than a second, or shows no face that can be followed.
    """
    landmarks, size = track_driving(video, preprocessor, most=STYLE_SECONDS * FPS)
    if len(landmarks) < FPS:
        raise InputError(f"{video.name} has {len(landmarks)} frames; expected {FPS} or more to take a style from.")
    return style_of(face.encode_landmarks(landmarks, size)[1], face.basis, model)


def style_of(motion: Motion, basis: FaceBasis, model: MotionSampler) -> Style:
    """The style of somebody who moves so. model: relative to whose usual motion it is."""
    x = to_model(motion, usual_pose(motion))
    usual, spread = model.numbers.motion_mean, model.numbers.motion_std
    rest = np.clip((x - usual)[:, EXPRESSION].mean(0), -MOST_REST, MOST_REST)
    rest -= rest @ lip_gaps(basis.dynamics) @ toward_gaps(basis.dynamics)
    turns = np.maximum(x[:, POSE].std(0), 1e-3)[ANGLES] / spread[ANGLES]
    head = np.clip(turns / np.exp(np.log(turns).mean()), 1 / MOST_MANNER, MOST_MANNER)
    return Style(liveliness(x, basis.readings()), rest, head / np.exp(np.log(head).mean()))
