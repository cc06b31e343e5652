"""Options of commands that are fields of a dataclass, and the configurations that trainings get from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from vasa_core.cli.options import with_fields
from vasa_core.cli.train import MotionTrainingOptions, VolumeTrainingOptions
from vasa_core.errors import InputError


@dataclass(frozen=True)
class Brush:
    """Two options."""

    width: Annotated[float, typer.Option(help="How wide, mm.")] = 2.5
    wet: Annotated[bool, typer.Option("--wet", help="Not dry.")] = False


def test_fields_become_options_in_their_place() -> None:
    line, seen = typer.Typer(), []

    @line.command()
    @with_fields(Brush)
    def paint(colour: str, *, first: int = 1, options: Brush, last: int = 2) -> None:
        """Paint something."""
        seen.append((colour, first, options, last))

    assert CliRunner().invoke(line, ["red"]).exit_code == 0
    assert CliRunner().invoke(line, ["blue", "--width", "4", "--last", "7", "--wet"]).exit_code == 0
    assert seen == [("red", 1, Brush(2.5, False), 2), ("blue", 1, Brush(4.0, True), 7)]
    shown = CliRunner().invoke(line, ["--help"]).output
    places = [shown.index(text) for text in ("Paint something", "--first", "--width", "How wide", "--wet", "--last")]
    assert places == sorted(places)
    assert CliRunner().invoke(line, ["red", "--width", "wide"]).exit_code == 2


def test_a_motion_training_lasts_half_an_hour_unless_told() -> None:
    assert MotionTrainingOptions().config().minutes == 30
    assert MotionTrainingOptions(steps=5).config().minutes is None
    assert MotionTrainingOptions(steps=5, minutes=2.0).config().minutes == 2
    assert MotionTrainingOptions(full=True).config().bf16 is False
    with pytest.raises(InputError, match=r"minutes is 0\.0; expected a number above 0"):
        MotionTrainingOptions(minutes=0.0).config()


def test_warps_are_learned_first_where_no_state_is_taken_over() -> None:
    assert VolumeTrainingOptions().config().warp_pretraining == 300
    assert VolumeTrainingOptions(start=Path("state.pt")).config().warp_pretraining == 0
    assert VolumeTrainingOptions(start=Path("state.pt"), warp_pretraining=7).config().warp_pretraining == 7


def test_losses_of_identity_are_off_without_a_descriptor() -> None:
    weights = VolumeTrainingOptions(identity="none", weight=["face=0", "cross_identity=0.5"]).config().weights
    assert (weights.face, weights.cross_identity) == (0, 0.5)
    assert VolumeTrainingOptions(identity="none").config().weights.cross_identity == 0
    assert VolumeTrainingOptions().config().weights.cross_identity > 0
    with pytest.raises(InputError, match="--weight is 'face'; expected NAME=VALUE"):
        VolumeTrainingOptions(weight=["face"]).config()
