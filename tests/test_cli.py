"""The command line as other programs call it: real processes, exit codes, files and what they print."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vasa_core.io.video import read_frames

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "vasa_core"]
TIMEOUT_S = 600  # on a busy machine
Made = tuple[Path, dict[str, Any]]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory, portrait: Path, brief_speech: Path) -> Made:
    """A generated video and the JSON that was printed."""
    out = tmp_path_factory.mktemp("talking") / "out.mp4"
    done = run("generate", portrait, brief_speech, out, "--gaze-yaw", "-5", "--steps", "4", "--seed", "3", "--json")
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_generate_writes_the_video_and_says_so(talking: Made) -> None:
    out, made = talking
    assert made["path"] == str(out)
    assert made["frames"] == 15
    assert made["seconds"] == 0.6
    assert made["seed"] == 3
    frames = list(read_frames(out))
    assert len(frames) == 15
    assert frames[0].shape == (512, 512, 3)
    assert list(out.parent.iterdir()) == [out]


def test_verify_knows_its_own_videos_and_no_others(talking: Made, portrait: Path) -> None:
    found = json.loads(run("verify", talking[0], "--json").stdout)
    assert found["marked"] is True
    assert found["manifest"]["state"] == "valid"
    assert found["manifest"]["settings"]["gaze_yaw"] == -5
    assert json.loads(run("verify", portrait, "--json").stdout)["marked"] is False
    missing = run("verify", "nowhere.mp4")
    assert missing.returncode == 2
    assert "does not exist" in missing.stderr


def test_reenact_follows_a_video(talking: Made, portrait: Path, tmp_path: Path) -> None:
    done = run("reenact", portrait, talking[0], tmp_path / "out.mp4", "--use", "pose", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == len(list(read_frames(tmp_path / "out.mp4"))) == 15


@pytest.mark.slow
def test_reenact_takes_head_and_face_from_where_it_is_told(talking: Made, portrait: Path, tmp_path: Path) -> None:
    done = run("reenact", portrait, "--pose", "spin", "--dynamics", talking[0], tmp_path / "out.mp4", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == len(list(read_frames(tmp_path / "out.mp4"))) == 15


@pytest.mark.slow
def test_showcase_writes_one_video(talking: Made, portrait: Path, brief_speech: Path, tmp_path: Path) -> None:
    done = run("showcase", portrait, brief_speech, tmp_path / "out.mp4", "--pose", talking[0], "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == len(list(read_frames(tmp_path / "out.mp4"))) == 15


@pytest.mark.slow
def test_compare_writes_a_grid_and_singles(portrait: Path, brief_speech: Path, tmp_path: Path) -> None:
    vary = ("--vary", "emotion=none,anger", "--vary", "steps=1,2", "--size", "256", "--singles", tmp_path / "singles")
    done = run("compare", portrait, brief_speech, tmp_path / "out.mp4", *vary, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == len(list(read_frames(tmp_path / "out.mp4"))) == 15
    assert len(list((tmp_path / "singles").glob("*.mp4"))) == 4
    assert (tmp_path / "singles" / "index.html").is_file()


def test_generate_speaks_a_text_with_subtitles(portrait: Path, tmp_path: Path) -> None:
    spoken = ("--text", "Good morning, everybody.", "--subtitles", "vtt", "--burn-subtitles")
    done = run("generate", portrait, tmp_path / "out.mp4", *spoken, "--size", "256", "--steps", "1", "--json")
    assert done.returncode == 0, done.stderr
    frames = list(read_frames(tmp_path / "out.mp4"))
    assert json.loads(done.stdout)["frames"] == len(frames) > 40
    white = [int((frame[200:240, 40:216].min(-1) > 230).sum()) for frame in frames]  # letters on a dark suit
    assert white[len(frames) // 2] > white[0] + 60
    lines = (tmp_path / "out.vtt").read_text().splitlines()
    assert lines[0] == "WEBVTT"
    assert lines[4] == "Good morning, everybody."
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "out.vtt"]


def test_encode_writes_arrays(portrait: Path, tmp_path: Path) -> None:
    done = run("encode", portrait, tmp_path / "out.npz")
    assert done.returncode == 0, done.stderr
    arrays = np.load(tmp_path / "out.npz")
    assert arrays["pose"].shape == (1, 6)
    assert arrays["landmarks"].shape == (1, 478, 3)
    assert len(arrays["dynamics"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]


BAD = [
    (["generate", "{portrait}", "{speech}", "{folder}/o.mp4", "--gaze-yaw", "nan"], "gaze_yaw is nan; expected"),
    (["generate", "{portrait}", "{speech}", "{folder}/o.mp4", "--emotion", "bored"], "emotion is 'bored'; expected"),
    (["generate", "{portrait}", "{speech}", "{folder}/o.mp4", "--device", "abacus"], "device is 'abacus'; expected"),
    (["generate", "{portrait}", "{speech}", "{folder}/o.mp4", "--head-pose", "nod"], "head_pose is 'nod'; expected"),
    (["generate", "{portrait}", "{speech}", "{folder}/o.gif", "--background", "transparent"], "ends in .mov or .webm"),
    (["reenact", "{portrait}", "{folder}/o.mp4"], "the driving video is none; expected one"),
    (["reenact", "{portrait}", "{folder}/o.mp4", "--pose", "{folder}/none.mp4"], "none.mp4 does not exist"),
    (["showcase", "{portrait}", "{speech}", "{folder}/o.avi"], "o.avi is the output; expected"),
    (["compare", "{portrait}", "{speech}", "{folder}/o.mp4", "--vary", "mood=1"], "mood is no option; expected one of"),
    (["compare", "{portrait}", "{speech}", "{folder}/o.mp4", "--vary", "gaze-yaw=0,x"], "gaze_yaw is 'x'; expected"),
    (["compare", "{portrait}", "{speech}", "{folder}/o.mp4", "--vary", "seed"], "'seed'; expected OPTION=VALUE,VALUE"),
    (["generate", "{portrait}", "{folder}/o.mp4"], "the speech is none and --text None; expected one file"),
    (
        ["generate", "{portrait}", "{speech}", "{folder}/o.mp4", "--text", "Hi"],
        "expected one file of speech, or --text.",
    ),
    (["generate", "{portrait}", "{speech}", "{folder}/o.mp4", "--key", "{speech}"], "--certificate is None and --key"),
    (["generate", "{portrait}", "{folder}/o.mp4", "--text", "?!"], "the text is '?!'; expected words to speak."),
    (["generate", "{portrait}", "{folder}/o.mp4", "--text", "a", "--subtitles", "ass"], "'ass'; expected vtt or srt"),
    (["generate", "{portrait}", "{speech}", "{folder}/o.mp4", "--burn-subtitles"], "expected a text, whose words"),
    (["generate", "{portrait}", "{speech}", "{folder}/o.mp4", "--subtitles", "vtt"], "'vtt'; expected vtt or srt, and"),
    (["generate", "{folder}/none.jpg", "{speech}", "{folder}/o.mp4"], "none.jpg"),
    (["generate", "{portrait}", "{folder}/none.wav", "{folder}/o.mp4"], "none.wav"),
    (["generate", "{folder}", "{speech}", "{folder}/o.mp4"], "is a folder; expected"),
    (["generate", "{portrait}", "{speech}", "{folder}/" + 300 * "o" + ".mp4"], "at most 255 bytes"),
    (["generate", "{portrait}", "{speech}", "{folder}/none/o.mp4"], "expected an existing folder"),
    (["batch", "{portrait}", "{folder}/out"], "expected a name that ends in .csv or .jsonl."),
    (["encode", "{portrait}", "{folder}/o.txt"], "o.txt is the output; expected a name that ends in .npz."),
    (["encode", "{portrait}", "{folder}/none/o.npz"], "none is not a folder; expected"),
    (["encode", "{speech}", "{folder}/o.npz"], "expected"),
    (["train-motion", "--data", "{folder}"], "holds no video; expected a folder of videos"),
    (["bench", "--seconds", "0"], "seconds is 0"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_bad_input_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    done = run(*(a.format(portrait=portrait, speech=short_speech, folder=tmp_path) for a in arguments))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.strip().endswith(".")
    assert list(tmp_path.iterdir()) == []


NOTHING_LOADED = """
import sys
from vasa_core.__main__ import main
try:
    main()
finally:
    print([name for name in ("torch", "mediapipe", "onnxruntime") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["generate", "{text}", "{speech}", "{out}"], "text.mp4 is not an image that can be read"),
        (["generate", "{portrait}", "{text}", "{out}"], "text.mp4 holds no sound"),
        (["generate", "{portrait}", "{speech}", "{out}", "--style", "{text}"], "text.mp4 is not a video"),
        (["generate", "{portrait}", "{speech}", "{text}", "--style", "{text}"], "an input as well"),
        (["reenact", "{portrait}", "{text}", "{out}"], "text.mp4 is not a video"),
        (["reenact", "{portrait}", "{text}", "{text}"], "an input as well"),
        (["showcase", "{text}", "{speech}", "{out}"], "text.mp4 is not an image"),
        (["batch", "{folder}/none.csv", "{folder}/out"], "none.csv does not exist; expected"),
        (["encode", "{text}", "{folder}/none/out.npz"], "expected an existing folder"),
        (["encode", "{text}", "{folder}/out.npz"], "text.mp4 is not a video"),
    ],
)
def test_files_are_refused_before_models_are_loaded(
    arguments: list[str], sentence: str, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no picture, no sound")
    values = {"portrait": portrait, "speech": short_speech, "text": text, "out": tmp_path / "o.mp4", "folder": tmp_path}
    command = [sys.executable, "-c", NOTHING_LOADED, *(a.format(**values) for a in arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stdout.strip() == "[]"
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]
    assert text.read_text() == "no picture, no sound"


def test_a_missing_model_file_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    done = run("fetch-models", VASA_MODELS=str(tmp_path), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 2
    assert "face_landmarker.task" in done.stderr
    assert "python -m vasa_core fetch-models" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGHUP))],
)
def test_an_interrupt_leaves_no_file(number: signal.Signals, portrait: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "generate", str(portrait), str(portrait.parent / "speech.wav"), str(tmp_path / "out.mp4")]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not list(tmp_path.iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: ffmpeg gets it too
    else:
        for _ in range(4):  # who waits asks again
            process.send_signal(number)
            time.sleep(0.05)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_bench_prints_the_figures() -> None:
    done = run("bench", "--seconds", "1", "--no-avx2")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    names = ["real_time_factor", "frames_per_second", "decode_ms_per_frame", "first_frame_ms", "peak_rss_mb"]
    assert list(figures)[:5] == names
    assert all(figures[name] > 0 for name in names)
    parts = figures["cpu_ms_per_frame"]
    assert sum(parts.values()) - parts["total"] == pytest.approx(parts["total"], rel=0.01)


def test_wrong_usage_is_exit_code_2() -> None:
    assert run("generate", "only-one-argument").returncode == 2
    assert run("paint").returncode == 2
