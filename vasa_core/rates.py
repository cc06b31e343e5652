"""Every rate of the system, derived by exact division so that audio and video can never drift."""


def exact_div(numerator: int, denominator: int) -> int:
    """numerator / denominator. Raises ValueError unless the division is exact."""
    if numerator % denominator:
        raise ValueError(f"{numerator} is not a multiple of {denominator}")
    return numerator // denominator


SAMPLE_RATE = 16_000  # Hz, mono
FPS = 25  # video frames a second
SAMPLES_PER_FRAME = exact_div(SAMPLE_RATE, FPS)  # 640


def frame_count(samples: int) -> int:
    """Video frames for `samples` audio samples: round(seconds * FPS), halves to even as `round` does."""
    return round(samples * FPS / SAMPLE_RATE)
