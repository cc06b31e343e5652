"""Reenact: a photo moves as the person in a video does, or with the head of one video and the face of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, no_type_check

import gradio as gr

from vasa_core.app.follow import followed, given_files, visitor_of, with_names
from vasa_core.app.job import Line
from vasa_core.app.parts import (
    CONSENT,
    EXAMPLE_RESULT,
    HIDDEN,
    SMALL,
    Portrait,
    Studio,
    connect_faces,
    connect_job,
    face_examples,
    faces_line,
    job_bar,
    portrait_input,
    stage,
    video_input,
)
from vasa_core.app.wishes import Reenactment
from vasa_core.errors import InputError
from vasa_core.options import CONTROLS, MESH, SPIN, GenerationOptions

PREFIX = "reenact-"
READY = "Add a portrait and a video of a face to follow, then press Reenact."
FOLLOWED, OTHER, SPINNING, STILL = "of the video", "of another video", "spinning", "still, as in the photo"
ABOUT = (
    "The video's first frame has to show a face; its sound goes along. The result is as long as the video, or the "
    "shorter one of two."
)


def reenact_tab(studio: Studio) -> None:
    """Lay out the tab here."""
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="desk-give"):
            with gr.Row(elem_classes="desk-inputs"):
                portrait, driving = portrait_input(PREFIX, SMALL), video_input("Video to follow", f"{PREFIX}driving")
            faces, face = faces_line(PREFIX), gr.Number(0, visible=False, precision=0)
            face_examples(portrait, PREFIX)
            gr.Examples(
                [[str(EXAMPLE_RESULT)]],
                [driving],
                label="Videos",
                example_labels=["A video made here (4 s)"],
                elem_id=f"{PREFIX}example-videos",
            )
            bar = job_bar("Reenact", READY, PREFIX)
            gr.Markdown(ABOUT)
        with gr.Column(elem_classes="desk-show"):
            shown = stage("Result", PREFIX)
            gr.Markdown(CONSENT)
        with gr.Column(elem_classes="desk-tune"):
            look: Any = {"value": FOLLOWED, "info": "Where the movement comes from."}
            head = gr.Radio([FOLLOWED, OTHER, SPINNING, STILL], label="Head", elem_id=f"{PREFIX}head", **look)
            posing = video_input("Video for the head", f"{PREFIX}posing")
            posing.visible = False
            mimic = gr.Radio([FOLLOWED, STILL], label="Face", elem_id=f"{PREFIX}face", **look)
            framing = gr.Radio(
                list(CONTROLS["framing"].choices),
                value=CONTROLS["framing"].default,
                label=CONTROLS["framing"].label,
                info=CONTROLS["framing"].help,
                elem_id=f"{PREFIX}framing",
            )
    head.input(lambda source: gr.Video(visible=source == OTHER), head, posing, queue=False, **HIDDEN)
    connect_faces(studio, Portrait(portrait, faces), face)
    given = [portrait, driving, head, posing, mimic, framing, face]
    connect_job(studio, bar, _reenacter(studio.line), given, [bar.status, shown.preview, shown.video], PREFIX)


def sources(driving: str | None, head: str, posing: str | None, mimic: str) -> tuple[Path | str | None, Path | None]:
    """Where the head's and the face's movement come from. Raises InputError for videos that are not there, and if
    nothing would move."""
    if head == STILL and mimic == STILL:
        raise InputError("Head and face are both still; expected at least one that moves.")
    if head == SPINNING and mimic == STILL:
        raise InputError("The head spins and the face is still; expected a face that follows the video.")
    followed_video = None
    if FOLLOWED in (head, mimic):
        (followed_video,) = given_files(video_to_follow=driving)
    pose: Path | str | None = {FOLLOWED: followed_video, SPINNING: SPIN}.get(head)
    if head == OTHER:
        (pose,) = given_files(video_for_the_head=posing)
    return pose, followed_video if mimic == FOLLOWED else None


def _reenacter(line: Line) -> Any:
    """The tab's Reenact: (status, preview, video) several times a second."""

    @no_type_check
    def reenact(request, portrait, driving, head, posing, mimic, framing, face) -> Iterator[Any]:
        def wish() -> Reenactment:
            (photo,) = given_files(portrait=portrait)
            pose_from, dynamics_from = sources(driving, head, posing, mimic)
            options = GenerationOptions.of(framing=framing, face=face)
            limit = line.max_seconds
            return Reenactment(visitor_of(request), photo, pose_from, dynamics_from, options, MESH, limit)

        for said, picture, made in followed(line, wish):
            yield said, picture, made.path if made else None

    return with_names(reenact, ("portrait", "driving", "head", "posing", "mimic", "framing", "face"))
