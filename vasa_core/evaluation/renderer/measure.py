"""The face model's renderer by itself: held-out clips drawn from their own first frame, with and without paint.

Driving frames are the clip's own in the portrait's crop, their pose and dynamics taken as they are, so what differs
from the truth is what the warp or the paint got wrong. Every figure is given for the bare warp and for the render.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from vasa_core.assets import resolve
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.geometry import (
    OPEN_PERCENTILE,
    eye_opening,
    gaze_in_head,
    inner_gap,
    region_errors,
)
from vasa_core.evaluation.metrics.identity import Descriptor, optional_descriptor
from vasa_core.evaluation.metrics.picture import BackgroundMotion, box_around, psnr
from vasa_core.evaluation.renderer.figures import (
    SIDE,
    Distance,
    aligned,
    difference,
    distances,
    eye_boxes,
    flicker,
    inside,
    lips_box,
    lips_mask,
    lips_sharpness_ratio,
    mouth_box,
    sharpness_ratio,
    shrunk,
    shrunk_points,
    tight_box,
)
from vasa_core.evaluation.renderer.report import summarise_clips
from vasa_core.evaluation.renderer.sheets import (
    Image,
    Shot,
    eyes_row,
    frames_row,
    mouths_row,
    sheet,
    wide_mouth,
    wide_mouths_sheet,
)
from vasa_core.evaluation.report import write_report
from vasa_core.evaluation.video.tracks import Box, Frame, Track, Tracker, cropped, visible_box
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.face.model import FaceModel
from vasa_core.face.topology import canonical_mesh
from vasa_core.io.image import write_png
from vasa_core.io.video import read_frames
from vasa_core.options import PORTRAIT_SIZE
from vasa_core.pipeline.prepared import prepare_photo
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import Preprocessor

MAX_FRAMES = 150  # of a clip
EVEN, WIDEST, SHUT = 24, 8, 4  # frames judged: evenly spaced, mouth widest open, eyes most closed
RUN = 25  # consecutive frames, for what flickers
DEAR_EVERY = 3  # of the judged frames, those with the figures that take long
OPEN_EYES, SHUT_EYES = 0.8, 0.5  # of this person's open eyes
MOUTHS_SHOWN = 4  # driving frames a clip on the sheets
WIDE_SHOWN, WIDE_OF_A_CLIP = 24, 4  # widest mouths on their sheet; of one clip at most
WIDEST_SHARE = 3  # one in so many judged frames with open lips, those with the widest mouth, is reported apart
KINDS = ("warp", "render")
ALIGNED = "aligned"  # the warp moved onto the truth: a bound, measured on pixels alone

Progress = Callable[[int, int], None]  # clips done, in all
Values = dict[str, list[float]]


@dataclass(frozen=True)
class Models:
    """What measuring needs, opened once. distance, descriptor: None where their model files are not installed."""

    face: FaceModel[Any]
    preprocessor: Preprocessor
    person: PersonMatte
    tracker: Tracker
    distance: Distance | None
    descriptor: Descriptor | None


@dataclass(frozen=True)
class Filmed:
    """A real clip in its first frame's crop. frames: 512 px. opening: of the eyes, over this person's open eyes."""

    portrait: LiftedPhoto
    frames: list[Frame]
    track: Track
    opening: Float[np.ndarray, " n"]
    open_eyes: float
    visible: Box


def measure_renderer(
    checkpoints: Path,
    clips: Sequence[tuple[str, Path]],
    out: Path,
    most: int = 12,
    distance: Distance | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the face model of the folder `checkpoints`; `render.json` and the sheets go to the folder `out`.

    The sheet `wide_mouths.png` shows the widest mouths of all clips.

    clips: (identity, video) of held-out clips; the first of each identity come first, at most `most` are measured.
    distance: perceptual distance of pictures in -1..1; None: listed as not measured. Torch is held to one thread.
    Raises InputError if there is no clip that can be measured, or `most` is less than 1.
    """
    if most < 1:
        raise InputError(f"clips is {most}; expected 1 or more.")
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    missing = [] if distance else ["perceptual distance: its model file is not installed"]
    total = min(most, len(clips))
    measured: list[dict[str, Any]] = []
    sheets: dict[str, list[Image]] = {"sheet": [], "mouths": [], "eyes": []}
    wide: list[tuple[float, str, Image]] = []
    task = resolve("face_landmarker")
    with Landmarker(task) as landmarker, Preprocessor(resolve("face_detector"), task) as preprocessor:
        tracker = Tracker(landmarker, canonical_mesh(task)[0])
        face = MeshFaceModel.load(checkpoints)
        person = PersonMatte(resolve("person_mask"))
        models = Models(face, preprocessor, person, tracker, distance, optional_descriptor(missing))
        for identity, path in distinct_first(clips):
            if len(measured) == total:
                break
            try:
                film = _film(models, path)
            except InputError as error:
                missing.append(f"{path.name}: {error}")
                continue
            figures, rows, mouths = _measure_clip(models, film)
            measured.append({"clip": path.name, "identity": identity, **figures})
            for name, row in rows.items():
                sheets[name].append(row)
            wide += [(opening, identity, picture) for opening, picture in mouths]
            if progress:
                progress(len(measured), total)
    if not measured:
        raise InputError("No clip could be measured; expected clips of one face each.")
    result = {"summary": summarise_clips(measured), "not_measured": missing, "clips": measured}
    for name, rows in sheets.items():
        titles = [f"{clip['identity']}   {TITLES[name]}" for clip in measured]
        write_png(out / f"{name}.png", sheet(rows, titles))
    wide = sorted(wide, key=lambda mouth: -mouth[0])[:WIDE_SHOWN]
    titled = [(f"{identity} {100 * opening:.0f} % of face height", picture) for opening, identity, picture in wide]
    write_png(out / "wide_mouths.png", wide_mouths_sheet(titled))
    write_report(out / "render.json", result)
    return result


TITLES = {
    "sheet": "portrait | driving, warp, render: mouth widest open | driving, warp, render: eyes most closed",
    "mouths": "truth, warp, render | ... from closed to widest open",
    "eyes": "truth, warp, render | most closed | widest open | farthest look",
}


def distinct_first(clips: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """The same clips, the first of every identity before all others."""
    seen: set[str] = set()
    first, rest = [], []
    for identity, path in clips:
        (rest if identity in seen else first).append((identity, path))
        seen.add(identity)
    return first + rest


def judged_frames(gap: Float[np.ndarray, " n"], opening: Float[np.ndarray, " n"]) -> Int[np.ndarray, " kept"]:
    """Frames to judge, without the first (the portrait): evenly spaced, mouth widest open, eyes most closed."""
    if len(gap) <= EVEN + WIDEST + SHUT:
        return np.arange(1, len(gap))
    even = np.linspace(1, len(gap) - 1, EVEN).round().astype(int)
    rest = np.setdiff1d(np.arange(1, len(gap)), even)
    widest = rest[np.argsort(-gap[rest], kind="stable")[:WIDEST]]
    rest = np.setdiff1d(rest, widest)
    shut = rest[np.argsort(opening[rest], kind="stable")[:SHUT]]
    return np.sort(np.concatenate([even, widest, shut]))


def liveliest_run(gap: Float[np.ndarray, " n"]) -> Int[np.ndarray, " run"]:
    """The RUN consecutive frames in which the mouth moves most (all, if there are fewer)."""
    moved = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(gap)))])
    length = min(RUN, len(gap))
    start = int(np.argmax(moved[length - 1 :] - moved[: len(moved) - length + 1]))
    return np.arange(start, start + length)


def _film(models: Models, clip: Path) -> Filmed:
    """Raises InputError if the clip has no usable face in its first frame, or is too short."""
    photo = next(read_frames(clip))
    prepared = prepare_photo(photo, models.preprocessor, models.person, models.face)
    crop, portrait = prepared.crop, prepared.portrait
    frames = list(islice(cropped(clip, crop.matrix, PORTRAIT_SIZE)(), MAX_FRAMES))
    track = models.tracker(lambda: iter(frames))
    if track is None or len(frames) < RUN:
        raise InputError(f"{len(frames)} frames; expected at least {RUN} of one face.")
    opening = eye_opening(track.head)
    open_eyes = max(float(np.percentile(opening, OPEN_PERCENTILE)), 1e-6)
    visible = visible_box(crop.matrix, photo.shape[:2], PORTRAIT_SIZE)
    return Filmed(portrait, frames, track, opening / open_eyes, open_eyes, visible)


def widest_open(gap: Float[np.ndarray, " n"], lips_open: Bool[np.ndarray, " n"]) -> set[int]:
    """One in WIDEST_SHARE of the frames whose lips are open, rounded up: those with the widest gap."""
    open_ones = np.flatnonzero(lips_open)
    count = -(-len(open_ones) // WIDEST_SHARE)
    return set(open_ones[np.argsort(-gap[open_ones], kind="stable")[:count]].tolist())


def _measure_clip(models: Models, film: Filmed) -> tuple[dict[str, Any], dict[str, Image], list[tuple[float, Image]]]:
    """Figures of one clip, its row on each sheet, and its widest mouths with their openings (face heights)."""
    gap = inner_gap(film.track.landmarks)
    kept = judged_frames(gap, film.opening)
    shots = _draw(models.face, film, kept)
    figures: dict[str, Any] = {"frames": len(kept), "warp": {}, "render": {}, "truth": {}}
    values = _pictures(models, film, shots)
    figures["worse_psnr"] = int(
        sum(b < a for a, b in zip(values["warp"]["psnr"], values["render"]["psnr"], strict=True))
    )
    retracked = _tracked(models, film, kept, shots)
    for kind in (*KINDS, ALIGNED):
        means = {name: float(np.mean(entries)) for name, entries in values[kind].items() if entries}
        figures[kind] = means | retracked.get(kind, {})
    figures["truth"] = retracked["truth"]
    _in_time(models, film, liveliest_run(gap), figures)
    figures["distances"] = _identity(models, film, kept, shots)
    widest = np.argsort(-gap[kept], kind="stable")[:WIDE_OF_A_CLIP]
    mouths = [(float(gap[kept][i]), wide_mouth(shots[i])) for i in widest.tolist()]
    return figures, _rows(film, kept, shots, gap[kept]), mouths


def _draw(face: FaceModel[Any], film: Filmed, chosen: Int[np.ndarray, " chosen"]) -> list[Shot]:
    """The portrait driven by frames of its own clip."""
    landmarks = film.track.landmarks
    _, motion = face.encode_landmarks(landmarks[chosen], film.track.size, film.portrait.identity)
    pairs = zip(face.decode(film.portrait, motion, paint=False), face.decode(film.portrait, motion), strict=True)
    return [Shot(film.frames[i], *pair, landmarks[i]) for i, pair in zip(chosen.tolist(), pairs, strict=True)]


def _pixel_figures(
    picture: Frame, truth: Frame, regions: dict[str, list[Box]], lips: Any, prefixes: Sequence[str]
) -> list[tuple[str, float]]:
    """Closeness and sharpness of one picture in each region, and inside the lips (a mask) under each prefix."""
    figures = []
    for name, boxes in regions.items():
        figures += [(f"{name}_l1", difference(inside(picture, box), inside(truth, box))) for box in boxes]
        if boxes and name != "mouth":
            ratios = [sharpness_ratio(picture, truth, box) for box in boxes]
            figures.append((f"{name}_sharpness", float(np.mean(ratios))))
    if lips is not None:
        near, sharp = difference(picture, truth, lips), lips_sharpness_ratio(picture, truth, lips)
        figures += [pair for p in prefixes for pair in ((f"{p}lips_l1", near), (f"{p}lips_sharpness", sharp))]
    return figures


def _pictures(models: Models, film: Filmed, shots: Sequence[Shot]) -> dict[str, Values]:
    """Every figure of pixels, one value a frame that shows it."""
    kinds, found = (*KINDS, ALIGNED), {kind: Values() for kind in (*KINDS, ALIGNED)}
    within = _shrunk_box(film.visible)
    landmarks = np.stack([shot.landmarks for shot in shots])
    masks = [lips_mask(shrunk_points(points, PORTRAIT_SIZE), (SIDE, SIDE)) for points in landmarks]
    widest = widest_open(inner_gap(landmarks), np.array([mask is not None for mask in masks]))
    for index, (shot, lips) in enumerate(zip(shots, masks, strict=True)):
        truth, *pictures = (shrunk(picture) for picture in shot.pictures)
        pictures.append(aligned(pictures[0], truth))
        points = shrunk_points(shot.landmarks, PORTRAIT_SIZE)
        face = box_around(points, truth.shape[:2])
        one = {"mouth": mouth_box(points, within), "tight": tight_box(points, within)}
        regions = {**{name: [box] if box else [] for name, box in one.items()}, "eyes": eye_boxes(points, within)}
        prefixes = ("", "wide_") if index in widest else ("",)
        for kind, picture in zip(kinds, pictures, strict=True):
            figures = _pixel_figures(picture, truth, regions, lips, prefixes)
            figures.append(("face_sharpness", sharpness_ratio(picture, truth, face)))
            figures.append(("psnr", psnr(inside(picture, within), inside(truth, within))))
            for name, value in figures:
                found[kind].setdefault(name, []).append(value)
        if models.distance:
            dear, box = (
                regions if index % DEAR_EVERY == 0 else {},
                lips_box(points, within) if lips is not None else None,
            )
            names = [f"{prefix}lips" for prefix in (("", "wide_") if index in widest else ("",))]
            boxes = [*((name, box) for name in names if box), *((n, b) for n, group in dear.items() for b in group)]
            for name, box in boxes:
                crops = [inside(picture, box) for picture in pictures]
                for kind, value in zip(kinds, distances(models.distance, crops, inside(truth, box)), strict=True):
                    found[kind].setdefault(f"{name}_distance", []).append(value)
    return found


def _tracked(
    models: Models, film: Filmed, kept: Int[np.ndarray, " kept"], shots: Sequence[Shot]
) -> dict[str, dict[str, float]]:
    """What the landmarker sees in the frames: mouth, eyes, lids and gaze against the truth's."""
    truth = film.track.landmarks[kept]
    gaze = np.degrees(gaze_in_head(film.track.head)[kept])
    opening = film.opening[kept]
    wide, shut = opening > OPEN_EYES, opening < SHUT_EYES
    found: dict[str, dict[str, float]] = {"truth": {}}
    if shut.any():
        found["truth"]["shut_opening"] = float(100 * opening[shut].mean())
    for kind in KINDS:
        track = models.tracker(lambda kind=kind: iter([getattr(shot, kind) for shot in shots]))
        if track is None:
            found[kind] = {"face_found": 0.0}
            continue
        errors = region_errors(track.landmarks, truth)
        mine = eye_opening(track.head) / film.open_eyes
        look = np.linalg.norm(np.degrees(gaze_in_head(track.head)) - gaze, axis=1)
        figures = {
            "face_found": track.found,
            "landmarks_mouth": errors["mouth"],
            "landmarks_eyes": errors["eyes"],
            "mouth_opening_error": float(100 * np.abs(inner_gap(track.landmarks) - inner_gap(truth)).mean()),
        }
        if wide.any():
            figures["open_eyes_error"] = float(100 * np.abs(mine - opening)[wide].mean())
            figures["gaze_error"] = float(look[wide].mean())
        if shut.any():
            figures["shut_eyes_error"] = float(100 * np.abs(mine - opening)[shut].mean())
            figures["shut_opening"] = float(100 * mine[shut].mean())
        found[kind] = figures
    return found


def _in_time(models: Models, film: Filmed, run: Int[np.ndarray, " run"], figures: dict[str, Any]) -> None:
    """Flicker of the mouth and motion of the background in consecutive frames, over the truth's own."""
    shots = _draw(models.face, film, run)
    landmarks = film.track.landmarks[run]
    box = mouth_box(shrunk_points(landmarks, PORTRAIT_SIZE).mean(0), _shrunk_box(film.visible))
    mouth_flicker: list[float | None] = []
    background: list[float | None] = []
    for pictures in zip(*(shot.pictures for shot in shots), strict=True):
        moved = BackgroundMotion(landmarks, film.track.size, film.visible)
        for picture in pictures:
            moved.add(picture)
        background.append(moved.value)
        mouth_flicker.append(flicker(np.stack([inside(shrunk(p), box) for p in pictures])) if box else None)
    for name, (truth, *mine) in {"mouth_flicker": mouth_flicker, "background_motion": background}.items():
        for kind, value in zip(KINDS, mine, strict=True):
            if truth and value is not None:
                figures[kind][name] = value / truth


def _identity(
    models: Models, film: Filmed, kept: Int[np.ndarray, " kept"], shots: Sequence[Shot]
) -> dict[str, list[float]]:
    """Descriptor's distance from the portrait to a few frames, as filmed and as made."""
    if models.descriptor is None:
        return {}
    reference = models.descriptor(film.portrait.photo, film.portrait.landmarks)
    found: dict[str, list[float]] = {"truth": [], "warp": [], "render": []}
    for shot in shots[::DEAR_EVERY]:
        for kind, values in found.items():
            values.append(float(np.linalg.norm(models.descriptor(getattr(shot, kind), shot.landmarks) - reference)))
    return found


def _rows(
    film: Filmed, kept: Int[np.ndarray, " kept"], shots: Sequence[Shot], gap: Float[np.ndarray, " kept"]
) -> dict[str, Image]:
    """A clip's row on each sheet."""
    opening = film.opening[kept]
    look = np.linalg.norm(gaze_in_head(film.track.head)[kept] - gaze_in_head(film.track.head)[0], axis=1)
    ranks = np.linspace(0, len(kept) - 1, MOUTHS_SHOWN).round().astype(int)
    mouths = np.argsort(gap, kind="stable")[ranks]
    look = np.where(opening > OPEN_EYES, look, -1.0)
    eyes = [int(np.argmin(opening)), int(np.argmax(opening)), int(np.argmax(look))]
    return {
        "sheet": frames_row(film.portrait.photo, [shots[int(np.argmax(gap))], shots[eyes[0]]]),
        "mouths": mouths_row([shots[i] for i in mouths.tolist()]),
        "eyes": eyes_row([shots[i] for i in eyes]),
    }


def _shrunk_box(box: Box) -> Box:
    """A box of the portrait's crop in the pictures that are judged."""
    x0, y0, x1, y1 = box
    return -(-x0 // 2), -(-y0 // 2), x1 // 2, y1 // 2
