"""How many photos of the usual size does one thread decode, and read from `photo_cache`?

200 made-up JPEGs of 500 × 375 pixels (smooth shapes with some grain, 65 kB each) to 224 × 224,
in batches of 64. The inputs of both ways are compared first. Processor seconds; the first reading
makes the file, so it is in memory, as on a machine whose memory holds it. One row a recipe goes to
``results/benchmarks/photos.csv``.

    OMP_NUM_THREADS=1 python benchmarks/photos.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from sharpness.data.listing import File
from sharpness.data.photo_cache import PhotoCache
from sharpness.data.photos import Photos
from sharpness.data.recipes import RECIPES, Recipe
from sharpness.io.files import write_csv
from sharpness.io.run_record import processor

PHOTOS, TURNS = 200, 5
SCALES = {(4, 3): 0.45, (20, 15): 0.25, (100, 75): 0.2, (500, 375): 0.1}
"""Side lengths of noise that is enlarged to a photo, and its weight."""


def written(folder: Path) -> Iterator[File]:
    """Write the photos and yield their names and sizes."""
    random = np.random.default_rng(0)
    for number in range(PHOTOS):
        pixels = np.zeros((375, 500, 3), np.float32)
        for (width, height), weight in SCALES.items():
            noise = Image.fromarray(random.integers(256, size=(height, width, 3), dtype=np.uint8))
            pixels += weight * np.asarray(noise.resize((500, 375), Image.Resampling.BICUBIC))
        path = folder / f"{number}.jpg"
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)
        yield path.name, path.stat().st_size


def rate(photos: Photos) -> float:
    """Return photos per processor second of a pass."""
    start = time.process_time()
    for _ in photos.batches(64):
        pass
    return len(photos) / (time.process_time() - start)


def main() -> None:
    """Print a line for each recipe, and write the rows."""
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = list(written(folder))
        for word in RECIPES:
            recipe, labels = Recipe(word, 224), torch.zeros(len(files), dtype=torch.int64)
            cache = PhotoCache(folder / "kept", word, files, recipe)
            plain = Photos("made up", folder, files, labels, None, recipe)
            kept = Photos("made up", folder, files, labels, None, recipe, cache=cache)
            for (one, _), (other, _) in zip(plain.batches(64), kept.batches(64), strict=True):
                assert torch.equal(one, other)  # type: ignore[arg-type]
            turns = [(rate(plain), rate(kept)) for _ in range(TURNS)]
            decoded, read = (np.median(way) for way in zip(*turns, strict=True))
            print(f"{word:<8}{decoded:6.0f} decoded, {read:6.0f} read a second")
            rows.append({"recipe": word, "decoded": decoded, "read": read, "n": TURNS})
    rows = [row | {"processor": processor(), "torch": torch.__version__} for row in rows]
    write_csv(Path("results/benchmarks/photos.csv"), rows, list(rows[0]))


if __name__ == "__main__":
    main()
