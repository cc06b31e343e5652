"""The volume face model on people it was not trained on: against copying the source and against the mesh face model.

Pictures are the person over mid-grey at the model's size. Besides reenactment, head pose and dynamics are taken from
two frames to see whether each keeps to itself, and motion from another person to see whose face it stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.cpu import share_cores
from vasa_core.data.frames import FaceFrames
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.geometry import landmark_distance
from vasa_core.evaluation.metrics.identity import Descriptor, optional_descriptor
from vasa_core.evaluation.metrics.picture import psnr, ssim
from vasa_core.evaluation.renderer.figures import Distance, difference, perceptual
from vasa_core.evaluation.renderer.sheets import Shot, frames_row, sheet
from vasa_core.evaluation.report import write_report
from vasa_core.evaluation.setup import NO_PERCEPTUAL_DISTANCE, Steps, check_count, distinct_first
from vasa_core.evaluation.video.tracks import open_tracker
from vasa_core.evaluation.volume.figures import (
    Faces,
    cosine,
    joined,
    landmark_errors,
    pick_pairs,
    swap_scores,
)
from vasa_core.evaluation.volume.rendering import (
    FaceReader,
    MeshRenderer,
    Renderer,
    Subject,
    chosen,
    enlarged,
    in_enlarged,
    mixed,
    prepare_subject,
)
from vasa_core.evaluation.volume.report import summarise_identity, summarise_noise, summarise_reenactment
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.face.volume.networks import VolumeNetworks
from vasa_core.io.image import write_png
from vasa_core.types import Progress

DRIVING = 24  # frames of a clip
DEAR_EVERY = 3  # of them, those with the figures that take long
PAIRS = 6  # of a clip's frames, of each kind of swap
RENDERED = 6  # frames with another person's motion
MOST_PSNR = 100.0  # dB, of identical pictures
SWAPS = ("swap_same_person", "swap_two_people", "mesh_swap_same_person", "mesh_swap_two_people")
TITLE = "source | driving, mesh, render | another person's frame, mesh and render with its motion"

Values = dict[str, Float[np.ndarray, " n"]]
Pictures = UInt8[np.ndarray, "n size size 3"]


class _Measurement:
    """Everything measured so far, and what measuring needs."""

    def __init__(
        self,
        renderer: Renderer,
        mesh: MeshRenderer,
        reader: FaceReader,
        distance: Distance | None,
        who: Descriptor | None,
    ) -> None:
        self.renderer, self.mesh, self.reader, self.distance, self.who = renderer, mesh, reader, distance, who
        self.clips: list[dict[str, Values]] = []
        self.moved: list[Float[np.ndarray, " n"]] = []
        self.swaps: dict[str, list[tuple[Faces, Faces, Faces]]] = {name: [] for name in SWAPS}
        self.consistency: list[dict[str, float]] = []
        self.identity: dict[str, list[tuple[float, float]]] = {}
        self.rows: list[UInt8[np.ndarray, "_ _ 3"]] = []

    def add(self, subject: Subject, other: Subject | None) -> None:
        """Measure one clip. other: a clip of somebody else."""
        driving = range(1, len(subject))
        render = self.renderer.render(subject.appearance, chosen(subject.labels, driving))
        unaided = self.renderer.appear(subject.pictures[0], chosen(subject.read, [0]))
        portrait = self.mesh.appear(subject)
        pictures = {
            "copy": np.repeat(subject.pictures[:1], len(driving), 0),
            "mesh": self.mesh.render(portrait, subject, driving, portrait.identity),
            "render": render,
            "render_read": self.renderer.render(unaided, chosen(subject.read, driving)),
        }
        seen = {kind: self.reader(rendered) for kind, rendered in pictures.items() if kind != "copy"}
        seen["copy"] = subject.real[np.zeros(len(driving), int)]
        seen["truth"] = subject.real[np.arange(1, len(subject))]
        self.clips.append(self._reenactment(subject, pictures, seen))
        self.moved.append(subject.moved[1:])
        self._swap(subject, subject, portrait, "swap_same_person")
        self._consistency(subject)
        if other is not None:
            self._swap(subject, other, portrait, "swap_two_people")
            self._strangers(subject, other, (render, seen["render"]))
        self._row(subject, other, pictures, portrait)

    def _reenactment(
        self, subject: Subject, pictures: dict[str, Pictures], seen: dict[str, Faces]
    ) -> dict[str, Values]:
        """Figures of each kind of picture, a value a driving frame; NaN where there is none."""
        truth = subject.pictures[1:]
        points = in_enlarged(subject.landmarks[1:], truth.shape[1])
        found: dict[str, Values] = {kind: {"face_found": faces.found.astype(float)} for kind, faces in seen.items()}
        for kind, faces in seen.items():
            found[kind] |= landmark_errors(faces.landmarks, points)
        for kind, rendered in pictures.items():
            pairs = list(zip(rendered, truth, strict=True))
            found[kind]["psnr"] = np.array([min(psnr(mine, theirs), MOST_PSNR) for mine, theirs in pairs])
            found[kind]["ssim"] = np.array([ssim(mine, theirs) for mine, theirs in pairs])
            if self.distance:
                far = np.full(len(pairs), np.nan)
                for index in range(len(pairs) - 1, -1, -DEAR_EVERY):
                    far[index] = perceptual(self.distance, *pairs[index])
                found[kind]["distance"] = far
        return found

    def _swap(self, posed: Subject, moving: Subject, portrait: Portrait, name: str) -> None:
        """Render a person, whose portrait it is, with own pose and the dynamics of `moving`, maybe the same person."""
        pairs = list(dict.fromkeys(pair for o in ("lips", "eyes") for pair in _pairs(posed, moving, o)))
        if pairs:
            rendered = self.renderer.render(posed.appearance, mixed(posed.labels, moving.labels, pairs))
            first, second = (np.array(index) for index in zip(*pairs, strict=True))
            real = posed.real[first], moving.real[second]
            self.swaps[name].append((self.reader(rendered), *real))
            by_mesh = self.mesh.render_mixed(portrait, posed, moving, pairs)
            self.swaps[f"mesh_{name}"].append((self.reader(by_mesh), *real))

    def _consistency(self, subject: Subject) -> None:
        """Pose of i and dynamics of j rendered from frame i and from frame j (VASA-1's l_consist)."""
        for i, j in _pairs(subject, subject, "lips")[: PAIRS // 2]:
            motion = mixed(subject.labels, subject.labels, [(i, j)])
            sources = [self.renderer.appear(subject.pictures[k], chosen(subject.labels, [k])) for k in (i, j)]
            rendered = np.concatenate([self.renderer.render(source, motion) for source in sources])
            faces, real = self.reader(rendered).landmarks, subject.real.landmarks
            self.consistency.append(
                {
                    "landmarks": float(landmark_distance(faces[:1], faces[1:])[0]),
                    "l1": difference(rendered[0], rendered[1]),
                    "frames_landmarks": float(landmark_distance(real[[i]], real[[j]])[0]),
                    "frames_l1": difference(subject.pictures[i], subject.pictures[j]),
                }
            )

    def _strangers(self, subject: Subject, other: Subject, own: tuple[Pictures, Faces]) -> None:
        """How far the descriptor is from the source's in pictures of the same person and of others."""
        if self.who is None:
            return
        frames = np.linspace(1, len(other) - 1, min(RENDERED, len(other) - 1)).round().astype(int)
        crossed = self.renderer.render(subject.appearance, chosen(other.labels, frames.tolist()))
        some = np.linspace(0, len(own[0]) - 1, min(RENDERED, len(own[0]))).round().astype(int)
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

    def _row(self, subject: Subject, other: Subject | None, pictures: dict[str, Pictures], portrait: Portrait) -> None:
        """The frame that moved most, and the most moved frame of the other person."""
        shots = [Shot(subject.pictures[-1], pictures["mesh"][-1], pictures["render"][-1], subject.landmarks[-1])]
        if other is not None:
            last = len(other) - 1
            mesh = self.mesh.render(portrait, other, [last])[0]
            render = self.renderer.render(subject.appearance, chosen(other.labels, [last]))[0]
            shots.append(Shot(other.pictures[last], mesh, render, other.landmarks[last]))
        self.rows.append(frames_row(subject.pictures[0], shots))


def measure_volume(
    networks: VolumeNetworks,
    mesh: MeshFaceModel,
    faces: Sequence[FaceFrames],
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
    check_count(most)
    out.mkdir(parents=True, exist_ok=True)
    share_cores("cpu")
    missing = [] if distance else [NO_PERCEPTUAL_DISTANCE]
    with open_tracker() as tracker:
        reader = FaceReader(tracker)
        measured = _Measurement(Renderer(networks), MeshRenderer(mesh), reader, distance, optional_descriptor(missing))
        subjects = _prepare(distinct_first(faces, lambda face: face.speaker)[:most], measured, missing)
        step = Steps(progress, len(subjects))
        for subject, other in zip(subjects, strangers(subjects, seed), strict=True):
            measured.add(subject, other)
            step()
        noise = summarise_noise([(reader.labelled(subject), subject.real) for subject in subjects])
    names = [subject.identity for subject in subjects]
    result = {
        "size": networks.config.image,
        "people": len(set(names)),
        "reenactment": summarise_reenactment(measured.clips, measured.moved),
        **{
            name: swap_scores(*(joined(part) for part in zip(*rows, strict=True))) if rows else {}
            for name, rows in measured.swaps.items()
        },
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
    return write_report(out / "volume.json", result)


def strangers(subjects: Sequence[Subject], seed: int) -> list[Subject | None]:
    """For each subject one of somebody else, sampled by the seed; None if there is nobody else."""
    rng = np.random.default_rng(seed)
    found: list[Subject | None] = []
    for subject in subjects:
        others = [other for other in subjects if other.identity != subject.identity]
        found.append(others[int(rng.integers(len(others)))] if others else None)
    return found


def _prepare(faces: Sequence[FaceFrames], measured: _Measurement, missing: list[str]) -> list[Subject]:
    subjects = []
    for face in faces:
        try:
            subjects.append(prepare_subject(face, DRIVING, measured.renderer, measured.reader))
        except InputError as error:
            missing.append(str(error))
    if not subjects:
        raise InputError("No clip could be measured; expected clips of one face each.")
    return subjects


def _pairs(posed: Subject, moving: Subject, opening: str) -> list[tuple[int, int]]:
    return pick_pairs(posed.real, moving.real, PAIRS, opening)
