"""One portrait rendered with the same speech under different options, and what each rendered video shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
from jaxtyping import Float

from vasa_core.assets import resolve
from vasa_core.evaluation.metrics.geometry import BLINK_FREE, MOUTH, REST, gaze_in_camera
from vasa_core.evaluation.metrics.motion import delta_pose
from vasa_core.evaluation.setup import optional
from vasa_core.evaluation.video.irises import iris_gaze, iris_radius
from vasa_core.evaluation.video.tracks import Tracker, video
from vasa_core.face.basis import LIDS
from vasa_core.face.limits import limited
from vasa_core.face.measure import eye_opening, lip_gap_of_height, relative_opening
from vasa_core.io.audio import read_audio
from vasa_core.io.video import VideoWriter
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.pipeline.eye_contact import EyeContact, gaze_read
from vasa_core.pipeline.sound import open_sound
from vasa_core.preprocess.emotion import EmotionClassifier
from vasa_core.provenance.mark import METADATA
from vasa_core.rates import SAMPLE_RATE
from vasa_core.types import Motion

SECONDS = 3.0
READ_EVERY = 5  # frames between two readings of the emotion and of the irises


@dataclass(frozen=True)
class Reading:
    """What one rendered video shows. gaze: median degrees, eyes and head together, as tracked; irises: the same of
    the frames in which they were found, from the pictures alone, beside what is found in the photo. head: mean angles
    in degrees; scale: median face width over the picture's side; spread: of the head's angles over time, degrees. lips:
    mean gap, lips_wide its 95th percentile, face heights. shape: mean tracked face without eyes, seen from the head,
    face widths.
    """

    gaze: tuple[float, float]
    irises: Float[np.ndarray, "found 2"]
    head: tuple[float, float, float]
    scale: float
    delta_pose: float
    spread: float
    emotion: tuple[float, ...]
    lips: float
    lips_wide: float
    shape: Float[np.ndarray, "points 2"]


class Sweep:
    """Renders the same portrait and speech under different options and reads each video back."""

    def __init__(
        self, pipeline: Pipeline, tracker: Tracker, prepared: Prepared, speech: Path, folder: Path, missing: list[str]
    ) -> None:
        """folder: where the rendered videos stay. missing: gets a line if emotions cannot be read."""
        self._pipeline, self._tracker, self._prepared, self._folder = pipeline, tracker, prepared, folder
        self._waveform = read_audio(speech)[: round(SECONDS * SAMPLE_RATE)]
        self._emotion = open_emotion(missing)
        self._radius = iris_radius(prepared.portrait.rest)
        self._zero = self._irises_of_photo()

    def __call__(self, name: str, options: GenerationOptions) -> Reading | None:
        """Render and read one video; None if no face is found in it."""
        portrait = self._prepared.portrait
        parts = list(self._pipeline.speech_motion(portrait, open_sound(self._waveform, Event()), options))
        motion = Motion.joined(parts)
        path = self._folder / f"control.{name}.mp4"
        with VideoWriter(path, (options.size, options.size), None, METADATA) as writer:
            for frame in self._pipeline.render(self._prepared, motion, options):
                writer.write(frame)
        track = self._tracker(video(path))
        if track is None:
            return None
        opened = relative_opening(eye_opening(track.head.shapes)) > BLINK_FREE
        gaze = np.degrees(np.median(gaze_in_camera(track.head)[opened if opened.any() else slice(None)], 0))
        head = np.degrees(track.head.angles)
        emotion = []
        if self._emotion:
            for index, frame in enumerate(video(path)()):
                if index % READ_EVERY == 0:
                    emotion.append(self._emotion(frame, track.landmarks[index]))
        lips = lip_gap_of_height(track.landmarks)
        return Reading(
            (float(gaze[0]), float(gaze[1])),
            self._irises(path, limited(motion, portrait.motion, portrait.freedom), options.distance),
            (float(head[:, 0].mean()), float(head[:, 1].mean()), float(head[:, 2].mean())),
            float(np.median(track.head.scale)) / track.size[1],
            delta_pose(track.head.angles),
            float(head.std(0).mean()),
            tuple(np.mean(emotion, 0).tolist()) if emotion else (),
            float(lips.mean()),
            float(np.percentile(lips, 95)),
            track.head.shapes[:, [*REST, *MOUTH], :2].mean(0),
        )

    def _irises_of_photo(self) -> Float[np.ndarray, " 2"]:
        """What is found in the photo itself when the eyes look into the camera, rad: lids' shadows and lashes pull the
        found irises up by several degrees, by as much in every frame of this face. Zeros if no iris is found."""
        portrait = self._prepared.portrait
        motion = portrait.motion
        points = self._pipeline.face.landmarks(portrait, motion)[0]
        found = iris_gaze(portrait.photo, points, motion.pose[0], self._radius)
        return np.zeros(2) if found is None else found - (gaze_read(motion) - EyeContact.of(motion).gaze)

    def _irises(self, path: Path, rendered: Motion, distance: float) -> Float[np.ndarray, "found 2"]:
        """(yaw, pitch) in degrees of some frames with open eyes; of videos of the portrait's own size."""
        portrait = self._prepared.portrait
        distance, centre = self._prepared.zoomed(distance)
        middle = np.array([*centre, 0.0])
        points = (self._pipeline.face.landmarks(portrait, rendered) - middle) / distance + middle
        poses = rendered.pose + np.array([0, 0, 0, 0, 0, np.log(distance)])
        found = []
        for index, frame in enumerate(video(path)()):
            if index % READ_EVERY == 0 and rendered.dynamics[index, LIDS].min() > BLINK_FREE:
                gaze = iris_gaze(frame, points[index], poses[index], self._radius)
                found += [] if gaze is None else [np.degrees(gaze - self._zero)]
        return np.array(found).reshape(-1, 2)


def open_emotion(missing: list[str]) -> EmotionClassifier | None:
    """Open the emotion classifier; None, with a line in `missing`, where it is not installed."""
    return optional(lambda: EmotionClassifier(resolve("emotion_classifier")), missing, "emotion")
