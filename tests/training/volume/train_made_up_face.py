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
from vasa_core.training.losses.lpips import Perceptual
from vasa_core.training.volume.batches import FaceBatches
from vasa_core.training.volume.loop import run_training
from vasa_core.training.volume.train import FaceTrainer

# Without the discriminator: its spectral norms move with each pass, which divides differently among processes.
WEIGHTS = replace(NO_IDENTITY, adversarial=0.0, feature_matching=0.0, cosine=0.0)


def train(folder: Path, steps: int, hold: float = 2.0) -> FaceTrainer:
    """Train in `folder`, a line of the log and a snapshot every 3 steps. hold: share of steps after which it waits."""
    PRESETS["tiny-128"] = MICRO
    config = replace(CONFIG, steps=steps, learning_rate=2e-5, rehearsal=2, weights=WEIGHTS)
    clips = [make_frames(seed) for seed in range(3)]
    trainer = FaceTrainer(clips, config, Perceptual(resolve("perceptual")), None)
    trainer.trial(FaceBatches(clips, config.batch, config.seed).batch(0))

    def wait(done: int, wanted: int) -> None:
        if done >= hold * wanted:
            time.sleep(3600)

    run_training(trainer, folder, snapshot_minutes=0.0, log_steps=3, progress=wait)
    return trainer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--hold", type=float, default=2.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    train(given.folder, given.steps, given.hold)
