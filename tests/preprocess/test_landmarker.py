"""Opening the landmarker leaves mediapipe whole, and does not wait for a plotting library."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from vasa_core.assets import resolve
from vasa_core.preprocess.landmarker import Landmarker
with Landmarker(resolve("face_landmarker")):
    pass
print("matplotlib" in sys.modules)
from importlib import import_module
drawing = import_module("mediapipe.tasks.python.vision.drawing_utils")
print(hasattr(drawing.plt, "figure"))
"""


def test_drawing_helpers_are_imported_by_those_who_want_them() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
