"""The one place where face, audio and motion meet at run time."""

from vasa_core.pipeline.pipeline import Pipeline, VideoResult
from vasa_core.pipeline.prepared import Prepared
from vasa_core.pipeline.showcase import showcase

__all__ = ["Pipeline", "Prepared", "VideoResult", "showcase"]
