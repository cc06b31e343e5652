"""Emotion of a face: the bundled classifier, or HSEmotion (Savchenko 2022), VASA-1's label, as the user's own file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.errors import InputError
from vasa_core.options import EMOTIONS
from vasa_core.preprocess.emotion import EmotionClassifier
from vasa_core.preprocess.labellers.crops import as_tensor, cut, face_box, imagenet_normalised
from vasa_core.preprocess.labellers.labels import Image
from vasa_core.preprocess.labellers.weights import Source, existing

SOURCE = Source(
    "enet_b0_8_best_afew.onnx",
    "HSEmotion's classifier",
    "https://github.com/HSE-asavchenko/face-emotion-recognition (models/affectnet_emotions/onnx)",
)
HSEMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
_AFTER_CLASSES = 2  # valence and arousal, in the variants that give them too
_SIDE, _SIDE_B2 = 224, 260  # px, where the file does not say


class FerEmotion:
    """The bundled seven-class classifier."""

    labels = EMOTIONS
    reads_pictures = True

    def __init__(self, model: Path) -> None:
        """model: the `emotion_classifier` model file."""
        self._classify = EmotionClassifier(model)

    def __call__(
        self, images: Sequence[Image], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Float32[np.ndarray, "n 7"]:
        """Probabilities."""
        return np.stack([self._classify(image, points) for image, points in zip(images, landmarks, strict=True)])


class HSEmotion:
    """HSEmotion's eight classes, in alphabetical order."""

    labels = HSEMOTIONS
    reads_pictures = True

    def __init__(self, model: Path) -> None:
        """model: an `enet_*_8_*.onnx` file, with or without valence and arousal.

        Raises MissingModelError if it is absent, InputError if it is no such network.
        """
        from onnxruntime.capi import onnxruntime_pybind11_state as errors  # pyright: ignore[reportAttributeAccessIssue]

        from vasa_core.onnx import open_session

        try:
            self._session = open_session(existing(model, SOURCE))
            self._input = self._session.get_inputs()[0].name
            side = self._session.get_inputs()[0].shape[-1]
            self._side = side if isinstance(side, int) else _SIDE_B2 if "_b2" in model.stem else _SIDE
            count = self._scores(np.zeros((self._side, self._side, 3), np.uint8)).size
        except (InputError, errors.InvalidArgument, errors.Fail) as error:
            raise InputError(f"{model} is no ONNX network of face pictures; expected {SOURCE.name}.") from error
        if count not in (len(HSEMOTIONS), len(HSEMOTIONS) + _AFTER_CLASSES):
            raise InputError(f"{model} gives {count} scores; expected the 8 or 10 of {SOURCE.name}.")

    def __call__(
        self, images: Sequence[Image], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Float32[np.ndarray, "n 8"]:
        """Probabilities: the softmax of the classes' scores."""
        crops = [cut(image, face_box(points), self._side) for image, points in zip(images, landmarks, strict=True)]
        scores = np.stack([self._scores(crop) for crop in crops])[:, : len(HSEMOTIONS)]
        powers = np.exp(scores - scores.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def _scores(self, crop: Image) -> Float32[np.ndarray, " scores"]:
        picture = imagenet_normalised(as_tensor([crop])).numpy()
        return np.asarray(self._session.run(None, {self._input: picture})[0], np.float32).ravel()
