"""The volume face model on people it was not trained on: against copying the source and against the mesh face model.

Pictures are the person over mid-grey at the model's size. Besides reenactment, head pose and dynamics are taken from
two frames to see whether each keeps to itself, and motion from another person to see whose face it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from vasa_core.assets import resolve
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.identity import Descriptor, optional_descriptor
from vasa_core.evaluation.metrics.picture import psnr, ssim
from vasa_core.evaluation.renderer.figures import Distance, difference, distances
from vasa_core.evaluation.renderer.sheets import Shot, frames_row, sheet
from vasa_core.evaluation.report import write_report
from vasa_core.evaluation.volume.figures import (
    Faces,
    cosine,
    joined,
    landmark_distance,
    landmark_errors,
    pick_pairs,
    swap_scores,
)
from vasa_core.evaluation.volume.rendering import (
    Drawer,
    FaceReader,
    HeldOutFace,
    MeshDrawer,
    Subject,
    chosen,
    enlarged,
    in_enlarged,
    mixed,
    prepare_subject,
)
from vasa_core.evaluation.volume.report import summarise_identity, summarise_noise, summarise_reenactment
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.face.topology import canonical_mesh
from vasa_core.face.volume.networks import VolumeNetworks
from vasa_core.io.image import write_png
from vasa_core.preprocess.landmarker import Landmarker

DRIVING = 24  # frames of a clip
DEAR_EVERY = 3  # of them, those with the figures that take long
PAIRS = 6  # of a clip's frames, of each kind of swap
DRAWN = 6  # frames with another person's motion
MOST_PSNR = 100.0  # dB, of identical pictures
TITLE = "source | driving, mesh, render | another person's frame, mesh and render with its motion"

Progress = Callable[[int, int], None]  # clips done, in all
Values = dict[str, Float[np.ndarray, " n"]]
Pictures = UInt8[np.ndarray, "n size size 3"]


class _Swaps:
    """Faces drawn with pose and dynamics of different frames, and the frames' own faces, over all clips."""

    def __init__(self) -> None:
        self._rows: list[tuple[Faces, Faces, Faces]] = []

    def add(self, drawn: Faces, posed: Faces, moving: Faces) -> None:
        self._rows.append((drawn, posed, moving))

    def scores(self) -> dict[str, Any]:
        """Empty if no pair differs enough."""
        return swap_scores(*(joined(part) for part in zip(*self._rows, strict=True))) if self._rows else {}


class _Measurement:
    """Everything measured so far, and what measuring needs."""

    def __init__(
        self, drawer: Drawer, mesh: MeshDrawer, reader: FaceReader, distance: Distance | None, who: Descriptor | None
    ) -> None:
        self.drawer, self.mesh, self.reader, self.distance, self.who = drawer, mesh, reader, distance, who
        self.clips: list[dict[str, Values]] = []
        self.moved: list[Float[np.ndarray, " n"]] = []
        self.same, self.others, self.mesh_same, self.mesh_others = _Swaps(), _Swaps(), _Swaps(), _Swaps()
        self.consistency: list[dict[str, float]] = []
        self.identity: dict[str, list[tuple[float, float]]] = {}
        self.rows: list[UInt8[np.ndarray, "_ _ 3"]] = []

    def add(self, subject: Subject, other: Subject | None) -> None:
        """Measure one clip. other: a clip of somebody else."""
        driving = range(1, len(subject))
        render = self.drawer.draw(subject.appearance, chosen(subject.labels, driving))
        unaided = self.drawer.appear(subject.pictures[0], chosen(subject.read, [0]))
        portrait = self.mesh.appear(subject)
        pictures = {
            "copy": np.repeat(subject.pictures[:1], len(driving), 0),
            "mesh": self.mesh.draw(portrait, subject, driving, portrait.identity),
            "render": render,
            "render_read": self.drawer.draw(unaided, chosen(subject.read, driving)),
        }
        seen = {kind: self.reader(drawn) for kind, drawn in pictures.items() if kind != "copy"}
        seen["copy"] = subject.real[np.zeros(len(driving), int)]
        seen["truth"] = subject.real[np.arange(1, len(subject))]
        self.clips.append(self._reenactment(subject, pictures, seen))
        self.moved.append(subject.moved[1:])
        self._swap(subject, subject, portrait, self.same, self.mesh_same)
        self._consistency(subject)
        if other is not None:
            self._swap(subject, other, portrait, self.others, self.mesh_others)
            self._strangers(subject, other, (render, seen["render"]))
        self._draw_row(subject, other, pictures, portrait)

    def _reenactment(
        self, subject: Subject, pictures: dict[str, Pictures], seen: dict[str, Faces]
    ) -> dict[str, Values]:
        """Figures of each kind of picture, a value a driving frame; NaN where there is none."""
        truth = subject.pictures[1:]
        points = in_enlarged(subject.landmarks[1:], truth.shape[1])
        found: dict[str, Values] = {kind: {"face_found": faces.found.astype(float)} for kind, faces in seen.items()}
        for kind, faces in seen.items():
            found[kind] |= landmark_errors(faces.landmarks, points)
        for kind, drawn in pictures.items():
            pairs = list(zip(drawn, truth, strict=True))
            found[kind]["psnr"] = np.array([min(psnr(mine, theirs), MOST_PSNR) for mine, theirs in pairs])
            found[kind]["ssim"] = np.array([ssim(mine, theirs) for mine, theirs in pairs])
            if self.distance:
                far = np.full(len(pairs), np.nan)
                for index in range(len(pairs) - 1, -1, -DEAR_EVERY):
                    far[index] = distances(self.distance, [pairs[index][0]], pairs[index][1])[0]
                found[kind]["distance"] = far
        return found

    def _swap(self, posed: Subject, moving: Subject, portrait: Portrait, swaps: _Swaps, mesh_swaps: _Swaps) -> None:
        """The one person, whose portrait it is, with own pose and the dynamics of `moving`, maybe the same person."""
        pairs = list(dict.fromkeys(pair for o in ("lips", "eyes") for pair in _pairs(posed, moving, o)))
        if pairs:
            drawn = self.drawer.draw(posed.appearance, mixed(posed.labels, moving.labels, pairs))
            first, second = (np.array(index) for index in zip(*pairs, strict=True))
            swaps.add(self.reader(drawn), posed.real[first], moving.real[second])
            by_mesh = self.mesh.draw_mixed(portrait, posed, moving, pairs)
            mesh_swaps.add(self.reader(by_mesh), posed.real[first], moving.real[second])

    def _consistency(self, subject: Subject) -> None:
        """Pose of i and dynamics of j drawn from frame i and from frame j (VASA-1's l_consist)."""
        for i, j in _pairs(subject, subject, "lips")[: PAIRS // 2]:
            motion = mixed(subject.labels, subject.labels, [(i, j)])
            sources = [self.drawer.appear(subject.pictures[k], chosen(subject.labels, [k])) for k in (i, j)]
            drawn = np.concatenate([self.drawer.draw(source, motion) for source in sources])
            faces, real = self.reader(drawn).landmarks, subject.real.landmarks
            self.consistency.append(
                {
                    "landmarks": float(landmark_distance(faces[:1], faces[1:])[0]),
                    "l1": difference(drawn[0], drawn[1]),
                    "frames_landmarks": float(landmark_distance(real[[i]], real[[j]])[0]),
                    "frames_l1": difference(subject.pictures[i], subject.pictures[j]),
                }
            )

    def _strangers(self, subject: Subject, other: Subject, own: tuple[Pictures, Faces]) -> None:
        """How far the descriptor is from the source's in pictures of the same person and of others."""
        if self.who is None:
            return
        frames = np.linspace(1, len(other) - 1, min(DRAWN, len(other) - 1)).round().astype(int)
        crossed = self.drawer.draw(subject.appearance, chosen(other.labels, frames.tolist()))
        some = np.linspace(0, len(own[0]) - 1, min(DRAWN, len(own[0]))).round().astype(int)
        sets = {
            "cross_reenacted": (crossed, self.reader(crossed)),
            "self_reenacted": (own[0][some], own[1][some]),
            "same_person": (subject.pictures[1 + some], subject.real[1 + some]),
            "other_person": (other.pictures[frames], other.real[frames]),
        }
        source = self.who(enlarged(subject.pictures[0]), subject.real.landmarks[0])
        for name, (pictures, faces) in sets.items():
            for index in np.flatnonzero(faces.found):
                mine = self.who(enlarged(pictures[index]), faces.landmarks[index])
                pair = float(np.linalg.norm(mine - source)), cosine(mine, source)
                self.identity.setdefault(name, []).append(pair)

    def _draw_row(
        self, subject: Subject, other: Subject | None, pictures: dict[str, Pictures], portrait: Portrait
    ) -> None:
        """The frame that moved most, and the most moved frame of the other person."""
        shots = [Shot(subject.pictures[-1], pictures["mesh"][-1], pictures["render"][-1], subject.landmarks[-1])]
        if other is not None:
            last = len(other) - 1
            mesh = self.mesh.draw(portrait, other, [last])[0]
            render = self.drawer.draw(subject.appearance, chosen(other.labels, [last]))[0]
            shots.append(Shot(other.pictures[last], mesh, render, other.landmarks[last]))
        self.rows.append(frames_row(subject.pictures[0], shots))


def measure_volume(
    networks: VolumeNetworks,
    mesh: MeshFaceModel,
    faces: Sequence[HeldOutFace],
    out: Path,
    most: int = 12,
    distance: Distance | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the volume face model; `volume.json` and `sheet.png` go to the folder `out`.

    faces: clips of held-out people at the networks' size; the first of each person come first, at most `most` are
    measured. distance: perceptual distance of pictures in -1..1; None: listed as not measured. seed: of who moves
    like whom. Torch is held to one thread. Raises InputError if there is no clip that can be measured, or `most` is
    less than 1.
    """
    if most < 1:
        raise InputError(f"clips is {most}; expected 1 or more.")
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    missing = [] if distance else ["perceptual distance: its model file is not installed"]
    task = resolve("face_landmarker")
    with Landmarker(task) as landmarker:
        reader = FaceReader(landmarker, canonical_mesh(task)[0])
        measured = _Measurement(Drawer(networks), MeshDrawer(mesh), reader, distance, optional_descriptor(missing))
        subjects = _prepare(distinct_first(faces)[:most], measured, missing)
        for index, (subject, other) in enumerate(zip(subjects, strangers(subjects, seed), strict=True), 1):
            measured.add(subject, other)
            if progress:
                progress(index, len(subjects))
        noise = summarise_noise([(reader.labelled(subject), subject.real) for subject in subjects])
    names = [subject.identity for subject in subjects]
    result = {
        "size": networks.config.image,
        "people": len(set(names)),
        "reenactment": summarise_reenactment(measured.clips, measured.moved),
        "swap_same_person": measured.same.scores(),
        "swap_two_people": measured.others.scores(),
        "mesh_swap_same_person": measured.mesh_same.scores(),
        "mesh_swap_two_people": measured.mesh_others.scores(),
        "consistency": {
            name: float(np.nanmean([pair[name] for pair in measured.consistency]))
            for name in (measured.consistency[0] if measured.consistency else ())
        }
        | {"pairs": len(measured.consistency)},
        "identity": summarise_identity(measured.identity),
        "noise": noise,
        "not_measured": missing,
        "clips": [
            {"identity": name, **summarise_reenactment([clip], [moved])}
            for name, clip, moved in zip(names, measured.clips, measured.moved, strict=True)
        ],
    }
    write_png(out / "sheet.png", sheet(measured.rows, [f"{name}   {TITLE}" for name in names]))
    write_report(out / "volume.json", result)
    return result


def distinct_first(faces: Sequence[HeldOutFace]) -> list[HeldOutFace]:
    """The same clips, the first of every person before all others."""
    seen: set[str] = set()
    first: list[HeldOutFace] = []
    rest: list[HeldOutFace] = []
    for face in faces:
        (rest if face.identity in seen else first).append(face)
        seen.add(face.identity)
    return first + rest


def strangers(subjects: Sequence[Subject], seed: int) -> list[Subject | None]:
    """For each subject one of somebody else, drawn by the seed; None if there is nobody else."""
    rng = np.random.default_rng(seed)
    found: list[Subject | None] = []
    for subject in subjects:
        others = [other for other in subjects if other.identity != subject.identity]
        found.append(others[int(rng.integers(len(others)))] if others else None)
    return found


def _prepare(faces: Sequence[HeldOutFace], measured: _Measurement, missing: list[str]) -> list[Subject]:
    subjects = []
    for face in faces:
        try:
            subjects.append(prepare_subject(face, DRIVING, measured.drawer, measured.reader))
        except InputError as error:
            missing.append(str(error))
    if not subjects:
        raise InputError("No clip could be measured; expected clips of one face each.")
    return subjects


def _pairs(posed: Subject, moving: Subject, opening: str) -> list[tuple[int, int]]:
    return pick_pairs(posed.real, moving.real, PAIRS, opening)
