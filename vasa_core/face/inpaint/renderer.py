"""Paints what no warp of a photo can show, over the warped photo: the inside of the mouth, lips, lids and eyeballs.

Square patches that follow mouth and eyes are cut from the warped photo, repainted by small networks that know the
photo's own patches, and only what the networks changed is added to the frame, so that skin the warp already shows
keeps the photo's full detail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.face.inpaint.engine import Engine, Features, open_engine, open_torch_engine
from vasa_core.face.inpaint.regions import (
    EYE_LEFT,
    MOUTH,
    REGIONS,
    Affine,
    Image,
    Landmarks,
    Mask,
    Region,
    cut,
    driving_channels,
    face_mask,
    openings_mask,
    patch_affine,
    source_channels,
    transform,
    well_inside,
)
from vasa_core.face.inpaint.tone import Grain, Tone, grain_of, one_tone
from vasa_core.face.measure import lip_gap_of_width
from vasa_core.face.mesh.raster import sample

FEATHER_RADIUS, FEATHER_BLUR = 0.41, 0.045  # of the patch: the disc that may be painted, and its soft edge
OWN_GRAIN = 24.0  # grey levels of change; where the photo is changed less, some of its own grain is left
NO_GRAIN = np.zeros((1, 1, 1), np.float32)
SHRINKING = 0.8  # frame px per patch px; below it what is painted is smoothed before it is shrunk


class Warped(NamedTuple):
    """A frame to be painted: the photo warped by `flow` (px of the photo), irises moved; and the driving face, px of
    `frame`."""

    frame: Image
    flow: Float[np.ndarray, "height width 2"]
    landmarks: Landmarks


@dataclass(frozen=True)
class RenderSource:
    """What the renderer needs of a photo. openings: mask of its inner lips and between its lids. gap: between its lips,
    in face widths. mouth, eyes: its patches as the networks encode them (both eyes in one batch). painted: the regions
    that may be painted. tone, grain: see `one_tone` and `grain_of`."""

    openings: Mask
    gap: float
    mouth: Features
    eyes: Features
    painted: tuple[Region, ...] = REGIONS
    tone: Tone | None = None
    grain: Grain | None = None


def feather(patch: int) -> Float[np.ndarray, "patch patch 1"]:
    """1 in the middle of the patch, softly 0 before its border."""
    mask = np.zeros((patch, patch), np.float32)
    cv2.circle(mask, (patch // 2, patch // 2), round(FEATHER_RADIUS * patch), (1.0,), -1)
    mask = cv2.GaussianBlur(mask, (0, 0), FEATHER_BLUR * patch)
    border = np.minimum(np.arange(patch), np.arange(patch)[::-1])
    return (mask * (np.minimum.outer(border, border) > 1))[..., None]


class Renderer:
    """Paints mouth and eyes with trained networks; stateless after loading."""

    def __init__(self, mouth: Engine, eyes: Engine) -> None:
        """mouth, eyes: what runs the networks of these regions."""
        self.mouth, self.eyes = mouth, eyes
        self._feathers = {region: feather(region.patch) for region in REGIONS}

    @classmethod
    def load(cls, checkpoints: Path, device: str = "cpu", precision: str | None = None) -> Renderer:
        """From a folder with the checkpoints `mouth` and `eyes`. Raises InputError if one is missing or damaged.

        precision: of the networks' arithmetic, "float32", "float16" or "bfloat16"; by default float16 on a GPU, and
        what suits the kind of CPU elsewhere.
        """
        engines: list[Engine] = []
        for region in (MOUTH, EYE_LEFT):
            folder = checkpoints / region.network
            if precision or device != "cpu":
                engines.append(open_torch_engine(folder, region.patch, device, precision or "float16"))
            else:
                engines.append(open_engine(folder, region.patch))
        return cls(*engines)

    def prepare(self, photo: Image, landmarks: Landmarks, painted: tuple[Region, ...] = REGIONS) -> RenderSource:
        """Once a portrait. landmarks: px of `photo`. painted: the regions that it shows, which may be painted."""
        views = [source_channels(region, photo, landmarks) for region in REGIONS]
        return RenderSource(
            openings_mask(landmarks, photo.shape[:2]),
            float(lip_gap_of_width(landmarks)),
            self.mouth.encode(np.stack(views[:1])),
            self.eyes.encode(np.stack(views[1:])),
            painted,
            one_tone(np.concatenate([view[..., :3].reshape(-1, 1, 3) for view in views])),
            grain_of(photo, landmarks),
        )

    def paint(self, warped: Sequence[Warped], source: RenderSource) -> None:
        """Paint mouth and eyes of `source` over frames, in place, all of them in one pass of each network.

        Pixels outside the patches, and those the networks leave alone, keep their exact value.
        """
        shown = [[self._look(region, *frame, source) for region in REGIONS] for frame in warped]
        mouths = self.mouth(np.stack([views[0].channels for views in shown]), source.mouth)
        eyes = self.eyes(np.stack([view.channels for views in shown for view in views[1:]]), source.eyes)
        pairs = eyes.reshape(len(shown), 2, *eyes.shape[1:])
        for (frame, _, _), views, mouth, pair in zip(warped, shown, mouths, pairs, strict=True):
            for view, change in zip(views, (mouth, *pair), strict=True):
                if view.region in source.painted:
                    _add(frame, view, change, source)

    def _look(
        self, region: Region, frame: Image, flow: np.ndarray, landmarks: Landmarks, source: RenderSource
    ) -> _View:
        affine = patch_affine(landmarks, region)
        drawn = transform(landmarks, affine)
        patch = region.patch
        face = face_mask(drawn, (patch, patch))
        places = cut(flow, affine, patch)  # (patch, patch, 2)
        opening = sample(source.openings, places)
        opening = np.minimum(opening, face)
        warped = cut(frame, affine, patch)
        channels = driving_channels(region, warped, opening, drawn, source.gap)
        reach = self._feathers[region]
        if face.min() < 255:
            reach = reach * _soft(face)
        return _View(region, affine, warped, channels, reach)


@dataclass(frozen=True)
class _View:
    """One region of one frame. affine: frame px -> patch px. warped: the frame there. reach: how much of a change may
    be applied, 0..1."""

    region: Region
    affine: Affine
    warped: UInt8[np.ndarray, "patch patch 3"]
    channels: UInt8[np.ndarray, "patch patch 9"]
    reach: Float[np.ndarray, "patch patch 1"]


def _soft(face: Mask) -> Float[np.ndarray, "patch patch 1"]:
    """1 well inside the face, 0 beyond its edge."""
    inside = cv2.erode(face, np.ones((7, 7), np.uint8), borderValue=(255,))
    return cv2.GaussianBlur(inside, (5, 5), 0)[..., None].astype(np.float32) / 255


def _add(frame: Image, view: _View, change: Float[np.ndarray, "patch patch 3"], source: RenderSource) -> None:
    """Add a change (grey levels) to a frame at the frame's own resolution, in the photo's tone and grain, in place.

    Inside the mouth the frame first gives way to the patch: there it shows a thin line of the photo drawn out to
    stripes, of which the patch has only the softened ones that the network knew of.
    """
    patch = view.region.patch
    inside = np.zeros((patch, patch), np.float32) if view.region.iris else well_inside(view.channels[..., 3])
    layers = reached(change, view.reach, view.channels, view.warped, inside)  # (patch, patch, 4)
    scale = 1 / float(np.linalg.norm(view.affine[0, :2]))  # frame px per patch px
    if scale < SHRINKING:
        layers = cv2.GaussianBlur(layers, (0, 0), 0.4 / scale)
    inverse = cv2.invertAffineTransform(view.affine)
    corners = np.array([[0, 0], [patch, 0], [0, patch], [patch, patch]]) @ inverse[:, :2].T + inverse[:, 2]
    left, top = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int), frame.shape[1::-1])
    if right <= left or bottom <= top:
        return
    inverse[:, 2] -= (left, top)
    size = (int(right - left), int(bottom - top))
    added = cv2.warpAffine(layers, inverse, size, flags=cv2.INTER_LINEAR)  # (h, w, 4)
    region = frame[top:bottom, left:right]
    before = region.copy() if source.tone is not None else region
    blend(region, added, NO_GRAIN if source.grain is None else source.grain)
    if source.tone is not None:
        toned = source.tone[np.asarray(cv2.cvtColor(region, cv2.COLOR_RGB2GRAY), np.uint8)]
        region[:] = np.where((region != before).any(-1, keepdims=True), toned, before)


@numba.njit(cache=True, nogil=True)
@no_type_check
def reached(change, reach, channels, warped, inside):
    """What is added to a patch, grey levels, and how far the frame gives way to it before, as far as it reaches.

    That is the change and what was blanked for the network; where the frame gives way (`inside`, 0..1), the patch as
    well. (patch, patch, 4), the last channel being what the frame loses, 0..1.
    """
    layers = np.empty((*inside.shape, 4), np.float32)
    for y in range(inside.shape[0]):
        for x in range(inside.shape[1]):
            share = reach[y, x, 0]
            for channel in range(3):
                own = np.float32(warped[y, x, channel])
                added = change[y, x, channel] + (np.float32(channels[y, x, channel]) - own)
                layers[y, x, channel] = (added + inside[y, x] * own) * share
            layers[y, x, 3] = inside[y, x] * share
    return layers


@numba.njit(cache=True, nogil=True)
@no_type_check
def blend(region, added, grain):
    """Add to a region of a frame (h, w, 3), in place, what `added` (h, w, 4; see `reached`) says.

    grain: (side, side, 1), of which there is as much as the frame is changed.
    """
    height, width, _ = region.shape
    side, most_of = len(grain), np.float32(1 / OWN_GRAIN)
    for y in range(height):
        grained, column = y % side, -1
        for x in range(width):
            column = column + 1 if column + 1 < side else 0
            lost = added[y, x, 3]
            red = added[y, x, 0] - lost * np.float32(region[y, x, 0])
            green = added[y, x, 1] - lost * np.float32(region[y, x, 1])
            blue = added[y, x, 2] - lost * np.float32(region[y, x, 2])
            most = max(abs(red), abs(green), abs(blue))
            if most == 0:
                continue
            noise = min(most * most_of, np.float32(1)) * grain[grained, column, 0]
            region[y, x, 0] = _level(region[y, x, 0] + red + noise)
            region[y, x, 1] = _level(region[y, x, 1] + green + noise)
            region[y, x, 2] = _level(region[y, x, 2] + blue + noise)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _level(value):
    return np.uint8(min(max(np.rint(value), np.float32(0)), np.float32(255)))
