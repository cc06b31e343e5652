"""Slimming of a painter: from each block the hidden channels that matter least are taken, and what is left is refitted.

Channels go one by one, each time the one whose loss the others make up for best (the optimal brain surgeon of Hassibi
and Stork 1993, on groups of weights), and the second convolution is the least-squares one for what the larger network
put out there (as in He et al. 2017, "Channel pruning"). No gradient is needed; training goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.errors import InputError
from vasa_core.face.inpaint.channels import OPENING, PatchConfig
from vasa_core.face.inpaint.network import SLOPE, Block, PatchNetwork
from vasa_core.training.renderer.data import Batch
from vasa_core.training.renderer.losses import INSIDE_WEIGHT

ROWS = 400  # pixels of an example and a block that the fit is made of
RIDGE = 1e-4  # of the mean square of a channel
TAPS = 9  # weights of a channel in a 3x3 convolution


@dataclass(frozen=True)
class _Fit:
    """Sums over pixels: of channels with channels, and of channels with what they are to make."""

    gram: Float[Tensor, "n n"]
    product: Float[Tensor, "n out"]


def check_slimming(teacher: PatchConfig, student: PatchConfig) -> None:
    """Raises InputError unless the student differs from its teacher in the blocks' hidden channels and `last` alone."""
    if (teacher.patch, teacher.widths) != (student.patch, student.widths):
        raise InputError(
            f"the teacher paints {teacher.patch} px with widths {teacher.widths}; expected {student.patch} px with "
            f"{student.widths}."
        )


@torch.no_grad()
def slimmed(teacher: PatchNetwork, config: PatchConfig, batches: list[Batch]) -> PatchNetwork:
    """A network of `config` that paints what `teacher` paints, as well as it can without training.

    Raises InputError if the two differ in more than hidden channels.
    """
    check_slimming(teacher.config, config)
    student = PatchNetwork(config)
    own = student.state_dict()
    fitting = {n: v for n, v in teacher.state_dict().items() if n in own and own[n].shape == v.shape}
    student.load_state_dict(fitting, strict=False)
    sources = [teacher.source(batch.source) for batch in batches]
    deep = len(config.widths) - 1
    order = [*(f"encode.{k}" for k in range(deep)), "bottom", *(f"decode.{k}" for k in range(deep)), "last"]
    for name in order[: None if config.last else -1]:
        merged = not config.last and teacher.config.last and name == order[-2]
        into = "last" if merged else name  # one block then does what the teacher has two for
        firsts = [cast(Block, teacher.get_submodule(part)).first for part in dict.fromkeys((name, into))]
        block = cast(Block, student.get_submodule(name))
        fit = _fit(teacher, student, (name, into), firsts, batches, sources)
        _take_over(block, firsts, fit)
    return student


def _fit(
    teacher: PatchNetwork,
    student: PatchNetwork,
    places: tuple[str, str],
    firsts: list[nn.Conv2d],
    batches: list[Batch],
    sources: list[tuple[Tensor, ...]],
) -> _Fit:
    """What the student's block at places[0] is to add to its input: what then is the teacher's at places[1]."""
    fits = []
    for number, (batch, source) in enumerate(zip(batches, sources, strict=True)):
        wanted = _seen(teacher, places[1], batch.x, source)[1]
        given = _seen(student, places[0], batch.x, source)[0]
        hidden = torch.cat([F.leaky_relu(first(given), SLOPE) for first in firsts], 1)
        fits.append(_sums(hidden, wanted - given, batch.x, number))
    return _Fit(torch.stack([f.gram for f in fits]).sum(0), torch.stack([f.product for f in fits]).sum(0))


def _seen(network: PatchNetwork, place: str, x: Tensor, source: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """What goes into a part of the network, and what comes out."""
    found: list[tuple[Tensor, Tensor]] = []
    handle = network.get_submodule(place).register_forward_hook(
        lambda _, given, made: found.append((given[0].float(), made.float()))
    )
    network(x, source)
    handle.remove()
    return found[0]


def _sums(hidden: Tensor, wanted: Tensor, x: Tensor, seed: int) -> _Fit:
    """The sums of one batch over ROWS pixels of each example; what is inside lips or lids counts more."""
    height, width = hidden.shape[-2:]
    chosen = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))[:ROWS]
    inside = F.adaptive_avg_pool2d((x[:, OPENING] + 1) / 2, (height, width))
    importance = (1 + INSIDE_WEIGHT * inside).flatten(1)[:, chosen].reshape(-1, 1).double()  # (b * rows, 1)
    columns = F.unfold(hidden, 3, padding=1)[..., chosen]  # (b, 9 * hidden, rows)
    columns = F.pad(columns, (0, 0, 0, 1), value=1.0)  # the last is the bias
    columns = columns.transpose(1, 2).flatten(0, 1).double()  # (b * rows, n)
    wanted = wanted.flatten(2)[..., chosen].transpose(1, 2).flatten(0, 1).double()  # (b * rows, out)
    return _Fit(columns.mT @ (importance * columns), columns.mT @ (importance * wanted))


def _take_over(block: Block, firsts: list[nn.Conv2d], fit: _Fit) -> None:
    """Give a block the channels of `firsts` that matter most, and the second convolution that is best for them."""
    count, channels = block.first.out_channels, sum(first.out_channels for first in firsts)
    kept, weights = remaining(fit.gram, fit.product, channels, count)
    for name in ("weight", "bias"):
        values = torch.cat([cast(Tensor, getattr(first, name)) for first in firsts])
        getattr(block.first, name).copy_(values[kept])
    rows = weights[:-1].view(channels, TAPS, -1)[kept]  # (kept, 9, out)
    block.second.weight.copy_(rows.permute(2, 0, 1).unflatten(2, (3, 3)).float())  # (out, kept, 3, 3)
    cast(Tensor, block.second.bias).copy_(weights[-1].float())


def remaining(
    gram: Float[Tensor, "n n"], product: Float[Tensor, "n out"], channels: int, count: int
) -> tuple[Tensor, Float[Tensor, "n out"]]:
    """The `count` channels that matter most, ascending, and the least-squares weights with those alone.

    Rows 9k to 9k + 8 belong to channel k, the row after them to the bias, which stays.
    """
    size = len(gram)
    ridge = RIDGE * gram.diagonal().mean()
    inverse = torch.linalg.inv(gram + ridge * torch.eye(size, dtype=gram.dtype))
    weights, left = inverse @ product, list(range(channels))
    while len(left) > count:
        rows = torch.arange(channels * TAPS).view(channels, TAPS)[left]  # (left, 9)
        blocks = torch.linalg.inv(inverse[rows[:, :, None], rows[:, None, :]])  # (left, 9, 9)
        own = weights[rows]  # (left, 9, out)
        least = int((own * (blocks @ own)).sum((1, 2)).argmin())
        gone = rows[least]
        step = inverse[:, gone] @ blocks[least]  # (n, 9)
        weights = weights - step @ weights[gone]
        inverse = inverse - step @ inverse[gone]
        left.pop(least)
    return torch.tensor(left), weights
