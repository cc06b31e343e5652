"""A rendered video against the real one it should equal: landmarks, gaze, distance, pixels, identity."""

from __future__ import annotations

import numpy as np

from vasa_core.evaluation.metrics.controls import correlation, slope
from vasa_core.evaluation.metrics.geometry import BLINK_FREE, gaze_in_camera, region_errors
from vasa_core.evaluation.metrics.identity import Descriptor, shape_distance
from vasa_core.evaluation.metrics.picture import box_around, face_mask, psnr, sharpness, ssim
from vasa_core.evaluation.video.tracks import Box, Figures, Frames, Track
from vasa_core.face.measure import eye_opening, lip_gap_of_height, relative_opening
from vasa_core.face.topology import EYES, LIPS_OUTER

DESCRIBED_EVERY = 10  # frames between two identity descriptors


def compare(
    rendered_frames: Frames,
    rendered: Track,
    truth_frames: Frames,
    truth: Track,
    visible: Box,
    descriptor: Descriptor | None,
) -> Figures:
    """Compare rendered frames with the truth, both tracked in px of the same crop; pixels where it is `visible`.

    `landmarks_*`: % of face height, re-tracked against the truth; `still_*`: the same if the photo had not moved.
    `shape_*`: the same after taking the head's pose off both.
    """
    n = min(len(rendered.landmarks), len(truth.landmarks))
    mine, theirs = rendered.landmarks[:n], truth.landmarks[:n]
    figures: Figures = {
        **{f"landmarks_{k}": v for k, v in region_errors(mine, theirs).items()},
        **{f"still_{k}": v for k, v in region_errors(np.repeat(theirs[:1], n, 0), theirs).items()},
        **{f"shape_{k}": v for k, v in _shape_errors(rendered, truth, n).items()},
    }
    gaze = np.degrees(gaze_in_camera(rendered.head)[:n] - gaze_in_camera(truth.head)[:n])
    openings = [relative_opening(eye_opening(track.head.shapes))[:n] for track in (rendered, truth)]
    opened = (openings[0] > BLINK_FREE) & (openings[1] > BLINK_FREE)
    if opened.any():
        figures["gaze_error"] = float(np.linalg.norm(gaze[opened], axis=1).mean())
    scale = np.log(rendered.head.scale[:n] / truth.head.scale[:n])
    figures["distance_error"] = float(100 * np.abs(np.expm1(scale)).mean())
    angles = np.degrees(np.abs(rendered.head.angles[:n] - truth.head.angles[:n]))
    figures["pose_error"] = float(angles.mean())
    for name, values in (("opening", openings), ("mouth", [lip_gap_of_height(points) for points in (mine, theirs)])):
        figures[f"{name}_correlation"] = correlation(*values)
        figures[f"{name}_gain"] = _gain(*values)
    figures["identity_shape"] = shape_distance(rendered.head, truth.head)
    return figures | _pixels(rendered_frames, rendered, truth_frames, truth, visible, descriptor)


def _shape_errors(rendered: Track, truth: Track, n: int) -> dict[str, float]:
    """Landmark errors with the truth's pose put under both shapes."""
    scale = truth.head.scale[:n, None, None]
    return region_errors(rendered.head.shapes[:n] * scale, truth.head.shapes[:n] * scale)


def _gain(mine: np.ndarray, theirs: np.ndarray) -> float | None:
    """Measure how far the rendered face moves for each unit that the truth moves."""
    return slope(theirs, mine) if theirs.std() > 0 else None


def _pixels(
    rendered_frames: Frames,
    rendered: Track,
    truth_frames: Frames,
    truth: Track,
    visible: Box,
    descriptor: Descriptor | None,
) -> Figures:
    """Average PSNR, SSIM and sharpness against the truth over frames; `first_*` is the photo rebuilt."""
    rows: list[dict[str, float]] = []
    distances: list[float] = []
    eyes = [point for eye in EYES for point in eye.contour]
    source_descriptor = None
    x0, y0, x1, y1 = visible
    frames = zip(rendered_frames(), truth_frames(), rendered.landmarks, truth.landmarks, strict=False)
    for index, (mine, theirs, mine_points, points) in enumerate(frames):
        size = theirs.shape[:2]
        row = {
            "psnr": min(psnr(mine[y0:y1, x0:x1], theirs[y0:y1, x0:x1]), 100.0),
            "psnr_face": min(psnr(mine, theirs, face_mask(points, size)), 100.0),
            "ssim": ssim(mine[y0:y1, x0:x1], theirs[y0:y1, x0:x1]),
        }
        regions = {"face": slice(None), "mouth": list(LIPS_OUTER), "eyes": eyes}
        for name, region in regions.items():
            box = box_around(points[region], size)
            row[f"sharpness_{name}"] = sharpness(mine, box) / max(sharpness(theirs, box), 1e-6)
        rows.append(row)
        if descriptor and index % DESCRIBED_EVERY == 0:
            own = descriptor(mine, mine_points)
            source_descriptor = descriptor(theirs, points) if source_descriptor is None else source_descriptor
            distances.append(float(np.linalg.norm(own - source_descriptor)))
    means: Figures = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    means["first_psnr"] = rows[0]["psnr"]
    means["identity_descriptor"] = float(np.mean(distances)) if distances else None
    return means
