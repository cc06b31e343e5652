"""Person and background as two layers: the person moves over a plate, the background completed behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from vasa_core.face.mesh.compose import Box, lay_over, seen_around
from vasa_core.face.mesh.raster import identity_flow, sample, warp

AROUND_FACE = (1.25, 1.5, 1.25, 1.05)  # face heights to the left, up, right and down: nothing farther away moves
GROWN = 0.06  # of the face's height: so near the person there may be hair that the matte misses
CLOSE = 0.035  # of the face's height: so near, whatever is strange is the person's; farther, what has their colour
HAIRLIKE = (0.15, 0.4)  # of the way from the background's colour to the person's
SMOOTH = 0.03  # of the face's height: finer structure of the background counts as its texture
AROUND = 0.12  # of the face's height: so far around a place its texture is measured
LEVEL = 0.7  # share of level lines in what is behind the person, the rest being plain colour
ONE_SIDED = 0.15  # of that share, where the person reaches the picture's edge
ALONG = 0.02  # of the face's height: how far rows are smoothed into each other
SOLID = 250  # opacity from which a pixel shows nothing but the person
OWN_COLOUR = (0.15, 0.5)  # opacity: below the first a pixel's colour is its neighbours', above the second its own
STRAY = (1.0, 3.0)  # what differs so much from the background belongs to the person: single hairs. In units of ...
QUIET, LOUD = 3.0, 4.0  # ... grey levels of a plain background; how much a background's texture adds
TEXTURED = (
    4.0,
    7.0,
)  # strength of texture, grey levels: below the first, what is behind is smooth
HOLE = 0.01  # of the face's height: so near the person the background is not compared with its continuation
STEP = (6.0, 0.75)  # grey levels, and of the texture's strength: so much brighter or darker a continuation fits
RIM = 0.05  # of the face's height: so deep the matte may have taken a piece of the background for the person
FORESEEN, FOREIGN = (12.0, 24.0), (24.0, 48.0)  # grey levels: to what is expected behind, and to the person's colour
CONTINUED = (
    0.2,
    0.27,
)  # of the face's height: so far behind the outline texture goes on; farther, all is smooth
_SPECK, _KNOWN = 20, 90  # opacity that may be the old background's, and from which a colour is surely the person's
_FRINGE = 9  # px, side of the squares around what is seen of a cut-out person in which there are colours, for codecs
LEAST = 3  # of 255: opacity below which there is nothing of the person

Image = UInt8[np.ndarray, "height width 3"]
Mask = UInt8[np.ndarray, "height width"]
Colours = Float32[np.ndarray, "height width 3"]
Field = Float32[np.ndarray, "height width 1"]


@dataclass(frozen=True, eq=False)
class Layers:
    """A picture taken apart. person: colour without the background's share, and opacity. plate: what is behind.

    completed: 0..1, how much of the outline the plate goes on behind without showing where the person was: 1 for plain
    backgrounds and for texture that is continued, less the more texture just ends. Where it is low, the head had better
    not be moved sideways, up or down far from where it is in the picture: such motion may be scaled by it.
    backdrop: what is shown instead of the plate, of the frames' size, and stands still. cut_out: the person's opacity
    where it is the frames', too; the person itself is then opaque.
    """

    person: UInt8[np.ndarray, "height width 4"]
    plate: Image
    completed: float = 1.0
    backdrop: UInt8[np.ndarray, "frame_height frame_width 3"] | None = None
    cut_out: Mask | None = None


def take_apart(picture: Image, matte: Mask, centre: Float[np.ndarray, " 2"], face_height: float) -> Layers:
    """Layers that give the picture back where they lie. matte: opacity of the person. centre, face_height: px.

    Single hairs that the matte misses go with the person where the background is quiet enough to tell them from it.
    Wherever nothing of the person is, the plate is the picture itself; so it is far from the head, where nothing
    moves. A matte of 255 everywhere is a picture in one piece: there is no plate to be seen.
    """
    person, plate, completed = np.dstack([picture, matte]), picture.copy(), 1.0
    left, top, right, bottom = AROUND_FACE
    low = np.floor(centre - face_height * np.array([left, top])).astype(int).clip(0)
    high = np.ceil(centre + face_height * np.array([right, bottom])).astype(int)
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    grown = cv2.dilate(matte[part], _disc(GROWN * face_height)) > 0
    if not grown.all():
        person[part], plate[part], completed = _separated(picture[part], matte[part], grown, face_height)
    return Layers(person, plate, completed)


def _separated(
    picture: Image, matte: Mask, grown: Bool[np.ndarray, "height width"], face_height: float
) -> tuple[UInt8[np.ndarray, "height width 4"], Image, float]:
    """Person, plate, and how well that is completed (see `Layers`). grown: where the background is not trusted."""
    pixels, opacity = picture.astype(np.float32), matte.astype(np.float32)[..., None] / 255
    filled, texture = _completed(pixels, grown, face_height)
    behind = _continued(pixels, matte > 0, ~grown, face_height)
    opacity *= 1 - behind.share * _background_in(pixels, matte, behind.colours, face_height)
    inner = _spread(pixels, opacity[..., 0] >= SOLID / 255)
    close = cv2.dilate(matte, _disc(CLOSE * face_height))[..., None] > 0
    usual = np.maximum(QUIET, LOUD * texture - (LOUD - 1) * QUIET)
    strange = pixels - filled
    stray = _ramp(np.abs(strange).max(-1, keepdims=True) / usual, STRAY) * grown[..., None]
    stray *= np.where(close, 1, _hairlike(strange, inner - filled))
    trusted = (~close & (stray == 0))[..., 0]
    quiet = np.minimum(1, 2 * QUIET / np.maximum(texture, QUIET))
    filled += quiet * _spread(strange * grown[..., None], trusted)  # meets the picture's colours
    filled += behind.share * (behind.colours - filled)
    stray += behind.share * (np.where(close, behind.unforeseen, np.minimum(stray, behind.unforeseen)) - stray)
    plate = np.where(opacity > 0, filled, pixels + stray * (filled - pixels))
    foreign = pixels - opacity * inner - (1 - opacity) * plate  # what neither the person nor the plate explains
    kept = np.maximum(stray, _ramp(opacity, OWN_COLOUR))
    difference = pixels - plate - np.where(opacity > 0, 1 - kept, 0) * foreign
    room = np.where(difference > 0, 255 - plate, plate)
    least = np.abs(difference) / np.maximum(room, 1)  # opacity that reaches the colour with one between 0 and 255
    whole = np.ceil(255 * np.maximum(opacity, least.max(-1, keepdims=True)).clip(0, 1))
    colour = np.where(whole < LEAST, inner, plate + difference * 255 / np.maximum(whole, 1))
    whole[whole < LEAST] = 0
    layers = _levels(np.concatenate([colour, whole], -1)), _levels(np.where(whole > 0, plate, pixels))
    return *layers, behind.completed


@dataclass(frozen=True)
class Scene:
    """A picture seen from one distance. flow: its pixels in the photo, px. plate: without the person. frame: with.

    seen: where the layers show something of the person, see `seen_around`.
    """

    flow: Float32[np.ndarray, "height width 2"]
    plate: Image
    frame: Image
    seen: UInt8[np.ndarray, "photo_height photo_width"]


@lru_cache(maxsize=4)
def still_scene(layers: Layers, size: tuple[int, int], centre: tuple[float, float], zoom: float) -> Scene:
    """The photo in the middle of `layers`, of `size` (height, width), magnified by `zoom` about `centre` (px of it)."""
    middle = np.array(centre, np.float32)
    flow = (identity_flow(size) - middle) / np.float32(zoom) + middle if zoom != 1 else identity_flow(size)
    margin = _margin(layers, size)
    plate = warp(layers.plate, flow + np.float32(margin)) if layers.backdrop is None else layers.backdrop
    frame, seen = plate.copy(), seen_around(layers.person[..., 3])
    lay_over(layers.person, seen, flow, margin, plate, frame)
    return Scene(flow, plate, frame, seen)


def draw_person(layers: Layers, scene: Scene, flow: Float32[np.ndarray, "height width 2"], box: Box) -> Image:
    """The scene with the person moved by `flow` (px of the photo) within the box."""
    frame = scene.frame.copy()
    lay_over(layers.person, scene.seen, flow, _margin(layers, flow.shape[:2]), scene.plate, frame, box)
    return frame


def freed(person: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "height width 4"]:
    """A person for any background: what is hardly seen has the colours of what is; specks of the old one are gone."""
    opacity = person[..., 3].astype(np.float32)
    known = opacity >= _KNOWN
    colours = person[..., :3].astype(np.float32)
    colours = np.where(known[..., None], colours, _spread(colours, known))
    return np.dstack([_levels(colours), _levels((opacity - _SPECK) * (255 / (255 - _SPECK)))])


def cut_out(
    layers: Layers, frame: Image, flow: Float32[np.ndarray, "height width 2"]
) -> UInt8[np.ndarray, "height width 4"]:
    """The frame with its person's opacity; black where there is nothing of them near."""
    assert layers.cut_out is not None
    opacity = sample(layers.cut_out, flow + np.float32(_margin(layers, frame.shape[:2])))
    near = cv2.dilate(opacity, np.ones((_FRINGE, _FRINGE), np.uint8)) > 0
    return np.dstack([frame * near[..., None], opacity])


def _margin(layers: Layers, size: tuple[int, int]) -> int:
    return (layers.plate.shape[0] - size[0]) // 2


def _completed(pixels: Colours, grown: Bool[np.ndarray, "height width"], face_height: float) -> tuple[Colours, Field]:
    """The background without what is `grown`, and how strong its texture is, grey levels.

    Its colours and its outlines run on in it, smoothly; for its texture see `_continued`.
    """
    sigma = SMOOTH * face_height
    known = ~grown
    weight = known.astype(np.float32)[..., None]
    smooth = _blurred(pixels * weight, sigma) / np.maximum(_blurred(weight, sigma), 1e-6)
    strength = ((pixels - smooth) ** 2).max(-1, keepdims=True) * weight
    around = AROUND * face_height
    local, wide = (_blurred(strength, s) / np.maximum(_blurred(weight, s), 1e-6) for s in (sigma, around))
    filled = _spread(smooth, known)
    bridged, share = _bridged(smooth, grown, face_height)
    return filled + share * (bridged - filled), np.sqrt(np.maximum(local, wide))


def _all_over(pixels: Colours, known: Bool[np.ndarray, "height width"], face_height: float) -> Field:
    """How strong texture is that is everywhere around, grey levels; single lines and hairs hardly count."""
    weight = known.astype(np.float32)[..., None]
    sigma, around = SMOOTH * face_height, AROUND * face_height
    smooth = _blurred(pixels * weight, sigma) / np.maximum(_blurred(weight, sigma), 1e-6)
    root = np.sqrt(np.abs(pixels - smooth).max(-1, keepdims=True)) * weight
    return (_blurred(root, around) / np.maximum(_blurred(weight, around), 1e-6)) ** 2


@dataclass(frozen=True)
class _Behind:
    """The background's texture continued just behind the person's outline and a little around it.

    share: how far `colours` count: 0 where the background has no texture, or none that can be continued, and farther
    behind the person than a head that moves uncovers. unforeseen: 1 where around the person something lies that the
    continuation, where it agrees with the picture, does not foresee: hair that the matte missed. completed: see Layers.
    """

    colours: Colours
    share: Field
    unforeseen: Field
    completed: float


def _continued(
    pixels: Colours, person: Bool[np.ndarray, "height width"], source: Bool[np.ndarray, "height width"], height: float
) -> _Behind:
    """source: what may be copied. height: of the face."""
    hole = cv2.dilate(person.astype(np.uint8), _disc(HOLE * height)) > 0
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)[..., None] / np.float32(height)
    outline = (depth > 0) & (depth < CLOSE)
    strength = _all_over(pixels, source, height)
    share = _ramp(strength, TEXTURED) * (1 - _ramp(depth, CONTINUED))
    if not share.any():
        return _Behind(pixels, np.zeros_like(share), np.zeros_like(share), 1.0)
    # Imported here: what they need takes half a second, and plain backgrounds do without.
    from vasa_core.face.mesh.shifts import Ground
    from vasa_core.face.mesh.texture import continued

    found = continued(Ground(pixels, hole, hole & (share[..., 0] > 0), source), GROWN * height, height)
    if found is None:
        missing = float(share[outline].mean()) if outline.any() else 0.0
        return _Behind(pixels, np.zeros_like(share), np.zeros_like(share), 1 - missing)
    error = np.abs(pixels - found.colours).max(-1, keepdims=True)
    close = cv2.dilate(person.astype(np.uint8), _disc(CLOSE * height)) > 0
    judged = (found.done & ~close)[..., None].astype(np.float32)
    around = AROUND / 2 * height
    usual = np.sqrt(_blurred(error**2 * judged, around) / np.maximum(_blurred(judged, around), 1e-6))
    unforeseen = _ramp(error / np.maximum(QUIET, LOUD * usual), STRAY)
    fit = 1 - _ramp(found.step / (STEP[0] + STEP[1] * strength), (1.0, 2.0))
    counts = share * fit * found.done[..., None]
    return _Behind(found.colours, counts, unforeseen, 1 - float((share - counts)[outline].mean()))


def _background_in(pixels: Colours, matte: Mask, behind: Colours, face_height: float) -> Field:
    """1 where the person's rim shows what is expected behind it and not the person's colour: lines that end there."""
    deep = cv2.distanceTransform((matte > 0).astype(np.uint8), cv2.DIST_L2, 5) > RIM * face_height
    if not deep.any():
        return np.zeros((*matte.shape, 1), np.float32)
    apart = [np.abs(pixels - other).max(-1) for other in (behind, _spread(pixels, deep))]
    alike = (1 - _ramp(apart[0], FORESEEN)) * _ramp(apart[1], FOREIGN) * ~deep
    return cv2.medianBlur(alike, 3)[..., None]


def _hairlike(strange: Colours, person: Colours) -> Field:
    """1 where a pixel lies on the way to the person's colour; both are differences to the background."""
    length = np.maximum((person**2).sum(-1, keepdims=True), 1)
    along = (strange * person).sum(-1, keepdims=True) / length
    beside = np.linalg.norm(strange - along * person, axis=-1, keepdims=True)
    return _ramp(along, HAIRLIKE) * (beside < 0.5 * np.linalg.norm(strange, axis=-1, keepdims=True) + 2 * QUIET)


def _bridged(smooth: Colours, grown: Bool[np.ndarray, "height width"], face_height: float) -> tuple[Colours, Field]:
    """Colours of both edges of what is `grown`, blended along each row, and how much that counts, 0..1.

    Along rows, since most lines that a head hides go on level at its other side: horizons, boards, shelves.
    """
    height, width = grown.shape
    columns, rows = np.arange(width), np.arange(height)[:, None]
    left = np.maximum.accumulate(np.where(grown, -1, columns), 1)
    right = np.minimum.accumulate(np.where(grown, width, columns)[:, ::-1], 1)[:, ::-1]
    way = ((columns - left) / np.maximum(right - left, 1))[..., None].astype(np.float32)
    way = np.where((left < 0)[..., None], 1, np.where((right == width)[..., None], 0, way * way * (3 - 2 * way)))
    edges = smooth[rows, left.clip(0)], smooth[rows, right.clip(max=width - 1)]
    bridged = np.where(grown[..., None], edges[0] + way * (edges[1] - edges[0]), smooth).astype(np.float32)
    bridged = cv2.blur(bridged, (1, 2 * round(ALONG * face_height) + 1))
    share = np.where((left >= 0) & (right < width), 1, ONE_SIDED).astype(np.float32)
    return bridged, LEVEL * _blurred(share, SMOOTH * face_height)[..., None]


def _spread(picture: Colours, known: Bool[np.ndarray, "height width"]) -> Colours:
    """The picture where it is known, its colours run on smoothly elsewhere (push-pull over a pyramid)."""
    weight = known.astype(np.float32)[..., None]
    return _pushed(np.concatenate([picture * weight, weight], -1))


def _pushed(level: Float32[np.ndarray, "height width 4"]) -> Colours:
    """level: colours times weight, and the weight."""
    colour, weight = level[..., :3], level[..., 3:]
    mean = colour / np.maximum(weight, 1e-6)
    if min(level.shape[:2]) <= 2 or weight.min() >= 1:
        return mean
    coarse = cv2.pyrDown(level)
    gain = np.minimum(4, 1 / np.maximum(coarse[..., 3:], 1e-6))  # a few known pixels make a coarse one known
    below = cv2.resize(_pushed(coarse * gain), level.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return mean * weight + below * (1 - weight)


def _blurred(values: Float32[np.ndarray, "height width *channels"], sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma).reshape(values.shape)


def _ramp(values: Float32[np.ndarray, "*shape"], ends: tuple[float, float]) -> Float32[np.ndarray, "*shape"]:
    """0 below the first end, 1 above the second."""
    return ((values - ends[0]) / (ends[1] - ends[0])).clip(0, 1)


def _levels(values: Float32[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _disc(radius: float) -> UInt8[np.ndarray, "side side"]:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.uint8)
