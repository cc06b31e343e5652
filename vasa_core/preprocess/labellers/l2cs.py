"""Gaze by L2CS-Net (Abdelrahman et al. 2022, arXiv:2203.03339) as trained on Gaze360; its weights are the user's own.

The network's `fc_yaw_gaze` is the horizontal angle and `fc_pitch_gaze` the vertical one, as their names say; its
authors' demonstrations unpack the two as (pitch, yaw), which swaps the words but not the angles that are drawn. Its
yaw is positive to the viewer's left (x = sin yaw, and Gaze360's x axis points left in the picture).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from vasa_core.preprocess.labellers.crops import as_tensor, cut, face_box, imagenet_normalised
from vasa_core.preprocess.labellers.labels import Image
from vasa_core.preprocess.labellers.resnet import FEATURES, ResNet50
from vasa_core.preprocess.labellers.weights import Source, load_weights

SOURCE = Source("L2CSNet_gaze360.pkl", "L2CS-Net's gaze weights", "https://github.com/Ahmednull/L2CS-Net")
SIDE = 448  # px
BINS, DEGREES_PER_BIN, FIRST_BIN = 90, 4.0, -180.0


class L2CSNet(ResNet50):
    """ResNet-50 with a classifier over angle bins for each of yaw and pitch."""

    def __init__(self) -> None:
        super().__init__()
        self.fc_yaw_gaze = nn.Linear(FEATURES, BINS)
        self.fc_pitch_gaze = nn.Linear(FEATURES, BINS)
        self.fc_finetune = nn.Linear(FEATURES + 3, 3)  # unused; published with the rest

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2"]:
        """Gaze (yaw, pitch) in the network's own signs, degrees."""
        features = self.features(images)
        return torch.stack(
            [expected_angle(self.fc_yaw_gaze(features)), expected_angle(self.fc_pitch_gaze(features))], 1
        )


def expected_angle(logits: Float[Tensor, "b bins"]) -> Float[Tensor, " b"]:
    """Mean angle in degrees over the softmax of the bins."""
    return logits.softmax(1) @ torch.arange(BINS, device=logits.device).to(logits) * DEGREES_PER_BIN + FIRST_BIN


class L2CSGaze:
    """Gaze in the camera by L2CS-Net."""

    labels = ("yaw", "pitch")
    reads_pictures = True

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """weights: `L2CSNet_gaze360.pkl`, or its tensors as safetensors.

        Raises MissingModelError if it is absent, InputError if it is another network.
        """
        network = L2CSNet()
        load_weights(network, weights, SOURCE)
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = torch.device(device)

    def __call__(
        self, images: Sequence[Image], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Float32[np.ndarray, "n 2"]:
        """Yaw (to the viewer's right) and pitch (up) in degrees."""
        crops = [cut(image, face_box(points), SIDE) for image, points in zip(images, landmarks, strict=True)]
        angles = self._network(imagenet_normalised(as_tensor(crops)).to(self._device)).cpu().numpy()
        return (angles * [-1, 1]).astype(np.float32)
