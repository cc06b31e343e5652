"""What whoever runs the app may set: where it listens, who may come, and how much they may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from vasa_core.errors import InputError, shown
from vasa_core.options import MAX_AUDIO_SECONDS, MIN_AUDIO_SECONDS, USUAL_APP_SECONDS

LONGEST_QUEUE = 16  # videos that wait
LIVE_SECONDS = (1.0, 86_400.0)  # of a live session
PORTS = (1, 65535)


@dataclass(frozen=True)
class Settings:
    """host, port: None are Gradio's (127.0.0.1, the first free one from 7860). auth: USER:PASS, None for an open app.

    max_seconds: of speech. queue: videos that may wait. live: live sessions at once; each takes about a core.
    live_seconds: that one may last. Raises InputError for what none of these can be.
    """

    host: str | None = None
    port: int | None = None
    auth: str | None = None
    max_seconds: float = USUAL_APP_SECONDS
    queue: int = LONGEST_QUEUE
    live: int = 2
    live_seconds: float = 600.0

    def __post_init__(self) -> None:
        if self.port is not None and not PORTS[0] <= self.port <= PORTS[1]:
            raise InputError(f"port is {self.port}; expected a number from {PORTS[0]} to {PORTS[1]}.")
        if not MIN_AUDIO_SECONDS <= self.max_seconds <= MAX_AUDIO_SECONDS:
            reach = f"{MIN_AUDIO_SECONDS} to {MAX_AUDIO_SECONDS}"
            raise InputError(f"max_seconds is {self.max_seconds:g}; expected a number from {reach}.")
        if self.queue < 0:
            raise InputError(f"queue is {self.queue}; expected 0 or more.")
        if self.live < 0:
            raise InputError(f"live is {self.live}; expected 0 or more.")
        if not LIVE_SECONDS[0] <= self.live_seconds <= LIVE_SECONDS[1]:
            reach = f"{LIVE_SECONDS[0]:g} to {LIVE_SECONDS[1]:g}"
            raise InputError(f"live_seconds is {self.live_seconds:g}; expected a number from {reach}.")
        if self.auth is not None and not all(self.auth.partition(":")):
            raise InputError(f"auth is {shown(self.auth.partition(':')[0])} without a password; expected USER:PASS.")

    @property
    def login(self) -> tuple[str, str] | None:
        """Name and password."""
        if self.auth is None:
            return None
        name, _, password = self.auth.partition(":")
        return name, password
