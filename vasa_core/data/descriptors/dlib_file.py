"""dlib's serialisation of a network (dlib/serialize.h, dlib/dnn/core.h, layers.h), read strictly to the last byte.

The sequence: versions of the nested layers, the input layer, then each layer from the input on. A layer is its name,
its parameters and settings, three flags and three tensors of a run, which are empty in a cleaned file.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vasa_core.errors import InputError

_MULTIPLIERS = (1.0, 1.0, 1.0, 0.0)  # of the learning rate and weight decay of weights and biases
_LOSS = (0.04, 0.6)  # margin and threshold
_FIRST, _LAYER, _TAG = 3, 2, 1  # versions of a network's first layer, of any other and of tags


class DlibFile:
    """A file's values, one after the other. Every method raises InputError if the next value is not the expected."""

    def __init__(self, path: Path) -> None:
        self.path, self._data, self._at = path, path.read_bytes(), 0

    def head(self, layers: int, tags: int, means: tuple[float, ...], side: int) -> None:
        """The loss, the versions of `layers` layers and `tags` tags, and the input layer."""
        self._expect("version", self._integer(), 1)
        self._expect("loss", self._text(), "loss_metric_2")
        self._numbers("loss settings", _LOSS)
        versions = [self._integer() for _ in range(layers + tags)]
        self._expect("versions of layers", sorted(versions), [_TAG] * tags + [_LAYER] * (layers - 1) + [_FIRST])
        self._expect("innermost version", versions[-1], _FIRST)
        self._expect("input layer", self._text(), "input_rgb_image_sized")
        self._numbers("means", means)
        self._integers("input size", side, side)

    def convolution(self, target: nn.Conv2d, first: bool = False) -> None:
        """A convolution and the affine layer after it, folded into one. first: of the whole network."""
        count, entering, rows, columns = target.weight.shape
        self._expect("layer", self._text(), "con_4")
        values = self._tensor(target.weight.numel() + count, 1, 1, 1)
        self._integers("filters", count, rows, columns, *target.stride, *map(int, target.padding))
        self._part(count, entering, rows, columns)
        self._part(1, count, 1, 1)
        self._numbers("multipliers", _MULTIPLIERS)
        self._layer_end()
        if first:
            self._integers("sample expansion", 1)
        weight, bias = values[:-count].view(target.weight.shape), values[-count:]

        self._expect("layer", self._text(), "affine_")
        gain, offset = self._tensor(2 * count, 1, 1, 1).view(2, count)
        self._part(1, count, 1, 1)
        self._part(1, count, 1, 1)
        self._integers("affine mode", 0)
        self._layer_end()
        target.load_state_dict({"weight": weight * gain.view(-1, 1, 1, 1), "bias": bias * gain + offset})

    def relu(self) -> None:
        """A rectifier."""
        self._expect("layer", self._text(), "relu_")
        self._layer_end()

    def addition(self) -> None:
        """The end of a residual block."""
        self._expect("layer", self._text(), "add_prev_")
        self._layer_end()

    def pooling(self, name: str, window: int, stride: int) -> None:
        """A pooling layer without padding; window 0 is everything."""
        self._expect("layer", self._text(), name)
        self._integers("window", window, window, stride, stride, 0, 0)
        self._layer_end()

    def fully_connected(self, target: nn.Linear) -> None:
        """A linear layer without bias."""
        leaving, entering = target.weight.shape
        self._expect("layer", self._text(), "fc_2")
        self._integers("outputs and inputs", leaving, entering)
        values = self._tensor(entering, leaving, 1, 1)
        self._part(entering, leaving, 1, 1)
        self._part(0, 0, 0, 0)
        self._integers("mode without bias", 1)
        self._numbers("multipliers", _MULTIPLIERS)
        self._layer_end()
        target.load_state_dict({"weight": values.view(entering, leaving).T})

    def end(self) -> None:
        """Nothing may follow."""
        self._expect("end of the file", len(self._data) - self._at, 0)

    def _layer_end(self) -> None:
        for _ in range(3):
            self._expect("flag", self._take(1) in (b"0", b"1"), True)
        for _ in range(3):
            self._tensor(0, 0, 0, 0)

    def _part(self, *sizes: int) -> None:
        """Which sizes a part of the parameters has."""
        self._integers("sizes of a part", 1, *sizes)

    def _tensor(self, *sizes: int) -> Tensor:
        """Version, four sizes, float32 values, as a flat tensor."""
        self._integers("tensor version and sizes", 2, *sizes)
        return torch.from_numpy(np.frombuffer(self._take(4 * prod(sizes)), "<f4").astype(np.float32))

    def _integers(self, what: str, *expected: int) -> None:
        self._expect(what, tuple(self._integer() for _ in expected), expected)

    def _numbers(self, what: str, expected: tuple[float, ...]) -> None:
        """Each a mantissa and an exponent of two."""
        found = tuple(self._integer() * 2.0 ** self._integer() for _ in expected)
        self._expect(what, tuple(round(number, 4) for number in found), expected)

    def _text(self) -> str:
        return self._take(self._integer()).decode("ascii", "replace")

    def _integer(self) -> int:
        """A control byte (sign in bit 7, number of bytes in the low four) and that many bytes, lowest first."""
        control = self._take(1)[0]
        value = int.from_bytes(self._take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def _take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count] if count >= 0 else b""
        self._expect("bytes left", len(found), count)
        self._at += count
        return found

    def _expect(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            raise InputError(f"{self.path}: {what} is {found} before byte {self._at}; expected {expected}.")
