"""Every kind of picture that people upload comes out upright, 8-bit RGB; the bad ones are one sentence."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

from vasa_core.errors import InputError
from vasa_core.io.image import IMAGE_SUFFIXES, read_image

KINDS = ["jpg", "png", "webp", "avif", "heic", "gif", "tiff", "jp2"]


@pytest.fixture
def gradient() -> np.ndarray:
    """A smooth colour picture, 40 px high and 60 px wide."""
    y, x = np.mgrid[0:40, 0:60].astype(np.float32)
    return np.stack([x * 4, y * 6, 255 - x * 2 - y], 2).clip(0, 255).astype(np.uint8)


def test_jpeg_png_webp_of_the_same_picture(tmp_path: Path, gradient: np.ndarray) -> None:
    for suffix in ("png", "jpg", "webp"):
        path = tmp_path / f"picture.{suffix}"
        Image.fromarray(gradient).save(path, quality=95)
        assert np.abs(read_image(path).astype(int) - gradient).mean() < 2


@pytest.mark.parametrize("suffix", ["avif", "heic", "bmp", "tiff", "jp2", "gif"])
def test_other_kinds_of_the_same_picture(tmp_path: Path, gradient: np.ndarray, suffix: str) -> None:
    register_heif_opener()  # to write one
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(gradient).save(path, quality=95)
    read = read_image(path)
    assert read.shape == gradient.shape
    assert np.abs(read.astype(int) - gradient).mean() < (8 if suffix == "gif" else 2)  # a palette of 256 colours
    assert suffix == "gif" or path.suffix in IMAGE_SUFFIXES


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff", "avif", "heic"])
def test_of_several_pictures_the_first(tmp_path: Path, suffix: str) -> None:
    register_heif_opener()
    path = tmp_path / f"several.{suffix}"
    pictures = [Image.new("RGB", (64, 48), colour) for colour in ((200, 30, 30), (30, 200, 30), (30, 30, 200))]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], lossless=True)
    assert np.abs(read_image(path).astype(int) - [200, 30, 30]).max() < 8


@pytest.mark.parametrize("suffix", ["jpg", "avif", "webp", "tiff"])  # HEIC's own turn is the decoder's
def test_a_phone_s_turned_photo_stands_upright(tmp_path: Path, gradient: np.ndarray, suffix: str) -> None:
    register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"turned.{suffix}"
    Image.fromarray(np.ascontiguousarray(np.rot90(gradient))).save(path, exif=exif, quality=95)
    read = read_image(path)
    assert read.shape == gradient.shape
    assert np.abs(read.astype(int) - gradient).mean() < 3


def test_contents_count_and_not_the_name(tmp_path: Path, gradient: np.ndarray) -> None:
    path = tmp_path / "picture.txt"
    Image.fromarray(gradient).save(path, format="PNG")
    assert np.array_equal(read_image(path), gradient)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path: Path, gradient: np.ndarray, orientation: int) -> None:
    stored = {  # how a camera stores the upright picture, by the EXIF standard
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a),
        7: lambda a: np.rot90(a.transpose(1, 0, 2), 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](gradient)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    assert np.array_equal(read_image(path), gradient)


def test_alpha_stands_on_grey(tmp_path: Path, gradient: np.ndarray) -> None:
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:, :30] = 0
    path = tmp_path / "alpha.png"
    Image.fromarray(np.dstack([gradient, alpha])).save(path)
    read = read_image(path)
    assert (read[:, :30] == 128).all()
    assert np.array_equal(read[:, 30:], gradient[:, 30:])


def test_palette_with_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 250, 10, 20])
    picture.putpixel((1, 1), 1)
    path = tmp_path / "palette.png"
    picture.save(path, transparency=0)
    read = read_image(path)
    assert read[0, 0].tolist() == [128, 128, 128]
    assert read[1, 1].tolist() == [250, 10, 20]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_grey_and_palette_modes(tmp_path: Path, gradient: np.ndarray, mode: str) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(gradient).convert(mode if mode != "LA" else "L").convert(mode).save(path)
    assert read_image(path).shape == (40, 60, 3)


def test_cmyk_jpeg(tmp_path: Path, gradient: np.ndarray) -> None:
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(gradient).convert("CMYK").save(path, quality=95)
    assert np.abs(read_image(path).astype(int) - gradient).mean() < 4


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_png(tmp_path: Path, gradient: np.ndarray, channels: int) -> None:
    path = tmp_path / "deep.png"
    grey = gradient[..., 0]
    wanted = gradient if channels == 3 else np.dstack([grey] * 3)
    stored = cv2.cvtColor(gradient, cv2.COLOR_RGB2BGR) if channels == 3 else grey
    cv2.imwrite(str(path), stored.astype(np.uint16) * 257)
    assert np.abs(read_image(path).astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("suffix", ["tiff", "jp2"])
def test_16_bit_grey_of_other_kinds(tmp_path: Path, gradient: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(gradient[..., 0].astype(np.uint16) * 257).save(path)
    assert np.abs(read_image(path).astype(int) - gradient[..., :1]).max() <= 1


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0, 1e6])
def test_floating_point_grey(tmp_path: Path, gradient: np.ndarray, white: float) -> None:
    grey = (gradient[..., 0] / 255 * white).astype(np.float32)
    grey[0, 0], grey[39, 59] = np.nan, white
    path = tmp_path / "float.tiff"
    Image.fromarray(grey).save(path)
    read = read_image(path).astype(int)
    assert np.abs(read - gradient[..., :1])[1:39].max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_wide_profile_is_applied_to_every_mode(tmp_path: Path, mode: str) -> None:
    """One red, said in a colour space whose red primary is sRGB's green: it comes out green."""
    path = tmp_path / "swapped.png"
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(profile[i : i + 4]): i for i in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12)}
    red, green = (profile[tags[name] + 4 : tags[name] + 12] for name in (b"rXYZ", b"gXYZ"))
    profile[tags[b"rXYZ"] + 4 : tags[b"rXYZ"] + 12] = green
    profile[tags[b"gXYZ"] + 4 : tags[b"gXYZ"] + 12] = red
    Image.new("RGB", (8, 8), (255, 0, 0)).convert(mode).save(path, icc_profile=bytes(profile))
    assert np.abs(read_image(path).astype(int) - [0, 255, 0]).max() <= 2


def test_colour_profile_is_applied_and_a_broken_one_ignored(tmp_path: Path, gradient: np.ndarray) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, profile in (("good", srgb), ("broken", b"no profile")):
        path = tmp_path / f"{name}.png"
        Image.fromarray(gradient).save(path, icc_profile=profile)
        assert np.abs(read_image(path).astype(int) - gradient).max() <= 1


def test_missing_and_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.png does not exist"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)
    for content in (b"", b"hello, this is text"):
        path = tmp_path / "text.png"
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not an image"):
            read_image(path)


@pytest.mark.parametrize("suffix", [*KINDS, "bmp"])
def test_truncated_anywhere(tmp_path: Path, suffix: str) -> None:
    register_heif_opener()
    whole = tmp_path / f"whole.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(whole)
    data = whole.read_bytes()
    path = tmp_path / f"cut.{suffix}"
    for share in (0.002, 0.01, 0.05, 0.3, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError):
            read_image(path)


@pytest.mark.parametrize("suffix", KINDS)
def test_flipped_bytes_never_crash(tmp_path: Path, gradient: np.ndarray, suffix: str) -> None:
    register_heif_opener()
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(gradient).save(whole)
    data = np.frombuffer(whole.read_bytes(), np.uint8)
    generator = np.random.default_rng(1)
    path = tmp_path / f"bad.{suffix}"
    for _ in range(60):
        broken = data.copy()
        broken[generator.integers(0, len(data), 3)] = generator.integers(0, 256, 3)
        path.write_bytes(broken.tobytes())
        try:
            assert read_image(path).dtype == np.uint8
        except InputError as error:
            assert str(error).startswith("bad.")


@pytest.mark.parametrize(("width", "height"), [(20_000, 10_000), (10_000, 10_001)])
def test_too_many_pixels_is_read_from_the_header(tmp_path: Path, width: int, height: int) -> None:
    """The file has no pixel data at all: decoding it would be another error."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT"
    path = tmp_path / "huge.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
        + struct.pack(">I", 0) + data + struct.pack(">I", zlib.crc32(data))
    )  # fmt: skip
    with pytest.raises(InputError, match="expected at most 100 megapixels"):
        read_image(path)


MEASURED = """
import resource, sys
from pathlib import Path
from vasa_core.io.image import read_image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
shape = read_image(Path(sys.argv[1])).shape
print(*shape, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)
"""


@pytest.mark.parametrize(
    ("suffix", "mode", "most"),
    [("jpg", "RGB", 500), ("png", "L", 400), pytest.param("webp", "RGB", 900, marks=pytest.mark.slow)],
)
def test_100_megapixels_are_read_in_bounded_memory(tmp_path: Path, suffix: str, mode: str, most: int) -> None:
    """most: MB. 100 megapixels, of WebP's largest shape; a copy of them in RGB has 300 MB."""
    path = tmp_path / f"large.{suffix}"
    Image.new(mode, (16_000, 6_250), 77).save(path, quality=50, compress_level=1, method=0)
    command = [sys.executable, "-c", MEASURED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    height, width, _, used = map(int, done.stdout.split())
    assert (height, width) == (3125, 8000)
    assert used < most


def test_a_picture_made_smaller_keeps_its_place_and_its_turn(
    tmp_path: Path, gradient: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vasa_core.io.image.KEPT_PIXELS", 4 * 40 * 60)
    large = np.asarray(Image.fromarray(gradient).resize((240, 160), Image.Resampling.BICUBIC))
    exif = Image.Exif()
    exif[0x0112] = 8
    for suffix, bound in (("png", 1), ("jpg", 3)):
        path = tmp_path / f"large.{suffix}"
        Image.fromarray(np.ascontiguousarray(np.rot90(large, -1))).save(path, exif=exif, quality=95)
        read = read_image(path)
        assert read.shape == (80, 120, 3)
        wanted = np.asarray(Image.fromarray(gradient).resize((120, 80), Image.Resampling.BICUBIC)).astype(int)
        assert np.abs(read - wanted)[2:-2, 2:-2].mean() < bound
