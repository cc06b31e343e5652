"""Photos in: PICTURES of any kind (EXIF orientation, alpha, palette, grey, CMYK, 16 bit) as 8-bit RGB."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from vasa_core.errors import InputError
from vasa_core.files import check_source, write_bytes
from vasa_core.options import MAX_IMAGE_PIXELS, PICTURES

# Of files that hold one picture: a GIF may be a video as well.
IMAGE_SUFFIXES = {
    *(".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".heif", ".bmp", ".tif", ".tiff", ".jp2", ".j2k")
}
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF", "JPEG2000")
_BACKDROP = (128, 128, 128, 255)  # what transparent pixels stand before
KEPT_PIXELS = 32_000_000  # larger pictures are halved, or made smaller still, as they are read
_KEPT_SIDE = 30_000  # px; OpenCV moves no pixels of longer pictures
_STRIP = 64  # rows of the result that are converted at once
_ORIENTATION = 0x0112  # EXIF
_WHITES = {
    "F": (1.0, 255.0, 65535.0),
    "I": (255.0, 65535.0),
}  # of numbers without a fixed range: the smallest that holds all
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, RuntimeError),
    *(struct.error, zlib.error),
)


def read_image(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """A photo as it should be seen, sRGB; of several pictures in one file the first. Above 32 megapixels, and where a
    side is longer than 30,000 px, it is made smaller by a whole number as it is read.

    Raises InputError if it is missing, none of PICTURES, damaged, or larger than MAX_IMAGE_PIXELS (read from its
    header, before any pixel is decoded).
    """
    check_source(path, f"a picture ({PICTURES})")
    _know_heic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about sizes and odd metadata: what counts is raised here
            with Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > MAX_IMAGE_PIXELS:
                    raise InputError(_too_large(path, f"{image.width}x{image.height} px"))
                return np.array(_upright(image))
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(_too_large(path, "a decompression bomb's size")) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path.name} is not an image that can be read; expected {PICTURES}.") from error
    except _BROKEN as error:
        raise InputError(f"{path.name} is damaged or cut short; expected a whole picture ({PICTURES}).") from error


def write_png(target: Path, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write an RGB image as a PNG file, whole or as it was."""
    write_bytes(target, cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())


@cache
def _know_heic() -> None:
    """Teach Pillow to read HEIC, once."""
    from pi_heif import register_heif_opener

    register_heif_opener()


def _too_large(path: Path, size: str) -> str:
    return f"{path.name} has {size}; expected at most {MAX_IMAGE_PIXELS // 1_000_000} megapixels."


def _upright(image: Image.Image) -> Image.Image:
    """The picture decoded, no larger than what is kept, in sRGB, turned as its EXIF says."""
    factor = _factor(image)
    image.draft(None, (math.ceil(image.width / factor), math.ceil(image.height / factor)))  # JPEG decodes smaller
    image.load()
    shrunk = _shrunk(image, _factor(image))
    orientation = image.getexif().get(_ORIENTATION)
    if orientation:
        shrunk.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(shrunk)


def _factor(image: Image.Image) -> int:
    pixels, longest = image.width * image.height, max(image.size)
    return max(1, math.ceil(math.sqrt(pixels / KEPT_PIXELS)), math.ceil(longest / _KEPT_SIDE))


def _shrunk(image: Image.Image, factor: int) -> Image.Image:
    """The picture in sRGB, `factor` times smaller, converted strip by strip: a large one has no room for copies."""
    white = _white(image)
    if factor == 1:
        return _as_srgb(image, white)
    result = Image.new("RGB", (math.ceil(image.width / factor), math.ceil(image.height / factor)))
    for row in range(0, result.height, _STRIP):
        strip = image.crop((0, row * factor, image.width, min(image.height, (row + _STRIP) * factor)))
        result.paste(_as_srgb(strip, white).reduce(factor), (0, row))
    return result


def _white(image: Image.Image) -> float:
    """The number that is white in a grey picture of more than 8 bits."""
    if image.mode not in _WHITES:
        return 65535.0
    values = np.asarray(image)
    highest = float(values.max(initial=1, where=np.isfinite(values)))
    return next((white for white in _WHITES[image.mode] if highest <= white), highest)


def _as_srgb(image: Image.Image, white: float) -> Image.Image:
    """8-bit RGB in sRGB, on a grey backdrop where the image is transparent. white: of `_white`."""
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N", "F"):
        grey = np.nan_to_num(np.asarray(image, np.float32) * (255 / white))
        image = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, _BACKDROP), image).convert("RGB")
    if image.mode == "LAB":
        return _converted(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if image.mode in ("P", "1", "YCbCr", "RGBX", "HSV"):
        image = image.convert("RGB")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            return _converted(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError):  # an unusable profile: the pixel values as they are
            return image.convert("RGB")
    return image.convert("RGB")


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert made is not None  # it is only where the image itself is changed
    return made
