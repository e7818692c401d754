"""Opening image files that others made: only kinds that Pillow decodes itself, of sensible size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

KINDS = ("JPEG", "PNG", "GIF", "PPM", "BMP", "TIFF", "WEBP")
"""Whatever a file is called, its contents decide; others call programs, such as EPS Ghostscript."""
PIXELS = 1 << 26
LONGEST = 100
"""How much longer one side may be than the other: recipes scale by the shorter one."""


@contextmanager
def opened(source: Path | IO[bytes]) -> Iterator[Image.Image]:
    """An image whose pixels are not decoded yet.

    Raises:
        ValueError: also from within the block; whatever keeps the image from being decoded.
    """
    try:
        with Image.open(source, formats=KINDS) as image:
            width, height = image.size
            if width * height > PIXELS or max(width, height) > LONGEST * min(width, height):
                raise ValueError(f"{width} × {height} pixels are no photo")
            yield image
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError(str(error)) from error
    except Exception as error:  # a damaged image may raise anything
        raise ValueError(f"{error}" or type(error).__name__) from error
