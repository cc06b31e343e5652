"""Which faces are found and how they are cut out: followed between detections, at the picture's edge, and rigid."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import Float
from raw_videos import read_samples, swaying

from vasa_core.assets import ASSETS, resolve
from vasa_core.data.clips import UNPACKED, find_clips
from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.crops import Crop, needed
from vasa_core.data.prepare.labels import Tools
from vasa_core.data.prepare.prepare import prepare_data, table
from vasa_core.data.prepare.quality import expression, outside
from vasa_core.data.prepare.source import Frame
from vasa_core.data.prepare.tracks import DETECT_EVERY, find_faces, find_tracks
from vasa_core.errors import InputError
from vasa_core.preprocess.detector import FaceDetector

BOX = 40  # px
PICTURE = np.zeros((120, 160, 3), np.uint8)


class Seer:
    """A detector and a landmarker of faces that are where `places` has them in the look that is taken."""

    def __init__(self, places: list[list[float]]) -> None:
        self.places = places
        self.look = -1
        self.detections: list[int] = []

    def looks(self) -> Iterator[Frame]:
        for look, places in enumerate(self.places):
            self.look = look
            picture = PICTURE.copy()
            for x in places:
                cv2.circle(picture, (round(x), 60), 3, (255, 255, 255), -1)
            yield picture

    def detect(self, picture: Frame) -> Float[np.ndarray, "faces 4"]:
        self.detections.append(self.look)
        return np.array([[x - BOX / 2, 40, x + BOX / 2, 80] for x in self.places[self.look]]).reshape(-1, 4)

    def find(self, picture: Frame) -> tuple[np.ndarray, np.ndarray] | None:
        """A face as high as the box about the brightest place of the picture, if there is one."""
        rows, columns = np.nonzero(picture[..., 0] > 128)
        if not len(rows):
            return None
        points = np.zeros((478, 3), np.float32)
        points[:, :2] = columns.mean(), rows.mean()
        points[10, 1] -= 64  # the box's height in the picture of 256 px, which shows twice the box
        points[152, 1] += 64
        return points, np.eye(4, dtype=np.float32)


def test_faces_are_followed_between_detections() -> None:
    seer = Seer([[60 + 2.0 * i] for i in range(7)])
    faces = find_faces(seer.looks(), PICTURE.shape[:2], seer.detect, seer.find)
    assert seer.detections == [0, DETECT_EVERY, 2 * DETECT_EVERY]
    for i, (sighting,) in enumerate(faces):
        assert (sighting.box[0] + sighting.box[2]) / 2 == pytest.approx(60 + 2 * i, abs=1)
        assert sighting.box[3] - sighting.box[1] == pytest.approx(BOX, abs=1)
    (track,) = find_tracks(faces, [0])
    assert track.span == (0, 31)


def test_the_detector_looks_again_where_a_face_is_lost() -> None:
    seer = Seer([[50], [50], [130], [130]])  # as after a cut
    faces = find_faces(seer.looks(), PICTURE.shape[:2], seer.detect, seer.find)
    assert seer.detections == [0, 2, 3]
    assert [round(sum(s.box[::2]) / 2) for (s,) in faces] == [50, 50, 130, 130]


@pytest.mark.parametrize("place", [(-31, -14, 90), (100, 70, 90), (21, 13, 40), (-40, 90, 170)])
def test_a_crop_of_the_needed_part_is_that_of_the_whole_picture(place: tuple[int, int, int]) -> None:
    x, y, side = place
    picture = np.random.default_rng(0).integers(0, 255, (121, 161, 3), np.uint8)
    crops = [Crop(x, y, side, side), Crop(30, 31, 20, 20)]
    x0, y0, x1, y1 = needed(crops, picture.shape[:2])
    assert x0 % 2 == y0 % 2 == 0
    for crop in crops:
        cut = crop.cut(picture[y0:y1, x0:x1], (x0, y0))
        np.testing.assert_array_equal(cut, crop.cut(picture))


def test_a_face_may_not_leave_the_picture_although_its_crop_may() -> None:
    crop = Crop(-50, 0, 200, 100)  # written at half its size: the picture begins at 25 px of it
    assert crop.inside((200, 400)) == 0.75
    picture = crop.picture((200, 400))
    assert picture == (25, 0, 225, 100)
    landmarks = np.full((4, 478, 3), 50.0)
    assert outside(landmarks, 100, picture) == 0
    landmarks[0, 5, 0] = 20  # in the crop, but where the picture's edge is repeated
    assert outside(landmarks, 100, picture) == 0.25


def test_what_moves_as_a_whole_has_no_expression() -> None:
    rng = np.random.default_rng(0)
    face = rng.uniform(0, 100, (478, 3))
    face[10, :2], face[152, :2] = (50, 0), (50, 100)
    still = np.stack([face + [5 * i, -3 * i, 0] for i in range(50)])
    assert expression(still) == pytest.approx(0, abs=1e-6)
    blinking, talking = still.copy(), still.copy()
    for upper in (159, 386):
        blinking[::10, upper, 1] += 20
    for upper in (13, 82, 312):
        talking[::2, upper, 1] += 20
    assert expression(blinking) > 0.008
    assert expression(talking) > 0.008


def body(shift: float) -> Frame:
    """A rendered body: shaded ellipsoids, with hollows for eyes and a bump for a nose."""
    picture = np.full((720, 720, 3), 235, np.uint8)
    rows, columns = np.mgrid[:720, :720]

    def ball(x: float, y: float, half_width: float, half_height: float, grey: int) -> None:
        u, v = (columns - 360 - shift - x) / half_width, (rows - 200 - y) / half_height
        depth = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
        light = np.clip(0.25 + 0.75 * (0.25 * u - 0.4 * v + 0.85 * depth), 0, 1) * grey
        picture[depth > 0] = light[depth > 0][:, None].astype(np.uint8)

    for part in [(0, 286, 121, 209), (-143, 242, 38, 165), (143, 242, 38, 165), (0, 77, 33, 55), (0, -9, 52, 75)]:
        ball(*part, 170)
    ball(0, 9, 10, 18, 195)
    ball(-22, -13, 13, 7, 110)
    ball(22, -13, 13, 7, 110)
    ball(0, 36, 18, 4, 120)
    return picture


def test_a_rendered_body_is_no_face() -> None:
    model = resolve("face_detector")
    pictures = [body(shift) for shift in (0, 8, 16)]
    assert any(len(FaceDetector(model)(picture)) for picture in pictures)  # what a photo's detector takes for one
    tools = Tools(PreparationConfig())
    assert not any(len(tools.detector(picture)) for picture in pictures)
    portrait = cv2.imread(str(ASSETS / "portrait.jpg"))
    assert portrait is not None
    assert len(tools.detector(portrait[..., ::-1])) == 1


def test_a_face_that_fills_the_picture_is_kept_and_a_rigid_one_is_not(tmp_path: Path) -> None:
    videos = tmp_path / "raw"
    videos.mkdir()
    swaying(videos / "tight.mp4", "crop=276:276:52:44")
    config = PreparationConfig(size=256, min_seconds=1.0, min_expression=0.0)
    report = prepare_data(videos, tmp_path / "tight", config)
    (sample,) = read_samples(tmp_path / "tight")
    inside = sample.about["quality"]["inside"]
    assert 0.5 <= inside < 0.75
    assert sample.sound is None
    assert sample.about["sound_reason"].startswith("lips")
    (track,) = report["tracks"]
    assert (track["file"], track["clips"], track["with_sound"]) == ("tight.mp4", 1, 0)
    assert {"lag", "confidence"} <= track.keys()
    assert report["with_sound"] == 0
    (reason,) = report["unsynced"]
    assert reason.startswith("lips")
    assert reason in table(report)
    (clip,) = find_clips(tmp_path / "tight")
    with (tmp_path / "tight" / UNPACKED / "manifest.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["file"] == clip.path.name
    assert float(row["frame_inside"]) == inside
    assert float(row["confidence"]) == sample.about["sync"]["confidence"]
    report = prepare_data(videos, tmp_path / "rigid", replace(config, min_expression=0.008))
    assert report["clips"] == 0
    assert report["reasons"] == {"a rigid face": 1}


def test_bad_shares_are_named() -> None:
    with pytest.raises(InputError, match="min_inside is 1.5"):
        PreparationConfig(min_inside=1.5).validate()
    with pytest.raises(InputError, match="unsynced is 'loud'"):
        PreparationConfig(unsynced="loud").validate()
