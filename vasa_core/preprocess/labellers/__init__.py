"""Condition labellers (VASA-1, section 3.2): gaze, distance and emotion of the frames of a tracked face clip."""

from vasa_core.preprocess.labellers.labels import Labeller, Labellers, Labels, reordered
from vasa_core.preprocess.labellers.opening import open_labellers

__all__ = ["Labeller", "Labellers", "Labels", "open_labellers", "reordered"]
