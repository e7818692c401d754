"""Images that are bombs, programs or nothing, and folders that hold something else than images."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile_readers import loaded
from hostile_world import CANARY, Case, Maker
from photo_files import CLASSES, photo, write_files
from PIL import Image


def image(content: bytes | Callable[[Path], bytes], name: str = "1.JPEG") -> Maker:
    """A folder of ImageNet-R with one hostile image among the others."""

    def make(given: Path) -> Path:
        whole = content if isinstance(content, bytes) else content(given)
        files = {f"{CLASSES[0]}/0.JPEG": photo(0), f"{CLASSES[0]}/{name}": whole}
        return write_files(given / "r", files) / CLASSES[0] / name

    return make


def read(path: Path, work: Path) -> None:
    loaded("imagenet-r", "folder")(path.parents[1], work)


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(
    width: int, height: int, data: bytes = zlib.compress(bytes(99)), extra: bytes = b""
) -> bytes:
    """A PNG whose header says whatever it is told to."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def saved(width: int, height: int, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(stream, kind)
    return stream.getvalue()


def jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header was changed."""
    content = bytearray(saved(16, 16, "JPEG"))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def postscript(given: Path) -> bytes:
    """A program that Pillow would give to Ghostscript."""
    return (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
        + b"(%pipe%touch "
        + os.fsencode(given / CANARY)
        + b") (w) file\nshowpage\n%%EOF\n"
    )


def pipe(given: Path) -> Path:
    write_files(given / "r", {f"{CLASSES[0]}/0.JPEG": photo(0)})
    os.mkfifo(given / "r" / CLASSES[0] / "1.JPEG")
    return given / "r" / CLASSES[0] / "1.JPEG"


def endless(given: Path) -> Path:
    """A link to a device that never ends."""
    path = write_files(given / "r", {f"{CLASSES[0]}/0.JPEG": photo(0)}) / CLASSES[0] / "1.JPEG"
    path.symlink_to("/dev/zero")
    return path


TEXT = zlib.compress(bytes(1 << 26))
CASES = [
    Case("PNG: four thousand million pixels", image(png(65_535, 65_535)), read, ("pixels",)),
    Case("PNG: no pixels", image(png(0, 9)), read),
    Case("PNG: one pixel wide and very long", image(saved(1, 20_000, "PNG")), read, ("pixels",)),
    Case("PNG: too few bytes", image(png(99, 99)), read),
    Case(
        "PNG: a text of sixty megabytes",
        image(png(9, 9, extra=chunk(b"zTXt", b"a\0\0" + TEXT))),
        read,
    ),
    Case("JPEG: four thousand million pixels", image(jpeg(65_500, 65_500)), read, ("pixels",)),
    Case("JPEG: cut off", image(saved(64, 64, "JPEG")[:-300]), read),
    Case("TIFF: a directory that leads to itself", image(b"II*\0\x08\0\0\0\0\0\x08\0\0\0"), read),
    Case("TIFF: a million million tags", image(b"II*\0\x08\0\0\0\xff\xff" + bytes(40)), read),
    Case("EPS: a program by the name of a JPEG", image(postscript), read, ("cannot identify",)),
    Case("an image of nothing", image(b""), read),
    Case("a pipe among the images", pipe, read, ("no file",)),
    Case("a device among the images", endless, read, ("no file",)),
]
