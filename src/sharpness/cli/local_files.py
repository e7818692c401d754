"""Whether the files of a measurement are there, asked before the imports, which take seconds."""

from __future__ import annotations

from pathlib import Path

from sharpness.io.errors import UserError
from sharpness.io.files import expanded
from sharpness.sources.grammar import ModelSource, parse_data


def check_files(source: ModelSource, data: str, labels: Path | None) -> None:
    """Raise UserError if a file or folder of a measurement is not there."""
    scheme, rest = parse_data(data)
    path = Path(expanded(rest))
    if scheme == "imagefolder" and not path.is_dir():
        raise UserError(f"{data}: {path} is no folder")
    if scheme == "csv" and not path.is_file():
        raise UserError(f"{data}: no such file")
    if labels is not None and not labels.is_file():
        raise UserError(f"--labels {labels}: no such file")
    checkpoint = source.checkpoint
    if checkpoint and not checkpoint.startswith("https://") and not Path(checkpoint).is_file():
        raise UserError(f"{checkpoint}: no such checkpoint")
