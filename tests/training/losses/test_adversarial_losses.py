"""The patch discriminator and its losses: hinge, both sides' gradients, two scales, no memory of the batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vasa_core.training.losses.adversarial import (
    MultiScaleDiscriminator,
    Verdict,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)


def verdict(score: float, *features: float) -> Verdict:
    return Verdict(torch.full((1, 1, 2, 2), score), [torch.full((1, 2, 4, 4), value) for value in features])


def images(seed: int = 0, batch: int = 2, side: int = 64) -> Tensor:
    return (torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1).requires_grad_()


def moved(image: Tensor, discriminator: nn.Module) -> set[str]:
    parts = {"image": [image], "discriminator": list(discriminator.parameters())}
    return {name for name, xs in parts.items() if any(x.grad is not None and bool((x.grad != 0).any()) for x in xs)}


def test_hinge_known_answers() -> None:
    assert float(discriminator_loss([verdict(0.25)], [verdict(-0.5)])) == pytest.approx(0.75 + 0.5)
    assert float(discriminator_loss([verdict(-2.0)], [verdict(3.0)])) == pytest.approx(3 + 4)
    mixed = discriminator_loss([verdict(0.25), verdict(1.0)], [verdict(-0.5), verdict(-1.0)])
    assert float(mixed) == pytest.approx(1.25 / 2)


def test_a_sure_discriminator_learns_nothing_more() -> None:
    """Cross-entropy would still pull here."""
    sure = torch.full((1, 1, 2, 2), 1.5, requires_grad=True)
    loss = discriminator_loss([Verdict(sure, [])], [Verdict(-sure, [])])
    loss.backward()
    assert loss == 0
    assert sure.grad is not None
    assert not sure.grad.any()


def test_the_generators_loss_is_linear_and_has_the_right_sign() -> None:
    assert float(adversarial_loss([verdict(0.5), verdict(-3.0)])) == pytest.approx(1.25)
    assert adversarial_loss([verdict(9.0)]) < adversarial_loss([verdict(2.0)])


def test_feature_matching_is_a_mean_over_layers_and_scales() -> None:
    fake = [verdict(0.0, 1.0, 2.0), verdict(0.0, 0.0, -1.0)]
    real = [verdict(9.0, 0.5, 2.0), verdict(9.0, 0.0, 1.0)]
    assert float(feature_matching_loss(fake, real)) == pytest.approx((0.5 + 0 + 0 + 2) / 4)


def test_each_side_trains_its_part() -> None:
    discriminator, fake, real = MultiScaleDiscriminator(4, 2), images(), images(1)
    discriminator_loss(discriminator(real.detach()), discriminator(fake.detach())).backward()
    assert moved(fake, discriminator) == {"discriminator"}
    discriminator.zero_grad()
    adversarial_loss(discriminator(fake)).backward()
    assert "image" in moved(fake, discriminator)
    fake.grad = None
    discriminator.zero_grad()
    feature_matching_loss(discriminator(fake), discriminator(real)).backward()
    assert "image" in moved(fake, discriminator)
    assert real.grad is None


def test_both_scales_count() -> None:
    verdicts = MultiScaleDiscriminator(4, 3)(images())
    assert [x.score.shape[-1] for x in verdicts] == [8, 4]
    assert [[f.shape[1] for f in x.features] for x in verdicts] == [[4, 8, 16]] * 2
    discriminator, fake = MultiScaleDiscriminator(4, 2), images()
    discriminator_loss(discriminator(fake.detach() * 0), discriminator(fake.detach())).backward()
    # Of a bias, the pulls of real and fake may cancel.
    assert [
        name for name, p in discriminator.named_parameters() if p.ndim > 1 and (p.grad is None or not p.grad.any())
    ] == []


def test_images_of_a_batch_are_seen_apart_in_training_too() -> None:
    batch = images()
    verdicts = MultiScaleDiscriminator(4, 2).train()(batch)
    torch.stack([verdict.score[0].sum() for verdict in verdicts]).sum().backward()
    assert batch.grad is not None
    assert bool(batch.grad[0].any())
    assert not batch.grad[1].any()


def test_every_layers_gain_is_held_to_one() -> None:
    discriminator, batch = MultiScaleDiscriminator(4, 2), images()
    convolutions = [part for part in discriminator.modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad():
        for convolution in convolutions:
            convolution.parametrizations.weight.original.mul_(7)  # pyright: ignore
        for _ in range(30):
            discriminator(batch)
        gains = [float(torch.linalg.matrix_norm(part.weight.flatten(1), 2)) for part in convolutions]
    assert len(gains) == 6
    assert gains == pytest.approx([1.0] * 6, rel=0.05)


def test_a_discriminator_learns_to_tell_and_a_picture_learns_to_pass() -> None:
    torch.manual_seed(0)
    discriminator, real, fake = (
        MultiScaleDiscriminator(8, 2),
        images().detach(),
        torch.zeros(2, 3, 64, 64, requires_grad=True),
    )
    optimiser = torch.optim.Adam(discriminator.parameters(), 1e-2)
    for _ in range(15):
        optimiser.zero_grad()
        discriminator_loss(discriminator(real), discriminator(fake.detach())).backward()
        optimiser.step()
    discriminator.eval()
    assert all(a.score.mean() > b.score.mean() for a, b in zip(discriminator(real), discriminator(fake), strict=True))
    before = adversarial_loss(discriminator(fake))
    (gradient,) = torch.autograd.grad(before, fake)
    assert adversarial_loss(discriminator(fake - 0.01 * gradient.sign())) < before
