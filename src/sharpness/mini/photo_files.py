"""The digits of `shifts` as images in memory and in the formats of ImageNet and its shifts."""

from __future__ import annotations

import gzip
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.data.images import Images
from sharpness.data.listing import objectnet_wnids
from sharpness.data.recipes import CLIP_MEAN, CLIP_STD
from sharpness.io.download import download_named
from sharpness.io.files import atomic
from sharpness.mini.shifts import CLASSES, PARTS, DigitImages, digits_of, groups, held_out
from sharpness.mini.trainer import seed, torch_generator
from sharpness.training.loader import mixup

LARGEST = 20
"""Magnitude at which an operation has full strength."""
LEAST = 0.2
"""Strength at magnitude 0, which is not the identity in RandAugment either."""
SQUARE = 3
"""Side of the erased square, in pixels."""


def randaugment(inputs: Tensor, layers: int, magnitude: int, random: torch.Generator) -> Tensor:
    """Apply ``layers`` operations, each drawn for the batch and its amounts for each image.

    Args:
        inputs: (n, 3, 8, 8), standardized: 0 is grey.
        layers: N of RandAugment.
        magnitude: M of RandAugment, 0 to 20; strength grows linearly with it.
        random: generator of operations and amounts.
    """
    strength = LEAST + (1 - LEAST) * magnitude / LARGEST
    for choice in torch.randint(len(OPERATIONS), (layers,), generator=random).tolist():
        inputs = OPERATIONS[choice](inputs, strength, random)
    return inputs


def move(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Shift by up to ``strength`` pixels along each axis, interpolated and cyclic."""
    for axis in (2, 3):
        share = strength * (2 * torch.rand(len(inputs), 1, 1, 1, generator=random) - 1)
        neighbour = torch.where(share > 0, inputs.roll(1, axis), inputs.roll(-1, axis))
        inputs = inputs.lerp(neighbour, share.abs().expand_as(inputs))
    return inputs


def noise(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Add independent grey noise to every pixel, of standard deviation 0.4 at full strength."""
    return inputs + 0.4 * strength * torch.randn(len(inputs), 1, 8, 8, generator=random)


def contrast(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Reduce contrast by a random share, at most 60 % at full strength."""
    return inputs * (1 - 0.6 * strength * torch.rand(len(inputs), 1, 1, 1, generator=random))


def erase(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Fade a random square towards grey, entirely at full strength."""
    corner = torch.randint(8 - SQUARE + 1, (2, len(inputs), 1), generator=random)
    offset = torch.arange(8) - corner  # (2, n, 8)
    rows, columns = (offset >= 0) & (offset < SQUARE)
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return inputs * (1 - strength * inside.to(inputs.dtype))


OPERATIONS = (move, noise, contrast, erase)


Channels = tuple[float, ...]
AUGREG = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
CLIP = CLIP_MEAN, CLIP_STD
"""Means and standard deviations of the channels, as in `sharpness.data.recipes`."""


class Augmentation(NamedTuple):
    """Augmentation in training: arguments of `randaugment`, and mixup's α (0 for none)."""

    layers: int = 0
    magnitude: int = 0
    mixup: float = 0.0


PLAIN = Augmentation()


def to_images(
    images: DigitImages, recipe: tuple[Channels, Channels], part: str = "train"
) -> Images:
    """Convert grey images to three channels; labels are the classes of ``part``.

    ``recipe`` holds the means and standard deviations of the channels.
    """
    classes = tuple(groups(part))
    number = {digit: label for label, digits in enumerate(classes) for digit in digits}
    labels = torch.tensor([number[digit] for digit in images.labels.tolist()])
    pixels = torch.from_numpy(images.pixels)[:, None].expand(-1, 3, -1, -1)
    mean, std = recipe
    return Images(pixels, labels, mean, std, False, part, len(classes), classes)


def parts(recipe: tuple[Channels, Channels]) -> dict[str, Images]:
    """Return the sets on which errors are measured: the test digits and the five shifts."""
    return {part: to_images(digits_of(part), recipe, part) for part in PARTS}


def make_loss(
    network: nn.Module,
    images: Images,
    name: str,
    augmentation: Augmentation = PLAIN,
    smoothing: float = 0.0,
) -> Callable[[Tensor], Tensor]:
    """Return the cross-entropy on augmented images as a function of their indices.

    ``name`` seeds the augmentation; ``smoothing`` is that of the labels.
    """
    random, weights = torch_generator(name, "views"), np.random.default_rng(seed(name, "mixup"))

    def loss(chosen: Tensor) -> Tensor:
        inputs, targets = images.normalized(images.pixels[chosen]), images.labels[chosen]
        inputs = randaugment(inputs, augmentation.layers, augmentation.magnitude, random)
        if augmentation.mixup:
            weight = float(weights.beta(augmentation.mixup, augmentation.mixup))
            inputs, targets = mixup(inputs, targets, images.classes, weight, random)
        return cross_entropy(network(inputs), targets, label_smoothing=smoothing)

    return loss


BORDER = (255, 0, 0)
"""Colour of the frame, one pixel wide, by which ObjectNet marks its test images."""
FOREIGN = "air_freshener"
"""One of the 200 ObjectNet classes that ImageNet does not have."""

Save = Callable[[str, bytes], object]
"""Function that saves a file, given its relative path and its content."""


def write_photos(work: Path) -> None:
    """Write the stand-ins for sets of photographs; each call writes the same bytes.

    Sets without a public archive lie in ``folders/imagenet/{train,val}/WNID``,
    ``folders/imagenet-sketch/WNID`` and ``folders/objectnet/images/FOLDER`` below ``work``;
    ``folders/imagenet_98_idxs.npy`` marks the training images held out from the soups.
    ImageNet-V2, -R and -A are archives under ``mirror/HOST/PATH``.
    """
    wnid = CLASSES.__getitem__
    folders = work / "folders"
    with _folder(folders / "imagenet") as save:
        _write(save, "train", digits_of("train"), wnid, "train")
        _write(save, "val", digits_of("test"), wnid, "ILSVRC2012_val")
    _write_held_out(folders / "imagenet_98_idxs.npy")
    with _folder(folders / "imagenet-sketch") as save:
        _write(save, ".", digits_of("sketch"), wnid, "sketch")
    with _folder(folders / "objectnet") as save:
        turned, named = digits_of("objectnet"), objectnet_folders().__getitem__
        _write(save, "images", turned, named, "o", _framed)
        _write(save, "images", turned.where(turned.labels == 0), lambda _: FOREIGN, "o", _framed)
    with _archive(mirrored(work, download_named("imagenet-v2").url)) as save:
        _write(save, "imagenetv2-matched-frequency-format-val", digits_of("v2"), str, "v2")
    for part in ("r", "a"):
        name = f"imagenet-{part}"
        with _archive(mirrored(work, download_named(name).url)) as save:
            save(f"{name}/README.txt", b"Digits of scikit-learn in the place of photographs.\n")
            _write(save, name, digits_of(part), wnid, part)


def mirrored(work: Path, url: str) -> Path:
    """Return the path of the stand-in of a download, ``mirror/HOST/PATH`` below ``work``."""
    return work / "mirror" / url.removeprefix("https://")


def objectnet_folders() -> dict[int, str]:
    """Return the ObjectNet folder of each digit; digits 0 and 5 share one."""
    return {
        digit: folder
        for digit, wnid in enumerate(CLASSES)
        for folder, wnids in objectnet_wnids().items()
        if wnid in wnids
    }


def _write_held_out(path: Path) -> None:
    """Write an array with 1 for each held-out training image, in the order of the files."""
    order = np.argsort(digits_of("train").labels, kind="stable")
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.save(stream, held_out()[order].astype(np.float64))


def _write(
    save: Save,
    top: str,
    images: DigitImages,
    folder: Callable[[int], str],
    stem: str,
    finish: Callable[[np.ndarray], np.ndarray] = lambda image: image,
) -> None:
    """Save each image as a PNG file, numbered by its place in the set."""
    for number, (pixels, label) in enumerate(zip(images.pixels, images.labels, strict=True)):
        content = BytesIO()
        Image.fromarray(finish(np.repeat(pixels[:, :, None], 3, axis=2))).save(content, "PNG")
        save(f"{top}/{folder(int(label))}/{stem}_{number + 1:08d}.png", content.getvalue())


def _framed(image: np.ndarray) -> np.ndarray:
    """Pad an image (8, 8, 3) by a background pixel and the red frame, to (12, 12, 3)."""
    framed = np.empty((12, 12, 3), np.uint8)
    framed[:] = BORDER
    framed[1:-1, 1:-1] = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return framed


@contextmanager
def _folder(target: Path) -> Iterator[Save]:
    """Fill a temporary folder, which replaces ``target`` when it is complete."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)

    def save(name: str, content: bytes) -> None:
        path = unfinished / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    yield save
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)


@contextmanager
def _archive(target: Path) -> Iterator[Save]:
    """Write a tar archive without dates, compressed if its name ends in .gz."""
    with atomic(target) as temporary, open(temporary, "wb") as file, _packed(target, file) as tar:

        def save(name: str, content: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))

        yield save


@contextmanager
def _packed(target: Path, file: IO[bytes]) -> Iterator[tarfile.TarFile]:
    if target.suffix != ".gz":
        with tarfile.open(fileobj=file, mode="w") as tar:
            yield tar
        return
    # Keep the time and the temporary name out of the header.
    with (
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as tar,
    ):
        yield tar
