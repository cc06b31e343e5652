"""The person's picture sampled through a flow and laid over what is behind it, in one compiled pass.

Bicubic in the 4 x 4 pixels around a place, which lie in four runs of 16 bytes: each is one vector of the CPU, so that
all colours and the opacity are weighted at once. A place counts as the nearest of PHASES between two pixels.
"""

from __future__ import annotations

from typing import Any, no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float32, UInt8
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

PHASE_BITS = 8
PHASES = 1 << PHASE_BITS
_SHARPNESS = -0.75  # of the cubic kernel: slope at one pixel's distance
_TAPS = 4  # pixels along each axis

_FLOAT, _BYTE, _INT = ir.FloatType(), ir.IntType(8), ir.IntType(32)

Box = tuple[int, int, int, int]  # left, top, right, bottom; px, the last two not in it


def _kernel() -> Float32[np.ndarray, "phases 16"]:
    """Weights of the four pixels at each phase, each four times, for the channels of RGBA."""
    phase = np.arange(PHASES) / PHASES
    inner, outer = np.stack([phase, 1 - phase]), np.stack([1 + phase, 2 - phase])  # distances from the place
    near = ((_SHARPNESS + 2) * inner - (_SHARPNESS + 3)) * inner**2 + 1
    far = ((_SHARPNESS * outer - 5 * _SHARPNESS) * outer + 8 * _SHARPNESS) * outer - 4 * _SHARPNESS
    weights = np.stack([far[0], near[0], near[1], far[1]], 1)  # (phases, 4)
    return np.repeat(weights, 4, 1).astype(np.float32)  # (phases, 16)


_KERNEL = _kernel()


def seen_around(opacity: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """0 for the pixels from which to the next on right and below a picture of that opacity shows nothing."""
    return cv2.dilate(opacity, np.ones((_TAPS, _TAPS), np.uint8), anchor=(1, 1)).astype(np.uint8)


def lay_over(
    person: UInt8[np.ndarray, "photo_height photo_width 4"],
    seen: UInt8[np.ndarray, "photo_height photo_width"],
    flow: Float32[np.ndarray, "height width 2"],
    margin: int,
    plate: UInt8[np.ndarray, "height width 3"],
    frame: UInt8[np.ndarray, "height width 3"],
    box: Box | None = None,
) -> None:
    """Draw the person over the plate into the part of the frame in the box, in place; all of it by default.

    seen: `seen_around` of the person's opacity. flow: px of the person's picture less `margin`. Beyond its edges the
    edge's own pixels go on.
    """
    whole = (0, 0, flow.shape[1], flow.shape[0])
    _lay_over(person, seen, flow, np.float32(margin), plate, frame, box or whole, _KERNEL)


def compile_composer() -> None:
    """Compile it now, so that the first frame does not wait for it."""
    photo, frame = np.zeros((4, 4, 4), np.uint8), np.zeros((1, 1, 3), np.uint8)
    lay_over(photo, photo[..., 3].copy(), np.zeros((1, 1, 2), np.float32), 0, frame.copy(), frame)


@intrinsic
@no_type_check
def _sampled_over(_typing, picture, first, stride, kernel, across, down, behind):
    """RGB, 0 to 255, of a bicubic sample of RGBA pixels over the colour behind.

    picture: uint8 array. first: offset of the first of the 4 x 4 pixels in it. stride: bytes from row to row. kernel:
    see `_kernel`. across, down: phases. behind: three uint8. Nothing is checked: all 4 x 4 pixels have to exist.
    """
    signature = types.UniTuple(types.uint8, 3)(picture, first, stride, kernel, across, down, behind)
    return signature, _sampled_over_code


@no_type_check
def _sampled_over_code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    fused = ("contract",)
    _, first, stride, _, across, down, behind = args
    row, table = (context.make_array(signature.args[number])(context, builder, args[number]).data for number in (0, 3))
    row, table = builder.gep(row, [first]), builder.bitcast(table, _lanes(_FLOAT, 16).as_pointer())
    columns, rows = (builder.load(builder.gep(table, [phase]), align=4) for phase in (across, down))
    total = ir.Constant(_lanes(_FLOAT, 16), [0.0] * 16)
    for tap in range(_TAPS):  # rows into one
        pixels = builder.load(builder.bitcast(row, _lanes(_BYTE, 16).as_pointer()), align=1)
        levels = builder.uitofp(pixels, _lanes(_FLOAT, 16))
        total = builder.fadd(
            builder.fmul(levels, _picked(builder, rows, [4 * tap] * 16), flags=fused), total, flags=fused
        )
        row = builder.gep(row, [stride])
    total = builder.fmul(total, columns, flags=fused)
    for count in (8, 4):  # columns into one
        halves = [_picked(builder, total, range(start, start + count)) for start in (0, count)]
        total = builder.fadd(*halves, flags=fused)
    least, most = (ir.Constant(_lanes(_FLOAT, 4), [level] * 4) for level in (0.0, 255.0))
    total = builder.select(builder.fcmp_ordered(">", total, least), total, least)
    total = builder.select(builder.fcmp_ordered("<", total, most), total, most)
    opacity = builder.fmul(_picked(builder, total, [3] * 4), ir.Constant(_lanes(_FLOAT, 4), [1 / 255] * 4))
    colour = ir.Constant(_lanes(_BYTE, 4), [0] * 4)
    for channel in range(3):
        level = builder.extract_value(behind, channel)
        colour = builder.insert_element(colour, level, ir.Constant(_INT, channel))
    colour = builder.uitofp(colour, _lanes(_FLOAT, 4))
    mixed = builder.fadd(builder.fmul(opacity, builder.fsub(total, colour), flags=fused), colour, flags=fused)
    mixed = builder.fadd(mixed, ir.Constant(_lanes(_FLOAT, 4), [0.5] * 4))
    mixed = builder.fptosi(mixed, _lanes(_INT, 4))
    levels = [builder.extract_element(mixed, ir.Constant(_INT, channel)) for channel in range(3)]
    return context.make_tuple(builder, signature.return_type, [builder.trunc(level, _BYTE) for level in levels])


@no_type_check
def _lanes(kind: Any, count: int) -> Any:
    return ir.VectorType(kind, count)


@no_type_check
def _picked(builder: Any, vector: Any, lanes: Any) -> Any:
    """Some lanes of a vector, as a vector."""
    chosen = list(lanes)
    return builder.shuffle_vector(
        vector, ir.Constant(vector.type, ir.Undefined), ir.Constant(_lanes(_INT, len(chosen)), chosen)
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _lay_over(person, seen, flow, margin, plate, frame, box, kernel):
    """See `lay_over`."""
    height, width = person.shape[:2]
    left, top, right, bottom = box
    flat, edge = person.reshape(person.size), np.empty(4 * _TAPS * _TAPS, np.uint8)
    for y in range(top, bottom):
        places, below, drawn = flow[y, left:right], plate[y, left:right], frame[y, left:right]
        for x in range(right - left):
            across = np.int32(np.rint((places[x, 0] + margin) * np.float32(PHASES)))
            down = np.int32(np.rint((places[x, 1] + margin) * np.float32(PHASES)))
            column, row = across >> PHASE_BITS, down >> PHASE_BITS
            phases = np.int64(across & (PHASES - 1)), np.int64(down & (PHASES - 1))
            colour = below[x, 0], below[x, 1], below[x, 2]
            if 1 <= column < width - 2 and 1 <= row < height - 2:
                if seen[np.uint32(row), np.uint32(column)]:
                    first = 4 * ((row - 1) * width + column - 1)
                    colour = _sampled_over(flat, first, 4 * width, kernel, phases[0], phases[1], colour)
            else:
                for tap in range(_TAPS * _TAPS):
                    source_y = min(max(row - 1 + tap // _TAPS, 0), height - 1)
                    source_x = min(max(column - 1 + tap % _TAPS, 0), width - 1)
                    for channel in range(4):
                        edge[4 * tap + channel] = person[source_y, source_x, channel]
                colour = _sampled_over(edge, 0, 4 * _TAPS, kernel, phases[0], phases[1], colour)
            drawn[x, 0], drawn[x, 1], drawn[x, 2] = colour
