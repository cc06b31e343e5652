"""The normal noise that torch draws on a CPU, in numpy: a seed means the same motion whatever runs the network."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

_GROUP = 16  # numbers that torch makes of so many others: 8 radii and 8 angles
_BITS = 24  # of a number in [0, 1)
_SEED_BITS = 32  # of a seed, that count


def torch_noise(seed: int, count: int) -> Float32[np.ndarray, "{count}"]:
    """`torch.randn(count)` from a generator of that seed, but for rounding. Raises ValueError below _GROUP numbers.

    Mersenne Twister numbers, then Box and Muller's transform in groups; where the last is not whole, it is drawn anew.
    """
    if count < _GROUP:
        raise ValueError(f"count is {count}; expected {_GROUP} or more: of fewer, torch makes others.")
    twister = np.random.RandomState(seed % 2**_SEED_BITS)
    whole = count - count % _GROUP
    uniform = _uniform(twister, count)
    noise = np.empty(count, np.float32)
    noise[:whole] = _normal(uniform[:whole])
    if whole < count:
        noise[-_GROUP:] = _normal(_uniform(twister, _GROUP))
    return noise


def _uniform(twister: np.random.RandomState, count: int) -> Float32[np.ndarray, "{count}"]:
    bits = twister.randint(0, 2**32, count, np.uint32)
    return (bits & np.uint32(2**_BITS - 1)).astype(np.float32) * np.float32(2.0**-_BITS)


def _normal(uniform: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    pairs = uniform.reshape(-1, 2, _GROUP // 2)
    radius = np.sqrt(-2 * np.log(1 - pairs[:, 0]))
    angle = np.float32(2 * np.pi) * pairs[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
