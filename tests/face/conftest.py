"""Fixtures of the face tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkpoints() -> Path:
    """The bundled checkpoints."""
    return Path(__file__).parent.parent.parent / "checkpoints"
