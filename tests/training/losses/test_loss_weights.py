"""Weights of the losses: those of the papers, validated, and summed without losing or inventing a term."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from vasa_core.errors import InputError
from vasa_core.training.losses.weights import LossWeights


def test_weights_are_those_of_the_papers() -> None:
    weights = LossWeights()
    assert (weights.perceptual, weights.face, weights.gaze, weights.adversarial) == (20, 4, 5, 1)
    assert (weights.feature_matching, weights.cosine, weights.canonical) == (40, 2, 1)
    assert (weights.transfer, weights.cross_identity) == (1, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        weights.gaze = 1.0  # pyright: ignore[reportAttributeAccessIssue]


def test_every_weight_can_be_off_and_none_negative() -> None:
    for name in LossWeights().named():
        assert getattr(LossWeights(**{name: 0.0}), name) == 0
        for wrong in (-0.5, math.nan, math.inf):
            with pytest.raises(InputError, match=f"{name} loss is {wrong}"):
                LossWeights(**{name: wrong})


def test_total_is_the_weighted_sum_of_every_term() -> None:
    terms = {"perceptual": torch.tensor(0.5, requires_grad=True), "cosine": torch.tensor(3.0, requires_grad=True)}
    total = LossWeights().total(terms)
    assert float(total.detach()) == 20 * 0.5 + 2 * 3
    total.backward()
    assert [float(x.grad) for x in terms.values() if x.grad is not None] == [20, 2]


def test_a_loss_that_is_off_cannot_spoil_the_sum() -> None:
    terms = {"pixel": torch.tensor(2.0), "gaze": torch.tensor(math.nan)}
    assert float(LossWeights(gaze=0.0).total(terms)) == 2
    with pytest.raises(InputError, match="No loss is left of gaze"):
        LossWeights(gaze=0.0).total({"gaze": torch.tensor(1.0)})
    with pytest.raises(InputError, match="'gase'"):
        LossWeights().total({"gase": torch.tensor(1.0)})
