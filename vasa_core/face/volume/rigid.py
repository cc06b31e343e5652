"""The explicit rigid part of the warps (w_rt of MegaPortraits): head pose as a map between canonical and posed cubes.

Both are [-1, 1]^3 with axes (x, y, z): right and down in the image, away from the viewer. The posed cube's x, y span
the image; the canonical cube spans +- reach face widths about the canonical origin of `vasa_core.face.pose`. So
posed = scale * (R @ canonical + shift / reach) with scale = 2 * reach / exp(log_distance), which is `pose.project`
in other units; a pose of zeros with log_distance = log(2 * reach) is the identity.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vasa_core.face.pose import LOG_DISTANCE, ROLL, SHIFT_X, SHIFT_Y

FACE_CENTRE = (0.0, 0.3, -0.15)  # the middle of the face's front, in face widths from the canonical origin
FACE_REACH = 0.65  # half the side of the square around it, brows to chin of an open mouth
# About that of a head and shoulders that look ahead; all of the picture is in the cube.
BODY_POSE = (0.0, 0.0, 0.0, 0.0, -0.13, 1.0)
NECK = (0.85, 1.3)  # face widths below the canonical origin: to the first all moves with the head, from the second none
SHOULDER = (0.5, 0.8)  # face widths beside it: from there on shoulders reach higher, by so much each
_INVERSIONS = 3  # steps to where the neck came from


def rotation_matrix(angles: Float[Tensor, "b 3"]) -> Float[Tensor, "b 3 3"]:
    """`pose.rotation_matrix` in torch: Ry(yaw) Rx(-pitch) Rz(roll) for angles [pitch, yaw, roll] in radians."""
    cp, cy, cr = torch.cos(angles).unbind(-1)
    sp, sy, sr = torch.sin(angles * angles.new_tensor([-1.0, 1.0, 1.0])).unbind(-1)
    rows = [
        torch.stack([cy * cr - sy * sp * sr, -cy * sr - sy * sp * cr, -sy * cp], -1),
        torch.stack([cp * sr, cp * cr, -sp], -1),
        torch.stack([sy * cr + cy * sp * sr, -sy * sr + cy * sp * cr, cy * cp], -1),
    ]
    return torch.stack(rows, -2)


def to_posed(points: Float[Tensor, "b *n 3"], pose: Float[Tensor, "b 6"], reach: float) -> Float[Tensor, "b *n 3"]:
    """Canonical cube -> posed cube."""
    rotation, scale, shift = _similarity(pose, reach)
    flat = points.float().flatten(1, -2)  # (b, points, 3)
    moved = scale * (_turned(flat, rotation) + shift)
    return moved.reshape(points.shape)


def to_canonical(points: Float[Tensor, "b *n 3"], pose: Float[Tensor, "b 6"], reach: float) -> Float[Tensor, "b *n 3"]:
    """Posed cube -> canonical cube: the inverse of `to_posed`."""
    rotation, scale, shift = _similarity(pose, reach)
    flat = points.float().flatten(1, -2)  # (b, points, 3)
    moved = _turned(flat / scale - shift, rotation.transpose(1, 2))
    return moved.reshape(points.shape)


def to_posed_above_neck(
    points: Float[Tensor, "b *n 3"], pose: Float[Tensor, "b 6"], reach: float
) -> Float[Tensor, "b *n 3"]:
    """Canonical cube -> posed cube for the head alone: down the neck the pose fades, and the body stays in place."""
    moved, still = to_posed(points, pose, reach), to_posed(points, _body_pose(pose), reach)
    return still + _head_share(points * reach) * (moved - still)


def to_canonical_above_neck(
    points: Float[Tensor, "b *n 3"], pose: Float[Tensor, "b 6"], reach: float
) -> Float[Tensor, "b *n 3"]:
    """Posed cube -> canonical cube: the inverse of `to_posed_above_neck`, exactly for head and body, nearly between."""
    moved, still = to_canonical(points, pose, reach), to_canonical(points, _body_pose(pose), reach)
    found = (moved + still) / 2
    for _ in range(_INVERSIONS):
        found = still + _head_share(found * reach) * (moved - still)
    return found


def identity_grid(batch: int, shape: tuple[int, int, int], device: torch.device) -> Float[Tensor, "b d h w 3"]:
    """The voxel centres of a (depth, height, width) cube, in float32."""
    axes = [(2 * torch.arange(n, device=device, dtype=torch.float32) + 1) / n - 1 for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], -1).expand(batch, *shape, 3)


def sample(
    volume: Float[Tensor, "b c z y x"], grid: Float[Tensor, "b d h w 3"], padding: str = "zeros"
) -> Float[Tensor, "b c d h w"]:
    """Trilinear samples of a volume at points of its cube, in float32 under autocast too."""
    return F.grid_sample(volume.float(), grid.float(), "bilinear", padding, align_corners=False)


def face_square(image: Float[Tensor, "b 3 h w"], pose: Float[Tensor, "b 6"], side: int) -> Float[Tensor, "b 3 n n"]:
    """The face alone, upright and always of one size, as `side` px a side; mid-grey where the picture ends.

    Square pictures. The square turns with the head in the picture's plane only.
    """
    rotation, scale, shift = _similarity(pose, 1.0)  # in face widths
    centre = scale * (_turned(rotation.new_tensor(FACE_CENTRE).expand(len(pose), 1, 3), rotation) + shift)
    c, s = torch.cos(pose[:, ROLL].float()), torch.sin(pose[:, ROLL].float())
    half = FACE_REACH * scale[:, 0]
    axes = half[..., None] * torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)  # (b, 2, 2)
    affine = torch.cat([axes, centre[:, 0, :2, None]], -1)
    grid = F.affine_grid(affine, [len(pose), 3, side, side], align_corners=False)
    return F.grid_sample(image.float(), grid, "bilinear", "zeros", align_corners=False)


def _head_share(points: Float[Tensor, "b *n 3"]) -> Float[Tensor, "b *n 1"]:
    """How far canonical points, in face widths, move with the head: 1 for the head, 0 for the body."""
    below = points[..., 1:2] + SHOULDER[1] * (points[..., :1].abs() - SHOULDER[0]).clamp(min=0)
    return ((NECK[1] - below) / (NECK[1] - NECK[0])).clamp(0, 1)


def _body_pose(pose: Float[Tensor, "b 6"]) -> Float[Tensor, "b 6"]:
    return pose.new_tensor(BODY_POSE).expand(len(pose), 6)


def _similarity(
    pose: Float[Tensor, "b 6"], reach: float
) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, "b 1 1"], Float[Tensor, "b 1 3"]]:
    pose = pose.float()
    scale = 2 * reach * torch.exp(-pose[:, LOG_DISTANCE])[:, None, None]
    shift = F.pad(pose[:, [SHIFT_X, SHIFT_Y]] / reach, (0, 1))[:, None]
    return rotation_matrix(pose[:, :3]), scale, shift


def _turned(points: Float[Tensor, "b n 3"], rotation: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b n 3"]:
    columns = rotation[:, None].unbind(-1)  # sums of products, since autocast would round a matrix product
    return sum(points[..., axis, None] * column for axis, column in enumerate(columns))  # pyright: ignore[reportReturnType]
