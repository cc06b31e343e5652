"""What of a photo is shown: squares inside it, and all of it where a square would cut the head."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.errors import InputError
from vasa_core.preprocess.framing import CROP_PER_FACE, framed


def _face(x: float, y: float, height: float) -> np.ndarray:
    """Landmarks that fill an ellipse of this height about (x, y); the first and last of its height are known ones."""
    angles = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    points = np.zeros((478, 3), np.float32)
    points[:, 0] = x + 0.38 * height * np.sin(angles)
    points[:, 1] = y - 0.5 * height * np.cos(angles)
    points[10], points[152] = (x, y - height / 2, 0), (x, y + height / 2, 0)
    return points


def test_a_face_with_room_has_the_usual_square() -> None:
    found = framed(_face(500, 400, 100), (800, 1000))
    assert found.mode == "face"
    assert found.side == pytest.approx(CROP_PER_FACE * 100)
    assert (found.x, found.y) == pytest.approx((500, 400 - 0.06 * 220))


@pytest.mark.parametrize(("x", "y"), [(110, 400), (900, 400), (500, 90), (500, 740)])
def test_a_square_never_leaves_the_photo(x: float, y: float) -> None:
    found = framed(_face(x, y, 100), (800, 1000), "face")
    assert found.side == pytest.approx(220)
    assert found.side / 2 <= found.x <= 1000 - found.side / 2
    assert found.side / 2 <= found.y <= 800 - found.side / 2


def test_a_tight_photo_is_shown_as_large_as_it_is() -> None:
    found = framed(_face(200, 190, 240), (400, 420))
    assert (found.mode, found.side) == ("face", 400)


def test_all_of_a_narrow_photo_is_shown_where_a_square_would_cut_the_head() -> None:
    landmarks, size = _face(150, 300, 250), (700, 300)
    assert framed(landmarks, size).mode == "photo"
    assert framed(landmarks, size, "face").side == 300


@pytest.mark.parametrize(
    ("x", "y", "side"), [(60, 200, "left"), (340, 200, "right"), (200, 70, "upper"), (200, 330, "lower")]
)
def test_a_face_that_the_border_cuts_is_refused(x: float, y: float, side: str) -> None:
    with pytest.raises(InputError, match=f"The picture's {side} border cuts the face; expected a photo with the whole"):
        framed(_face(x, y, 200), (400, 400))
