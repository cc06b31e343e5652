"""The mesh face model: the photo's own pixels on a 3D face mesh are the appearance volume (VASA-1 section 3.1's role).

encode_portrait lifts a photo once; decode poses and deforms the mesh, rasterises a dense backward flow, warps the
person with it and lays them over the background, then draws the irises and paints the inside of the mouth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from vasa_core.face.basis import EXPRESSION, GAZE, LIDS, FaceBasis, toward_gaps
from vasa_core.face.inpaint.regions import REGIONS
from vasa_core.face.inpaint.renderer import Renderer, RenderSource, Warped
from vasa_core.face.limits import limited
from vasa_core.face.measure import eye_gap, lip_gaps
from vasa_core.face.mesh.compose import Box, compile_composer
from vasa_core.face.mesh.far_side import MeshSource, clear_point, mesh_source
from vasa_core.face.mesh.head_shell import RADII, Skull, build_skull
from vasa_core.face.mesh.irises import Irises, draw_eyes, lift_irises
from vasa_core.face.mesh.layers import cut_out, draw_person, still_scene
from vasa_core.face.mesh.photo import LandmarkEncoder, LiftedPhoto
from vasa_core.face.mesh.raster import backward_flow, compile_rasterizer
from vasa_core.face.pose import LOG_DISTANCE, PITCH, YAW, fit_similarity, from_pose
from vasa_core.face.topology import EYES, N_FACE, STABLE, ring_triangles
from vasa_core.options import MESH
from vasa_core.types import LEFT_EYE, MOUTH, PARTS, RIGHT_EYE, Border, Motion, TrackedImage
from vasa_core.weights import load_arrays

BATCHES = {"cuda": 8, "cpu": 1}  # frames painted in one pass
ARRAYS = ("mean", "identity", "dynamics", "lids", "iris_rest", "mirror_index")
NUMBERS = ("eyeball_radius", "iris_gain", "lid_floor", "lid_follow", "noise")


def load_basis(folder: Path) -> tuple[FaceBasis, Int[np.ndarray, "898 3"]]:
    """The basis and the face's triangles of a checkpoint folder. Raises InputError if it is not one."""
    checkpoint = load_arrays(folder)
    arrays = {name: checkpoint.arrays[name] for name in ARRAYS}
    values: dict[str, Any] = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in arrays.items()}
    values |= {name: float(checkpoint.config[name]) for name in NUMBERS}
    return FaceBasis(**values), checkpoint.arrays["triangles"]


@dataclass(frozen=True)
class Portrait(LiftedPhoto):
    """A photo made ready to be animated (the appearance volume and identity code of VASA-1).

    moving: the mesh's vertices around which the person can move. hidden: those of PARTS that are not painted.
    source: where its pixels are from.
    """

    skull: Skull
    source: MeshSource
    moving: Int[np.ndarray, " moving"]
    irises: Irises
    render: RenderSource
    hidden: tuple[str, ...] = ()

    @property
    def hidden_eyes(self) -> tuple[bool, bool]:
        """Of the image-left and the image-right eye, whether it is not painted."""
        return LEFT_EYE in self.hidden, RIGHT_EYE in self.hidden


class MeshFaceModel(LandmarkEncoder):
    """Encodes faces to motion and decodes motion on a portrait; stateless after loading."""

    name = MESH

    def __init__(
        self, basis: FaceBasis, triangles: Int[np.ndarray, "898 3"], renderer: Renderer, device: str = "cpu"
    ) -> None:
        super().__init__(basis)
        self.renderer = renderer
        self.device = device
        self.batch = BATCHES.get(device.partition(":")[0], 1)
        self.triangles = np.concatenate([triangles, ring_triangles(N_FACE, len(RADII))])

    @classmethod
    def load(cls, checkpoints: Path, device: str = "cpu") -> MeshFaceModel:
        """From a folder with the checkpoints `mesh`, `mouth`, `eyes`. Raises InputError if one is missing or bad."""
        basis, triangles = load_basis(checkpoints / "mesh")
        compile_rasterizer()
        compile_composer()
        return cls(basis, triangles, Renderer.load(checkpoints, device), device)

    def encode_portrait(
        self,
        tracked: TrackedImage,
        canvas: UInt8[np.ndarray, "canvas_height canvas_width 3"] | None = None,
        matte: UInt8[np.ndarray, "canvas_height canvas_width"] | None = None,
        border: Border | None = None,
        hidden: tuple[str, ...] = (),
    ) -> Portrait:
        """Make a photo ready to be animated. canvas: the same photo with more around it, the same on every side.

        matte: opacity of the person in the canvas, 0 to 255; without one, or if all of it is 255, person and
        background are one piece, and the background bends with the head. border: where the whole photo ends, px of
        the crop: there it stays, so that nothing beyond it comes into view. hidden: those of PARTS that the
        photo does not show; they are not painted, and hidden eyes do not move.
        """
        canvas = tracked.image if canvas is None else canvas
        matte = np.full(canvas.shape[:2], 255, np.uint8) if matte is None else matte
        lifted = self.lift(tracked, canvas, matte, border)
        photo, landmarks, margin = lifted.photo, lifted.landmarks, lifted.margin
        stable = list(STABLE)
        similarity = fit_similarity(lifted.identity.neutral[stable], landmarks[None, stable])
        skull = build_skull(landmarks, similarity, not matte.all(), border)
        yaw = float(lifted.motion.pose[0, YAW])
        clear = clear_point(lifted.layers.person[..., 3], margin)
        return Portrait(
            **vars(lifted),
            skull=skull,
            source=mesh_source(landmarks, skull.photo, self.triangles, self.basis.mirror_index, yaw, clear),
            moving=self._moving(
                np.concatenate([landmarks[:N_FACE], skull.photo]) + [margin, margin, 0],
                skull.weights + skull.trunk,
                lifted.layers.person[..., 3],
            ),
            irises=lift_irises(photo, landmarks),
            render=self.renderer.prepare(
                photo,
                landmarks,
                tuple(region for part, region in zip(PARTS, REGIONS, strict=True) if part not in hidden),
            ),
            hidden=hidden,
        )

    def decode(
        self, portrait: Portrait, motion: Motion, zoom: float = 1.0, paint: bool = True
    ) -> Iterator[UInt8[np.ndarray, "h w channels"]]:
        """Frames of the portrait moving so, at the portrait's own size; RGBA if its layers are cut out.

        zoom: size of the whole picture about the face, 1 / distance; the pose moves the head alone. paint: False
        leaves the warped photo as it is, without eyes and mouth painted. Motion beyond what the photo can show is
        limited smoothly (see `face.limits`).
        """
        motion = limited(motion, portrait.motion, portrait.freedom)
        motion = _with_still_eyes(motion, portrait.motion, portrait.hidden_eyes)
        if MOUTH in portrait.hidden:
            motion = self._with_kept_line(motion, portrait.motion)
        points = self.landmarks(portrait, motion)
        size = portrait.photo.shape[:2]
        unturned = self.unturned(portrait, motion, points, size)
        rings = portrait.skull.moved(motion, portrait.motion.pose[0], size, portrait.depth_offset)
        scene = still_scene(portrait.layers, size, (float(portrait.centre[0]), float(portrait.centre[1])), zoom)
        rest = _zoomed(np.concatenate([portrait.landmarks[:N_FACE], portrait.skull.photo]), portrait.centre, zoom)

        def warped(index: int) -> Warped:
            face, still_face, skull = (
                _zoomed(values[index], portrait.centre, zoom) for values in (points, unturned, rings)
            )
            vertices, triangles = portrait.source.drawn(face, skull)
            box = _box_around(np.concatenate([vertices[portrait.moving], rest[portrait.moving]]), size)
            flow = self._flow(vertices, portrait.source.points, triangles, scene.flow, box)
            found = Warped(draw_person(portrait.layers, scene, flow, box), flow, face)
            if paint:
                _move_irises(found, portrait, still_face, motion.pose[index], zoom)
            return found

        for start in range(0, len(motion), self.batch):
            frames = [warped(index) for index in range(start, min(start + self.batch, len(motion)))]
            if paint:
                self.renderer.paint(frames, portrait.render)
            for frame, flow, _ in frames:
                yield frame if portrait.layers.cut_out is None else cut_out(portrait.layers, frame, flow)

    def unturned(
        self, portrait: Portrait, motion: Motion, points: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Float[np.ndarray, "n 478 3"]:
        """The landmarks with the irises' centres where they would be with the photo's own gaze."""
        travel = self.basis.iris_travel(motion.dynamics[:, GAZE], portrait.motion.dynamics[0, GAZE])  # (n, xy)
        rotation, scale, _ = from_pose(motion.pose, size)
        moved = scale[:, None] * np.einsum("nij,nj->ni", rotation[:, :2, :2], travel)  # (n, xy), px
        unturned = points.copy()
        for eye in EYES:
            unturned[:, eye.iris[0], :2] -= moved
        return unturned

    def _with_kept_line(self, motion: Motion, own: Motion) -> Motion:
        """The motion with lips nowhere nearer to each other than in the photo, whose line between them is all there is
        of the mouth."""
        dynamics = motion.dynamics.copy()
        change = (dynamics - own.dynamics)[:, EXPRESSION] @ lip_gaps(self.basis.dynamics)  # (n, pairs)
        dynamics[:, EXPRESSION] += (np.maximum(change, 0) - change) @ toward_gaps(self.basis.dynamics)
        return replace(motion, dynamics=dynamics)

    def _flow(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        source: Float[np.ndarray, "vertices 2"],
        triangles: Int[np.ndarray, "triangles 3"],
        behind: Float[np.ndarray, "h w 2"],
        box: Box,
    ) -> Float[np.ndarray, "h w 2"]:
        if self.device == "cpu":
            return backward_flow(vertices, source, triangles, behind.shape[:2], behind, box)[0]
        import torch

        from vasa_core.face.mesh.raster_torch import backward_flow_torch

        moved, still, corners, flow = (
            torch.tensor(v, device=self.device) for v in (vertices, source, triangles, behind)
        )
        return backward_flow_torch(moved, still, corners, behind.shape[:2], flow)[0].cpu().numpy()

    def _moving(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        weights: Float[np.ndarray, " rings"],
        person: UInt8[np.ndarray, "height width"],
    ) -> Int[np.ndarray, " moving"]:
        """Vertices of the triangles that may move and show something of the person. vertices: px of `person`."""
        sums = cv2.integral((person > 0).astype(np.uint8))  # (height + 1, width + 1)
        corners = vertices[self.triangles, :2]  # (triangles, 3, 2)
        limits = np.array(person.shape[::-1])
        left, top = np.floor(corners.min(1)).astype(int).clip(0, limits).T
        right, bottom = (np.ceil(corners.max(1)).astype(int) + 1).clip(0, limits).T
        shown = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left] > 0
        moves = np.concatenate([np.ones(N_FACE), weights])[self.triangles].any(1)
        return np.unique(self.triangles[shown & moves])


def _move_irises(
    warped: Warped,
    portrait: Portrait,
    unturned: Float[np.ndarray, "478 3"],
    pose: Float[np.ndarray, " 6"],
    zoom: float,
) -> None:
    """Draw the irises where they look, in place. unturned: the landmarks, irises as the photo's own gaze has them.

    A hidden eye counts as one that has not moved.
    """
    rest = portrait.motion.pose[0]
    scale = zoom * np.exp(rest[LOG_DISTANCE] - pose[LOG_DISTANCE])
    squeeze = np.cos(pose[[YAW, PITCH]]) / np.cos(rest[[YAW, PITCH]])
    opening = eye_gap(warped.landmarks) / eye_gap(portrait.landmarks) / scale
    for index, hides in enumerate(portrait.hidden_eyes):
        if hides:
            opening[index] = 1.0
            unturned[EYES[index].iris[0]] = warped.landmarks[EYES[index].iris[0]]
    draw_eyes(warped.frame, warped.flow, portrait.irises, warped.landmarks, unturned, opening, tuple(scale * squeeze))


def _with_still_eyes(motion: Motion, own: Motion, still: tuple[bool, bool]) -> Motion:
    """The motion with the photo's own lids of the eyes that are `still`, and its gaze if both are."""
    dynamics = motion.dynamics.copy()
    dynamics[:, LIDS] = np.where(still, own.dynamics[:, LIDS], dynamics[:, LIDS])
    if all(still):
        dynamics[:, GAZE] = own.dynamics[:, GAZE]
    return replace(motion, dynamics=dynamics)


def _box_around(points: Float[np.ndarray, "n 3"], size: tuple[int, int]) -> Box:
    """Whole px around points, inside a picture of `size` (height, width) and never empty."""
    limits = np.array(size[::-1])
    left, top = (np.floor(points[:, :2].min(0)).astype(int) - 1).clip(0, limits - 1)
    right, bottom = (np.ceil(points[:, :2].max(0)).astype(int) + 2).clip(1, limits)
    return int(left), int(top), int(max(right, left + 1)), int(max(bottom, top + 1))


def _zoomed(points: Float[np.ndarray, "n 3"], centre: Float[np.ndarray, " 2"], zoom: float) -> np.ndarray:
    """Points scaled about `centre` in the picture, depth with them."""
    return (points - [*centre, 0]) * zoom + [*centre, 0]
