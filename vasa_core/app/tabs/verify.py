"""Verify: a file, and what it tells of how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, no_type_check

import gradio as gr

from vasa_core.app.follow import followed, given_files, visitor_of, with_names
from vasa_core.app.job import Line
from vasa_core.app.parts import ANNOUNCED, EXAMPLE_RESULT, Studio, connect_job, job_bar, take_uploads
from vasa_core.app.status import sentence
from vasa_core.app.wishes import Inspection
from vasa_core.options import MAX_UPLOAD_MB

PREFIX = "verify-"
READY = "Add a picture or a video, or take the example; then press Verify."
ABOUT = (
    f"A picture or a video of at most {MAX_UPLOAD_MB} MB. Three things are looked for: a signed manifest (C2PA), "
    "this project's invisible mark, and the file's metadata. What is not found proves nothing: each can be removed."
)
TITLES = {"manifest": "Signed manifest", "mark": "Invisible mark", "metadata": "Metadata"}


def verify_tab(studio: Studio) -> None:
    """Lay out the tab here."""
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="desk-give"):
            file = gr.File(label="Picture or video", file_count="single", elem_id=f"{PREFIX}file", height=140)
            take_uploads(file)
            gr.Examples(
                [[str(EXAMPLE_RESULT)]],
                [file],
                label="Examples",
                example_labels=["A video made here (4 s)"],
                elem_id=f"{PREFIX}example",
            )
            bar = job_bar("Verify", READY, PREFIX)
            gr.Markdown(ABOUT)
        with gr.Column(elem_classes="desk-show"):
            found = gr.HTML(found_in(None), elem_id=f"{PREFIX}found", elem_classes="found", js_on_load=ANNOUNCED)
    connect_job(studio, bar, _verifier(studio.line), [file], [bar.status, found], PREFIX)


def _verifier(line: Line) -> Any:
    """The tab's Verify: (status, what was found) several times a second."""

    @no_type_check
    def verify(request, file) -> Iterator[tuple[str, str]]:
        def wish() -> Inspection:
            (path,) = given_files(file=file)
            return Inspection(visitor_of(request), path)

        for said, _, result in followed(line, wish, lambda found: sentence(f"Done: {_name(found)} was looked at.")):
            yield said, found_in(result)

    return with_names(verify, ["file"])


def _name(found: Any) -> str:
    return found.path.rpartition("/")[2]


def found_in(found: Any) -> str:
    """A `Verification` as HTML: a heading and plain words for each of the three, then the container's tags."""
    if found is None:
        return "<p>What a file tells is shown here.</p>"
    parts = []
    for line in found.says.splitlines():
        what, _, words = line.partition(": ")
        parts.append(f"<h3>{TITLES[what]}</h3><p>{escape(words[:1].upper() + words[1:])}.</p>")
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in found.tags.items())
    table = f'<table aria-label="The tags of the file">{rows}</table>' if rows else "<p>The file has no tags.</p>"
    looked = "1 picture" if found.frames == 1 else f"{found.frames} frames"
    return f"<h2>{escape(_name(found))}</h2>{''.join(parts)}{table}<p>The mark was looked for in {looked}.</p>"
