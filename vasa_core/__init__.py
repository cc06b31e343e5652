"""One portrait photo and a speech clip in, a talking-head video out."""

__version__ = "0.1.0"
