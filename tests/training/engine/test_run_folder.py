"""The folder of a run: its config, its log after an interruption, its pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vasa_core.errors import InputError
from vasa_core.io.image import read_image
from vasa_core.training.engine.run_folder import RunFolder

CONFIG = {"batch": 4, "steps": 10, "weights": {"x0": 1.0}, "shape": (1, 2)}


def begun(path: Path, step: int = 0) -> RunFolder:
    run = RunFolder(path)
    run.check(CONFIG, ("steps",))
    run.begin(CONFIG, step)
    return run


def test_config_is_kept_and_another_is_refused(tmp_path: Path) -> None:
    begun(tmp_path).close()
    assert json.loads((tmp_path / "config.json").read_text())["batch"] == 4
    begun(tmp_path).close()  # tuples are lists in JSON, and no other config
    longer = RunFolder(tmp_path)
    longer.check({**CONFIG, "steps": 20}, ("steps",))
    longer.begin({**CONFIG, "steps": 20}, 0)
    longer.close()
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 20
    with pytest.raises(InputError, match="another batch; expected the same"):
        RunFolder(tmp_path).check({**CONFIG, "batch": 8}, ("steps",))


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="config.json is not JSON"):
        begun(tmp_path)


def test_log_past_the_state_and_half_lines_are_dropped(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for step in (10, 20, 30):
        run.log(step, {"total": 1 / step})
    run.close()
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 40, "tot')
    (tmp_path / ".state.safetensors.123.part").write_bytes(b"half")
    assert len(run.records()) == 3
    again = begun(tmp_path, step=20)
    assert again.records() == [{"step": 10, "total": 0.1}, {"step": 20, "total": 0.05}]
    assert not list(tmp_path.glob(".*"))
    again.log(30, {"total": 0.0})
    assert [record["step"] for record in again.records()] == [10, 20, 30]
    again.close()


def test_pictures_and_scalars_can_be_read_back(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = begun(tmp_path)
    image = np.zeros((20, 30, 3), np.uint8)
    image[:10] = (200, 50, 10)
    path = run.picture("lips", image, 7)
    run.log(7, {"total": 0.25})
    run.close()
    assert path == tmp_path / "samples" / "lips-00000007.png"
    assert np.array_equal(read_image(path), image)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("total")] == [(7, 0.25)]
    assert events.Images("lips")[0].step == 7
