"""Time one frame of LivePortrait's decoder beside ours, on the same core: python -m docs.peers.liveportrait_decoder

The warping network and the SPADE generator of LivePortrait (arXiv:2407.03168; after face vid2vid, arXiv:2011.15126)
with random weights, in the shapes that were published: an appearance volume of 32 x 16 x 64 x 64, 21 implicit
keypoints, a dense motion network (hourglass of 5 levels in 3D), and a generator to 512 px. Time does not depend on the
weights. What LivePortrait does besides (motion extractor, stitching, paste-back) is left out, in its favour.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

KEYPOINTS, CHANNELS, DEPTH, SIDE = 21, 32, 16, 64  # of the appearance volume: (CHANNELS, DEPTH, SIDE, SIDE)
COMPRESSED, WIDTH, MOST, LEVELS = 4, 32, 1024, 5  # of the dense motion network


class Step3d(nn.Module):
    """Convolution, normalisation, ReLU in 3D; halves or doubles height and width."""

    def __init__(self, channels_in: int, channels_out: int, up: bool) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv3d(channels_in, channels_out, 3, padding=1), nn.BatchNorm3d(channels_out)
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = nn_functional.interpolate(x, scale_factor=(1, 2, 2))
        x = torch.relu(self.norm(self.conv(x)))
        return x if self.up else nn_functional.avg_pool3d(x, (1, 2, 2))


class DenseMotion(nn.Module):
    """Where each place of the volume is taken from, and what of it is hidden."""

    def __init__(self) -> None:
        super().__init__()
        first = (KEYPOINTS + 1) * (COMPRESSED + 1)
        widths = [first, *(min(MOST, WIDTH * 2 ** (level + 1)) for level in range(LEVELS))]
        self.compress, self.norm = nn.Conv3d(CHANNELS, COMPRESSED, 1), nn.BatchNorm3d(COMPRESSED)
        self.down = nn.ModuleList(Step3d(a, b, up=False) for a, b in pairwise(widths))
        ups, channels = [], widths[-1]
        for level in reversed(range(LEVELS)):
            out = min(MOST, WIDTH * 2**level)
            ups.append(Step3d(channels, out, up=True))
            channels = out + widths[level]
        self.up = nn.ModuleList(ups)
        self.last, self.last_norm = nn.Conv3d(channels, channels, 3, padding=1), nn.BatchNorm3d(channels)
        self.mask = nn.Conv3d(channels, KEYPOINTS + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(channels * DEPTH, 1, 7, padding=3)

    def forward(self, volume: Tensor, driving: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """volume: (1, 32, 16, 64, 64). driving, source: keypoints (1, 21, 3) in -1..1."""
        grid = identity_grid()  # (1, 1, 16, 64, 64, 3)
        moved = grid + (source - driving)[:, :, None, None, None]  # (1, 21, 16, 64, 64, 3)
        motions = torch.cat([grid, moved], 1)  # (1, 22, 16, 64, 64, 3)
        compressed = torch.relu(self.norm(self.compress(volume)))
        repeated = compressed.expand(KEYPOINTS + 1, -1, -1, -1, -1)  # (22, 4, 16, 64, 64)
        deformed = nn_functional.grid_sample(repeated, motions[0], align_corners=False)
        heat = heatmap(driving) - heatmap(source)  # (1, 21, 16, 64, 64)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1)[0, :, None]  # (22, 1, 16, 64, 64)
        x = torch.cat([heat, deformed], 1).flatten(0, 1)[None]  # (1, 110, 16, 64, 64)
        kept = [x]
        for step in self.down:
            kept.append(step(kept[-1]))
        x = kept.pop()
        for step in self.up:
            x = torch.cat([step(x), kept.pop()], 1)  # (1, 142, 16, 64, 64) at the end
        x = torch.relu(self.last_norm(self.last(x)))
        mask = torch.softmax(self.mask(x), 1)[..., None]  # (1, 22, 16, 64, 64, 1)
        return (motions * mask).sum(1), torch.sigmoid(self.occlusion(x.flatten(1, 2)))


class Spade(nn.Module):
    """Normalisation whose scale and shift are read off the warped features."""

    def __init__(self, channels: int, label: int = 256) -> None:
        super().__init__()
        self.norm, self.shared = nn.InstanceNorm2d(channels), nn.Conv2d(label, 128, 3, padding=1)
        self.gamma, self.beta = (nn.Conv2d(128, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        shared = torch.relu(self.shared(nn_functional.interpolate(label, size=x.shape[2:])))
        return self.norm(x) * (1 + self.gamma(shared)) + self.beta(shared)


class SpadeBlock(nn.Module):
    """Two normalised convolutions beside a short cut."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        middle = min(channels_in, channels_out)
        self.first, self.second = Spade(channels_in), Spade(middle)
        self.into, self.out = (
            nn.Conv2d(a, b, 3, padding=1) for a, b in ((channels_in, middle), (middle, channels_out))
        )
        self.short = None if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.short_norm = None if channels_in == channels_out else Spade(channels_in)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        inner = self.into(nn_functional.leaky_relu(self.first(x, label), 0.2))
        inner = self.out(nn_functional.leaky_relu(self.second(inner, label), 0.2))
        if self.short is not None and self.short_norm is not None:
            x = self.short(self.short_norm(x, label))
        return x + inner


class Decoder(nn.Module):
    """Keypoints and an appearance volume -> a frame of 512 px."""

    def __init__(self) -> None:
        super().__init__()
        self.motion = DenseMotion()
        self.third, self.third_norm = nn.Conv2d(CHANNELS * DEPTH, 256, 3, padding=1), nn.BatchNorm2d(256)
        self.fourth = nn.Conv2d(256, 256, 1)
        self.entry = nn.Conv2d(256, 512, 3, padding=1)
        self.middle = nn.ModuleList(SpadeBlock(512, 512) for _ in range(6))
        self.up = nn.ModuleList([SpadeBlock(512, 256), SpadeBlock(256, 64)])
        self.image = nn.Conv2d(64, 3 * 4, 3, padding=1)

    def forward(self, volume: Tensor, driving: Tensor, source: Tensor) -> Tensor:
        """Returns (1, 3, 512, 512)."""
        flow, seen = self.motion(volume, driving, source)
        warped = nn_functional.grid_sample(volume, flow, align_corners=False).flatten(1, 2)  # (1, 512, 64, 64)
        label = self.fourth(nn_functional.leaky_relu(self.third_norm(self.third(warped)), 0.01)) * seen
        x = self.entry(label)  # (1, 512, 64, 64)
        for block in self.middle:
            x = block(x, label)
        for block in self.up:
            x = block(nn_functional.interpolate(x, scale_factor=2), label)  # (1, 64, 256, 256) at the end
        return torch.sigmoid(nn_functional.pixel_shuffle(self.image(nn_functional.leaky_relu(x, 0.2)), 2))


def identity_grid() -> Tensor:
    """Places of the volume, -1..1: (1, 1, 16, 64, 64, 3)."""
    axes = [torch.linspace(-1, 1, count) for count in (DEPTH, SIDE, SIDE)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], -1)[None, None]


def heatmap(points: Tensor) -> Tensor:
    """A soft spot about each keypoint: (1, 21, 16, 64, 64)."""
    return torch.exp(-0.5 * ((identity_grid() - points[:, :, None, None, None]) ** 2).sum(-1) / 0.01)


def cpu_milliseconds(draw: Callable[[], object], frames: int) -> float:
    """Median processor time of a frame."""
    draw()
    spent = []
    for _ in range(frames):
        started = time.process_time()
        draw()
        spent.append(1000 * (time.process_time() - started))
    return statistics.median(spent)


def ours(frames: int) -> float:
    """Median processor time of a frame of the mesh face model at 512 px."""
    import numpy as np

    from vasa_core.assets import ASSETS
    from vasa_core.pipeline import Pipeline
    from vasa_core.types import Motion

    pipeline = Pipeline.load("cpu")
    person = pipeline.prepare(ASSETS / "portrait.jpg").portrait
    pose = person.motion.pose + np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.0])
    motion = Motion(pose, person.motion.dynamics)
    return cpu_milliseconds(lambda: list(pipeline.face.decode(person, motion)), frames)


@torch.inference_mode()
def main() -> None:
    """Print both times and their ratio as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10)
    frames = parser.parse_args().frames
    torch.manual_seed(0)
    torch.set_num_threads(1)
    decoder = Decoder().eval()
    volume, driving, source = torch.randn(1, CHANNELS, DEPTH, SIDE, SIDE), *torch.rand(2, 1, KEYPOINTS, 3)
    assert decoder(volume, driving, source).shape == (1, 3, 512, 512)
    theirs = cpu_milliseconds(lambda: decoder(volume, driving, source), frames)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = cpu_milliseconds(lambda: decoder(volume, driving, source), frames)
    mine = ours(4 * frames)
    found = {
        "liveportrait_parameters": sum(parameter.numel() for parameter in decoder.parameters()),
        "liveportrait_cpu_ms": round(theirs, 1),
        "liveportrait_bfloat16_cpu_ms": round(rounded, 1),
        "vasa_core_cpu_ms": round(mine, 1),
        "ratio": round(theirs / mine, 1),
        "ratio_bfloat16": round(rounded / mine, 1),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
