"""Figures as the page embeds them: the PNG files as lossless WebP, a third of their size."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Picture:
    """A picture as the address of its data, with its size in pixels."""

    data: str
    width: int
    height: int


def picture(png: str | Path) -> Picture:
    """Return a PNG file as lossless WebP on white."""
    with Image.open(png) as image:
        opaque = Image.new("RGB", image.size, "white")
        opaque.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    stream = BytesIO()
    opaque.save(stream, "WEBP", lossless=True, quality=75, method=2)
    data = base64.b64encode(stream.getvalue()).decode()
    return Picture(f"data:image/webp;base64,{data}", *opaque.size)
