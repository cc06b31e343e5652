"""Chips are where the landmarks are, smooth, black outside, and pass gradients to the picture only."""

import cv2
import numpy as np
import pytest
import torch

from vasa_core.data.descriptors.alignment import Alignment
from vasa_core.data.descriptors.arcface import LANDMARKS, TEMPLATE

SIDE = 112


def alignment(fit_in_chip: bool = True) -> Alignment:
    return Alignment(LANDMARKS, torch.tensor(TEMPLATE), SIDE, fit_in_chip=fit_in_chip)


def landmarks_at(turn: complex, shift: complex, noise: float = 0.0) -> torch.Tensor:
    """(1, 478, 2): landmarks whose groups lie on the template, turned and shifted."""
    points = torch.tensor(TEMPLATE).numpy() @ [1, 1j] * turn + shift
    points = points + noise * np.random.default_rng(1).normal(size=5)
    result = torch.full((1, 478, 2), 1e4)  # what is not used must not matter
    for group, point in zip(LANDMARKS, points, strict=True):
        for index, landmark in enumerate(group):
            offset = (index - (len(group) - 1) / 2) * 7
            result[0, landmark] = torch.tensor([point.real + offset, point.imag - offset])
    return result


def complex_of(pair: torch.Tensor) -> complex:
    return complex(*pair[0].tolist())


@pytest.mark.parametrize("fit_in_chip", [True, False])
def test_a_similarity_is_found_exactly(fit_in_chip: bool) -> None:
    turn, shift = alignment(fit_in_chip).similarity(landmarks_at(1.3 - 0.4j, 30 + 60j))
    assert complex_of(turn) == pytest.approx(1.3 - 0.4j, abs=1e-4)
    assert complex_of(shift) == pytest.approx(30 + 60j, abs=1e-2)


def test_least_squares_in_the_picture_or_in_the_chip() -> None:
    landmarks = landmarks_at(1.3 - 0.4j, 30 + 60j, noise=6.0)
    chip = torch.tensor(TEMPLATE).double().numpy() @ [1, 1j]
    picture = np.array([landmarks[0, list(group)].double().mean(0).numpy() for group in LANDMARKS]) @ [1, 1j]
    ones = np.ones(5)
    (forward, _), *_ = np.linalg.lstsq(np.stack([chip, ones], 1), picture, rcond=None)
    (inverse, _), *_ = np.linalg.lstsq(np.stack([picture, ones], 1), chip, rcond=None)
    assert abs(1 / inverse) > 1.001 * abs(forward)
    assert complex_of(alignment(False).similarity(landmarks)[0]) == pytest.approx(forward, abs=1e-4)
    assert complex_of(alignment(True).similarity(landmarks)[0]) == pytest.approx(1 / inverse, abs=1e-4)


def test_a_chip_is_the_picture_warped() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (300, 260, 3)).astype(np.float32), (0, 0), 2)
    turn, shift = 1.3 - 0.4j, 30 + 90j
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    wanted = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    faces = torch.from_numpy(picture / 127.5 - 1).permute(2, 0, 1)[None]
    found = alignment()(faces, landmarks_at(turn, shift))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - wanted).max() < 1.5  # OpenCV interpolates in steps of 1/32 px


def test_large_pictures_are_smoothed_before_they_are_shrunk() -> None:
    rows, columns = np.indices((600, 600))
    stripes = np.where((rows + columns) % 2, 1.0, -1.0).astype(np.float32)
    faces = torch.from_numpy(stripes).expand(1, 3, 600, 600)
    found = alignment()(faces, landmarks_at(4.2, 10 + 10j))
    assert (found - 127.5).abs().max() < 1
    wave = torch.from_numpy(np.sin(columns / 30).astype(np.float32)).expand(1, 3, 600, 600)
    found = alignment()(wave, landmarks_at(4.2, 10 + 10j))
    wanted = (torch.sin((4.2 * torch.arange(SIDE) + 10) / 30) + 1) * 127.5
    assert (found - wanted).abs().max() < 3


def test_outside_the_picture_is_black() -> None:
    found = alignment()(torch.ones(1, 3, 90, 300), landmarks_at(1, 0j))
    assert (found[:, :, :89] - 255).abs().max() < 1e-2
    assert found[:, :, 91:].abs().max() < 1e-2


def test_faces_of_a_batch_are_cut_alike_alone_and_under_autocast() -> None:
    faces = torch.rand(3, 3, 520, 520) * 2 - 1
    landmarks = torch.cat([landmarks_at(0.8, 9j), landmarks_at(4.2, 20 + 5j), landmarks_at(2.1j, 250 + 8j)])
    together = alignment()(faces, landmarks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(alignment()(faces, landmarks), together)
    for index in range(3):
        alone = alignment()(faces[index : index + 1], landmarks[index : index + 1])
        assert torch.allclose(alone, together[index : index + 1], atol=1e-3)


def test_the_gradient_is_the_pictures_and_inside_the_chip() -> None:
    faces = torch.zeros(2, 3, 300, 300, requires_grad=True)
    landmarks = torch.cat([landmarks_at(1.2, 50 + 40j), landmarks_at(2.2, 20 + 20j)]).requires_grad_()
    alignment()(faces, landmarks).sum().backward()
    assert landmarks.grad is None
    assert faces.grad is not None
    assert (faces.grad[0, :, 45:170, 55:180] > 0).all()
    assert (faces.grad[0, :, 176:] == 0).all()
    assert (faces.grad[0, :, :, :48] == 0).all()
    assert (faces.grad[1, :, 30:260, 30:260] > 0).all()
