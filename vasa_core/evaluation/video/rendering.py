"""The face model by itself: motion is asked for exactly, drawn on a portrait, and read back from the frame.

Set beside the sliders' sweep this tells what the drawing loses from what the motion model does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vasa_core.evaluation.metrics.geometry import HeadFrame, eye_opening, gaze_in_head
from vasa_core.evaluation.metrics.motion import slope
from vasa_core.evaluation.video.tracks import Frame, Tracker
from vasa_core.face.basis import GAZE, LIDS
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.types import Motion

GAZE_YAWS = (-20.0, -10.0, 0.0, 10.0, 20.0)  # degrees, in the head
GAZE_PITCHES = (-12.0, -6.0, 0.0, 6.0, 12.0)
LID_OPENINGS = (1.0, 0.5, 0.0)
HEAD_TURNS = (-20.0, -10.0, 0.0, 10.0, 20.0)
_POSE_ANGLES = {"head_pitch": 0, "head_yaw": 1, "head_roll": 2}  # columns of the pose and of HeadFrame.angles


def sweep_drawing(pipeline: Pipeline, tracker: Tracker, prepared: Prepared) -> dict[str, dict[str, Any]]:
    """Slopes of drawn on asked (1 is ideal) for gaze and head angles, and what closed lids are read as."""
    own = prepared.portrait.motion
    result: dict[str, dict[str, Any]] = {}
    for name, column, asked in (("gaze_yaw", 0, GAZE_YAWS), ("gaze_pitch", 1, GAZE_PITCHES)):
        dynamics = np.repeat(own.dynamics, len(asked), 0)
        dynamics[:, GAZE.start + column] = np.radians(asked)
        head = _drawn(pipeline, tracker, prepared, Motion(np.repeat(own.pose, len(asked), 0), dynamics))
        result[name] = _line(asked, None if head is None else np.degrees(gaze_in_head(head)[:, column]))
    for name, column in _POSE_ANGLES.items():
        pose = np.repeat(own.pose, len(HEAD_TURNS), 0)
        pose[:, column] += np.radians(HEAD_TURNS)
        head = _drawn(pipeline, tracker, prepared, Motion(pose, np.repeat(own.dynamics, len(HEAD_TURNS), 0)))
        result[name] = _line(HEAD_TURNS, None if head is None else np.degrees(head.angles[:, column]))
    dynamics = np.repeat(own.dynamics, len(LID_OPENINGS), 0)
    dynamics[:, LIDS] = np.array(LID_OPENINGS)[:, None]
    head = _drawn(pipeline, tracker, prepared, Motion(np.repeat(own.pose, len(LID_OPENINGS), 0), dynamics))
    opening = None if head is None else eye_opening(head)
    result["lids"] = {
        "asked": list(LID_OPENINGS),
        "measured": None if opening is None else (opening / opening[0]).tolist(),
    }
    return result


def _drawn(pipeline: Pipeline, tracker: Tracker, prepared: Prepared, motion: Motion) -> HeadFrame | None:
    frames: list[Frame] = list(pipeline.face.decode(prepared.portrait, motion))
    track = tracker(lambda: iter(frames))
    return track.head if track and track.found == 1 else None


def _line(asked: tuple[float, ...], measured: np.ndarray | None) -> dict[str, Any]:
    if measured is None:
        return {"asked": list(asked), "measured": None, "slope": None}
    return {"asked": list(asked), "measured": measured.tolist(), "slope": slope(np.array(asked), measured)}
