"""The package's entries given what they do not take: one short sentence each, without the tests' own type checks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ENTRIES = """
import json, sys, tempfile
from pathlib import Path
import numpy as np
import vasa_core
from vasa_core.pipeline import showcase
pipeline, photo, speech = vasa_core.load("cpu"), sys.argv[1], sys.argv[2]
folder = Path(tempfile.mkdtemp())
deep, float_photo = np.zeros((8, 8, 3), np.uint16), np.zeros((8, 8, 3), np.float32)
odd = [None, 5, b"me.jpg", {}, [], {"a": 1}, "x" * 5000, "a\\0b", str(folder), object()]
photos = [*odd, deep, float_photo, np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8),
          np.zeros((0, 8, 3), np.uint8), np.zeros((8, 0, 3), np.uint8), np.zeros(3, np.uint8),
          np.zeros((8, 8, 3), object)]
sounds = [*odd, np.zeros(16000), np.zeros((2, 16000), np.float32), np.zeros(0, np.float32), np.zeros(5, np.float32),
          np.zeros(16000, np.int16), np.full(16000, np.nan, np.float32), np.full(16000, 1e30, np.float32)]
outs = [None, 5, b"o.mp4", [], "x" * 5000 + ".mp4", str(folder), folder / "o.avi", folder / "none" / "o.mp4", photo]
person = pipeline.prepare(photo)
calls = [("prepare", lambda value=value: pipeline.prepare(value)) for value in photos]
calls += [("animate", lambda value=value: pipeline.animate(person, value)) for value in sounds]
calls += [("motion", lambda value=value: pipeline.motion(person, value)) for value in sounds]
calls += [("generate", lambda value=value: pipeline.generate(person, speech, value)) for value in outs]
calls += [("framing", lambda value=value: pipeline.prepare(photo, value)) for value in odd]
calls += [("face", lambda value=value: pipeline.prepare(photo, "auto", value)) for value in (*odd, -1, 10**400, 0.5)]
calls += [("options", lambda value=value: pipeline.animate(person, speech, value)) for value in odd[1:]]
calls += [("device", lambda value=value: vasa_core.load(value)) for value in odd]
calls += [("reenact", lambda value=value: pipeline.reenact(person, value, folder / "o.mp4")) for value in odd]
calls += [("showcase", lambda value=value: showcase(pipeline, person, value, folder / "o.mp4")) for value in odd]
calls += [("pose_from", lambda value=value: pipeline.reenact(person, None, folder / "o.mp4", pose_from=value)) for
          value in odd]
calls += [("encode", lambda value=value: pipeline.encode(value)) for value in odd]
calls += [("person", lambda value=value: pipeline.motion(value, speech)) for value in odd]
calls += [("rendered", lambda value=value: pipeline.render(person, value)) for value in (*odd, np.zeros((3, 6)))]
calls += [("stream", lambda value=value: list(pipeline.stream(person, value))) for value in sounds]
wrong = []
for name, call in calls:
    try:
        call()
        wrong.append([name, "was taken", repr(call.__defaults__)[:60]])
    except vasa_core.InputError as error:
        if len(str(error)) >= 300 or "\\n" in str(error) or not str(error).endswith("."):
            wrong.append([name, "long or several lines", str(error)[:400]])
    except Exception as error:
        wrong.append([name, type(error).__name__, str(error)[:200], repr(call.__defaults__)[:60]])
print(json.dumps([len(calls), wrong, [path.name for path in folder.iterdir()]]))
"""


def test_what_an_entry_does_not_take_is_refused_in_one_short_sentence(portrait: Path, brief_speech: Path) -> None:
    command = [sys.executable, "-c", ENTRIES, str(portrait), str(brief_speech)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    count, wrong, left = json.loads(done.stdout.strip().splitlines()[-1])
    assert count > 100
    assert wrong == []
    assert left == []
