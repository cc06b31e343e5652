"""What callers may have to catch."""

from __future__ import annotations

_SHOWN = 80  # characters of a value in a sentence


class InputError(ValueError):
    """The user's input cannot be used; the message is one sentence that names the value and what was expected."""


class Cancelled(Exception):
    """The caller asked a running job to stop."""


class MissingModelError(RuntimeError):
    """A third-party model file is not on this machine; the message names it and the command that gets it."""


def shown(value: object) -> str:
    """A value as sentences show it: its `repr` on one line, the middle of a long one left out."""
    try:
        text = repr(value)
    except ValueError:  # an int of thousands of digits
        text = f"a very long {type(value).__name__}"
    return shortened(" ".join(text.split()))


def shortened(text: str) -> str:
    """A name or a value, the middle of a long one left out."""
    half = _SHOWN // 2
    return text if len(text) <= _SHOWN + 3 else f"{text[:half]}...{text[-half:]}"
