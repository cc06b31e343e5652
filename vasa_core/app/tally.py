"""A blind test of two settings, A and B: which is shown on which side, what was judged, and what that says."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace

LEFT, RIGHT, NEITHER = ("left", "right", "neither")
_Z = 1.959964  # standard deviations of a normal distribution, 95 % of which lie within


@dataclass(frozen=True)
class Blind:
    """A test so far.

    settings: JSON of A and B. rounds: pairs that were made; the next one's seed. a_on: the side on which A is shown;
    "" if no pair waits for a judgement. a, b, neither: how often each was judged better.
    """

    settings: tuple[str, str] = ("", "")
    rounds: int = 0
    a_on: str = ""
    a: int = 0
    b: int = 0
    neither: int = 0

    def of(self, a: str, b: str) -> Blind:
        """This test, or a new one if it was of other settings; no pair waits."""
        return replace(self, a_on="") if self.settings == (a, b) else Blind((a, b))

    def shuffled(self) -> Blind:
        """The test with its next pair, in random order."""
        return replace(self, rounds=self.rounds + 1, a_on=secrets.choice((LEFT, RIGHT)))

    def judged(self, better: str) -> Blind:
        """The test after a judgement, LEFT, RIGHT or NEITHER, of the pair that waits; the same if none does."""
        if not self.a_on:
            return self
        if better == NEITHER:
            return replace(self, a_on="", neither=self.neither + 1)
        if better == self.a_on:
            return replace(self, a_on="", a=self.a + 1)
        return replace(self, a_on="", b=self.b + 1)

    @property
    def says(self) -> str:
        """The tally in a sentence or two."""
        decided = self.a + self.b
        told = f"A was better {self.a} times, B {self.b} times, neither {self.neither} times."
        if not decided:
            return told
        low, high = wilson(self.b, decided)
        reach = f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"
        share = f"B won {100 * self.b / decided:.0f} % of those decided ({reach})"
        more = "more than chance says" if low > 0.5 or high < 0.5 else "which chance alone may give"
        return f"{told} {share}, {more}."


def wilson(won: int, of: int) -> tuple[float, float]:
    """The 95 % interval of Wilson for a share, of `of` trials, at least 1, that were won."""
    share, spread = won / of, _Z**2 / of
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
