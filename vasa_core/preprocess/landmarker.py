"""MediaPipe's face landmarker: 478 landmarks and the 4x4 face transform of one face in an image."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

if TYPE_CHECKING:
    from mediapipe.tasks.python.vision.face_landmarker import FaceLandmarker


_MICROPHONE = "sounddevice"
_DRAWING = tuple(f"mediapipe.tasks.python.vision.drawing_{part}" for part in ("utils", "styles"))


class Landmarker:
    """Finds the one face of an image. Holds native resources: use as a context manager or call `close`."""

    def __init__(self, model: Path) -> None:
        """model: the `face_landmarker.task` file."""
        os.environ.setdefault("GLOG_minloglevel", "2")  # before mediapipe is imported, which is here
        with _without_plots(), _without_microphone():
            from mediapipe.tasks.python import vision
        from mediapipe.tasks.python.core.base_options import BaseOptions

        self._landmarker = vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(model)),
                running_mode=vision.RunningMode.IMAGE,
                output_facial_transformation_matrixes=True,
                num_faces=1,
            )
        )
        self._close = weakref.finalize(self, _release, self._landmarker)

    def __enter__(self) -> Landmarker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the native resources."""
        self._close()

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"]
    ) -> tuple[Float[np.ndarray, "478 3"], Float[np.ndarray, "4 4"]] | None:
        """Landmarks (x, y in px; z in the same unit, negative towards the camera) and transform, or None."""
        import mediapipe as mp

        found = self._landmarker.detect(mp.Image(mp.ImageFormat.SRGB, np.ascontiguousarray(image)))
        if not found.face_landmarks:
            return None
        height, width = image.shape[:2]
        points = np.array([(p.x, p.y, p.z) for p in found.face_landmarks[0]], np.float32)
        points *= np.array([width, height, width], np.float32)
        return points, np.asarray(found.facial_transformation_matrixes[0], np.float32)


@contextmanager
def _without_plots() -> Generator[None]:
    """Within it, mediapipe is imported without matplotlib, which takes longer than all the rest and draws plots alone.

    The drawing helpers that wanted it are forgotten, so that whoever imports them later gets them whole.
    """
    if "matplotlib" in sys.modules or _DRAWING[0] in sys.modules:
        yield
        return
    plots = ModuleType("matplotlib.pyplot")
    package = ModuleType("matplotlib")
    vars(package)["pyplot"] = plots
    sys.modules.update({"matplotlib": package, "matplotlib.pyplot": plots})
    try:
        yield
    finally:
        for name in ("matplotlib", "matplotlib.pyplot", *_DRAWING):
            sys.modules.pop(name, None)


@contextmanager
def _without_microphone() -> Generator[None]:
    """Within it, mediapipe is imported without what records sound, which asks other programs where its library is."""
    if _MICROPHONE in sys.modules:
        yield
        return
    vars(sys)["modules"][_MICROPHONE] = None  # which Python takes for a package that is not there
    try:
        yield
    finally:
        sys.modules.pop(_MICROPHONE, None)


def _release(landmarker: FaceLandmarker) -> None:
    try:
        landmarker.close()
    except RuntimeError:  # Python is exiting: mediapipe's threads are gone, and the memory goes with the process
        # Or its __del__ tries again and prints a traceback.
        landmarker._handle = None  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]
