"""What callers may have to catch."""

from __future__ import annotations


class InputError(ValueError):
    """The user's input cannot be used; the message is one sentence that names the value and what was expected."""


class Cancelled(Exception):
    """The caller asked a running job to stop."""


class MissingModelError(RuntimeError):
    """A third-party model file is not on this machine; the message names it and the command that gets it."""
