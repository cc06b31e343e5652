"""The folder of a training run, which is its record: config, log, state, samples and TensorBoard's events.

A process may be killed at any time: files are whole or as they were, and what the log says past the last state is
dropped when the run goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vasa_core.errors import InputError, MissingModelError
from vasa_core.files import write_text
from vasa_core.io.image import write_png

CONFIG, LOG, STATE = "config.json", "log.jsonl", "state.safetensors"
SAMPLES, EVENTS = "samples", "tensorboard"


class RunFolder:
    """One run's files. The trainer itself writes and reads `state`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events: Any = None  # TensorBoard's writer, once the run has begun

    @property
    def state(self) -> Path:
        """File of the trainer's state."""
        return self.path / STATE

    def check(self, config: Mapping[str, Any], changeable: Collection[str]) -> None:
        """Raise InputError if the folder is of a run with another config.

        changeable: entries of the config in which a run that goes on may differ.
        """
        path = self.path / CONFIG
        if not path.is_file():
            return
        try:
            stored = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise InputError(f"{path} is not JSON ({error}); expected a run's config.") from error
        wanted = json.loads(json.dumps(config))
        names = {name for name in {*wanted, *stored} if wanted.get(name) != stored.get(name)}
        if other := sorted(names - set(changeable)):
            raise InputError(
                f"{self.path} is of a run with another {', '.join(other)}; expected the same, or another run folder."
            )

    def begin(self, config: Mapping[str, Any], step: int) -> None:
        """Start, or go on after `step` steps: write the config, and drop what the log says past this step.

        Raises MissingModelError where tensorboard is not installed.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / CONFIG, json.dumps(config, indent=2) + "\n")
        for part in self.path.glob(".*.part"):
            part.unlink()
        if (self.path / LOG).is_file():
            kept = [record for record in self.records() if record["step"] <= step]
            write_text(self.path / LOG, "".join(f"{json.dumps(record)}\n" for record in kept))
        self._events = _event_writer(self.path / EVENTS, step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line to the log, and the values to TensorBoard's scalars."""
        with (self.path / LOG).open("a") as stream:
            stream.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._events.add_scalar(name, value, step)
        self._events.flush()

    def records(self) -> list[dict[str, int | float]]:
        """The log's lines, without a last one that was not written to its end."""
        text = (self.path / LOG).read_text() if (self.path / LOG).is_file() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def picture(self, name: str, image: UInt8[np.ndarray, "height width 3"], step: int) -> Path:
        """Write samples/<name>-<step>.png, of an RGB image, and show it in TensorBoard."""
        target = self.path / SAMPLES / f"{name}-{step:08d}.png"
        target.parent.mkdir(exist_ok=True)
        write_png(target, image)
        self._events.add_image(name, image, step, dataformats="HWC")
        self._events.flush()
        return target

    def close(self) -> None:
        """Close TensorBoard's file, if there is one."""
        if self._events is not None:
            self._events.close()


def _event_writer(path: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingModelError(
            "tensorboard is not installed; `pip install -r requirements-train.txt` gets what trainings need."
        ) from error
    return SummaryWriter(str(path), purge_step=step + 1)
