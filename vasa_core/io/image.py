"""Photos in: JPEG, PNG or WebP of any kind (EXIF orientation, alpha, palette, grey, CMYK, 16 bit) as 8-bit RGB."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from vasa_core.errors import InputError
from vasa_core.files import write_bytes
from vasa_core.options import MAX_IMAGE_PIXELS

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_FORMATS = ("JPEG", "PNG", "WEBP")
_BACKDROP = (128, 128, 128, 255)  # what transparent pixels stand before
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error)


def read_image(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """A photo as it should be seen, sRGB.

    Raises InputError if it is missing, not a JPEG, PNG or WebP, damaged, or larger than MAX_IMAGE_PIXELS (read
    from its header, before any pixel is decoded).
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected a JPEG, PNG or WebP image.")
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise InputError(_too_large(path, f"{image.width}x{image.height} px"))
            image.load()
            return np.array(_as_srgb(ImageOps.exif_transpose(image)))
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(_too_large(path, "a decompression bomb's size")) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path.name} is not an image; expected a JPEG, PNG or WebP file.") from error
    except _BROKEN as error:
        raise InputError(f"{path.name} is damaged or cut short; expected a whole JPEG, PNG or WebP file.") from error


def write_png(target: Path, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write an RGB image as a PNG file, whole or as it was."""
    write_bytes(target, cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())


def _too_large(path: Path, size: str) -> str:
    return f"{path.name} has {size}; expected at most {MAX_IMAGE_PIXELS // 1_000_000} megapixels."


def _as_srgb(image: Image.Image) -> Image.Image:
    """8-bit RGB in sRGB, on a grey backdrop where the image is transparent."""
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):  # 16-bit grey
        image = Image.fromarray((np.asarray(image, np.float32) / 257).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", image.size, _BACKDROP), image).convert("RGB")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError):  # an unusable profile: the pixel values as they are
            return image.convert("RGB")
    return image.convert("RGB")
