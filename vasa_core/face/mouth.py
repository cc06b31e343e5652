"""Paints the inside of the mouth, teeth and lip rims over a warped photo (the learned part of the mesh face model).

A square patch that follows the lips is drawn from the photo, repainted by a small network, and only what the network
changed is added to the frame, so that skin the warp already shows keeps the photo's full detail.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from vasa_core.checkpoint import config_from, load_checkpoint, save_checkpoint
from vasa_core.config import InputError
from vasa_core.face.mouth_network import CHANNELS, MouthConfig, MouthNetwork
from vasa_core.face.raster import backward_flow
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, LIPS_INNER, LIPS_OUTER, N_FACE, mouth_fan

Image = UInt8[np.ndarray, "height width 3"]
Landmarks = Float[np.ndarray, "478 3"]
Affine = Float[np.ndarray, "2 3"]

SIDE = 0.62  # of the patch, in face widths
PHOTO_SIDE = 1.3  # side of the part of the photo that is kept, in face widths
MAX_OVERSAMPLING = 1.5  # photo px per patch px; above it the photo is shrunk first, or the warp would alias
SUBPIXEL_BITS = 4  # of mask polygons
FEATHER_AXES, FEATHER_BLUR = (0.43, 0.40), 0.045  # of the patch: half axes of the ellipse that may be painted
SHRINKING = 0.8  # frame px per patch px; below it what is painted is smoothed before it is shrunk
WORTH_HALVING = 0.8  # bfloat16 is used where it takes less than this share of float32's time
TIMING_ROUNDS = 15


@dataclass(frozen=True)
class MouthSource:
    """A photo's mouth, made ready to be painted. photo: the face's part of it. landmarks: px of `photo`.
    inner_lips: mask of the photo's inner lips. patch: the mouth itself, upright. triangles: face and mouth interior."""

    photo: Image
    landmarks: Landmarks
    inner_lips: UInt8[np.ndarray, "height width"]
    patch: UInt8[np.ndarray, "patch patch 3"]
    triangles: Int[np.ndarray, "triangles 3"]


def patch_affine(landmarks: Landmarks, patch: int, jitter: tuple[float, float, float, float] = (0, 0, 0, 0)) -> Affine:
    """Image px -> px of the upright square around the lips. jitter: shift x and y (sides), scale, angle (rad)."""
    centre = landmarks[list(LIPS_OUTER), :2].mean(0)
    across = landmarks[CHEEK_RIGHT] - landmarks[CHEEK_LEFT]
    side = SIDE * float(np.linalg.norm(across))
    angle = float(np.arctan2(across[1], across[0])) + jitter[3]
    centre = centre + np.array(jitter[:2]) * side
    scale = patch / (side * (1 + jitter[2]))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    return np.concatenate([rotation, (patch / 2 - rotation @ centre)[:, None]], 1)


def transform(landmarks: Landmarks, affine: Affine) -> Landmarks:
    """Landmarks moved by a similarity of the image plane, depth scaled with them."""
    moved = landmarks.astype(np.float64)
    moved[:, 2] *= np.linalg.norm(affine[0, :2])
    moved[:, :2] = landmarks[:, :2] @ affine[:, :2].T + affine[:, 2]
    return moved


def polygon_mask(
    landmarks: Landmarks, polygon: tuple[int, ...], size: tuple[int, int]
) -> UInt8[np.ndarray, "height width"]:
    """255 inside the polygon of landmarks, antialiased."""
    mask = np.zeros(size, np.uint8)
    points = np.round(landmarks[list(polygon), :2] * (1 << SUBPIXEL_BITS)).astype(np.int32)
    return cv2.fillPoly(mask, [points], 255, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)  # pyright: ignore


def prepare_source(
    photo: Image, landmarks: Landmarks, face_triangles: Int[np.ndarray, "faces 3"], patch: int
) -> MouthSource:
    """Cut what painting needs out of a photo. landmarks: px of `photo`; face_triangles: without the mouth's inside."""
    width = float(np.linalg.norm(landmarks[CHEEK_RIGHT] - landmarks[CHEEK_LEFT]))
    scale = min(1.0, MAX_OVERSAMPLING * patch / (SIDE * width))
    low = np.floor(landmarks[list(LIPS_OUTER), :2].mean(0) - PHOTO_SIDE / 2 * width).astype(int)
    side = int(np.ceil(PHOTO_SIDE * width))
    (left, top), (right, bottom) = np.maximum(low, 0), np.minimum(low + side, photo.shape[1::-1])
    kept = np.ascontiguousarray(photo[top:bottom, left:right])
    if scale < 1:
        kept = cv2.resize(kept, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    affine = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    return source_of(kept, transform(landmarks, affine), face_triangles, patch)


def source_of(
    photo: Image, landmarks: Landmarks, face_triangles: Int[np.ndarray, "faces 3"], patch: int
) -> MouthSource:
    """A source from a photo that is already cut to the face."""
    own = cv2.warpAffine(
        photo, patch_affine(landmarks, patch), (patch, patch), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = polygon_mask(landmarks, LIPS_INNER, photo.shape[:2])
    triangles = np.concatenate([face_triangles, mouth_fan()]).astype(np.int32)
    return MouthSource(photo, landmarks.astype(np.float64), mask, own, triangles)


def network_input(
    source: MouthSource, landmarks: Landmarks
) -> tuple[UInt8[np.ndarray, "patch patch 9"], Bool[np.ndarray, "patch patch"]]:
    """The network's input channels for driving `landmarks` in patch px, and where the face's mesh covers the patch."""
    patch = source.patch.shape[0]
    flow, covered = backward_flow(landmarks[:N_FACE], source.landmarks[:N_FACE, :2], source.triangles, (patch, patch))
    channels = np.empty((patch, patch, CHANNELS), np.uint8)
    channels[..., :3] = cv2.remap(source.photo, flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # pyright: ignore
    channels[..., 3] = polygon_mask(landmarks, LIPS_INNER, (patch, patch))
    channels[..., 4] = polygon_mask(landmarks, LIPS_OUTER, (patch, patch))
    channels[..., 5] = cv2.remap(source.inner_lips, flow, None, cv2.INTER_LINEAR) * covered  # pyright: ignore
    channels[..., 6:] = source.patch
    return channels, covered


def feather(patch: int) -> Float[np.ndarray, "patch patch"]:
    """1 in the middle of the patch, softly 0 before its border."""
    mask = np.zeros((patch, patch), np.float32)
    axes = (round(FEATHER_AXES[0] * patch), round(FEATHER_AXES[1] * patch))
    cv2.ellipse(mask, (patch // 2, patch // 2), axes, 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), FEATHER_BLUR * patch)
    border = np.minimum(np.arange(patch), np.arange(patch)[::-1])
    return mask * (np.minimum.outer(border, border) > 1)


class MouthPainter:
    """Paints mouths with a trained network; stateless after loading."""

    def __init__(self, network: MouthNetwork, device: str = "cpu", precision: torch.dtype | None = None) -> None:
        """precision: of the network's arithmetic; by default bfloat16 where a quick timing finds it clearly faster."""
        self.device = torch.device(device)
        self.patch = network.config.patch
        network = network.eval().requires_grad_(False).to(self.device)
        self.precision = precision or (faster_precision(network) if self.device.type == "cpu" else torch.float32)
        self.network = network.to(self.precision).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._feather = feather(self.patch)[..., None]  # (patch, patch, 1)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", precision: torch.dtype | None = None) -> MouthPainter:
        """From a checkpoint folder. Raises InputError if it is missing, damaged or not of this architecture."""
        return cls(load_network(folder), device, precision)

    def prepare(self, photo: Image, landmarks: Landmarks, face_triangles: Int[np.ndarray, "faces 3"]) -> MouthSource:
        """Once a portrait. landmarks: px of `photo`. face_triangles: the canonical mesh's, mouth not filled."""
        return prepare_source(photo, landmarks, face_triangles, self.patch)

    def paint(self, frame: Image, landmarks: Landmarks, source: MouthSource) -> Image:
        """Paint the mouth of `source` over `frame`, in place, and return it.

        landmarks: the driving face, px of `frame`. Pixels outside the patch, and those the network leaves alone, keep
        their exact value.
        """
        affine = patch_affine(landmarks, self.patch)
        channels, covered = network_input(source, transform(landmarks, affine))
        if not covered.all():
            behind = cv2.warpAffine(frame, affine, (self.patch, self.patch), borderMode=cv2.BORDER_REPLICATE)
            channels[~covered, :3] = behind[~covered]
        reach = self._feather if covered.all() else self._feather * _soft(covered)  # (patch, patch, 1)
        inside = _shrunk(channels[..., 3])[..., None] * reach
        layers = np.concatenate([self._change(channels) * reach, inside], -1)  # (patch, patch, 4)
        _add(frame, layers, channels[..., :3], affine)
        return frame

    def _change(self, channels: UInt8[np.ndarray, "patch patch 9"]) -> Float[np.ndarray, "patch patch 3"]:
        """What the network adds to the warped photo, in grey levels."""
        with torch.inference_mode():
            pixels = torch.from_numpy(channels).to(self.device)
            x = (pixels.permute(2, 0, 1)[None].float() / 127.5 - 1).to(self.precision)  # (1, 9, patch, patch)
            change, weight = self.network(x)
            return (127.5 * weight * change)[0].permute(1, 2, 0).cpu().numpy()  # (patch, patch, 3)


def load_network(folder: Path) -> MouthNetwork:
    """The network of a checkpoint folder, float32. Raises InputError if it does not fit this architecture."""
    checkpoint = load_checkpoint(folder)
    network = MouthNetwork(config_from(MouthConfig, checkpoint.config))
    try:
        network.load_state_dict(checkpoint.tensors)
    except RuntimeError as error:
        raise InputError(f"{folder} does not hold a mouth network ({error}).") from error
    return network


def save_network(folder: Path, network: MouthNetwork) -> None:
    """Write a checkpoint folder, weights in float16."""
    save_checkpoint(folder, asdict(network.config), network.state_dict())


def faster_precision(network: MouthNetwork) -> torch.dtype:
    """float32, or bfloat16 if this CPU runs the network clearly faster in it.

    The two take turns on one thread and the best processor time of each counts: other work on the machine must not
    tip the scales, or the same seed would not give the same video.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        best = {precision: min(times) for precision, times in _processor_times(network).items()}
    finally:
        torch.set_num_threads(threads)
    return torch.bfloat16 if best[torch.bfloat16] < WORTH_HALVING * best[torch.float32] else torch.float32


def _processor_times(network: MouthNetwork) -> dict[torch.dtype, list[float]]:
    """Seconds of processor time of some runs of copies of the network in each precision."""
    trials, patch = {}, network.config.patch
    for precision in (torch.float32, torch.bfloat16):
        trial = MouthNetwork(network.config)
        trial.load_state_dict(network.state_dict())
        trials[precision] = trial.to(precision).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    times: dict[torch.dtype, list[float]] = {precision: [] for precision in trials}
    with torch.inference_mode():
        for _ in range(TIMING_ROUNDS):
            for precision, trial in trials.items():
                x = torch.zeros(1, CHANNELS, patch, patch, dtype=precision)
                start = time.process_time()
                trial(x)
                times[precision].append(time.process_time() - start)
    return times


def _soft(covered: Bool[np.ndarray, "patch patch"]) -> Float[np.ndarray, "patch patch 1"]:
    """1 well inside the face, 0 beyond its edge."""
    inside = cv2.erode(covered.astype(np.float32), np.ones((7, 7), np.uint8), borderValue=1)
    return cv2.GaussianBlur(inside, (5, 5), 0)[..., None] * covered[..., None]


def _shrunk(mask: UInt8[np.ndarray, "patch patch"]) -> Float[np.ndarray, "patch patch"]:
    """The mask less its rim, softened, 0..1: nothing is left of lips that only just part."""
    return cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)), (3, 3), 0).astype(np.float32) / 255


def _add(
    frame: Image,
    layers: Float[np.ndarray, "patch patch 4"],
    warped: UInt8[np.ndarray, "patch patch 3"],
    affine: Affine,
) -> None:
    """Add a change (three layers, grey levels) to a frame at the frame's own resolution, in place.

    The fourth layer says where the frame gives way to `warped` first: inside the mouth, where the frame shows a thin
    line of the photo drawn out to stripes that no patch of another resolution has at the same places.
    """
    patch = layers.shape[0]
    scale = 1 / float(np.linalg.norm(affine[0, :2]))  # frame px per patch px
    if scale < SHRINKING:
        layers = cv2.GaussianBlur(layers, (0, 0), 0.4 / scale)
    inverse = cv2.invertAffineTransform(affine)
    corners = np.array([[0, 0], [patch, 0], [0, patch], [patch, patch]]) @ inverse[:, :2].T + inverse[:, 2]
    left, top = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int), frame.shape[1::-1])
    if right <= left or bottom <= top:
        return
    inverse[:, 2] -= (left, top)
    size = (int(right - left), int(bottom - top))
    added = cv2.warpAffine(layers, inverse, size, flags=cv2.INTER_LINEAR)  # (h, w, 4)
    region = frame[top:bottom, left:right]
    result = region + added[..., :3]
    if layers[..., 3].any():
        base = cv2.warpAffine(warped, inverse, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        result += added[..., 3:] * (base.astype(np.float32) - region)
    region[:] = np.clip(np.rint(result), 0, 255).astype(np.uint8)
