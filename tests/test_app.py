"""The app as a program meets it: the `/generate` endpoint through gradio_client, on the real pipeline."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from vasa_core.app.job import loaded
from vasa_core.app.page import LAUNCH, build_app
from vasa_core.assets import ASSETS
from vasa_core.io.audio import AudioFile
from vasa_core.io.video import read_frames
from vasa_core.pipeline import Pipeline
from vasa_core.provenance.mark import METADATA

TIMEOUT_S = 300.0  # on a busy machine


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


def test_a_program_gets_a_video_of_the_right_length(client: Client, portrait: Path, brief_speech: Path) -> None:
    video = Path(client.predict(api_name="/generate", **given(portrait, brief_speech, size=256, gaze_yaw=10, steps=4)))
    frames = list(read_frames(video))
    assert len(frames) == 15
    assert frames[0].shape == (256, 256, 3)
    assert AudioFile.open(video).seconds == pytest.approx(0.6, abs=0.03)
    content = video.read_bytes()
    assert all(value.encode() in content for value in METADATA.values())
    wait_until(lambda: not request_folders())


def test_the_endpoint_names_every_option(client: Client) -> None:
    endpoints: Any = client.view_api(return_format="dict", print_info=False)
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


def test_every_parameter_is_described_and_takes_what_is_documented(
    client: Client, portrait: Path, brief_speech: Path
) -> None:
    endpoints: Any = client.view_api(return_format="dict", print_info=False)
    endpoint = endpoints["named_endpoints"]["/generate"]
    assert endpoint["description"]
    parameters = {entry["parameter_name"]: entry for entry in endpoint["parameters"]}
    for name in set(parameters) - {"portrait", "speech"}:
        assert parameters[name]["python_type"]["description"], name
    assert "-30 to 30" in parameters["gaze_yaw"]["python_type"]["description"]
    assert parameters["size"]["type"]["enum"] == ["256", "512", "768", "1024"]
    for size in ("256", "512"):
        given_size = given(portrait, brief_speech, size=size, steps=1)
        video = Path(client.predict(api_name="/generate", **given_size))
        assert next(read_frames(video)).shape[0] == int(size)


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
        "size": (333, "333"),
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


def test_an_address_is_not_fetched(client: Client, portrait: Path, brief_speech: Path) -> None:
    """What lies there may be of any size, or of a network that only the server sees."""
    elsewhere = {"path": "http://192.0.2.1/portrait.jpg", "meta": {"_type": "gradio.FileData"}}
    wanted: dict[str, Any] = {**given(portrait, brief_speech), "portrait": elsewhere}
    with pytest.raises(AppError, match="an address; expected an upload"):
        client.predict(api_name="/generate", **wanted)


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def uploaded(url: str, path: Path) -> dict[str, Any]:
    """A file as the page sends it after it has uploaded it."""
    content = {"files": (path.name, path.read_bytes())}
    answer = httpx.post(f"{url}gradio_api/upload", files=content, timeout=TIMEOUT_S).json()
    return {"path": answer[0], "meta": {"_type": "gradio.FileData"}}


def answer_to_a_page(url: str, client: Client, **given: Any) -> str:
    """What the endpoint says to values that are sent as a page sends them: files by their path on the server."""
    endpoints: Any = client.view_api(return_format="dict", print_info=False)
    parameters = endpoints["named_endpoints"]["/generate"]["parameters"]
    data = [given.get(entry["parameter_name"], entry["parameter_default"]) for entry in parameters]
    asked = httpx.post(f"{url}gradio_api/call/generate", json={"data": data}).json()
    return httpx.get(f"{url}gradio_api/call/generate/{asked['event_id']}", timeout=TIMEOUT_S).text


def test_uploads_and_results_are_deleted_in_time_and_examples_stay(
    pipeline: Pipeline, portrait: Path, brief_speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "visitors"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    app = build_app(loaded(pipeline), kept_seconds=12)
    _, url, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **LAUNCH)
    try:
        client = Client(url, verbose=False, download_files=tmp_path / "downloads")
        given_here: dict[str, Any] = {"portrait": uploaded(url, portrait), "speech": uploaded(url, brief_speech)}
        assert "event: complete" in answer_to_a_page(url, client, **given_here, steps=1)
        assert {"portrait.jpg", "brief.wav", "talking-steps-1-seed-0.mp4"} <= files_in(folder)
        wait_until(lambda: not files_in(folder))
        for name, what in (("portrait", "portrait"), ("speech", "speech clip")):
            other = "speech" if name == "portrait" else "portrait"
            fresh = uploaded(url, ASSETS / "speech2.wav" if name == "portrait" else portrait)
            said = answer_to_a_page(url, client, **{name: given_here[name], other: fresh})
            assert f"The {what} has expired; add it again." in said
            assert str(folder) not in said
        for name in ("portrait.jpg", "speech.wav"):
            assert httpx.get(f"{url}gradio_api/file={ASSETS / name}").content == (ASSETS / name).read_bytes()
    finally:
        app.close()


def test_stop_leaves_nothing_and_the_next_visitor_is_served(client: Client, portrait: Path, brief_speech: Path) -> None:
    speech = portrait.parent / "speech.wav"
    job = client.submit(api_name="/generate", **given(portrait, speech))
    wait_until(lambda: any(list(folder.glob(".*.mp4")) for folder in request_folders()) or job.done())
    assert job.cancel()
    wait_until(lambda: not request_folders())
    assert Path(client.predict(api_name="/generate", **given(portrait, brief_speech, size=256, steps=1))).is_file()
