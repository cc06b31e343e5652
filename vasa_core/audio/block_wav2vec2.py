"""Speech features by a small Wav2Vec2 (arXiv:2006.11477) of our own that hears in blocks, so that it can stream.

Its convolutions are computed once per step; its transformer sees windows of HISTORY + BLOCK + AHEAD steps and gives the
features of the BLOCK in their midst. Windows lie at fixed places of the sound: streamed equals offline.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from vasa_core.assets import file_sha256
from vasa_core.checkpoint import WEIGHTS, load_checkpoint
from vasa_core.rates import SAMPLES_PER_FRAME, exact_div, frame_count

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Wav2Vec2Model

STEP = 320  # samples from one step of the network to the next, 20 ms
STEPS_PER_FRAME = exact_div(SAMPLES_PER_FRAME, STEP)
FIELD = 370  # samples that a step hears
LEFT = (FIELD - STEP) // 2  # of them before the step's own 20 ms
HISTORY, BLOCK, AHEAD = 40, 4, 4  # steps
WINDOW = HISTORY + BLOCK + AHEAD
LOOK_AHEAD = (BLOCK + AHEAD) * STEP + LEFT - SAMPLES_PER_FRAME // 2  # samples after a frame's middle, at most

ARCHITECTURE: dict[str, Any] = {
    "hidden_size": 192,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "intermediate_size": 768,
    "num_feat_extract_layers": 4,
    "conv_dim": [64, 192, 192, 192],
    "conv_kernel": [20, 8, 4, 2],
    "conv_stride": [10, 4, 4, 2],
    "feat_extract_norm": "layer",  # every step normalises itself: loudness matters little, and time not at all
    "do_stable_layer_norm": True,
    "num_conv_pos_embeddings": 17,
    "num_conv_pos_embedding_groups": 8,
    "layerdrop": 0.0,
    "hidden_dropout": 0.05,
    "attention_dropout": 0.05,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "apply_spec_augment": False,
}


def build_network(architecture: dict[str, Any]) -> Wav2Vec2Model:
    """A `transformers` Wav2Vec2 of this architecture, untrained."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    return Wav2Vec2Model(Wav2Vec2Config(**architecture))


def steps_of(network: Wav2Vec2Model, waveform: Tensor) -> Tensor:
    """Waveform (batch, FIELD + (steps - 1) STEP samples) -> what the transformer sees, (batch, steps, conv_dim[-1])."""
    return network.feature_extractor(waveform).transpose(1, 2)


def transformed(network: Wav2Vec2Model, steps: Tensor) -> Tensor:
    """Convolved steps -> features, (batch, steps, hidden_size)."""
    return network.encoder(network.feature_projection(steps)[0])[0]


class BlockWav2Vec2:
    """A `LiveEncoder`: features of two video frames at a time, with at most LOOK_AHEAD samples after a frame."""

    name = "block"

    def __init__(self, folder: Path) -> None:
        """folder: a checkpoint. Raises InputError if it is missing or damaged."""
        checkpoint = load_checkpoint(folder)
        architecture = {name: checkpoint.config[name] for name in ARCHITECTURE}
        self._network = build_network(architecture)
        self._network.load_state_dict(checkpoint.tensors)
        self._network.eval().requires_grad_(False)
        self.version = f"block-{file_sha256(folder / WEIGHTS)[:12]}"
        self.channels = int(architecture["hidden_size"])

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames channels"]:
        """waveform: 16 kHz mono in [-1, 1]."""
        blocks = list(self.stream(iter([waveform])))
        return np.concatenate(blocks) if blocks else np.zeros((0, self.channels), np.float32)

    def stream(
        self, chunks: Iterator[Float32[np.ndarray, " samples"]]
    ) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        """Features as soon as the sound that they need is there. The sound is silence before its start and after its
        end; chunks may be of any length."""
        import torch

        held = np.zeros(HISTORY * STEP + LEFT, np.float32)  # from the first sample that the next steps hear
        steps = torch.zeros(1, 0, 0)  # convolved so far, from HISTORY steps before the next block on
        samples = done = 0  # heard; frames given
        need = FIELD + (BLOCK - 1) * STEP
        ended = False
        with torch.inference_mode():
            while not ended:
                chunk = next(chunks, None)
                ended = chunk is None
                if chunk is None:
                    chunk = np.zeros((WINDOW + BLOCK) * STEP + FIELD, np.float32)
                else:
                    samples += len(chunk)
                held = np.concatenate([held, chunk])
                while len(held) >= need and (not ended or done < frame_count(samples)):
                    new = steps_of(self._network, torch.from_numpy(held[None, :need]))
                    steps = torch.cat([steps, new], 1) if steps.shape[1] else new
                    held = held[BLOCK * STEP :]
                    if steps.shape[1] < WINDOW:
                        continue
                    block = transformed(self._network, steps[:, -WINDOW:])[0, HISTORY : HISTORY + BLOCK]
                    steps = steps[:, BLOCK - WINDOW :]
                    frames = block.unflatten(0, (-1, STEPS_PER_FRAME)).mean(1).numpy()  # (2, channels)
                    frames = frames[: frame_count(samples) - done] if ended else frames
                    done += len(frames)
                    yield frames
