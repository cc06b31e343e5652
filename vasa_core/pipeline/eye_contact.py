"""Whose eyes look into the camera in the photo keep doing so.

Where eyes look is read off landmarks, which are some degrees off for each face: over 27 portraits of people who look
into the camera the reading is 0.2 to 8 degrees beside it, 3.4 in the mean. Turned by that, eyes that met the viewer's
would no longer do so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from vasa_core.face.basis import GAZE, LIDS
from vasa_core.face.pose import LOG_DISTANCE
from vasa_core.motion.representation import PITCH, YAW
from vasa_core.types import Motion

CONTACT, ASIDE = np.radians(8.0), np.radians(16.0)  # read so far off: the camera was meant; it certainly was not


def gaze_read(photo: Motion) -> Float[np.ndarray, " 2"]:
    """Gaze (yaw, pitch; rad, in the camera) as a photo's landmarks have it."""
    return photo.dynamics[0, GAZE] + photo.pose[0, [YAW, PITCH]]


@dataclass(frozen=True)
class EyeContact:
    """What eyes are read to do when they look into the camera.

    gaze: (yaw, pitch), rad, in the camera. lids: their usual opening, which is read off that gaze.
    """

    gaze: Float[np.ndarray, " 2"]
    lids: Float[np.ndarray, " 2"]

    @classmethod
    def of(cls, photo: Motion) -> EyeContact:
        """Of the face of a photo, by its own motion, one frame.

        A gaze read up to CONTACT off the camera is taken for eye contact; from there on less and less of it, and from
        ASIDE on none: that person does look aside.
        """
        read = gaze_read(photo)
        share = np.clip((ASIDE - np.linalg.norm(read)) / (ASIDE - CONTACT), 0, 1)
        return cls(share * read, 1 + share * (photo.dynamics[0, LIDS] - 1))

    def kept(self, motion: Motion) -> Motion:
        """Motion of eyes that are read rightly, for these."""
        dynamics = motion.dynamics.copy()
        dynamics[:, GAZE] += self.gaze
        dynamics[:, LIDS] *= self.lids
        return replace(motion, dynamics=dynamics)

    def placed(self, motion: Motion, distance: float) -> Motion:
        """Motion of eyes as this face has them, and the pose without the distance asked for: the picture as a whole is
        zoomed by that, shoulders included."""
        pose = motion.pose.copy()
        pose[:, LOG_DISTANCE] -= math.log(distance)
        return self.kept(replace(motion, pose=pose))
