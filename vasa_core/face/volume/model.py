"""The volume face model: VASA-1's face latent space (section 3.1) behind the interface of the mesh face model.

Pose and dynamics come and go in the mesh model's basis, read from landmarks: pose is the networks' own, dynamics reach
z_dyn by the adapter. The networks draw the person with alpha; the photo's own background plate lies behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from vasa_core.errors import InputError
from vasa_core.face.basis import FaceBasis
from vasa_core.face.limits import limited
from vasa_core.face.mesh.layers import Scene, still_scene
from vasa_core.face.mesh.model import load_basis
from vasa_core.face.mesh.photo import LandmarkEncoder, LiftedPhoto
from vasa_core.face.volume.adapter import DynamicsAdapter
from vasa_core.face.volume.engine import VolumeEngine
from vasa_core.face.volume.networks import MotionCode, load_volume_model
from vasa_core.options import VOLUME
from vasa_core.types import Border, Motion, TrackedImage

FOLDER = "volume"  # of the checkpoints
GREY = 127.5  # behind the person in the networks' pictures
EDGE = 0.04  # of the crop's side: where what is drawn fades into the still photo around the crop


@dataclass(frozen=True)
class VolumePortrait(LiftedPhoto):
    """A photo made ready to be animated: the canonical appearance volume, z_id and z_dyn, on the model's device.

    adapted: what the adapter makes of the photo's own dynamics.
    """

    canonical: Float[Tensor, "1 c d h w"]
    code: Float[Tensor, "1 identity"]
    dynamics: Float[Tensor, "1 dynamics"]
    adapted: Float[Tensor, "1 dynamics"]


class VolumeFaceModel(LandmarkEncoder):
    """Encodes faces to motion and decodes motion on a portrait; stateless after loading."""

    name = VOLUME

    def __init__(self, basis: FaceBasis, engine: VolumeEngine, adapter: DynamicsAdapter) -> None:
        super().__init__(basis)
        self.engine = engine
        self.batch = engine.batch
        self.adapter = adapter.eval().requires_grad_(False)

    @classmethod
    def load(cls, checkpoints: Path, device: str = "cpu", compiled: bool = False) -> VolumeFaceModel:
        """From a folder with the checkpoints `mesh` and `volume`. compiled: see `VolumeEngine`.

        Raises InputError if one is missing or bad, or if the networks have no adapter.
        """
        basis, _ = load_basis(checkpoints / "mesh")
        folder = checkpoints / FOLDER
        networks, adapter = load_volume_model(folder)
        if adapter is None:
            raise InputError(f"{folder} has no adapter; expected a volume checkpoint with one (see training.adapter).")
        if adapter.config.inputs != basis.dimensions:
            raise InputError(
                f"{folder} has an adapter for {adapter.config.inputs} dynamics; expected the mesh's {basis.dimensions}."
            )
        return cls(basis, VolumeEngine(networks, device, compiled=compiled), adapter)

    def encode_portrait(
        self,
        tracked: TrackedImage,
        canvas: UInt8[np.ndarray, "canvas_height canvas_width 3"] | None = None,
        matte: UInt8[np.ndarray, "canvas_height canvas_width"] | None = None,
        border: Border | None = None,
        hidden: tuple[str, ...] = (),
    ) -> VolumePortrait:
        """Make a photo ready to be animated. canvas: the same photo with more around it, the same on every side.

        matte: opacity of the person in the canvas, 0 to 255. Without one there is no plate: the photo itself lies
        behind what the networks draw. border: where the whole photo ends, px of the crop.
        hidden: of no use here, since nothing is painted.
        """
        canvas = tracked.image if canvas is None else canvas
        matte = np.full(canvas.shape[:2], 255, np.uint8) if matte is None else matte
        lifted = self.lift(tracked, canvas, matte, border)
        inside = slice(lifted.margin, lifted.margin + tracked.image.shape[0])
        picture = person_over_grey(tracked.image, matte[inside, inside], self.engine.config.image)
        pose = torch.from_numpy(lifted.motion.pose).float()
        canonical, code, dynamics = self.engine.encode(picture, pose)
        return VolumePortrait(
            **vars(lifted),
            canonical=canonical,
            code=code,
            dynamics=dynamics.cpu(),
            adapted=self._adapted(lifted.motion),
        )

    def motion_code(self, portrait: VolumePortrait, motion: Motion) -> MotionCode:
        """z_pose and z_dyn of the portrait in a motion; its own motion gives the photo's own codes."""
        pose = torch.from_numpy(motion.pose).float()
        return MotionCode(pose, portrait.dynamics + (self._adapted(motion) - portrait.adapted))

    def decode(
        self, portrait: VolumePortrait, motion: Motion, zoom: float = 1.0, paint: bool = True
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Frames of the portrait moving so, at the portrait's own size, some at once in one pass of the networks.

        zoom: size of the whole picture about the face, 1 / distance; the pose moves the person alone. paint: there is
        nothing to leave unpainted here. Motion beyond what a photo can show is limited smoothly (see `face.limits`).
        """
        codes = self.motion_code(portrait, limited(motion, portrait.motion, portrait.freedom))
        size = portrait.photo.shape[:2]
        scene = still_scene(portrait.layers, size, (float(portrait.centre[0]), float(portrait.centre[1])), zoom)
        for start in range(0, len(motion), self.engine.batch):
            part = slice(start, start + self.engine.batch)
            renders = self.engine.render(portrait.canonical, portrait.code, MotionCode(*(code[part] for code in codes)))
            for render in renders.movedim(1, -1).cpu().numpy():  # (s, s, 4)
                yield _over(render, scene, zoom)

    def _adapted(self, motion: Motion) -> Float[Tensor, "n dynamics"]:
        with torch.inference_mode():
            return self.adapter(torch.from_numpy(motion.dynamics).float())


def person_over_grey(
    picture: UInt8[np.ndarray, "height width 3"], matte: UInt8[np.ndarray, "height width"], side: int
) -> Float[Tensor, "1 3 {side} {side}"]:
    """A photo as the networks were trained to see it: `side` px, -1..1, mid-grey where the person is not."""
    small, opacity = (cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in (picture, matte))
    return torch.from_numpy(laid_over_grey(small, opacity) / GREY - 1).float().movedim(-1, 0)[None]


def laid_over_grey(
    picture: UInt8[np.ndarray, "height width 3"], matte: UInt8[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with its background replaced by mid-grey. matte: opacity of the person, 0 to 255."""
    opacity = matte[..., None].astype(np.float32) / 255
    return np.rint(GREY + opacity * (picture - GREY)).astype(np.uint8)


def _over(render: Float32[np.ndarray, "s s 4"], scene: Scene, zoom: float) -> UInt8[np.ndarray, "h w 3"]:
    """A render (colour -1..1, alpha) enlarged and laid over the scene; exactly the plate where there is no alpha.

    Where the picture looks beyond the crop, the still photo is shown; the render fades into it.
    """
    premultiplied = np.concatenate([(render[..., :3] + 1) * (GREY * render[..., 3:]), render[..., 3:]], -1)
    height, width = scene.plate.shape[:2]
    if zoom == 1:
        drawn = premultiplied
        if render.shape[:2] != (height, width):
            drawn = cv2.resize(premultiplied, (width, height), interpolation=cv2.INTER_CUBIC)
        share = None
    else:
        scale = np.array([render.shape[1] / width, render.shape[0] / height], np.float32)
        where = (scene.flow + np.float32(0.5)) * scale - np.float32(0.5)  # px of the render
        drawn = _remapped(premultiplied, where, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
        share = _remapped(_inside((height, width)), scene.flow, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    alpha = drawn[..., 3:].clip(0, 1)
    frame = drawn[..., :3].clip(0, 255 * alpha) + (1 - alpha) * scene.plate
    if share is not None:
        frame = scene.frame + share[..., None] * (frame - scene.frame)
    return np.rint(frame).clip(0, 255).astype(np.uint8)


def _remapped(picture: np.ndarray, flow: np.ndarray, kernel: int, border: int) -> np.ndarray:
    return cv2.remap(picture, flow, None, kernel, borderMode=border)  # pyright: ignore


@lru_cache(maxsize=4)
def _inside(size: tuple[int, int]) -> Float32[np.ndarray, "height width"]:
    """1 inside a crop of `size`, fading to 0 at its edges."""
    rows, columns = (
        np.clip((np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5) / (EDGE * n), 0, 1).astype(np.float32)
        for n in size
    )
    return np.minimum.outer(rows, columns)
