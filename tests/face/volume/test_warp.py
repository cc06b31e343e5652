"""Blends of learned fields: nothing at the start, linear where they say so, quick to learn; and what is unseen."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from small_networks import SMALL

from vasa_core.errors import InputError
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks
from vasa_core.face.volume.warp import Fields, Unseen, WarpGenerator, learned_warp

BLENDED = dataclasses.replace(SMALL, warp_fields=6, warp_widths=(), paints_unseen=True)


def codes(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(count, n, generator=generator) for n in (SMALL.dynamics, SMALL.identity))  # pyright: ignore


def test_the_config_says_of_which_kind_a_warp_is() -> None:
    assert isinstance(learned_warp(SMALL), WarpGenerator)
    assert isinstance(learned_warp(BLENDED), Fields)


def test_fields_move_nothing_at_the_start_and_learn_from_there() -> None:
    warp = Fields(BLENDED, 3)
    offsets = warp(*codes(2))
    assert offsets.shape == (2, 3, 4, 8, 8)
    assert not offsets.any()
    offsets.sum().backward()
    assert warp.fields.weight.grad is not None
    assert warp.fields.weight.grad.abs().min() > 0


def test_fields_are_blended_in_the_shares_that_codes_give() -> None:
    warp = Fields(BLENDED, 3)
    torch.nn.init.normal_(warp.fields.weight)
    torch.nn.init.zeros_(warp.bend.weight)
    torch.nn.init.zeros_(warp.bend.bias)
    dynamics, identity = codes(3)
    torch.testing.assert_close(warp(2 * dynamics, 2 * identity), 2 * warp(dynamics, identity))
    torch.nn.init.zeros_(warp.linear.weight)
    with torch.no_grad():
        warp.linear.weight[2, 0] = 1
    field = warp.fields.weight[:, 2].reshape(
        3, 4, 8, 8
    )  # x, y, z of a field one after the other, by depth, row, column
    expected = dynamics[:, 0, None, None, None, None] * field / 4
    torch.testing.assert_close(warp(dynamics, identity), expected)


def test_identity_bends_what_the_same_dynamics_move() -> None:
    warp = Fields(BLENDED, 3)
    torch.nn.init.normal_(warp.fields.weight)
    dynamics, identity = codes(2)
    first, second = warp(dynamics[:1].expand(2, -1), identity)
    assert (first - second).abs().max() > 0.01


def test_fields_learn_motions_of_one_place_in_a_few_steps() -> None:
    """A lip that goes down as far as the code's first number says, and nothing else."""
    torch.manual_seed(0)
    warp = Fields(BLENDED, 3)
    optimiser = torch.optim.Adam(warp.parameters(), 5e-3)
    loss = torch.tensor(torch.inf)
    for _ in range(150):
        dynamics, identity = torch.randn(16, SMALL.dynamics), torch.randn(16, SMALL.identity)
        wanted = torch.zeros(16, 3, 4, 8, 8)
        wanted[:, 1, 0, 4, 4] = 0.1 * dynamics[:, 0]
        loss = (warp(dynamics, identity) - wanted).square().sum((1, 2, 3, 4)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() == pytest.approx(0, abs=0.2 * 0.1**2)  # nothing moving would leave 0.1^2


def test_next_to_nothing_is_unseen_at_the_start() -> None:
    shares = Unseen(BLENDED)(*codes(2))
    assert shares.shape == (2, 1, 4, 8, 8)
    assert 0 < shares.max() < 0.02


def test_nothing_is_unseen_but_where_mouths_are() -> None:
    unseen = Unseen(dataclasses.replace(BLENDED, warp_side=32))
    with torch.no_grad():
        unseen.fields.fields.weight.fill_(1)
        unseen.fields.bend.bias.fill_(10)
    depths, rows, columns = unseen(*codes(1))[0, 0].nonzero(as_tuple=True)
    assert set(depths.tolist()) == {1, 2}
    down = (rows + 0.5) / 32 * 1.5 - 0.45  # face widths below the canonical origin; lips are at 0.55, chins at 0.9
    assert 0.38 < down.min() < 0.45
    assert 0.75 < down.max() < 0.82
    torch.testing.assert_close(columns.float().mean(), torch.tensor(15.5))


def grey_painter() -> tuple[VolumeNetworks, torch.Tensor, torch.Tensor, MotionCode]:
    """Networks whose decoder paints mid-grey and would take the volume's colours for four parts in five; a canonical
    volume of light grey, an identity code, a motion."""
    torch.manual_seed(0)
    networks = VolumeNetworks(BLENDED).eval()
    for value in networks.decoder.head.parameters():
        torch.nn.init.zeros_(value)
    dynamics, identity = codes(1)
    volume = torch.zeros(1, BLENDED.canonical_channels, BLENDED.depth, BLENDED.side, BLENDED.side)
    volume[:, :3] = 0.5
    return networks, volume, identity, MotionCode(torch.tensor([[0, 0, 0, 0, 0, 3.0]]).log1p(), dynamics)


@torch.no_grad()
def test_what_is_unseen_is_painted_there_and_nowhere_else() -> None:
    """Where all is unseen a picture has nothing of the volume's colours; outside what the warps cover, only these."""
    networks, volume, identity, motion = grey_painter()
    assert networks.unseen is not None
    seen = networks.render(volume, identity, motion)[0, :3]
    networks.unseen.fields.fields.weight.fill_(1)
    networks.unseen.fields.bend.bias.fill_(10)
    drawn = networks.render(volume, identity, motion)[0, :3]
    assert seen.median().item() == pytest.approx(0.4, abs=0.01)
    assert drawn[0].abs().min() < 1e-3
    torch.testing.assert_close(drawn[:, 0], seen[:, 0])


@torch.no_grad()
def test_the_mouth_that_a_photo_shows_is_painted_over() -> None:
    """A photo's teeth must not be seen between lips that close: its mouth's inside is known in the canonical volume."""
    networks, volume, identity, motion = grey_painter()
    volume[:, -1, :, 28:36] = 1
    drawn = networks.render(volume, identity, motion)[0, 0, :, 24:40]
    assert drawn[31:33].abs().max() < 0.05
    torch.testing.assert_close(drawn[16:24], torch.full((8, 16), 0.4))
    assert networks.unseen is not None
    networks.unseen.fields.fields.weight.fill_(1)
    source = torch.zeros(1, BLENDED.channels, BLENDED.depth, BLENDED.side, BLENDED.side)
    closed = networks.canonical(source, identity, motion)[0, -1]
    networks.unseen.fields.bend.bias.fill_(10)
    opened = networks.canonical(source, identity, motion)[0, -1]
    assert closed.max() < opened.max() == pytest.approx(1)


def test_painting_what_is_unseen_asks_for_colours_and_fields() -> None:
    with pytest.raises(InputError, match="paints_unseen"):
        dataclasses.replace(BLENDED, warp_fields=0)
