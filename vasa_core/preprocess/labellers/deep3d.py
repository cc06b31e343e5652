"""Distance by Deep3DFaceRecon (Deng et al. 2019, arXiv:1903.08527): VASA-1's label; the weights are the user's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from vasa_core.preprocess.labellers.crops import Box, as_tensor, cut
from vasa_core.preprocess.labellers.labels import Image
from vasa_core.preprocess.labellers.resnet import FEATURES, ResNet50
from vasa_core.preprocess.labellers.weights import Source, load_weights

SOURCE = Source(
    "epoch_20.pth",
    "Deep3DFaceRecon's weights",
    "https://github.com/sicxu/Deep3DFaceRecon_pytorch",
    inside="net_recon",
    prefix="net_recon.",
)
SIDE = 224  # px
CAMERA = 10.0  # the camera's place on the z axis, on which the face's model stands at 0
PX_PER_UNIT = 102.0  # of the standard points, in the aligned crop
# Identity, expression, texture, angles, lighting, translation in x and y, translation in z.
COEFFICIENTS = (80, 64, 80, 3, 27, 2, 1)
# Landmarks of the five points: eyes (mean of the corners), tip of the nose, corners of the mouth; left in the picture
# first. And where they are on the standard face: x right, y up, z to the camera.
_POINTS = ((33, 133), (362, 263), (4,), (61,), (291,))
STANDARD = np.array(
    [
        [-0.31148657, 0.29036078, 0.13377953],
        [0.30979887, 0.28972036, 0.13179526],
        [0.0032535, -0.04617932, 0.55244243],
        [-0.25216928, -0.38133916, 0.22405732],
        [0.2484662, -0.38128236, 0.22235769],
    ]
)


class Deep3DNet(nn.Module):
    """ResNet-50 with a linear layer for each group of coefficients of the 3-D face model."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet50()
        self.final_layers = nn.ModuleList(nn.Conv2d(FEATURES, count, 1) for count in COEFFICIENTS)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 257"]:
        """Coefficients of aligned crops in 0..1."""
        features = self.backbone.features(images)[..., None, None]  # (b, 2048, 1, 1)
        return torch.cat([layer(features) for layer in self.final_layers], 1).flatten(1)


def aligned_box(landmarks: Float[np.ndarray, "478 3"]) -> Box:
    """The square that shows the face at its standard size and place: an affine camera fitted to the five points."""
    seen = np.stack([landmarks[list(points), :2].mean(0) for points in _POINTS]) * [1, -1]  # y up
    design = np.concatenate([STANDARD, np.ones((len(STANDARD), 1))], 1)
    camera = np.linalg.lstsq(design, seen.astype(np.float64), rcond=None)[0].T  # (2, 4)
    scale = np.linalg.norm(camera[:, :3], axis=1).mean()
    side = max(1, round(SIDE * scale / PX_PER_UNIT))
    left, top = np.round(camera[:, 3] * [1, -1] - side / 2).astype(int)
    return int(left), int(top), int(left + side), int(top + side)


def camera_distance(coefficients: Float[Tensor, "b 257"]) -> Float[Tensor, " b"]:
    """Distance of the face from the camera of the aligned crop: 10 - t_z."""
    return CAMERA - coefficients[:, -1]


class Deep3DDistance:
    """Distance of the head by Deep3DFaceRecon.

    The network sees every face cut to nearly one size, so its 10 - t_z is multiplied by what the cut took away: the
    picture's height over the crop's side. For a picture that is the aligned crop itself, the label is 10 - t_z.
    """

    labels = ("distance",)
    reads_pictures = True

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """weights: `epoch_20.pth`, or the tensors of its network as safetensors.

        Raises MissingModelError if it is absent, InputError if it is another network.
        """
        network = Deep3DNet()
        load_weights(network, weights, SOURCE)
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = torch.device(device)

    def __call__(
        self, images: Sequence[Image], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Float32[np.ndarray, "n 1"]:
        """Distance up to a factor."""
        boxes = [aligned_box(points) for points in landmarks]
        crops = [cut(image, box, SIDE) for image, box in zip(images, boxes, strict=True)]
        distance = camera_distance(self._network(as_tensor(crops).to(self._device))).cpu().numpy()
        sides = np.array([right - left for left, _, right, _ in boxes])
        return (distance * size[0] / sides)[:, None].astype(np.float32)
