"""Photos as a recipe resizes them, decoded once for all models: one file, mapped to memory.

Jobs, runs and users share it. It is a NumPy array of records, the pixels of a photo and their
CRC-32, and its name has a digest of what determines them: names and sizes of the photos, recipe,
and the libraries that decode.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from zlib import crc32

import numpy as np
import PIL
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from numpy.typing import NDArray
from PIL import features

from sharpness.data.listing import File, digest_of
from sharpness.data.recipes import Pixels, Recipe
from sharpness.io.archive import read_header
from sharpness.io.download import locked
from sharpness.io.errors import UserError
from sharpness.io.files import atomic, check_folder, digest

REVISION = 1
"""Raised when a recipe gives other pixels."""

CHUNK = 64
"""Photos in memory while the file is made."""

OTHERWISE = "set `photo_cache` to another disk or to null"


def record_of(recipe: Recipe) -> np.dtype[np.void]:
    """Return the record of a photo."""
    shape = (recipe.size, recipe.size, 3)
    return np.dtype([("crc32", "<u4"), ("pixels", recipe.dtype, shape)])


@dataclass(eq=False)
class PhotoCache:
    """The resized photos of a data set.

    Attributes:
        folder: where the file lies.
        title: begins its name.
        files: all photos of the data set.
        recipe: what resizes them.
    """

    folder: Path
    title: str
    files: Sequence[File]
    recipe: Recipe
    _records: NDArray[np.void] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.files)

    @cached_property
    def path(self) -> Path:
        """Return the path of the file."""
        jpeg = features.version("libjpeg_turbo") or features.version("jpg")
        made = [REVISION, *digest_of(self.files), self.recipe.key, PIL.__version__, jpeg]
        return self.folder / f"{self.title}-{digest(made)}.npy"

    def open(self, resized: Callable[[str], Pixels] | None, threads: int) -> None:
        """Map the file, made by some threads if it is absent, by one process at a time.

        Without ``resized``, which decodes the photo of a name, an absent file stays so.

        Raises:
            UserError: if the disk has no room, or the folder may not be written to.
        """
        if self._records is None:
            self._records = self._mapped()
        if self._records is None and resized:
            check_folder(self.folder, OTHERWISE)
            with locked(self.path):
                self._records = self._mapped()
                if self._records is None:
                    self._make(resized, threads)
                    self._records = self._mapped()

    def pixels(self, name: str) -> Pixels | None:
        """Return the pixels of a photo; None if the file is not open, or damaged there.

        A damaged file is removed, so that it is made anew when next opened.
        """
        if (records := self._records) is None:
            return None
        record = records[self._places[name]]
        pixels: Pixels = record["pixels"]
        if crc32(pixels.data) == record["crc32"]:
            return pixels
        self._records = None
        with suppress(OSError):
            self.path.unlink()
        self._say(f"is damaged at {name}, and is made anew next time")
        return None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, (name, _) in enumerate(self.files)}

    @property
    def _record(self) -> np.dtype[np.void]:
        return record_of(self.recipe)

    def _mapped(self) -> NDArray[np.void] | None:
        """Return the records of the file; None if it is absent or not whole."""
        if not self.path.exists():
            return None
        with suppress(UserError), open(self.path, "rb") as stream:
            shape, _, dtype = read_header(stream, str(self.path))
            size = stream.tell() + len(self) * self._record.itemsize
            if (shape, dtype, self.path.stat().st_size) == ((len(self),), self._record, size):
                return np.asarray(np.memmap(stream, dtype, "r", stream.tell(), shape))
        self._say("is not whole, and is made anew")
        return None

    def _make(self, resized: Callable[[str], Pixels], threads: int) -> None:
        header = {"fortran_order": False, "shape": (len(self),)}
        with (
            atomic(self.path) as part,  # which first removes what a killed run left
            open(part, "wb") as stream,
            ThreadPoolExecutor(threads) as pool,
        ):
            self._check_room()
            write_array_header_1_0(stream, {"descr": dtype_to_descr(self._record), **header})
            for start in range(0, len(self), CHUNK):
                names = [name for name, _ in self.files[start : start + CHUNK]]
                records = np.empty(len(names), self._record)
                for record, pixels in zip(records, pool.map(resized, names), strict=True):
                    record["pixels"] = pixels
                    record["crc32"] = crc32(record["pixels"].data)
                stream.write(records.tobytes())

    def _check_room(self) -> None:
        size, free = len(self) * self._record.itemsize, shutil.disk_usage(self.folder).free
        self._say(f"{size / 1e9:.3g} GB, {len(self)} photos are decoded once")
        if size > free:
            raise UserError(
                f"{self.path}: needs {size / 1e9:.3g} GB, but {self.folder} has {free / 1e9:.3g} "
                f"free; make room, or {OTHERWISE}"
            )

    def _say(self, what: str) -> None:
        print(f"{self.path}: {what}", file=sys.stderr)
