"""One generation for a visitor: made on a worker's thread, watched and ended from the handler's."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline

POLL_SECONDS = 0.2


def run(
    worker: ThreadPoolExecutor,
    pipeline: Pipeline,
    face_model: str,
    portrait: Path,
    speech: Path,
    options: GenerationOptions,
) -> Iterator[tuple[int, int, Path | None]]:
    """Generate on `worker`; yields (frames done, frames in all, None) while it runs, then the video.

    The video lives until the caller asks for the next item. Closing this generator stops the work without waiting
    for it; either way nothing is left on disk.
    """
    stopped = threading.Event()
    folder = tempfile.TemporaryDirectory(prefix="vasa_")
    out = Path(folder.name) / "result.mp4"
    reached = (0, 1)

    def report(done: int, total: int) -> None:
        nonlocal reached
        reached = (done, total)

    watch: Any = {"cancelled": stopped.is_set, "progress": report}
    job = worker.submit(lambda: pipeline.with_face(face_model).generate(portrait, speech, out, options, **watch))
    try:
        while wait([job], POLL_SECONDS).not_done:
            yield *reached, None
        job.result()
        yield *reached, out
    finally:
        stopped.set()
        job.cancel()
        job.add_done_callback(lambda _: folder.cleanup())
