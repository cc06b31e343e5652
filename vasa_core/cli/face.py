"""Commands of the volume face model."""

from __future__ import annotations

from typing import Annotated

import typer

from vasa_core.assets import CHECKPOINTS
from vasa_core.cli.options import Checkpoints, cli


@cli.command("export-face")
def export_face(
    checkpoints: Checkpoints = CHECKPOINTS,
    batch: Annotated[int, typer.Option(min=1, help="Frames drawn in one pass.")] = 1,
) -> None:
    """Write what the volume face model runs for every frame as ONNX beside its weights, for onnxruntime."""
    from vasa_core.training.volume.export import export_render

    print(f"{export_render(checkpoints / 'volume', batch)} written")
