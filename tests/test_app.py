"""The app as a program meets it: the `/generate` endpoint through gradio_client, on the real pipeline."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from vasa_core.io.audio import AudioFile
from vasa_core.io.video import read_frames
from vasa_core.provenance.mark import METADATA

TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def client(app_address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(app_address, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def request_folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("vasa_*"))


def given(portrait: Path, speech: Path, **options: Any) -> dict[str, Any]:
    return {"portrait": handle_file(portrait), "speech": handle_file(speech), **options}


def test_a_program_gets_a_video_of_the_right_length(client: Client, portrait: Path, short_speech: Path) -> None:
    video = Path(client.predict(api_name="/generate", **given(portrait, short_speech, size=256, gaze_yaw=10, steps=4)))
    frames = list(read_frames(video))
    assert len(frames) == 50
    assert frames[0].shape == (256, 256, 3)
    assert AudioFile.open(video).seconds == pytest.approx(2.0, abs=0.03)
    content = video.read_bytes()
    assert all(value.encode() in content for value in METADATA.values())
    wait_until(lambda: not request_folders())


def test_the_endpoint_names_every_option(client: Client) -> None:
    endpoints: Any = client.view_api(return_format="dict")
    assert list(endpoints["named_endpoints"]) == ["/generate"]
    names = [parameter["parameter_name"] for parameter in endpoints["named_endpoints"]["/generate"]["parameters"]]
    assert names[:6] == ["portrait", "speech", "gaze_yaw", "gaze_pitch", "distance", "emotion"]
    assert {
        "emotion_strength",
        "guidance_audio",
        "guidance_previous",
        "guidance_distance",
        "expressiveness",
        "head_motion",
        "steps",
        "seed",
        "size",
    } <= set(names)


def test_bad_input_is_answered_with_its_sentence(
    client: Client, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    text, blank = tmp_path / "text.jpg", tmp_path / "blank.png"
    text.write_text("no picture")
    Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(blank)
    for options, sentence in [
        (given(text, short_speech), "text.jpg is not an image"),
        (given(blank, short_speech), "face"),
        (given(portrait, text), "text.jpg"),
        (given(portrait, short_speech) | {"speech": None}, "Add a speech clip first."),
    ]:
        with pytest.raises(AppError, match=sentence):
            client.predict(api_name="/generate", **options)
    wait_until(lambda: not request_folders())


def test_refused_values_are_answered_with_a_sentence(client: Client, portrait: Path, short_speech: Path) -> None:
    refused = {
        "gaze_yaw": (99, "x", [1], None),
        "emotion": ("bored", ["fear"], 5),
        "seed": (-1, 10**30, "7", 0.5),
        "size": (333, "512"),
        "steps": (0, 1e9),
        "framing": ("round", 1),
        "face_model": ("clay", 7),
    }
    for name, values in refused.items():
        for value in values:
            with pytest.raises(AppError, match=f"{name} is .*; expected") as caught:
                client.predict(api_name="/generate", **given(portrait, short_speech, **{name: value}))
            assert len(str(caught.value)) < 300


def test_refused_files_are_answered(client: Client, portrait: Path, short_speech: Path) -> None:
    """What was never uploaded is not read, and that is said."""
    for name in ("portrait", "speech"):
        for value in (5, "text", {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}, {"a": 1}):
            with pytest.raises(AppError) as caught:
                bad: dict[str, Any] = {**given(portrait, short_speech), name: value}
                client.predict(api_name="/generate", **bad)
            assert str(caught.value).strip() not in ("", "None")


def test_stop_leaves_nothing_and_the_next_visitor_is_served(client: Client, portrait: Path, short_speech: Path) -> None:
    speech = portrait.parent / "speech.wav"
    job = client.submit(api_name="/generate", **given(portrait, speech))
    wait_until(lambda: any(list(folder.glob(".*.mp4")) for folder in request_folders()) or job.done())
    assert job.cancel()
    wait_until(lambda: not request_folders())
    assert Path(client.predict(api_name="/generate", **given(portrait, short_speech, size=256, steps=1))).is_file()
