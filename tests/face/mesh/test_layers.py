"""Person and plate: together they are the photo; alone, the plate is the background, and the person carries none."""

import cv2
import numpy as np
import pytest

from vasa_core.evaluation.metrics.halo import halo
from vasa_core.face.mesh.layers import Layers, draw_person, still_scene, take_apart
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.face.mesh.raster import identity_flow
from vasa_core.face.pose import LOG_DISTANCE, PITCH, YAW
from vasa_core.types import Motion, TrackedImage

SIZE, RADIUS, FACE = 240, 50, 80.0
CENTRE = np.array([120.0, 120.0])


def _disc(ground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A dark disc with a soft rim on a ground, and its opacity."""
    y, x = np.mgrid[:SIZE, :SIZE]
    opacity = np.clip((RADIUS - np.hypot(x - CENTRE[0], y - CENTRE[1])) / 4 + 0.5, 0, 1)
    person = np.array([60.0, 40.0, 30.0])
    picture = opacity[..., None] * person + (1 - opacity[..., None]) * ground
    return np.rint(picture).astype(np.uint8), np.rint(255 * opacity).astype(np.uint8)


def _over(layers: Layers, shift: int = 0) -> np.ndarray:
    person = np.roll(layers.person, shift, 1).astype(float)
    share = person[..., 3:] / 255
    return share * person[..., :3] + (1 - share) * layers.plate


def test_layers_give_the_picture_back() -> None:
    picture, opacity = _disc(np.full((SIZE, SIZE, 3), 190.0))
    layers = take_apart(picture, opacity, CENTRE, FACE)
    assert np.abs(_over(layers) - picture).max() <= 2
    assert np.array_equal(layers.plate[layers.person[..., 3] == 0], picture[layers.person[..., 3] == 0])


def test_the_plate_of_a_plain_wall_is_the_wall_without_an_outline() -> None:
    picture, opacity = _disc(np.full((SIZE, SIZE, 3), 190.0))
    assert np.abs(take_apart(picture, opacity, CENTRE, FACE).plate.astype(int) - 190).max() <= 3


def test_a_horizon_goes_on_behind_a_head_that_moves_away() -> None:
    ground = np.full((SIZE, SIZE, 3), 200.0)
    ground[SIZE // 2 :] = 120.0
    picture, opacity = _disc(ground)
    plate = take_apart(picture, opacity, CENTRE, FACE).plate.astype(float)
    beside = np.s_[:, 72:84]  # just inside the left rim
    assert np.abs(plate[beside][80:112] - 200).mean() < 12
    assert np.abs(plate[beside][128:160] - 120).mean() < 12


def test_a_single_line_is_not_repeated_along_the_outline() -> None:
    stripes = np.full((SIZE, SIZE, 3), 170.0)
    stripes[:, 56:62] = 90.0  # a post close to the left rim: mirrored at it, it would bend around the head
    picture, opacity = _disc(stripes)
    plate = take_apart(picture, opacity, CENTRE, FACE).plate.astype(float)
    across = plate[100:140, 76:160].mean((0, 2))
    assert across.min() > 125
    assert np.abs(np.diff(across)).max() < 5


def _ring(depth: float) -> np.ndarray:
    """Pixels behind the disc, to that depth from its outline, px."""
    y, x = np.mgrid[:SIZE, :SIZE]
    distance = np.hypot(x - CENTRE[0], y - CENTRE[1])
    return (distance < RADIUS - 1) & (distance > RADIUS - depth)


def _tiles() -> np.ndarray:
    tiles = np.full((SIZE, SIZE, 3), 200.0)
    tiles[4::16] = tiles[:, 7::14] = 80.0
    return tiles


def test_tiles_go_on_behind_a_head_where_they_would() -> None:
    ground = _tiles()
    picture, opacity = _disc(ground)
    layers = take_apart(picture, opacity, CENTRE, FACE)
    ring = _ring(12)
    flat = np.abs(ground[ring] - ground[ring].mean()).mean()  # of the best plain colour
    assert np.abs(layers.plate[ring] - ground[ring]).mean() < 0.35 * flat
    assert layers.completed > 0.9


def test_irregular_texture_goes_on_as_strong_as_it_is() -> None:
    noise = np.random.default_rng(5).normal(0, 1, (SIZE, SIZE, 1)).astype(np.float32)
    ground = 128 + 80 * cv2.GaussianBlur(noise, (0, 0), 1.2)[..., None].repeat(3, 2)
    picture, opacity = _disc(ground)
    layers = take_apart(picture, opacity, CENTRE, FACE)
    assert layers.plate[_ring(12)].std() > 0.75 * ground.std()
    assert layers.completed > 0.8


def test_moving_over_tiles_leaves_no_halo() -> None:
    picture, opacity = _disc(_tiles())
    layers = take_apart(picture, opacity, CENTRE, FACE)
    before, now = opacity / 255.0, np.roll(layers.person[..., 3], 14, 1) / 255.0
    found = halo(np.rint(_over(layers, shift=14)).astype(np.uint8), now, before, FACE)
    assert found is not None
    assert found.outline < 1.2
    assert 0.7 < found.inside < 1.4


def test_lines_that_end_at_the_outline_do_not_move_with_the_person() -> None:
    picture, opacity = _disc(_tiles())
    layers = take_apart(picture, opacity, CENTRE, FACE)
    y, x = np.mgrid[:SIZE, :SIZE]
    assert (layers.person[..., 3] > 60)[np.hypot(x - CENTRE[0], y - CENTRE[1]) > RADIUS + 4].mean() < 0.001


def test_texture_that_cannot_be_copied_counts_as_incomplete() -> None:
    noise = np.random.default_rng(5).normal(128, 40, (SIZE, SIZE, 3)).clip(0, 255)
    y, x = np.mgrid[:SIZE, :SIZE]
    opacity = np.where(np.maximum(np.abs(x - CENTRE[0]), np.abs(y - CENTRE[1])) < 92, 255, 0).astype(np.uint8)
    picture = np.where(opacity[..., None] > 0, 60, noise)
    assert take_apart(np.rint(picture).astype(np.uint8), opacity, CENTRE, FACE).completed < 0.7
    plain, disc = _disc(np.full((SIZE, SIZE, 3), 190.0))
    assert take_apart(plain, disc, CENTRE, FACE).completed == 1


def test_a_picture_without_a_person_is_all_plate() -> None:
    picture = np.rint(_tiles()).astype(np.uint8)
    layers = take_apart(picture, np.zeros((SIZE, SIZE), np.uint8), CENTRE, FACE)
    assert np.array_equal(layers.plate, picture)
    assert layers.completed == 1


def test_a_picture_is_taken_apart_the_same_each_time() -> None:
    picture, opacity = _disc(_tiles())
    one, other = (take_apart(picture, opacity, CENTRE, FACE) for _ in range(2))
    assert np.array_equal(one.person, other.person)
    assert np.array_equal(one.plate, other.plate)


def test_a_moved_person_carries_no_halo() -> None:
    ground = np.full((SIZE, SIZE, 3), 90.0)
    ground[:, 150:] = 220.0  # the disc's right rim lies on white, and moves onto grey
    picture, opacity = _disc(ground)
    layers = take_apart(picture, opacity, CENTRE, FACE)
    moved = _over(layers, shift=-70)
    brighter = moved - layers.plate  # at the right rim of the disc as it lies now; white would be 100 brighter
    assert brighter[118:122, 92:112].max() < 15


def test_a_picture_in_one_piece_stays_so() -> None:
    picture, _ = _disc(np.full((SIZE, SIZE, 3), 190.0))
    layers = take_apart(picture, np.full((SIZE, SIZE), 255, np.uint8), CENTRE, FACE)
    assert np.array_equal(layers.person[..., :3], picture)
    assert (layers.person[..., 3] == 255).all()


@pytest.mark.parametrize("zoom", [1.0, 0.7, 1.4])
def test_a_person_that_does_not_move_leaves_the_scene_as_it_is(zoom: float) -> None:
    picture, opacity = _disc(np.linspace(90, 220, SIZE)[:, None, None].repeat(SIZE, 1).repeat(3, 2))
    scene = still_scene(take_apart(picture, opacity, CENTRE, FACE), (200, 200), (100.0, 100.0), zoom)
    layers = take_apart(picture, opacity, CENTRE, FACE)
    assert np.array_equal(draw_person(layers, scene, scene.flow, (10, 30, 150, 160)), scene.frame)
    if zoom == 1:
        assert np.array_equal(scene.flow, identity_flow((200, 200)))
        assert np.array_equal(scene.plate, layers.plate[20:220, 20:220])


def _turned(portrait: Portrait, **angles: float) -> Motion:
    pose = portrait.motion.pose.copy()
    for name, degrees in angles.items():
        pose[:, {"yaw": YAW, "pitch": PITCH}[name]] += np.radians(degrees)
    return Motion(pose, portrait.motion.dynamics)


def test_at_rest_the_frame_is_the_photo(model: MeshFaceModel, ready: Portrait) -> None:
    frame = next(model.decode(ready, ready.motion, paint=False)).astype(int)
    difference = np.abs(frame - ready.photo).max(-1)
    assert difference.mean() < 0.5
    assert (difference > 8).mean() < 0.01


@pytest.mark.parametrize("angles", [{"yaw": 28}, {"yaw": -28}, {"pitch": 15}, {"pitch": -15}])
def test_the_background_does_not_move_at_all(model: MeshFaceModel, ready: Portrait, angles: dict[str, float]) -> None:
    frame = next(model.decode(ready, _turned(ready, **angles), paint=False))
    reach = np.zeros(frame.shape[:2], bool)  # the head may get there
    reach[10:, 20:490] = reach[300:] = True
    background = ready.layers.person[..., 3] == 0
    assert np.array_equal(frame[background & ~reach], ready.photo[background & ~reach])
    same = (frame == ready.photo).all(-1)
    assert same[background].mean() > 0.8
    plate = ready.layers.plate
    assert np.array_equal(plate[background], ready.photo[background])


def test_shoulders_stand_still_and_the_head_does_not(model: MeshFaceModel, ready: Portrait) -> None:
    still, turned = (next(model.decode(ready, _turned(ready, yaw=yaw), paint=False)).astype(int) for yaw in (0.0, 20.0))
    assert np.abs(turned - still)[490:].mean() < 0.2
    assert np.abs(turned - still)[150:350, 150:350].mean() > 5


def test_hair_keeps_its_width_when_the_head_turns(model: MeshFaceModel, ready: Portrait) -> None:
    """A head is round: its outline does not get narrower as a disc's would."""
    row = int(ready.landmarks[10, 1]) - 10

    def width(yaw: float) -> int:
        frame = next(model.decode(ready, _turned(ready, yaw=yaw), paint=False))
        differs = np.abs(frame[row].astype(int) - ready.layers.plate[row]).max(-1) > 25
        return int(np.ptp(np.flatnonzero(differs)))

    assert width(25) > 0.93 * width(0)


def test_the_plate_follows_the_camera(model: MeshFaceModel, ready: Portrait) -> None:
    """Nearer, the whole picture is larger, and the head turns over the same enlarged background."""
    motion = _turned(ready, yaw=15)
    pose = motion.pose.copy()
    pose[:, LOG_DISTANCE] += 0.02
    frames = [
        next(model.decode(ready, Motion(p, motion.dynamics), zoom=1.25, paint=False)) for p in (motion.pose, pose)
    ]
    assert np.array_equal(frames[0][:60, :60], frames[1][:60, :60])
    rest = next(model.decode(ready, ready.motion, zoom=1.25, paint=False))
    assert np.array_equal(frames[0][:60, :60], rest[:60, :60])
    assert not np.array_equal(rest[:60, :60], ready.photo[:60, :60])


def test_without_a_matte_the_picture_is_one_piece_and_bends(model: MeshFaceModel, tracked: TrackedImage) -> None:
    portrait = model.encode_portrait(tracked)
    still, turned = (
        next(model.decode(portrait, _turned(portrait, yaw=yaw), paint=False)).astype(int) for yaw in (0.0, 20.0)
    )
    assert np.abs(still - tracked.image).mean() < 0.3
    assert np.array_equal(turned[:30], tracked.image[:30])
    assert np.abs(turned - still).mean() > 3
