"""The model card and the scores beside the weights that a training made."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from vasa_core.files import write_text
from vasa_core.training.engine.trainer import Trainer

CARD, SCORES = "MODEL_CARD.md", "scores.json"


def write_card(
    out: Path,
    trainer: Trainer,
    about: Sequence[str],
    data: Sequence[Path],
    used: Sequence[str],
    command: str,
    scores: Mapping[str, float],
) -> None:
    """Write MODEL_CARD.md and scores.json into `out`.

    about: title, then what the model is. data: folders of clips. used: what they gave. command: what `python -m
    vasa_core` was called with, but for the folders.
    """
    title, *lines = about
    config = trainer.config
    text = [
        *(f"# {title}", "", *lines, "", "## Data", ""),
        f"Folders: {', '.join(folder.resolve().name for folder in data)} (held-out clips are counted below too).",
        *("", *used, *_licences(data), "", "The weights may be used as far as the terms of this data allow.", ""),
        *("## Training", ""),
        f"{trainer.step} steps of {config.batch} examples in {trainer.seconds / 60:.0f} minutes, seed {config.seed}.",
        *("", f"    python -m vasa_core {command}", "", f"Config: `{json.dumps(asdict(config))}`", ""),
        *("## Scores on held-out people", "", "| score | value |", "|---|---|"),
        *(f"| {name} | {value:.3f} |" for name, value in scores.items()),
        "",
    ]
    write_text(out / CARD, "\n".join(text))
    write_text(out / SCORES, json.dumps(dict(scores), indent=2) + "\n")


def folder_options(option: str, folders: Sequence[Path]) -> str:
    """Folders as options of the command line, by their names alone."""
    return " ".join(f"{option} {folder.resolve().name}" for folder in folders)


def _licences(data: Sequence[Path]) -> list[str]:
    """Licences of the clips, where a folder's manifest.csv names them."""
    licences = Counter[str]()
    for manifest in (folder / "manifest.csv" for folder in data):
        if manifest.is_file():
            with manifest.open(newline="") as stream:
                licences.update(row["licence"] for row in csv.DictReader(stream) if row.get("licence"))
    return [f"- licence of {count} clips: {licence}" for licence, count in licences.most_common()]
