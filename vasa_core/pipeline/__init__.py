"""The one place where face, audio and motion meet at run time."""

from vasa_core.audio.voice import speak
from vasa_core.pipeline.compare import compare
from vasa_core.pipeline.pipeline import Pipeline
from vasa_core.pipeline.prepared import Prepared
from vasa_core.pipeline.showcase import showcase
from vasa_core.pipeline.video import Video, VideoResult

__all__ = ["Pipeline", "Prepared", "Video", "VideoResult", "compare", "showcase", "speak"]
