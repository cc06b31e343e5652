"""The face model's renderer by itself: held-out clips rendered from their own first frame, with and without paint.

Driving frames are the clip's own in the portrait's crop, their pose and dynamics taken as they are, so what differs
from the truth is what the warp or the paint got wrong. Every figure is given for the bare warp and for the render.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from vasa_core.assets import resolve
from vasa_core.cpu import share_cores
from vasa_core.data.clips import Clip
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.geometry import gaze_in_head, region_errors
from vasa_core.evaluation.metrics.identity import Descriptor, optional_descriptor
from vasa_core.evaluation.metrics.picture import BackgroundMotion, box_around, psnr
from vasa_core.evaluation.renderer.figures import (
    SIDE,
    Distance,
    aligned,
    difference,
    eye_boxes,
    flicker,
    inside,
    lips_box,
    lips_mask,
    lips_sharpness_ratio,
    mouth_box,
    perceptual,
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
from vasa_core.evaluation.setup import NO_PERCEPTUAL_DISTANCE, Steps, check_count, distinct_first
from vasa_core.evaluation.video.tracks import Box, Frame, Tracker, open_tracker, real_video
from vasa_core.face.measure import eye_opening, lip_gap_of_height, open_eyes
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.face.model import FaceModel
from vasa_core.io.image import write_png
from vasa_core.options import PORTRAIT_SIZE
from vasa_core.pipeline.prepared import prepare_photo
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import Preprocessor
from vasa_core.types import Progress

MAX_FRAMES = 150  # of a clip
EVEN, WIDEST, SHUT = 24, 8, 4  # frames measured: evenly spaced, mouth widest open, eyes most closed
RUN = 25  # consecutive frames, for what flickers
DEAR_EVERY = 3  # of the measured frames, those with the figures that take long
OPEN_EYES, SHUT_EYES = 0.8, 0.5  # of this person's open eyes
MOUTHS_SHOWN = 4  # driving frames a clip on the sheets
WIDE_SHOWN, WIDE_OF_A_CLIP = 24, 4  # widest mouths on their sheet; of one clip at most
WIDEST_SHARE = 3  # one in so many measured frames with open lips, those with the widest mouth, is reported apart
KINDS = ("warp", "render")
ALIGNED = "aligned"  # the warp moved onto the truth: a bound, measured on pixels alone
TITLES = {
    "sheet": "portrait | driving, warp, render: mouth widest open | driving, warp, render: eyes most closed",
    "mouths": "truth, warp, render | ... from closed to widest open",
    "eyes": "truth, warp, render | most closed | widest open | farthest look",
}

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
class Truth:
    """A real clip in its first frame's crop of 512 px, and what the landmarker sees in it, frame by frame.

    gap: between the lips, face heights. opening: of the eyes, over this person's open eyes. gaze: in the head, degrees.
    """

    portrait: LiftedPhoto
    frames: list[Frame]
    landmarks: Float[np.ndarray, "n 478 3"]
    gap: Float[np.ndarray, " n"]
    opening: Float[np.ndarray, " n"]
    gaze: Float[np.ndarray, "n 2"]
    open_eyes: float
    visible: Box

    @property
    def within(self) -> Box:
        """The visible box in the pictures that are measured."""
        x0, y0, x1, y1 = self.visible
        return -(-x0 // 2), -(-y0 // 2), x1 // 2, y1 // 2


def measure_renderer(
    checkpoints: Path,
    clips: Sequence[Clip],
    out: Path,
    most: int = 12,
    distance: Distance | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the face model of the folder `checkpoints`; `render.json` and the sheets go to the folder `out`.

    The sheet `wide_mouths.png` shows the widest mouths of all clips.

    clips: held-out clips; the first of each person come first, at most `most` are measured. distance: perceptual
    distance of pictures in -1..1; None: listed as not measured. Torch is held to one thread. Raises InputError if there
    is no clip that can be measured, or `most` is less than 1.
    """
    check_count(most)
    out.mkdir(parents=True, exist_ok=True)
    share_cores("cpu")
    missing = [] if distance else [NO_PERCEPTUAL_DISTANCE]
    measured: list[dict[str, Any]] = []
    sheets: dict[str, list[Image]] = {name: [] for name in TITLES}
    wide: list[tuple[float, str, Image]] = []
    step = Steps(progress, min(most, len(clips)))
    detector, task = resolve("face_detector"), resolve("face_landmarker")
    with open_tracker() as tracker, Preprocessor(detector, task) as preprocessor:
        face, person = MeshFaceModel.load(checkpoints), PersonMatte(resolve("person_mask"))
        models = Models(face, preprocessor, person, tracker, distance, optional_descriptor(missing))
        for clip in distinct_first(clips, lambda clip: clip.identity):
            if len(measured) == step.total:
                break
            try:
                truth = _truth(models, clip.path)
            except InputError as error:
                missing.append(f"{clip.path.name}: {error}")
                continue
            figures, rows, mouths = _measure_clip(models, truth)
            measured.append({"clip": clip.path.name, "identity": clip.identity, **figures})
            for name, row in rows.items():
                sheets[name].append(row)
            wide += [(opening, clip.identity, picture) for opening, picture in mouths]
            step()
    if not measured:
        raise InputError("No clip could be measured; expected clips of one face each.")
    for name, rows in sheets.items():
        write_png(out / f"{name}.png", sheet(rows, [f"{clip['identity']}   {TITLES[name]}" for clip in measured]))
    wide = sorted(wide, key=lambda mouth: -mouth[0])[:WIDE_SHOWN]
    titled = [(f"{identity} {100 * opening:.0f} % of face height", picture) for opening, identity, picture in wide]
    write_png(out / "wide_mouths.png", wide_mouths_sheet(titled))
    result = {"summary": summarise_clips(measured), "not_measured": missing, "clips": measured}
    return write_report(out / "render.json", result)


def measured_frames(gap: Float[np.ndarray, " n"], opening: Float[np.ndarray, " n"]) -> Int[np.ndarray, " kept"]:
    """Choose frames to measure, without the first (the portrait): evenly spaced, widest mouth, most closed eyes."""
    if len(gap) <= EVEN + WIDEST + SHUT:
        return np.arange(1, len(gap))
    even = np.linspace(1, len(gap) - 1, EVEN).round().astype(int)
    rest = np.setdiff1d(np.arange(1, len(gap)), even)
    widest = rest[np.argsort(-gap[rest], kind="stable")[:WIDEST]]
    rest = np.setdiff1d(rest, widest)
    shut = rest[np.argsort(opening[rest], kind="stable")[:SHUT]]
    return np.sort(np.concatenate([even, widest, shut]))


def liveliest_run(gap: Float[np.ndarray, " n"]) -> Int[np.ndarray, " run"]:
    """Find the RUN consecutive frames in which the mouth moves most (all, if there are fewer)."""
    moved = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(gap)))])
    length = min(RUN, len(gap))
    start = int(np.argmax(moved[length - 1 :] - moved[: len(moved) - length + 1]))
    return np.arange(start, start + length)


def widest_open(gap: Float[np.ndarray, " n"], lips_open: Bool[np.ndarray, " n"]) -> set[int]:
    """Choose one in WIDEST_SHARE of the frames whose lips are open, rounded up: those with the widest gap."""
    open_ones = np.flatnonzero(lips_open)
    count = -(-len(open_ones) // WIDEST_SHARE)
    return set(open_ones[np.argsort(-gap[open_ones], kind="stable")[:count]].tolist())


def _truth(models: Models, clip: Path) -> Truth:
    """Raises InputError if the clip has no usable face in its first frame, or is too short."""
    video = real_video(
        clip,
        lambda photo: prepare_photo(photo, models.preprocessor, models.person, models.face),
        models.tracker,
        MAX_FRAMES,
    )
    frames, landmarks, head = list(video.frames()), video.track.landmarks, video.track.head
    if len(frames) < RUN:
        raise InputError(f"{len(frames)} frames; expected at least {RUN} of one face.")
    opening, gaze = eye_opening(head.shapes), np.degrees(gaze_in_head(head))
    usual, gap = open_eyes(opening), lip_gap_of_height(landmarks)
    return Truth(video.prepared.portrait, frames, landmarks, gap, opening / usual, gaze, usual, video.visible)


def _measure_clip(models: Models, truth: Truth) -> tuple[dict[str, Any], dict[str, Image], list[tuple[float, Image]]]:
    """Measure one clip: figures, its row on each sheet, and its widest mouths with their openings (face heights)."""
    kept = measured_frames(truth.gap, truth.opening)
    gap = truth.gap[kept]
    shots = _rendered(models.face, truth, kept)
    values = _pictures(models, truth, shots, gap)
    seen = _tracked(models, truth, kept, shots)
    figures: dict[str, Any] = {"frames": len(kept), "truth": seen["truth"]}
    for kind in (*KINDS, ALIGNED):
        means = {name: float(np.mean(entries)) for name, entries in values[kind].items()}
        figures[kind] = means | seen.get(kind, {})
    figures["worse_psnr"] = int(np.less(values["render"]["psnr"], values["warp"]["psnr"]).sum())
    _in_time(models, truth, figures)
    figures["distances"] = _identity(models, truth, shots)
    widest = np.argsort(-gap, kind="stable")[:WIDE_OF_A_CLIP]
    mouths = [(float(gap[i]), wide_mouth(shots[i])) for i in widest.tolist()]
    return figures, _rows(truth, kept, shots), mouths


def _rendered(face: FaceModel[Any], truth: Truth, chosen: Int[np.ndarray, " chosen"]) -> list[Shot]:
    """Render the portrait driven by frames of its own clip."""
    size = (PORTRAIT_SIZE, PORTRAIT_SIZE)
    _, motion = face.encode_landmarks(truth.landmarks[chosen], size, truth.portrait.identity)
    pairs = zip(face.decode(truth.portrait, motion, paint=False), face.decode(truth.portrait, motion), strict=True)
    return [Shot(truth.frames[i], *pair, truth.landmarks[i]) for i, pair in zip(chosen.tolist(), pairs, strict=True)]


def _pictures(
    models: Models, truth: Truth, shots: Sequence[Shot], gap: Float[np.ndarray, " kept"]
) -> dict[str, Values]:
    """Measure every figure of pixels, one value a frame that shows it."""
    kinds = (*KINDS, ALIGNED)
    found: dict[str, Values] = {kind: defaultdict(list) for kind in kinds}
    points = [shrunk_points(shot.landmarks, PORTRAIT_SIZE) for shot in shots]
    masks = [lips_mask(shown, (SIDE, SIDE)) for shown in points]
    widest = widest_open(gap, np.array([mask is not None for mask in masks]))
    for index, (shot, lips) in enumerate(zip(shots, masks, strict=True)):
        true, *pictures = (shrunk(picture) for picture in shot.pictures)
        pictures.append(aligned(pictures[0], true))
        distance = models.distance if index % DEAR_EVERY == 0 else None
        for kind, picture in zip(kinds, pictures, strict=True):
            for name, value in _of_regions(picture, true, points[index], truth.within, distance):
                found[kind][name].append(value)
            if lips is None:
                continue
            for name, value in _of_lips(picture, true, points[index], truth.within, lips, models.distance):
                found[kind][name].append(value)
                if index in widest:
                    found[kind][f"wide_{name}"].append(value)
    return found


def _of_regions(
    picture: Image, true: Image, points: Float[np.ndarray, "478 3"], within: Box, distance: Distance | None
) -> Iterator[tuple[str, float]]:
    """Measure the whole picture, the face, and the boxes about mouth and eyes."""
    yield "psnr", psnr(inside(picture, within), inside(true, within))
    yield "face_sharpness", sharpness_ratio(picture, true, box_around(points, (SIDE, SIDE)))
    boxes = {"mouth": [mouth_box(points, within)], "tight": [tight_box(points, within)]}
    for name, around in {**boxes, "eyes": eye_boxes(points, within)}.items():
        shown = [box for box in around if box]
        for box in shown:
            yield f"{name}_l1", difference(inside(picture, box), inside(true, box))
            if distance:
                yield f"{name}_distance", perceptual(distance, inside(picture, box), inside(true, box))
        if shown and name != "mouth":
            yield f"{name}_sharpness", float(np.mean([sharpness_ratio(picture, true, box) for box in shown]))


def _of_lips(
    picture: Image,
    true: Image,
    points: Float[np.ndarray, "478 3"],
    within: Box,
    lips: Bool[np.ndarray, "height width"],
    distance: Distance | None,
) -> Iterator[tuple[str, float]]:
    """Measure what lies between the lips."""
    yield "lips_l1", difference(picture, true, lips)
    yield "lips_sharpness", lips_sharpness_ratio(picture, true, lips)
    box = lips_box(points, within)
    if distance and box:
        yield "lips_distance", perceptual(distance, inside(picture, box), inside(true, box))


def _tracked(
    models: Models, truth: Truth, kept: Int[np.ndarray, " kept"], shots: Sequence[Shot]
) -> dict[str, dict[str, float]]:
    """Track the rendered frames: mouth, eyes, lids and gaze against the truth's."""
    opening = truth.opening[kept]
    wide, shut = opening > OPEN_EYES, opening < SHUT_EYES
    found: dict[str, dict[str, float]] = {"truth": {}}
    if shut.any():
        found["truth"]["shut_opening"] = float(100 * opening[shut].mean())
    for kind in KINDS:
        track = models.tracker(lambda kind=kind: iter([getattr(shot, kind) for shot in shots]))
        if track is None:
            found[kind] = {"face_found": 0.0}
            continue
        errors = region_errors(track.landmarks, truth.landmarks[kept])
        gap = lip_gap_of_height(track.landmarks)
        mine = eye_opening(track.head.shapes) / truth.open_eyes
        look = np.linalg.norm(np.degrees(gaze_in_head(track.head)) - truth.gaze[kept], axis=1)
        figures = {
            "face_found": track.found,
            "landmarks_mouth": errors["mouth"],
            "landmarks_eyes": errors["eyes"],
            "mouth_opening_error": float(100 * np.abs(gap - truth.gap[kept]).mean()),
        }
        if wide.any():
            figures["open_eyes_error"] = float(100 * np.abs(mine - opening)[wide].mean())
            figures["gaze_error"] = float(look[wide].mean())
        if shut.any():
            figures["shut_eyes_error"] = float(100 * np.abs(mine - opening)[shut].mean())
            figures["shut_opening"] = float(100 * mine[shut].mean())
        found[kind] = figures
    return found


def _in_time(models: Models, truth: Truth, figures: dict[str, Any]) -> None:
    """Measure flicker of the mouth and motion of the background in consecutive frames, over the truth's own."""
    run = liveliest_run(truth.gap)
    shots, landmarks = _rendered(models.face, truth, run), truth.landmarks[run]
    box = mouth_box(shrunk_points(landmarks, PORTRAIT_SIZE).mean(0), truth.within)
    found: dict[str, list[float | None]] = {"mouth_flicker": [], "background_motion": []}
    for pictures in zip(*(shot.pictures for shot in shots), strict=True):
        moved = BackgroundMotion(landmarks, (PORTRAIT_SIZE, PORTRAIT_SIZE), truth.visible)
        for picture in pictures:
            moved.add(picture)
        found["background_motion"].append(moved.value)
        mouths = np.stack([inside(shrunk(picture), box) for picture in pictures]) if box else None
        found["mouth_flicker"].append(None if mouths is None else flicker(mouths))
    for name, (real, *mine) in found.items():
        for kind, value in zip(KINDS, mine, strict=True):
            if real and value is not None:
                figures[kind][name] = value / real


def _identity(models: Models, truth: Truth, shots: Sequence[Shot]) -> dict[str, list[float]]:
    """Measure the descriptor's distance from the portrait to a few frames, as filmed and as rendered."""
    if models.descriptor is None:
        return {}
    reference = models.descriptor(truth.portrait.photo, truth.portrait.landmarks)
    found: dict[str, list[float]] = {"truth": [], "warp": [], "render": []}
    for shot in shots[::DEAR_EVERY]:
        for kind, values in found.items():
            values.append(float(np.linalg.norm(models.descriptor(getattr(shot, kind), shot.landmarks) - reference)))
    return found


def _rows(truth: Truth, kept: Int[np.ndarray, " kept"], shots: Sequence[Shot]) -> dict[str, Image]:
    """A clip's row on each sheet."""
    gap, opening = truth.gap[kept], truth.opening[kept]
    look = np.linalg.norm(truth.gaze[kept] - truth.gaze[kept][0], axis=1)
    ranks = np.linspace(0, len(kept) - 1, MOUTHS_SHOWN).round().astype(int)
    mouths = np.argsort(gap, kind="stable")[ranks]
    look = np.where(opening > OPEN_EYES, look, -1.0)
    eyes = [int(np.argmin(opening)), int(np.argmax(opening)), int(np.argmax(look))]
    return {
        "sheet": frames_row(truth.portrait.photo, [shots[int(np.argmax(gap))], shots[eyes[0]]]),
        "mouths": mouths_row([shots[i] for i in mouths.tolist()]),
        "eyes": eyes_row([shots[i] for i in eyes]),
    }
