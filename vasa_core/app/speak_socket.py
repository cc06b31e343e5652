"""The WebSocket `/ws/speak`: speech in, frames out, for the Live tab and for programs; see docs/live.md."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from vasa_core.app.ear import Ear
from vasa_core.app.settings import Settings
from vasa_core.app.talk import UPLOAD, Portraits, Talk, Wanted
from vasa_core.errors import InputError, MissingModelError, shown
from vasa_core.files import parsed_json
from vasa_core.pipeline import Pipeline

PATH = "/ws/speak"
START_SECONDS = 30.0  # in which a session has to say what it wants
MAX_TEXT, MAX_SOUND = 20_000, 1_000_000  # characters, bytes of a message
ENDED, REFUSED, FULL = 1000, 1008, 1013  # codes of RFC 6455 and its registry
REFUSALS = (InputError, MissingModelError, OSError)


class Speaking:
    """The endpoint's sessions, at most `settings.live` at once."""

    def __init__(self, models: Callable[[], Pipeline], settings: Settings) -> None:
        """models: gives the pipeline, perhaps after a while."""
        self._portraits, self._settings = Portraits(models), settings
        self._sessions = 0  # counted on the event loop alone

    @property
    def routes(self) -> list[WebSocketRoute]:
        """For the app's server."""
        return [WebSocketRoute(PATH, self.speak)]

    async def speak(self, socket: WebSocket) -> None:
        """One session, from its handshake to its end."""
        if refusal := refused(socket):
            await socket.send_denial_response(PlainTextResponse(refusal, 403))
            return
        await socket.accept()
        if self._sessions >= self._settings.live:
            await _say_no(socket, f"{self._sessions} people talk here already; try again later.", FULL)
            return
        self._sessions += 1
        try:
            await self._session(socket)
        except WebSocketDisconnect:
            pass  # whoever it was has gone
        except TimeoutError:
            await _say_no(socket, f"nothing came for {START_SECONDS:g} s; expected a first message.", REFUSED)
        except REFUSALS as error:
            await _say_no(socket, str(error), REFUSED)
        finally:
            self._sessions -= 1

    async def _session(self, socket: WebSocket) -> None:
        async with asyncio.timeout(START_SECONDS):
            wanted = Wanted.read(await _text(socket))
            photo = await _bytes(socket) if wanted.portrait == UPLOAD else None
        ear = Ear(wanted.microphone, self._settings.live_seconds)
        pool = ThreadPoolExecutor(1, "talk")  # the session's own: its thread waits for sound
        try:
            pipeline, person = await asyncio.get_running_loop().run_in_executor(pool, self._portraits, wanted, photo)
            talk = Talk(pipeline, person, wanted.options, ear)
            await socket.send_json({"hello": talk.hello() | {"most_seconds": self._settings.live_seconds}})
            tasks = [asyncio.create_task(_listen(socket, ear)), asyncio.create_task(self._speak(socket, talk, pool))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ear.stop()
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for task in done:
                await task  # which raises what it raised
        finally:
            ear.stop()
            pool.shutdown(wait=False)

    async def _speak(self, socket: WebSocket, talk: Talk, pool: ThreadPoolExecutor) -> None:
        """Send packets until the sound has ended, nobody wants it, or the session has lasted as long as it may."""
        loop, packets, frames, why = asyncio.get_running_loop(), talk.packets(), 0, ""
        until = time.monotonic() + self._settings.live_seconds
        try:
            while not why and (packet := await loop.run_in_executor(pool, next, packets, None)):
                await socket.send_bytes(packet)
                frames += 1
                if time.monotonic() > until:
                    why = f"the session has lasted {self._settings.live_seconds:g} s; connect again for more."
        finally:
            await loop.run_in_executor(pool, packets.close)
        if not talk.ear.stopped.is_set():
            await socket.send_json({"ended": {"frames": frames, "why": why}})
            await socket.close(ENDED)


async def _listen(socket: WebSocket, ear: Ear) -> None:
    """Hear what is sent, and do what is asked. Raises InputError for what cannot be used, and WebSocketDisconnect."""
    while True:
        message = await _message(socket)
        if isinstance(message, bytes):
            if len(message) > MAX_SOUND:
                raise InputError(f"a message has {len(message)} bytes of sound; expected at most {MAX_SOUND}.")
            ear.hear(message)
            continue
        asked = parsed_json(message.encode(), "The message")
        if asked == {"interrupt": True}:
            await socket.send_json({"interrupted": {"dropped_ms": round(1000 * ear.interrupt())}})
        elif asked == {"end": True}:
            ear.end()
        else:
            raise InputError(f'the message is {shown(asked)}; expected {{"interrupt": true}} or {{"end": true}}.')


def refused(socket: WebSocket) -> str:
    """Why a handshake is not answered: a page of another site, or nobody who has logged in. Else nothing."""
    origin = socket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != socket.headers.get("host"):
        return f"the page is of {shown(origin)}; expected one of this server."
    app: Any = socket.app  # Gradio's: its log-in and its cookie
    if app.auth is None:
        return ""
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return "" if any(socket.cookies.get(name) in app.tokens for name in names) else "log in first."


async def _message(socket: WebSocket) -> str | bytes:
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", ENDED))
    text = received.get("text")
    if text is None:
        return received["bytes"]
    if len(text) > MAX_TEXT:
        raise InputError(f"a message has {len(text)} characters; expected at most {MAX_TEXT}.")
    return text


async def _text(socket: WebSocket) -> str:
    message = await _message(socket)
    if isinstance(message, bytes):
        raise InputError(f"the first message is {len(message)} bytes; expected JSON that says what is wanted.")
    return message


async def _bytes(socket: WebSocket) -> bytes:
    message = await _message(socket)
    if isinstance(message, str):
        raise InputError(f"the message after the first is {shown(message)}; expected the bytes of a photo.")
    return message


async def _say_no(socket: WebSocket, sentence: str, code: int) -> None:
    """Tell why, and close. Nothing if whoever it was has gone."""
    if socket.application_state == WebSocketState.CONNECTED and socket.client_state == WebSocketState.CONNECTED:
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_json({"error": sentence})
            await socket.close(code)
