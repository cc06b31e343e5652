"""The patch discriminator and its losses: hinge, both sides' gradients, two scales, no memory of the batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vasa_core.training.losses.adversarial import (
    MultiScaleJudge,
    Verdict,
    adversarial_loss,
    feature_matching_loss,
    judge_loss,
)


def verdict(score: float, *features: float) -> Verdict:
    return Verdict(torch.full((1, 1, 2, 2), score), [torch.full((1, 2, 4, 4), value) for value in features])


def images(seed: int = 0, batch: int = 2, side: int = 64) -> Tensor:
    return (torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1).requires_grad_()


def moved(image: Tensor, judge: nn.Module) -> set[str]:
    parts = {"image": [image], "judge": list(judge.parameters())}
    return {name for name, xs in parts.items() if any(x.grad is not None and bool((x.grad != 0).any()) for x in xs)}


def test_hinge_known_answers() -> None:
    assert float(judge_loss([verdict(0.25)], [verdict(-0.5)])) == pytest.approx(0.75 + 0.5)
    assert float(judge_loss([verdict(-2.0)], [verdict(3.0)])) == pytest.approx(3 + 4)
    mixed = judge_loss([verdict(0.25), verdict(1.0)], [verdict(-0.5), verdict(-1.0)])
    assert float(mixed) == pytest.approx(1.25 / 2)


def test_a_sure_judge_learns_nothing_more() -> None:
    """Cross-entropy would still pull here."""
    sure = torch.full((1, 1, 2, 2), 1.5, requires_grad=True)
    loss = judge_loss([Verdict(sure, [])], [Verdict(-sure, [])])
    loss.backward()
    assert loss == 0 and sure.grad is not None and not sure.grad.any()


def test_the_generators_loss_is_linear_and_has_the_right_sign() -> None:
    assert float(adversarial_loss([verdict(0.5), verdict(-3.0)])) == pytest.approx(1.25)
    assert adversarial_loss([verdict(9.0)]) < adversarial_loss([verdict(2.0)])


def test_feature_matching_is_a_mean_over_layers_and_scales() -> None:
    fake = [verdict(0.0, 1.0, 2.0), verdict(0.0, 0.0, -1.0)]
    real = [verdict(9.0, 0.5, 2.0), verdict(9.0, 0.0, 1.0)]
    assert float(feature_matching_loss(fake, real)) == pytest.approx((0.5 + 0 + 0 + 2) / 4)


def test_each_side_trains_its_part() -> None:
    judge, fake, real = MultiScaleJudge(4, 2), images(), images(1)
    judge_loss(judge(real.detach()), judge(fake.detach())).backward()
    assert moved(fake, judge) == {"judge"}
    judge.zero_grad()
    adversarial_loss(judge(fake)).backward()
    assert "image" in moved(fake, judge)
    fake.grad = None
    judge.zero_grad()
    feature_matching_loss(judge(fake), judge(real)).backward()
    assert "image" in moved(fake, judge) and real.grad is None


def test_both_scales_judge() -> None:
    verdicts = MultiScaleJudge(4, 3)(images())
    assert [x.score.shape[-1] for x in verdicts] == [8, 4]
    assert [[f.shape[1] for f in x.features] for x in verdicts] == [[4, 8, 16]] * 2
    judge, fake = MultiScaleJudge(4, 2), images()
    judge_loss(judge(fake.detach() * 0), judge(fake.detach())).backward()
    # Of a bias, the pulls of real and fake may cancel.
    assert [name for name, p in judge.named_parameters() if p.ndim > 1 and (p.grad is None or not p.grad.any())] == []


def test_images_of_a_batch_are_judged_apart_in_training_too() -> None:
    batch = images()
    verdicts = MultiScaleJudge(4, 2).train()(batch)
    torch.stack([verdict.score[0].sum() for verdict in verdicts]).sum().backward()
    assert batch.grad is not None and bool(batch.grad[0].any()) and not batch.grad[1].any()


def test_every_layers_gain_is_held_to_one() -> None:
    judge, batch = MultiScaleJudge(4, 2), images()
    convolutions = [part for part in judge.modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad():
        for convolution in convolutions:
            convolution.parametrizations.weight.original.mul_(7)  # pyright: ignore
        for _ in range(30):
            judge(batch)
        gains = [float(torch.linalg.matrix_norm(part.weight.flatten(1), 2)) for part in convolutions]
    assert len(gains) == 6 and gains == pytest.approx([1.0] * 6, rel=0.05)


def test_a_judge_learns_to_tell_and_a_picture_learns_to_pass() -> None:
    torch.manual_seed(0)
    judge, real, fake = MultiScaleJudge(8, 2), images().detach(), torch.zeros(2, 3, 64, 64, requires_grad=True)
    optimiser = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(15):
        optimiser.zero_grad()
        judge_loss(judge(real), judge(fake.detach())).backward()
        optimiser.step()
    judge.eval()
    assert all(a.score.mean() > b.score.mean() for a, b in zip(judge(real), judge(fake), strict=True))
    before = adversarial_loss(judge(fake))
    (gradient,) = torch.autograd.grad(before, fake)
    assert adversarial_loss(judge(fake - 0.01 * gradient.sign())) < before
