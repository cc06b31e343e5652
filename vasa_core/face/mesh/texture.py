"""Texture continued behind a person: each place copies by the shift that fits, and seams lie where they show least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Bool, Float32, Int32

from vasa_core.face.mesh.shifts import COARSE, Ground, Shifts, find_shifts, run_on

GRID = 78  # places to a face's height at which shifts are chosen
CONTEXT = 2  # places: so far a place beside the outline is compared with what is outside
SWEEPS = 6  # of belief propagation
CUT = 20.0  # cost of a seam itself, squared grey levels
NO_MATCH = 1000.0  # cost where there is nothing to compare, the same
UNUSABLE = 1e6  # cost of copying what may not be copied
FEATHER = 2  # px on each side of a seam
LIGHT = 0.1  # of the face's height: depth at which a difference in brightness to the outside has worn off
MOST_LIGHT = 15.0  # grey levels of such a difference that are made up for

Colours = Float32[np.ndarray, "height width 3"]
Where = Bool[np.ndarray, "height width"]


@dataclass(frozen=True)
class Continued:
    """What goes on behind a person. colours: of the copies; where `done`, there are any. step: grey levels by which
    they are throughout darker or brighter than what lies outside; corrected where it is little."""

    colours: Colours
    done: Where
    step: Float32[np.ndarray, "height width 1"]


def continued(ground: Ground, reach: float, face_height: float) -> Continued | None:
    """The texture of a picture continued in `ground.target`, and `reach` px around it; deterministic.

    Around it, where the picture is known, the copies tell how well they agree with it. None if nothing can be copied.
    """
    shifts = find_shifts(ground, face_height) if ground.target.any() else None
    if shifts is None:
        return None
    offsets = _refined(ground, shifts, face_height)
    step = max(1, round(face_height / GRID))
    labels = _chosen(ground, Shifts(offsets, shifts.choices, shifts.cells), step)
    if (labels < 0).all():
        return None
    height, width = ground.hole.shape
    fine = (
        run_on(labels >= 0, labels[labels >= 0]).repeat(step, 0).repeat(step, 1)[:height, :width]
    )  # (rows, columns) -> (height, width)
    apart = cv2.distanceTransform((~ground.target).astype(np.uint8), cv2.DIST_L2, 5)
    outside = ~ground.hole & (apart <= max(reach, 2 * step))
    copied, done = _copied(ground.pixels, ground.target | outside, ground.source, fine, offsets)
    light = _light(ground.pixels - copied, outside & done & (apart <= 2 * step), face_height)
    brighter = np.abs(light).max(-1, keepdims=True)
    depth = cv2.distanceTransform(ground.hole.astype(np.uint8), cv2.DIST_L2, 5)
    fading = np.exp(-depth / np.float32(LIGHT * face_height))[..., None]
    return Continued(copied + fading * light.clip(-MOST_LIGHT, MOST_LIGHT), done, brighter)


def _light(difference: Colours, rim: Where, face_height: float) -> Colours:
    """How much brighter the outside is than what is copied to the rim, where it is so throughout."""
    sigma = LIGHT / 2 * face_height
    amount = np.maximum(cv2.GaussianBlur(rim.astype(np.float32), (0, 0), sigma), 1e-12)[..., None]
    known = difference * rim[..., None]
    mean = cv2.GaussianBlur(known, (0, 0), sigma) / amount
    variance = np.maximum(cv2.GaussianBlur(known**2, (0, 0), sigma) / amount - mean**2, 0)
    return mean**3 / (mean**2 + variance + 1)


def _refined(ground: Ground, shifts: Shifts, face_height: float) -> Int32[np.ndarray, "shifts 2"]:
    """The shifts, which were found in small pictures, to the pixel, at the part of the outline that chose them."""
    step = max(1, round(face_height / COARSE))
    depth = cv2.distanceTransform((~ground.hole).astype(np.uint8), cv2.DIST_L2, 5)
    points = np.argwhere((depth > 0) & (depth < 0.06 * face_height))[::3].astype(np.int32)
    cells = shifts.cells[points[:, 0], points[:, 1]]
    offsets = shifts.offsets.copy()
    owners: dict[int, int] = {}
    for rank in range(shifts.choices.shape[1]):
        for cell, number in enumerate(shifts.choices[:, rank].tolist()):
            owners.setdefault(number, cell)
    for number, cell in owners.items():
        if number >= 0:
            offsets[number] = _best_near(ground.pixels, points[cells == cell], ground.source, offsets[number], step)
    return offsets


@numba.njit(cache=True, nogil=True)
@no_type_check
def _best_near(pixels, points, source, offset, radius):
    """The shift within `radius` px of `offset` under which the points agree best."""
    height, width = source.shape
    best = np.inf
    found = np.array([offset[0], offset[1]], np.int32)
    for shift_y in range(offset[0] - radius, offset[0] + radius + 1):
        for shift_x in range(offset[1] - radius, offset[1] + radius + 1):
            total, count = np.float32(0), 0
            for i in range(len(points)):
                y, x = points[i, 0] + shift_y, points[i, 1] + shift_x
                if 0 <= y < height and 0 <= x < width and source[y, x]:
                    for c in range(3):
                        difference = pixels[points[i, 0], points[i, 1], c] - pixels[y, x, c]
                        total += difference * difference
                    count += 1
            if count > 0 and total / count < best:
                best = total / count
                found[0], found[1] = shift_y, shift_x
    return found


def _chosen(ground: Ground, shifts: Shifts, step: int) -> Int32[np.ndarray, "rows columns"]:
    """Which shift each place of a grid of `step` px takes; -1 where nothing is filled or nothing fits."""
    wanted = cv2.dilate(ground.target.astype(np.uint8), np.ones((2 * step + 1, 2 * step + 1), np.uint8))
    places = np.ascontiguousarray(wanted[::step, ::step] > 0)  # (rows, columns)
    nodes = (np.argwhere(places) * step).astype(np.int32)
    index = np.full(places.shape, -1, np.int32)
    index[places] = np.arange(len(nodes))
    choices = shifts.choices[shifts.cells[nodes[:, 0], nodes[:, 1]]]  # (nodes, most)
    smooth = cv2.blur(ground.pixels, (step, step))
    costs = _costs(smooth, nodes, choices, shifts.offsets, ground.hole, ground.source, step)
    chosen = _propagated(smooth, ground.source, nodes, index, choices, shifts.offsets, costs, step)
    labels = np.full(places.shape, -1, np.int32)
    labels[places] = chosen
    return labels


@numba.njit(cache=True, nogil=True)
@no_type_check
def _costs(pixels, nodes, choices, offsets, hole, source, step):
    """What each choice costs by itself: whether it may be copied, and how well it joins what lies outside."""
    height, width = source.shape
    costs = np.full(choices.shape, np.float32(UNUSABLE))
    colours, seen = np.empty((choices.shape[1], 3), np.float32), np.empty(choices.shape[1], np.bool_)
    for i in range(len(nodes)):
        _look(pixels, source, nodes[i], offsets, choices[i], colours, seen)
        costs[i][seen] = 0
        for row in range(-CONTEXT, CONTEXT + 1):
            for column in range(-CONTEXT, CONTEXT + 1):
                place = nodes[i, 0] + row * step, nodes[i, 1] + column * step
                if not (0 <= place[0] < height and 0 <= place[1] < width) or hole[place]:
                    continue
                away = np.float32(1 + row * row + column * column)
                _look(pixels, source, place, offsets, choices[i], colours, seen)
                for k in range(len(seen)):
                    apart = ((colours[k] - pixels[place]) ** 2).sum() if seen[k] else np.float32(NO_MATCH)
                    costs[i, k] += np.float32(3) * apart / away
    return costs


@numba.njit(cache=True, nogil=True)
@no_type_check
def _propagated(pixels, source, nodes, index, choices, offsets, costs, step):
    """The choice of each node with the least cost of all, seams included: min-sum belief propagation in sweeps."""
    count, most = costs.shape
    ours, theirs = np.empty((2, most, 3), np.float32), np.empty((2, most, 3), np.float32)  # at both ends
    seen = np.empty((2, 2, most), np.bool_)  # ends, whose choices
    messages = np.zeros((4, count, most), np.float32)  # into a node, from: left, right, above, below
    for sweep in range(SWEEPS):
        onward = 1 - 2 * (sweep % 2)
        for position in range(count):
            i = position if onward > 0 else count - 1 - position
            row, column = nodes[i, 0] // step, nodes[i, 1] // step
            for side in range(2):
                below, beside = row + onward * side, column + onward * (1 - side)
                if not (0 <= below < index.shape[0] and 0 <= beside < index.shape[1]) or index[below, beside] < 0:
                    continue
                j = index[below, beside]
                behind, ahead = (2 * side, 2 * side + 1) if onward > 0 else (2 * side + 1, 2 * side)
                belief = costs[i] - messages[ahead, i]
                for d in range(4):
                    belief += messages[d, i]
                for end in range(2):
                    node = i if end == 0 else j
                    _look(pixels, source, nodes[node], offsets, choices[i], ours[end], seen[end, 0])
                    _look(pixels, source, nodes[node], offsets, choices[j], theirs[end], seen[end, 1])
                _send(belief, choices[i], choices[j], ours, theirs, seen, messages[behind, j])
    return _cheapest(costs, messages, choices)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _look(pixels, source, node, offsets, choices, colours, seen):
    """What each choice copies to a place, and whether it may."""
    for k in range(len(choices)):
        seen[k] = False
        if choices[k] >= 0:
            y, x = node[0] + offsets[choices[k], 0], node[1] + offsets[choices[k], 1]
            if 0 <= y < source.shape[0] and 0 <= x < source.shape[1] and source[y, x]:
                seen[k] = True
                for c in range(3):
                    colours[k, c] = pixels[y, x, c]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _send(belief, ours, theirs, our_colours, their_colours, seen, message):
    """Tell a neighbour, for each of its choices, what the best of a node's costs, seam included."""
    for k in range(len(message)):
        message[k] = np.float32(UNUSABLE)
        if theirs[k] < 0 or not seen[1, 1, k]:
            continue
        for m in range(len(belief)):
            if ours[m] < 0 or not seen[0, 0, m] or belief[m] >= message[k]:
                continue
            cost = belief[m]
            if ours[m] != theirs[k]:
                cost += np.float32(CUT)
                for end in range(2):
                    if seen[end, 0, m] and seen[end, 1, k]:
                        for c in range(3):
                            apart = our_colours[end, m, c] - their_colours[end, k, c]
                            cost += apart * apart
                    else:
                        cost += np.float32(NO_MATCH)
            message[k] = min(message[k], cost)
    least = message.min()
    for k in range(len(message)):
        message[k] = message[k] - least if least < UNUSABLE else np.float32(0)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _cheapest(costs, messages, choices):
    """The choice of each node that costs least; -1 where none may be copied."""
    chosen = np.full(len(costs), -1, np.int32)
    for i in range(len(costs)):
        least = np.float32(np.inf)
        for k in range(costs.shape[1]):
            cost = costs[i, k] + messages[:, i, k].sum()
            if costs[i, k] < UNUSABLE and cost < least:
                least, chosen[i] = cost, choices[i, k]
    return chosen


@numba.njit(cache=True, nogil=True)
@no_type_check
def _copied(pixels, target, source, labels, offsets):
    """The picture with the target copied from where its labels say, seams feathered, and where that was possible."""
    height, width = target.shape
    picture, done = pixels.copy(), np.zeros((height, width), np.bool_)
    colour = np.empty(3, np.float32)
    for y in range(height):
        for x in range(width):
            if not target[y, x]:
                continue
            total = np.float32(0)
            colour[:] = 0
            for row in range(max(0, y - FEATHER), min(height, y + FEATHER + 1)):
                for column in range(max(0, x - FEATHER), min(width, x + FEATHER + 1)):
                    label = labels[row, column]
                    if label < 0:
                        continue
                    a, b = y + offsets[label, 0], x + offsets[label, 1]
                    if 0 <= a < height and 0 <= b < width and source[a, b]:
                        away = (row - y) * (row - y) + (column - x) * (column - x)
                        weight = np.float32(1) / np.float32(1 + away * away)
                        colour += weight * pixels[a, b]
                        total += weight
            if total > 0:
                picture[y, x], done[y, x] = colour / total, True
    return picture, done
