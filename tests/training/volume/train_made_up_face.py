"""A training of the volume face model on made-up clips, as a program of its own: killed, or run by many processes."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from face_clips import CONFIG, MICRO, NO_IDENTITY, make_frames

from vasa_core.assets import resolve
from vasa_core.face.volume.config import PRESETS
from vasa_core.training.engine.loop import run_training
from vasa_core.training.losses.perceptual import Perceptual
from vasa_core.training.volume.train import VolumeTrainer
from vasa_core.training.volume.warp_pretraining import pretrain_warps

# Without the discriminator: its spectral norms move with each pass, which divides differently among processes.
WEIGHTS = replace(NO_IDENTITY, adversarial=0.0, feature_matching=0.0, cosine=0.0)


def train(folder: Path, steps: int, hold: float = 2.0) -> VolumeTrainer:
    """Train in `folder`: a line of the log every 3 steps, a state after each. hold: share of steps, then it waits."""
    PRESETS["tiny-128"] = MICRO
    course = {"steps": steps, "log_steps": 3, "snapshot_minutes": 0.0}
    config = replace(CONFIG, learning_rate=2e-5, warp_pretraining=2, weights=WEIGHTS, **course)
    clips = [make_frames(seed) for seed in range(3)]
    trainer = VolumeTrainer(clips, config, Perceptual(resolve("perceptual")), None)
    trainer.trial(config.batch)

    def wait(share: float, _: str) -> None:
        if share >= hold:
            time.sleep(3600)

    run_training(trainer, folder, begin=lambda: pretrain_warps(trainer, config.warp_pretraining), progress=wait)
    return trainer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--hold", type=float, default=2.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    train(given.folder, given.steps, given.hold)
