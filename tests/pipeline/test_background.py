"""The person before another background: colours, pictures, nothing; and what cannot be had is said."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from vasa_core.errors import InputError
from vasa_core.face.mesh.layers import take_apart
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.io.image import write_png
from vasa_core.io.video import read_frames
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.background import before
from vasa_core.pipeline.prepared import Prepared
from vasa_core.provenance.mark import MARKED_FROM, mark_score

STEPS = 2
GREEN = (0, 177, 64)


@pytest.fixture(scope="module")
def waveform() -> np.ndarray:
    return (0.1 * np.random.default_rng(0).normal(size=8_000)).astype(np.float32)


@pytest.fixture(scope="module")
def usual(pipeline: Pipeline, prepared: Prepared, waveform: np.ndarray) -> np.ndarray:
    return np.stack(list(pipeline.animate(prepared, waveform, steps=STEPS)))


@pytest.fixture(scope="module")
def cut(pipeline: Pipeline, prepared: Prepared, waveform: np.ndarray) -> np.ndarray:
    return np.stack(list(pipeline.animate(prepared, waveform, steps=STEPS, background="transparent")))


def test_transparent_frames_show_the_person_and_nothing_else(usual: np.ndarray, cut: np.ndarray) -> None:
    assert cut.shape == (*usual.shape[:3], 4)
    opacity = cut[:, :470, :, 3]
    assert (opacity[:, :40, :40] == 0).all()  # a corner beside the head
    assert (opacity[:, 250:400, 220:290] == 255).all()  # the face
    solid = opacity == 255
    assert 0.2 < solid.mean() < 0.8
    assert ((opacity == 0) | solid).mean() > 0.9
    difference = np.abs(cut[:, :470, :, :3].astype(int) - usual[:, :470])[solid]
    assert difference.mean() < 1
    assert (cut[:, :40, :40, :3] <= 1).all()  # black but for the mark


def test_a_colour_is_what_the_cut_out_person_looks_like_before_it(
    pipeline: Pipeline, prepared: Prepared, waveform: np.ndarray, cut: np.ndarray
) -> None:
    frames = np.stack(list(pipeline.animate(prepared, waveform, steps=STEPS, background="#00b140")))
    share = cut[:, :470, :, 3:] / 255
    laid = share * cut[:, :470, :, :3] + (1 - share) * np.array(GREEN)
    assert np.abs(frames[:, :470] - laid).mean() < 0.7
    assert np.abs(frames[:, :40, :40].astype(int) - GREEN).max() <= 1
    assert mark_score(list(frames)) > MARKED_FROM


def test_a_picture_fills_the_frame_and_stands_still(
    pipeline: Pipeline, prepared: Prepared, waveform: np.ndarray, tmp_path: Path
) -> None:
    picture = np.zeros((300, 800, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, 800)
    write_png(tmp_path / "behind.png", picture)
    options: dict[str, Any] = {"background": tmp_path / "behind.png", "distance": 0.8, "steps": STEPS}
    frames = np.stack(list(pipeline.animate(prepared, waveform, **options))).astype(int)
    middle = cv2.resize(picture[:, 250:550], (512, 512), interpolation=cv2.INTER_CUBIC)
    assert np.abs(frames[:, :40, :40] - middle[:40, :40]).max() <= 3  # though the person is magnified


def test_a_transparent_video_is_written_as_one(
    pipeline: Pipeline, prepared: Prepared, waveform: np.ndarray, tmp_path: Path
) -> None:
    video = pipeline.animate(prepared, waveform, steps=STEPS, size=256, background="transparent")
    made = video.save(tmp_path / "out.webm")
    assert made.frames == len(list(read_frames(tmp_path / "out.webm"))) == 12
    with pytest.raises(InputError, match=r"expected a name that ends in \.mov or \.webm"):
        pipeline.generate(prepared, Path("unread.wav"), tmp_path / "out.mp4", background="transparent")


def test_what_cannot_be_had_is_said_before_the_first_frame(
    pipeline: Pipeline, prepared: Prepared, waveform: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="background is 'red'; expected none where the whole photo is shown"):
        pipeline.animate(prepared, waveform, background="red", framing="photo")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png is not an image"):
        pipeline.animate(prepared, waveform, background=tmp_path / "text.png")
    photo = prepared.portrait.photo
    whole = take_apart(photo, np.full(photo.shape[:2], 255, np.uint8), np.array([256.0, 256.0]), 200.0)
    with pytest.raises(InputError, match="background is 'red'; expected none, as no person stands out"):
        before(replace(prepared.portrait, layers=whole), "red")
    lifted = LiftedPhoto(**{each.name: getattr(prepared.portrait, each.name) for each in fields(LiftedPhoto)})
    with pytest.raises(InputError, match="background is 'transparent'; expected a colour or an image file"):
        before(lifted, "transparent")
    assert before(prepared.portrait, None) is prepared.portrait


def test_the_background_is_never_written_over(pipeline: Pipeline, prepared: Prepared, tmp_path: Path) -> None:
    picture = tmp_path / "behind.gif"
    Image.new("RGB", (64, 64), GREEN).save(picture)
    content = picture.read_bytes()
    with pytest.raises(InputError, match=r"behind\.gif is the output and an input as well"):
        pipeline.generate(prepared, Path("unread.wav"), picture, background=picture)
    assert picture.read_bytes() == content


def test_a_photo_shown_whole_is_prepared_anew_for_a_background(
    pipeline: Pipeline, portrait: Path, waveform: np.ndarray
) -> None:
    whole = pipeline.prepare(portrait, "photo")
    video = pipeline.animate(whole, waveform, steps=STEPS, size=256, background="red")
    assert (video.framing, video.size) == ("face", (256, 256))
    assert whole.background is None
