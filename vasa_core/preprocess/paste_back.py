"""Frames of a crop put back into the whole photo."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.preprocess.portrait import ANTIALIAS, FaceCrop

MAX_PASTED = 1920  # px, longest side of a video that shows the whole photo
_FEATHER = 0.06  # of the crop's side: where a pasted frame fades into the photo

Image = UInt8[np.ndarray, "_ _ 3"]


class PasteBack:
    """Puts frames of a crop back into the whole photo; what can be done once is done here.

    The picture is the photo, its longest side at most MAX_PASTED px and both sides even.
    """

    def __init__(
        self, crop: FaceCrop, original: Image, zoom: float = 1.0, centre: Float[np.ndarray, " 2"] | None = None
    ) -> None:
        """zoom: magnification of the whole picture about `centre` (px of the crop, its middle by default).

        Where a zoom below 1 looks beyond the photo, its edges go on.
        """
        height, width = original.shape[:2]
        side = crop.tracked.image.shape[0]
        scale = min(1.0, MAX_PASTED / max(height, width))
        shrunk = (max(2, round(scale * width)), max(2, round(scale * height)))
        photo = cv2.resize(original, shrunk, interpolation=cv2.INTER_AREA) if scale < 1 else original
        self.size = (shrunk[1] - shrunk[1] % 2, shrunk[0] - shrunk[0] % 2)  # height, width
        sides = np.array([shrunk[0] / width, shrunk[1] / height])
        to_crop = crop.matrix / np.append(sides, 1)  # px of the shrunk photo -> px of the crop
        to_crop[:, 2] += crop.matrix[:, :2] @ (0.5 / sides - 0.5)
        middle = np.full(2, (side - 1) / 2) if centre is None else centre
        fixed = np.linalg.solve(to_crop[:, :2], middle - to_crop[:, 2])  # px of the shrunk photo
        back = np.hstack([np.eye(2) / zoom, (fixed * (1 - 1 / zoom))[:, None]])  # px of the picture -> shrunk photo
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
        if zoom != 1:
            photo = cv2.warpAffine(photo, back, self.size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        self._photo = np.ascontiguousarray(photo[: self.size[0], : self.size[1]])
        local = to_crop[:, :2] @ back
        local[:, 2] += to_crop[:, 2]
        corners = np.array([[-0.5, -0.5], [side - 0.5, side - 0.5]])
        ends = (corners - local[:, 2]) @ np.linalg.inv(local[:, :2]).T
        low, high = np.floor(ends[0]).astype(int).clip(0), np.ceil(ends[1] + 1).astype(int).clip(1, self.size[::-1])
        self._part = (slice(low[1], high[1]), slice(low[0], high[0]))
        local[:, 2] += local[:, :2] @ low
        self._local, self._area = local, (int(high[0] - low[0]), int(high[1] - low[1]))
        self._blur = ANTIALIAS * float(local[0, 0]) if local[0, 0] > 1 else 0.0
        fade = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5)
        fade = np.clip(fade / (_FEATHER * side), 0, 1).astype(np.float32)
        linear = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        self._share = cv2.warpAffine(np.minimum.outer(fade, fade), self._local, self._area, flags=linear)
        self._rest = 1 - self._share

    def __call__(self, frame: Image) -> Image:
        """The picture with a frame of the crop in the crop's place, faded in at the crop's edges."""
        smooth = cv2.GaussianBlur(frame, (0, 0), self._blur) if self._blur else frame
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
        warped = cv2.warpAffine(smooth, self._local, self._area, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        result = self._photo.copy()
        part = np.ascontiguousarray(result[self._part])
        result[self._part] = cv2.blendLinear(part, warped, self._rest, self._share)
        return result
