"""dlib's network in torch is dlib's network: known numbers, dlib itself, and a file read to its last byte."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vasa_core.assets import resolve
from vasa_core.data.descriptors import IdentityDescriptor, open_descriptor
from vasa_core.data.descriptors.dlib import LANDMARKS, SIDE, DlibNetwork
from vasa_core.errors import InputError
from vasa_core.io.image import read_image
from vasa_core.preprocess.landmarker import Landmarker

# What dlib 20.0.1 gives for `painted_chip`: the first eight of 128 numbers.
KNOWN = (-0.0492, 0.1225, 0.0829, -0.0180, -0.1097, -0.0317, -0.0634, -0.0088)


@pytest.fixture(scope="module")
def file() -> Path:
    return resolve("identity_descriptor")


@pytest.fixture(scope="module")
def descriptor() -> IdentityDescriptor:
    found = open_descriptor("dlib")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def face(portrait: Path) -> tuple[np.ndarray, np.ndarray]:
    """The bundled portrait and its landmarks, rounded to whole px."""
    image = read_image(portrait)
    with Landmarker(resolve("face_landmarker")) as landmarker:
        found = landmarker(image)
    assert found is not None
    return image, found[0][:, :2].round()


def batch(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def painted_chip() -> np.ndarray:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return np.dstack([x * 255 // 149, y * 255 // 149, (x * y) % 256]).astype(np.uint8)


def run(descriptor: IdentityDescriptor, chip: np.ndarray) -> np.ndarray:
    return descriptor.network(torch.from_numpy(chip).permute(2, 0, 1)[None].float())[0].numpy()


def test_known_numbers(descriptor: IdentityDescriptor) -> None:
    assert run(descriptor, painted_chip())[:8] == pytest.approx(KNOWN, abs=1e-4)


def test_the_same_as_dlib_on_the_same_chip(
    descriptor: IdentityDescriptor, file: Path, face: tuple[np.ndarray, np.ndarray]
) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib is not installed; `pip install dlib-bin==20.0.1.post1` gets it")
    model = dlib.face_recognition_model_v1(str(file))
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    for chip in (noise, cv2.resize(face[0], (SIDE, SIDE), interpolation=cv2.INTER_AREA)):
        assert run(descriptor, chip) == pytest.approx(np.array(model.compute_face_descriptor(chip)), abs=1e-4)


@pytest.mark.parametrize(("side", "turn"), [(512, 0.0), (512, 20.0), (1000, -10.0)])
def test_nearly_dlibs_own_chip(
    descriptor: IdentityDescriptor, file: Path, face: tuple[np.ndarray, np.ndarray], side: int, turn: float
) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib is not installed; `pip install dlib-bin==20.0.1.post1` gets it")
    matrix = cv2.getRotationMatrix2D((256, 256), turn, 1) * side / 512
    image = cv2.warpAffine(face[0], matrix, (side, side), flags=cv2.INTER_CUBIC)
    landmarks = (face[1] @ matrix[:, :2].T + matrix[:, 2]).round().astype(np.float32)
    points = [dlib.point(int(x), int(y)) for x, y in landmarks[list(LANDMARKS)]]
    wanted = dlib.get_face_chip(image, dlib.full_object_detection(dlib.rectangle(0, 0, side, side), points), SIDE, 0.25)
    found = descriptor.alignment(batch(image), torch.from_numpy(landmarks)[None])
    assert np.abs(found[0].permute(1, 2, 0).numpy() - 0.5 - wanted).mean() < 1.5  # dlib cuts the fraction off
    model = dlib.face_recognition_model_v1(str(file))
    own = np.array(model.compute_face_descriptor(wanted))
    assert np.linalg.norm(descriptor.network(found)[0].numpy() - own) < 0.03


def test_unit_vectors_that_know_the_face(descriptor: IdentityDescriptor, face: tuple[np.ndarray, np.ndarray]) -> None:
    image, landmarks = face
    points = torch.from_numpy(landmarks)[None]
    dimmed, stretched = (0.7 * image).astype(np.uint8), cv2.resize(image, None, fx=1.0, fy=1.5)
    same = descriptor(torch.cat([batch(image), batch(dimmed)]), points.repeat(2, 1, 1))
    other = descriptor(batch(stretched), points * torch.tensor([1.0, 1.5]))
    assert same.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert (same[0] - same[1]).norm() < 0.15 < 0.2 < (same[0] - other[0]).norm()


def test_the_gradient_reaches_the_picture_and_not_the_weights(
    descriptor: IdentityDescriptor, face: tuple[np.ndarray, np.ndarray]
) -> None:
    points = torch.from_numpy(face[1])[None]
    target = torch.nn.functional.normalize(torch.randn(1, 128, generator=torch.Generator().manual_seed(0)), dim=1)
    picture = batch(face[0]).requires_grad_()
    before = (descriptor(picture, points) * target).sum()
    before.backward()
    length = picture.grad.norm() if picture.grad is not None else torch.zeros(())
    assert picture.grad is not None
    assert 0 < float(length) < 1e3
    assert not any(p.requires_grad for p in descriptor.parameters())
    step = 1e-2 * picture.grad / length
    with torch.no_grad():
        after = (descriptor(picture + step, points) * target).sum()
    assert float(after - before.detach()) == pytest.approx(1e-2 * float(length), rel=0.1)


def test_training_mode_changes_nothing(descriptor: IdentityDescriptor, face: tuple[np.ndarray, np.ndarray]) -> None:
    points = torch.from_numpy(face[1])[None]
    before = descriptor(batch(face[0]), points)
    descriptor.train()
    after = descriptor(batch(face[0]), points)
    descriptor.eval()
    assert torch.equal(before, after)


@pytest.mark.parametrize("damage", ["cut", "longer", "other text", "other size", "empty"])
def test_another_file_is_refused(file: Path, tmp_path: Path, damage: str) -> None:
    data = file.read_bytes()
    damaged = {
        "cut": data[:-1],
        "longer": data + b"\0",
        "other text": data.replace(b"con_4", b"con_5", 1),
        "other size": data.replace(b"con_4\x01\x02\x02\x80\x12", b"con_4\x01\x02\x02\x80\x13", 1),
        "empty": b"",
    }[damage]
    assert damaged != data
    path = tmp_path / "other.dat"
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"other\.dat: .* expected"):
        DlibNetwork(path)
