"""Track the face of a driving video, cut out once by its first face."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from vasa_core.errors import Cancelled, InputError
from vasa_core.io.video import read_frames
from vasa_core.options import PORTRAIT_SIZE
from vasa_core.preprocess.portrait import Preprocessor
from vasa_core.rates import FPS

MAX_MINUTES = 20  # of a driving video: its landmarks, 11 KB a frame, are held all at once
MIN_FOUND = 0.5  # of a driving video's frames


def track_driving(
    path: Path,
    preprocessor: Preprocessor,
    cancelled: Callable[[], bool] | None = None,
    progress: Callable[[int, int], None] | None = None,
    most: int | None = None,
) -> tuple[Float[np.ndarray, "n 478 3"], tuple[int, int]]:
    """Landmarks of every frame, px of a 512 px crop that stays where the first frame's face is, and the crop's size.

    Frames where the face is lost take the last frame's landmarks. most: frames to look at, all by default. progress is
    called with the frames done and 0, since how many there are is not known before the end. Raises InputError if the
    first frame has no usable face, if the face is lost in half of the frames, or if the video is too long.
    """
    landmarks: list[np.ndarray] = []
    matrix, found_frames = None, 0
    size = (PORTRAIT_SIZE, PORTRAIT_SIZE)
    missing = f"{path.name} starts without a face that can be followed; expected one in its first frame."
    for frame in islice(read_frames(path), most):
        if cancelled and cancelled():
            raise Cancelled(f"stopped while tracking frame {len(landmarks)}")
        if len(landmarks) >= MAX_MINUTES * 60 * FPS:
            raise InputError(f"{path.name} is longer than {MAX_MINUTES} minutes; expected a shorter video.")
        if matrix is None:
            matrix = _placed(path, preprocessor, frame)
        crop = cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        tracked = preprocessor.track(crop)
        found_frames += tracked is not None
        if tracked is None and not landmarks:
            raise InputError(missing)
        landmarks.append(tracked.landmarks if tracked else landmarks[-1])
        if progress:
            progress(len(landmarks), 0)
    if not landmarks:
        raise InputError(f"{path.name} holds no frames; expected a video of a face.")
    if found_frames < MIN_FOUND * len(landmarks):
        raise InputError(
            f"{path.name} shows a face in {found_frames} of {len(landmarks)} frames; expected most of them."
        )
    return np.stack(landmarks), size


def _placed(path: Path, preprocessor: Preprocessor, frame: np.ndarray) -> Float[np.ndarray, "2 3"]:
    """The crop of a video's first face: video px -> crop px."""
    try:
        return preprocessor(frame).matrix
    except InputError as error:
        raise InputError(f"{path.name} begins without a usable face ({error})") from error
