"""Files of jobs: what rows say, whose paths are relative to the file, and what is wrong with broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vasa_core.errors import InputError
from vasa_core.io.jobs import Broken, Job, read_jobs
from vasa_core.options import GenerationOptions


def test_csv_rows_are_jobs_with_options(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(
        "\ufeffportrait,speech,text,name,gaze-yaw,emotion,seed,head_pose,size\n"
        "me.jpg,a/hello.wav,,,-5,none,7,spin,256\n"
        '/you.jpg,,"Hi, you.",greeting.mp4,,anger,,,\n'
    )
    first, second = read_jobs(path)
    options = GenerationOptions(gaze_yaw=-5.0, seed=7, head_pose="spin", size=256)
    assert first == Job(1, "0001_me_hello", tmp_path / "me.jpg", tmp_path / "a/hello.wav", None, options)
    assert second == Job(2, "greeting", Path("/you.jpg"), None, "Hi, you.", GenerationOptions(emotion="anger"))


def test_json_lines_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    rows = [
        {"portrait": "me.jpg", "speech": "hello.wav", "gaze_yaw": -5, "emotion": None},
        {"portrait": "me.jpg", "text": "Hi."},
    ]
    path.write_text("\n\n".join(map(json.dumps, rows)))
    first, second = read_jobs(path)
    assert isinstance(first, Job)
    assert isinstance(second, Job)
    assert first.options == GenerationOptions(gaze_yaw=-5.0)
    assert (second.name, second.text) == ("0002_me_text", "Hi.")


def test_broken_rows_do_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text(
        '{"portrait": "a.jpg"}\n'
        '{"portrait": "a.jpg", "speech": "a.wav", "text": "a"}\n'
        '{"speech": "a.wav"}\n'
        '{"portrait": "a.jpg", "text": "a", "gaze_yaw": 90}\n'
        '{"portrait": "a.jpg", "text": "a", "mood": 1}\n'
        '{"portrait": "a.jpg", "text": "a", "style": "none.mp4"}\n'
        '{"portrait": 5, "text": "a"}\n'
        '{"portrait": "a.jpg", "text": "a", "name": "../a"}\n'
        "portrait\n"
        '{"portrait": "a.jpg", "text": "a", "name": "a"}\n'
        '{"portrait": "a.jpg", "text": "b", "name": "a.mp4"}\n'
    )
    (tmp_path / "jobs.csv").write_text("portrait,text\na.jpg,a,b\na.jpg,a\n")
    found = read_jobs(tmp_path / "jobs.jsonl")
    errors = [row.error if isinstance(row, Broken) else "" for row in found]
    for row, said in enumerate(
        [
            "it has portrait; expected portrait, and either speech or text.",
            "it has portrait, speech, text; expected",
            "it has speech; expected",
            "gaze_yaw is 90; expected a number",
            "mood is no option; expected one of",
            "none.mp4'; expected a video file.",
            "portrait is 5; expected text.",
            "name is '../a'; expected the name of a file.",
            "line 9 of jobs.jsonl is not JSON",
            "",
            "name is 'a', as in a row before",
        ]
    ):
        assert said in errors[row]
        assert bool(said) == bool(errors[row])
    assert [type(row) for row in read_jobs(tmp_path / "jobs.csv")] == [Broken, Job]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("jobs.txt", b"portrait", "expected a name that ends in .csv or .jsonl"),
        ("jobs.csv", b"\xff\xfe", "is not UTF-8 text"),
        ("jobs.csv", b"portrait,text\n", "has no rows"),
        ("jobs.jsonl", b"\n", "has no rows"),
        ("jobs.csv", b"portrait,mood\na.jpg,1\n", "mood is no option"),
        ("jobs.csv", b"portrait,text\n" + b'"' + b"a" * 200_000 + b'",b\n', "is not CSV"),
    ],
)
def test_a_file_that_is_no_table_of_jobs_is_refused(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_jobs(tmp_path / name)
    with pytest.raises(InputError, match="does not exist; expected a .csv or .jsonl file of jobs"):
        read_jobs(tmp_path / "none.csv")
