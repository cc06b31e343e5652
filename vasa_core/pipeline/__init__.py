"""The one place where face, audio and motion meet at run time."""

from vasa_core.pipeline.pipeline import Pipeline, Prepared, VideoResult

__all__ = ["Pipeline", "Prepared", "VideoResult"]
