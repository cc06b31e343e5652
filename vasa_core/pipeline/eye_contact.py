"""Whose eyes look into the camera in the photo keep doing so.

Where eyes look is read off landmarks, which are some degrees off for each face: over 27 portraits of people who look
into the camera the reading is 0.2 to 8 degrees beside it, 3.4 in the mean. Turned by that, eyes that met the viewer's
would no longer do so.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vasa_core.face.basis import GAZE
from vasa_core.motion.representation import PITCH, YAW
from vasa_core.types import Motion

CONTACT, ASIDE = np.radians(8.0), np.radians(16.0)  # read so far off: the camera was meant; it certainly was not


def gaze_read(photo: Motion) -> Float[np.ndarray, " 2"]:
    """Gaze (yaw, pitch; rad, in the camera) as a photo's landmarks have it."""
    return photo.dynamics[0, GAZE] + photo.pose[0, [YAW, PITCH]]


def eye_contact(photo: Motion) -> Float[np.ndarray, " 2"]:
    """Gaze (yaw, pitch; rad, in the camera) that this face is read to have when it looks into the camera.

    photo: motion of the photo, one frame. A gaze read up to CONTACT off the camera is taken for eye contact; from there
    on less and less of it, and from ASIDE on none: that person does look aside.
    """
    read = gaze_read(photo)
    share = np.clip((ASIDE - np.linalg.norm(read)) / (ASIDE - CONTACT), 0, 1)
    return share * read
