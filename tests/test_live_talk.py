"""`/ws/speak` as a program meets it: a real server, frames with their own sound, refusals in a sentence, clean ends."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from vasa_core.app.job import loaded
from vasa_core.app.page import LAUNCH, build_app
from vasa_core.app.settings import Settings
from vasa_core.app.speak_socket import FULL, REFUSED, Speaking
from vasa_core.app.talk import HEADER, MAX_PHOTO_BYTES
from vasa_core.assets import ASSETS
from vasa_core.io.audio import read_audio
from vasa_core.pipeline import Pipeline
from vasa_core.provenance.mark import MARKED_FROM, mark_score
from vasa_core.rates import SAMPLE_RATE

QUICK: dict[str, Any] = {"steps": 1, "size": 256}
WAIT_S = 60


@dataclass
class Answers:
    """What a session was answered. heard: samples sent, up to each frame's end."""

    frames: list[np.ndarray] = field(default_factory=list)
    sound: bytes = b""
    heard: list[int] = field(default_factory=list)
    took: list[int] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0

    def read(self, socket: ClientConnection, most: float = float("inf")) -> Answers:
        """Until the session ends, or so many frames are there."""
        try:
            while len(self.frames) < most:
                self._take(socket.recv(WAIT_S))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            self.code = closed.rcvd.code
        return self

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.texts.append(json.loads(message))
            return
        number, heard, took, size = HEADER.unpack_from(message)
        assert number == len(self.frames)
        self.sound += message[HEADER.size : HEADER.size + size]
        picture = cv2.imdecode(np.frombuffer(message[HEADER.size + size :], np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        self.frames.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        self.heard.append(heard)
        self.took.append(took)


def speech(seconds: float) -> bytes:
    samples = np.resize(read_audio(ASSETS / "speech.wav"), round(seconds * SAMPLE_RATE))
    return (samples * 32767).astype("<i2").tobytes()


def talk(address: str, *messages: Any, most: float = float("inf"), **wanted: Any) -> Answers:
    """A session that sends all of these at once, dictionaries as JSON, and reads the answers, or so many frames."""
    with connect(address, max_size=None) as socket:
        try:
            for message in ({**QUICK, **wanted}, *messages):
                socket.send(json.dumps(message) if isinstance(message, dict) else message)
        except ConnectionClosed:
            pass  # refused already
        return Answers().read(socket, most)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def session_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("talk", "feeder"))]


@pytest.fixture(scope="module")
def address(app_address: str) -> str:
    return app_address.replace("http", "ws") + "ws/speak"


@pytest.fixture(scope="module")
def guarded(pipeline: Pipeline) -> Iterator[str]:
    """An app with a password, one session at a time and two seconds for each."""
    settings = Settings(auth="me:secret", live=1, live_seconds=2.0)
    app = build_app(loaded(pipeline), settings)
    where: dict[str, Any] = {"server_name": "127.0.0.1", "prevent_thread_lock": True, "quiet": True}
    live = {"routes": Speaking(lambda: pipeline, settings).routes}
    _, url, _ = app.launch(**where, auth=settings.login, **LAUNCH, app_kwargs=live)
    yield url
    app.close()


def test_speech_becomes_marked_frames_with_their_own_sound(address: str) -> None:
    said = speech(1.0)
    answers = talk(address, said, {"end": True}, portrait="portrait")
    hello = answers.texts[0]["hello"]
    assert (hello["width"], hello["height"], hello["fps"], hello["sample_rate"]) == (256, 256, 25, 16000)
    assert answers.sound == said
    assert answers.heard == list(range(640, 16_001, 640))
    assert {frame.shape for frame in answers.frames} == {(256, 256, 3)}
    assert answers.texts[-1] == {"ended": {"frames": 25, "why": ""}}
    assert answers.code == 1000
    assert mark_score(answers.frames) > MARKED_FROM
    wait_until(lambda: not session_threads())


def test_who_sends_nothing_sees_a_person_that_idles(address: str) -> None:
    answers = talk(address, most=30)
    assert answers.heard == [0] * 30
    assert answers.sound == bytes(len(answers.sound))
    moved = np.abs(np.diff(np.stack(answers.frames[10:]).astype(int), axis=0)).max()
    assert moved > 10
    wait_until(lambda: not session_threads())  # the socket was closed without a word


def test_an_interrupt_drops_the_rest(address: str) -> None:
    answers = talk(address, speech(20.0), {"interrupt": True}, {"end": True})
    (dropped,) = [text["interrupted"]["dropped_ms"] for text in answers.texts if "interrupted" in text]
    assert dropped > 18_000
    assert len(answers.frames) < 50
    assert answers.heard[-1] == 20 * SAMPLE_RATE


def test_a_photo_of_one_s_own_and_options(address: str) -> None:
    photo = next((ASSETS / "faces").glob("*.jpg")).read_bytes()
    settings: dict[str, Any] = {
        "emotion": "happiness",
        "gaze_yaw": 10,
        "seed": 3,
        "head_motion": 0.5,
        "microphone": True,
    }
    answers = talk(address, photo, speech(0.4), {"end": True}, **settings, portrait="upload")
    assert answers.texts[0]["hello"]["seed"] == 3
    assert len(answers.frames) == 10
    assert not list(Path(tempfile.gettempdir()).glob("vasa_*/photo"))


REFUSALS: list[tuple[list[Any], dict[str, Any], str]] = [
    ([], {"portrait": "nobody"}, "portrait is 'nobody'; expected upload or one of portrait, "),
    ([], {"portrait": ["portrait"]}, "portrait is "),
    ([], {"portrait": "../../etc/passwd"}, "portrait is "),
    ([], {"microphone": "yes"}, "microphone is 'yes'; expected true or false."),
    ([], {"gaze_yaw": 99}, "gaze_yaw is 99; expected a number from -30"),
    ([], {"style": "/etc/hostname"}, "style is given; expected only settings that the page has."),
    ([], {"speed": 2}, "speed"),
    ([b"no photo"], {"portrait": "upload"}, "photo is not an image that can be read"),
    ([bytes(MAX_PHOTO_BYTES + 1)], {"portrait": "upload"}, "the photo has 15.0 MB; expected at most 15 MB."),
    ([{"end": True}], {"portrait": "upload"}, "expected the bytes of a photo."),
    ([b"abc"], {}, "the sound has 3 bytes; expected 16-bit samples"),
    ([bytes(1_000_002)], {}, "a message has 1000002 bytes of sound; expected at most 1000000."),
    ([{"say": "hello"}], {}, 'expected {"interrupt": true} or {"end": true}.'),
    (["[1]"], {}, "The message holds [1]; expected a JSON object."),
    (["{" * 30_000], {}, "a message has 30000 characters; expected at most 20000."),
]


@pytest.mark.parametrize(("messages", "wanted", "sentence"), REFUSALS)
def test_what_cannot_be_used_is_answered_with_a_sentence(
    address: str, messages: list[Any], wanted: dict[str, Any], sentence: str
) -> None:
    answers = talk(address, *messages, **wanted)
    assert sentence in answers.texts[-1]["error"]
    assert len(answers.texts[-1]["error"]) < 300
    assert answers.code == REFUSED


def test_a_first_message_that_is_no_json(address: str) -> None:
    for first, sentence in (("hello", "The first message is not JSON"), (b"\0\0", "the first message is 2 bytes")):
        with connect(address) as socket:
            socket.send(first)
            assert sentence in Answers().read(socket).texts[0]["error"]


def test_pages_of_other_sites_are_refused(address: str) -> None:
    for origin in ("http://evil.example", "null", "https://127.0.0.1"):
        with pytest.raises(InvalidStatus) as caught:
            connect(address, additional_headers={"Origin": origin})
        assert caught.value.response.status_code == 403
        assert b"expected one of this server" in (caught.value.response.body or b"")
    own = address.replace("ws://", "http://").removesuffix("/ws/speak")
    with connect(address, additional_headers={"Origin": own}) as socket:
        socket.send("{}")
        assert "hello" in json.loads(socket.recv(WAIT_S))


def test_a_password_limits_and_a_seat_that_is_free_again(guarded: str) -> None:
    address = guarded.replace("http", "ws") + "ws/speak"
    with pytest.raises(InvalidStatus) as caught:
        connect(address)
    assert caught.value.response.body == b"log in first."
    login = httpx.post(f"{guarded}login", data={"username": "me", "password": "secret"})
    cookies = "; ".join(f"{name}={value}" for name, value in login.cookies.items())
    headers = {"Cookie": cookies}
    with connect(address, additional_headers=headers, max_size=None) as first:
        first.send(json.dumps(QUICK))
        assert "hello" in json.loads(first.recv(WAIT_S))
        with connect(address, additional_headers=headers) as second:
            full = Answers().read(second)
            assert full.texts == [{"error": "1 people talk here already; try again later."}]
            assert full.code == FULL
        ended = Answers().read(first).texts[-1]["ended"]
        assert ended["why"] == "the session has lasted 2 s; connect again for more."
        assert ended["frames"] >= 1
    with connect(address, additional_headers=headers) as third:
        third.send(json.dumps(QUICK))
        assert "hello" in json.loads(third.recv(WAIT_S))
    wait_until(lambda: not session_threads())


def test_several_talk_at_once_and_see_the_same(address: str) -> None:
    made: dict[int, Answers] = {}

    def one(number: int) -> None:
        made[number] = talk(address, speech(0.8), {"end": True}, seed=4)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert np.array_equal(np.stack(made[0].frames), np.stack(made[1].frames))


def speak_live(socket: ClientConnection, said: bytes) -> None:
    """Send sound as it would be spoken, a frame's at a time."""
    began = time.monotonic()
    for number, start in enumerate(range(0, len(said), 1280)):
        time.sleep(max(0.0, began + number / 25 - time.monotonic()))
        socket.send(said[start : start + 1280])
    socket.send(json.dumps({"end": True}))


@pytest.mark.slow
def test_a_minute_of_talk_in_flat_memory(address: str) -> None:
    """All of it is heard, memory is as after a quarter of it, and no thread is left."""
    memory: list[float] = []
    with connect(address, max_size=None) as socket:
        socket.send(json.dumps({**QUICK, "microphone": True}))
        speaker = threading.Thread(target=speak_live, args=(socket, speech(60.0)))
        speaker.start()
        heard, texts = 0, []
        for message in socket:
            if isinstance(message, str):
                texts.append(json.loads(message))
                continue
            number, heard, _, _ = HEADER.unpack_from(message)
            if number % 25 == 0:
                memory.append(resident_mib())
        speaker.join(WAIT_S)
    assert heard == 60 * SAMPLE_RATE
    assert "ended" in texts[-1]
    assert max(memory) - memory[len(memory) // 4] < 40
    wait_until(lambda: not session_threads())


def resident_mib() -> float:
    """Memory of this process, the server's too."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
