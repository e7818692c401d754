"""Pictures inside the page."""

from __future__ import annotations

import base64
from pathlib import Path


def embedded(png: str | Path) -> str:
    """A PNG file as text for the page, in base 64."""
    return base64.b64encode(Path(png).read_bytes()).decode()
