"""Augmentation: every operation against Pillow, exactly; the draws; the crop and the flip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import Tensor

from sharpness.data import randaugment
from sharpness.data.images import augment, crop
from sharpness.io.errors import UserError

SHAPES = [(3, 32, 32), (1, 8, 8), (3, 16, 24)]
# Strengths in figures of their own: 14/30 of each range.
POINTWISE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "AutoContrast": ImageOps.autocontrast,
    "Equalize": ImageOps.equalize,
    "Invert": ImageOps.invert,
    "Posterize": lambda image: ImageOps.posterize(image, 1),
    "Solarize": lambda image: ImageOps.solarize(image, 119.46666666666667),
    "SolarizeAdd": lambda image: ImageOps.solarize(
        Image.fromarray(np.clip(np.asarray(image) + 51.333333333333336, 0, 255).astype(np.uint8))
    ),
    "Color": lambda image: ImageEnhance.Color(image).enhance(0.94),
    "Contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.94),
    "Brightness": lambda image: ImageEnhance.Brightness(image).enhance(0.94),
    "Sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(0.94),
}


def random_images(shape: tuple[int, ...], seed: int = 0, n: int = 24) -> Tensor:
    """Noise in random ranges, smooth ramps, constant images, few levels."""
    random = np.random.default_rng(seed)
    images = np.empty((n, *shape), np.uint8)
    for i in range(n):
        low, high = sorted(random.integers(0, 256, 2))
        images[i] = random.integers(low, high + 1, shape)
    ramp = np.linspace(0, 255, np.prod(shape)).reshape(shape).astype(np.uint8)
    images[:4] = ramp, ramp // 3 + 40, np.full(shape, 77), ramp // 64 * 64
    return torch.from_numpy(images)


def to_pil(image: Tensor) -> Image.Image:
    array = image.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def from_pil(image: Image.Image) -> Tensor:
    array = np.array(image)
    return torch.from_numpy(array).view(*array.shape[:2], -1).permute(2, 0, 1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", randaugment.POINTWISE)
def test_pointwise_operations_equal_pillow(name: str, shape: tuple[int, ...]) -> None:
    images = random_images(shape)
    ours = randaugment.POINTWISE[name](images.clone())
    for before, after in zip(images, ours, strict=True):
        assert torch.equal(after, from_pil(POINTWISE[name](to_pil(before))))


def test_blending_equals_pillow_for_every_pair_of_levels() -> None:
    base, image = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    ours = randaugment._blend(torch.from_numpy(base), torch.from_numpy(image))
    theirs = Image.blend(Image.fromarray(base), Image.fromarray(image), 0.94)
    assert np.array_equal(ours.numpy(), np.asarray(theirs))


def pillow_warp(image: Image.Image, name: str, sign: int) -> Image.Image:
    width, height = image.size
    if name == "Rotate":
        return image.rotate(sign * 14.0)
    shift = sign * 46.666666666666664
    coefficients = {
        "ShearX": (1, sign * 0.14, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, sign * 0.14, 1, 0),
        "TranslateX": (1, 0, shift * width / 32, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, shift * height / 32),
    }
    return image.transform(image.size, Image.Transform.AFFINE, coefficients[name])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", randaugment.WARPS)
def test_warps_equal_pillow_in_both_directions(name: str, shape: tuple[int, ...]) -> None:
    images = random_images(shape)
    negative = torch.arange(len(images)) % 2 == 1
    ours = randaugment.warp(images, name, negative)
    for before, after, sign in zip(images, ours, negative, strict=True):
        assert torch.equal(after, from_pil(pillow_warp(to_pil(before), name, -1 if sign else 1)))


def pillow_cutout(image: Image.Image, y: float, x: float) -> Image.Image:
    width, height = image.size
    wide, tall = 18.666666666666668 * width / 32, 18.666666666666668 * height / 32
    left, top = int(max(0, x - wide / 2)), int(max(0, y - tall / 2))
    box = (left, top, min(width, left + wide), min(height, top + tall))
    image = image.copy()
    ImageDraw.Draw(image).rectangle(box, (125, 123, 114) if image.mode == "RGB" else 121)
    return image


@pytest.mark.parametrize("shape", SHAPES)
def test_cutout_equals_pillow(shape: tuple[int, ...]) -> None:
    images = random_images(shape, n=64)
    centre = torch.rand(64, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours = randaugment.cutout(images, centre)
    for before, after, (y, x) in zip(images, ours, centre.tolist(), strict=True):
        theirs = pillow_cutout(to_pil(before), y * shape[1], x * shape[2])
        assert torch.equal(after, from_pil(theirs))


def test_sixteen_operations_are_drawn_evenly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(set(randaugment.OPERATIONS)) == 16
    assert set(randaugment.POINTWISE) == set(POINTWISE)
    drawn: list[Tensor] = []

    def record(pixels: Tensor, choice: Tensor, negative: Tensor, centre: Tensor) -> Tensor:
        drawn.append(torch.stack((choice.double(), negative.double(), *centre.double().unbind(1))))
        return pixels

    monkeypatch.setattr(randaugment, "_one_each", record)
    n = 32_000
    randaugment.randaugment(torch.zeros(n, 1, 8, 8, dtype=torch.uint8), generator(2))
    first, second = (draws[0].long() for draws in drawn)
    # Five standard deviations of a binomial count.
    for choice in (first, second):
        counts = torch.bincount(choice, minlength=16).double()
        assert ((counts - n / 16).abs() < 5 * (n * 15 / 256) ** 0.5).all()
    pairs = torch.bincount(first * 16 + second, minlength=256).double()
    assert ((pairs - n / 256).abs() < 5 * (n / 256) ** 0.5).all()
    for _, negative, y, x in drawn:
        assert abs(negative.mean() - 0.5) < 5 * 0.5 / n**0.5
        for centre in (y, x):
            assert 1 / 32 <= centre.min() < 0.04
            assert 0.99 < centre.max() <= 1


def test_the_two_rounds_compose_single_operations() -> None:
    """The grouped form equals one image after the other, each with its own two operations."""
    images = random_images((3, 32, 32), n=96)
    choice = torch.randint(16, (96,), generator=generator(3))
    negative = torch.rand(96, generator=generator(4)) < 0.5
    centre = torch.rand(96, 2, generator=generator(5))
    together = randaugment._one_each(images, choice, negative, centre)
    for i in range(96):
        one = slice(i, i + 1)
        name = randaugment.OPERATIONS[choice[i]]
        alone = randaugment._operate(name, images[one], negative[one], centre[one])
        assert torch.equal(together[one], alone)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", SHAPES)
def test_same_seed_same_views(shape: tuple[int, ...]) -> None:
    images = random_images(shape, n=64)
    untouched = images.clone()
    state = torch.get_rng_state()
    first, second = (augment(images, generator(7)) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(images, generator(8)))
    assert torch.equal(images, untouched)
    assert first.shape == images.shape
    assert first.dtype == torch.uint8


def test_copies_of_one_image_get_views_of_their_own() -> None:
    image = random_images((3, 32, 32), n=5)[4:]
    views = augment(image.expand(64, -1, -1, -1), generator(9))
    # A blank image (a translation) repeats; 2 of 16 operations in either of two draws.
    assert len(views.flatten(1).unique(dim=0)) > 40


@pytest.mark.parametrize(("size", "padding"), [(32, 4), (8, 1)])
@pytest.mark.parametrize("flip", [True, False])
def test_crops_are_shifts_by_up_to_the_padding(size: int, padding: int, flip: bool) -> None:
    n = 4000
    image = torch.arange(1, size * size + 1).view(1, 1, size, size)
    views = crop(image.expand(n, -1, -1, -1), generator(11), flip)
    black = torch.nn.functional.pad(image, (padding,) * 4)[0, 0]
    seen: dict[tuple[int, int, bool], int] = {}
    shifts = range(2 * padding + 1)
    allowed = {
        (y, x, mirrored): window.flip(1) if mirrored else window
        for y in shifts
        for x in shifts
        for window in [black[y : y + size, x : x + size]]
        for mirrored in ([True, False] if flip else [False])
    }
    keys = {tuple(window.flatten().tolist()): key for key, window in allowed.items()}
    for view in views[:, 0]:
        key = keys[tuple(view.flatten().tolist())]  # a KeyError is a view that no crop makes
        seen[key] = seen.get(key, 0) + 1
    assert set(seen) == set(allowed)
    if flip:
        mirrored = sum(count for key, count in seen.items() if key[2])
        assert abs(mirrored - n / 2) < 5 * (n / 4) ** 0.5


@pytest.mark.parametrize(
    "pixels",
    [
        torch.zeros(2, 3, 32, 32),
        torch.zeros(2, 4, 32, 32, dtype=torch.uint8),
        torch.zeros(3, 32, 32, dtype=torch.uint8),
    ],
)
def test_what_is_no_8_bit_image_is_refused(pixels: Tensor) -> None:
    with pytest.raises(UserError, match="needs uint8 pixels"):
        augment(pixels, generator(0))
