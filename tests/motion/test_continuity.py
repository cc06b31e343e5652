"""Continuity: no jump at the seam, nothing changed far from it."""

from __future__ import annotations

import pytest
import torch

from vasa_core.motion.continuity import continued, fade
from vasa_core.motion.seam import FAST_FRAMES, SLOW_FRAMES


def test_a_straight_line_goes_on() -> None:
    line = torch.arange(60.0)[None, :, None].expand(1, 60, 14)
    previous, following = line[:, :10], line[:, 10:] + 3.0  # a gap of 3
    found = continued(following, previous)
    assert torch.allclose(found[:, 0], line[:, 10])
    assert torch.allclose(found[:, SLOW_FRAMES:], following[:, SLOW_FRAMES:])
    assert torch.allclose(found[:, FAST_FRAMES:, 8:], following[:, FAST_FRAMES:, 8:])


def test_nothing_changes_where_there_is_no_gap() -> None:
    line = torch.arange(60.0)[None, :, None].expand(1, 60, 14)
    assert torch.allclose(continued(line[:, 10:], line[:, :10]), line[:, 10:])


def test_fade_falls_from_one_to_zero() -> None:
    share = fade(50, 14)
    assert (share[0] == 1).all()
    assert (share[SLOW_FRAMES:] == 0).all()
    assert (share.diff(dim=0) <= 0).all()
    assert share[FAST_FRAMES, 10].item() == 0
    assert share[FAST_FRAMES, 0].item() == pytest.approx(0.854, abs=0.01)
