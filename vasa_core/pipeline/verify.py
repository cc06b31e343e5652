"""What a file says of how it was made: its signed manifest, the invisible mark, the container's tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vasa_core.errors import InputError
from vasa_core.files import check_source
from vasa_core.io.image import IMAGE_SUFFIXES, read_image
from vasa_core.io.tags import read_tags
from vasa_core.io.video import read_frames
from vasa_core.provenance.manifest import AI_MADE, INVALID, ManifestState, read_manifest
from vasa_core.provenance.mark import FALSE_ALARM_RATE, MARKED_FROM, mark_score

VERIFIED_FRAMES, VERIFIED_STEP = 250, 5  # of a video: how far it is looked at, and every how many frames


@dataclass(frozen=True)
class Verification:
    """What was found in a file.

    marked: whether the invisible mark is in its pictures. false_alarm_rate: share of files not made by this project in
    which it is found, at most. frames: that were looked at. tags: of the container.
    """

    path: str
    manifest: ManifestState
    mark_score: float
    marked: bool
    false_alarm_rate: float
    frames: int
    tags: Mapping[str, str]

    @property
    def says(self) -> str:
        """All of it in words, a line each."""
        mark = "the mark is in it: this project made the pictures" if self.marked else "no mark can be found in it"
        tagged = any(AI_MADE in value for value in self.tags.values())
        made = f"; {self.manifest.generator} made it, by AI" if self.manifest.ai_made else ""
        return (
            f"manifest: {self.manifest.says}{made if self.manifest.state != INVALID else ''}\n"
            f"mark: {mark} (score {self.mark_score:.2f}, taken for marked from {MARKED_FROM:g} on, which "
            f"at most {self.false_alarm_rate:.2g} of other files reach)\n"
            f"metadata: {'says that it is AI-generated' if tagged else 'does not say that it is AI-generated'}"
        )


def verify(path: Path) -> Verification:
    """Look at a picture or a video. What is not found proves nothing: every one of the three can be removed.

    Raises InputError for a file that is neither, MissingModelError if c2pa-python is not installed.
    """
    check_source(path, "a picture or a video")
    is_image = path.suffix.lower() in IMAGE_SUFFIXES
    frames = [read_image(path)] if is_image else list(islice(read_frames(path), 0, VERIFIED_FRAMES, VERIFIED_STEP))
    if not frames:
        raise InputError(f"{path.name} holds no frames; expected a picture or a video.")
    score, tags = mark_score(frames, VERIFIED_STEP), {} if is_image else read_tags(path)
    manifest = read_manifest(path)
    return Verification(str(path), manifest, score, score >= MARKED_FROM, FALSE_ALARM_RATE, len(frames), tags)
