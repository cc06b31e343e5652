"""Let a voice speak through a running app's `/ws/speak`: python -m examples.speak_live "Hello." OUT [ADDRESS]

Frames are written as OUT/00000.jpg ..., their sound as OUT/sound.wav. For another voice or an agent,
replace `sentences`: anything that gives 16 kHz waveforms will do. docs/live.md has the protocol.
"""

from __future__ import annotations

import json
import struct
import sys
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

from vasa_core.audio.voice import speak

RATE, HEADER = 16_000, struct.Struct("<IIHH")  # Hz; frame, samples heard, ms it took, bytes of sound


def sentences(text: str) -> Iterator[bytes]:
    """The sound of the text, one sentence after the other, as 16-bit samples."""
    for sentence in filter(str.strip, text.split(".")):
        yield (speak(sentence).waveform * 32767).astype("<i2").tobytes()


def send(socket: ClientConnection, text: str) -> None:
    """As fast as the voice speaks: the server keeps the pace. {"interrupt": true} would make it stop at once."""
    for sound in sentences(text):
        for start in range(0, len(sound), RATE):  # half a second each
            socket.send(sound[start : start + RATE])
    socket.send(json.dumps({"end": True}))


def main(text: str, out: Path, address: str = "ws://127.0.0.1:7860/ws/speak") -> None:
    out.mkdir(parents=True, exist_ok=True)
    with connect(address, max_size=None) as socket, wave.open(str(out / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        socket.send(json.dumps({"portrait": "portrait", "emotion": "happiness"}))
        threading.Thread(target=send, args=(socket, text)).start()
        for message in socket:
            if isinstance(message, str):
                print(message)
                continue
            number, _, took, size = HEADER.unpack_from(message)
            sound.writeframes(message[HEADER.size : HEADER.size + size])
            (out / f"{number:05d}.jpg").write_bytes(message[HEADER.size + size :])
            print(f"frame {number}, {took} ms after its sound", end="\r")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
