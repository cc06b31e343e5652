"""A training of the motion model on made-up clips, as a program of its own: to be killed, or run by many processes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from motion_clips import make_clip, make_clips

from vasa_core.training.engine.loop import run_training
from vasa_core.training.motion.train import MotionTrainer, MotionTrainingConfig


def config_of(steps: int, accumulate: int = 1) -> MotionTrainingConfig:
    return MotionTrainingConfig(
        size="tiny",
        minutes=None,
        steps=steps,
        batch=4,
        accumulate=accumulate,
        warmup=1,
        dropout=0.0,
        bf16=False,
        log_steps=3,
        snapshot_minutes=5e-4,
        seed=3,
    )


def trainer_of(config: MotionTrainingConfig) -> MotionTrainer:
    return MotionTrainer([*make_clips(), make_clip(9, 120, "val")], config, "moonshine")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--hold", type=float, default=2.0, help="share of the steps after which it only waits")
    given = parser.parse_args()
    torch.set_num_threads(1)

    def hold(share: float, _: str) -> None:
        if share >= given.hold:
            time.sleep(3600)

    run_training(trainer_of(config_of(given.steps)), given.folder, progress=hold)
