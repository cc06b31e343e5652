"""The face model by itself: exact motion is rendered on a portrait, and read back from the frames.

Set beside the sliders' sweep this tells what the rendering loses from what the motion model does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vasa_core.evaluation.metrics.controls import GAZE_YAWS, swept
from vasa_core.evaluation.metrics.geometry import gaze_in_head
from vasa_core.evaluation.video.tracks import Tracker
from vasa_core.face.basis import GAZE, LIDS
from vasa_core.face.measure import eye_opening
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.types import Motion

HEAD_TURNS = (-20.0, -10.0, 0.0, 10.0, 20.0)
# Degrees: the gaze in the head, and the head's turns from the photo's own pose.
ANGLES = {
    "gaze_yaw": GAZE_YAWS,
    "gaze_pitch": (-12.0, -6.0, 0.0, 6.0, 12.0),
    **dict.fromkeys(("head_pitch", "head_yaw", "head_roll"), HEAD_TURNS),
}
LID_OPENINGS = (1.0, 0.5, 0.0)


def sweep_rendering(pipeline: Pipeline, tracker: Tracker, prepared: Prepared) -> dict[str, dict[str, Any]]:
    """Sweep gaze, head angles and lids: slopes of rendered on asked (1 is ideal), and what closed lids are read as."""
    own = prepared.portrait.motion
    result: dict[str, dict[str, Any]] = {}
    for column, (name, asked) in enumerate({**ANGLES, "lids": LID_OPENINGS}.items()):
        motion = Motion(np.repeat(own.pose, len(asked), 0), np.repeat(own.dynamics, len(asked), 0))
        if name == "lids":
            motion.dynamics[:, LIDS] = np.array(asked)[:, None]
        elif name.startswith("gaze"):
            motion.dynamics[:, GAZE.start + column] = np.radians(asked)
        else:
            motion.pose[:, column - 2] += np.radians(asked)
        track = tracker(lambda motion=motion: pipeline.face.decode(prepared.portrait, motion))
        if track is None or track.found < 1:
            seen = [None] * len(asked)
        elif name == "lids":
            opening = eye_opening(track.head.shapes)
            seen = (opening / opening[0]).tolist()
        else:
            seen = np.degrees(np.column_stack([gaze_in_head(track.head), track.head.angles])[:, column]).tolist()
        line = swept(asked, seen)  # head turns are relative to the photo's own pose: only slopes compare
        result[name] = {figure: line[figure] for figure in ("asked", "measured", "slope")}
    return result
