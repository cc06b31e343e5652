"""Facial emotion of a face crop, by the small classifier of the `fer` package (seven classes)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.options import EMOTIONS

_INPUT_SIZE = 64  # px
_CLASSIFIER_ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_PERMUTATION = [_CLASSIFIER_ORDER.index(name) for name in EMOTIONS]


class EmotionClassifier:
    """Probabilities of `options.EMOTIONS`, in that order."""

    def __init__(self, model: Path) -> None:
        """model: the `emotion_model_quantized.tflite` file."""
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(model), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], landmarks: Float[np.ndarray, "478 3"]
    ) -> Float[np.ndarray, " 7"]:
        """image: RGB. landmarks: in px; the face's box is cut from them."""
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        centre, side = (low + high) / 2, 1.1 * (high - low).max()
        matrix = np.array([[1, 0, -centre[0] + side / 2], [0, 1, -centre[1] + side / 2]]) * (_INPUT_SIZE / side)
        crop = cv2.warpAffine(image, matrix, (_INPUT_SIZE, _INPUT_SIZE), borderMode=cv2.BORDER_REPLICATE)
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
        self._interpreter.set_tensor(self._input["index"], (grey / 127.5 - 1)[None, :, :, None])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])[0][_PERMUTATION]
