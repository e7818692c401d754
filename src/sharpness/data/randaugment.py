"""RandAugment as the authors released it: two of sixteen operations per image.

Operations are drawn uniformly with replacement, separately for each image; geometric ones take a
random direction. Images are sorted by operation, so that each operation works on one contiguous
slice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

STRENGTH = 14 / 30
ROTATION = 30 * STRENGTH  # degrees
SHEAR = 0.3 * STRENGTH
SHIFT = 100 * STRENGTH  # pixels, for 32 × 32 images
HOLE = 40 * STRENGTH  # pixels, for 32 × 32 images
BITS = max(1, int(4 * STRENGTH))
THRESHOLD = 256 * STRENGTH
ADDITION = 110 * STRENGTH
FACTOR = STRENGTH * (1.9 - 0.1) + 0.1
FILL = {3: (125, 123, 114), 1: (121,)}  # grey: the mean of the three


def autocontrast(pixels: Tensor) -> Tensor:
    """Stretch each channel of each image to the full range; a constant channel is unchanged."""
    low = pixels.amin((2, 3), keepdim=True).double()
    high = pixels.amax((2, 3), keepdim=True).double()
    scale = high.new_full((), 255) / (high - low)  # scalar / tensor multiplies by the reciprocal
    stretched = (pixels * scale - low * scale).clamp(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, pixels)


def equalize(pixels: Tensor) -> Tensor:
    """Equalize the histogram of each channel of each image.

    An image with fewer than 255 pixels outside its brightest level is unchanged, as the step of
    Pillow's integer arithmetic is zero: always so for 8 × 8 digits.
    """
    n, c, h, w = pixels.shape
    if h * w <= 255:
        return pixels
    levels = pixels.reshape(n * c, h * w).long()
    histogram = levels.new_zeros(n * c, 256)
    histogram.scatter_add_(1, levels, levels.new_ones(1).expand_as(levels))
    brightest = histogram.gather(1, levels.amax(1, keepdim=True))
    step = (h * w - brightest) // 255
    below = histogram.cumsum(1) - histogram
    table = ((below + step // 2) // step.clamp(min=1)).clamp(max=255)
    return torch.where(step > 0, table.gather(1, levels), levels).to(torch.uint8).view_as(pixels)


def invert(pixels: Tensor) -> Tensor:
    """Return the negative."""
    return 255 - pixels


def posterize(pixels: Tensor) -> Tensor:
    """Keep the highest bits of every value: one at this strength."""
    return pixels & (256 - 2 ** (8 - BITS))


def solarize(pixels: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """Invert the values at or above a threshold."""
    return torch.where(pixels < threshold, pixels, 255 - pixels)


def solarize_add(pixels: Tensor) -> Tensor:
    """Brighten, then invert the values in the upper half of the range."""
    return solarize((pixels + ADDITION).clamp(max=255).to(torch.uint8), 128)


def color(pixels: Tensor) -> Tensor:
    """Fade towards the grey image."""
    return _blend(_grey(pixels), pixels)


def contrast(pixels: Tensor) -> Tensor:
    """Fade towards the mean grey level of each image."""
    mean = _grey(pixels).double().mean((1, 2, 3), keepdim=True)
    return _blend((mean + 0.5).floor(), pixels)


def brightness(pixels: Tensor) -> Tensor:
    """Fade towards black."""
    return _blend(pixels.new_zeros(()), pixels)


def sharpen(pixels: Tensor) -> Tensor:
    """Fade towards the image smoothed by a 3 × 3 kernel; the border is unchanged."""
    values = pixels.float()
    rows = values[..., :-2, :] + values[..., 1:-1, :] + values[..., 2:, :]
    box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth = values.clone()
    smooth[..., 1:-1, 1:-1] = ((box + 4 * values[..., 1:-1, 1:-1]) / 13 + 0.5).floor()
    return _blend(smooth, pixels)


def cutout(pixels: Tensor, centre: Tensor) -> Tensor:
    """Fill a rectangle, far edge included, about ``centre`` (n, 2) in fractions of the sides."""
    _, c, h, w = pixels.shape
    inside = []
    for position, length in zip(centre.unbind(1), (h, w), strict=True):
        extent = HOLE * length / 32
        first = (position * length - extent / 2).clamp(min=0).floor()
        last = (first + extent).clamp(max=length).floor()
        at = torch.arange(length, device=pixels.device)
        inside.append((at >= first[:, None]) & (at <= last[:, None]))
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    fill = torch.tensor(FILL[c], dtype=torch.uint8, device=pixels.device)
    return torch.where(hole, fill[:, None, None], pixels)


def warp(pixels: Tensor, name: str, negative: Tensor) -> Tensor:
    """Shear, shift or rotate each image, with black fill; ``negative`` (n,) sets the direction."""
    n, c, h, w = pixels.shape
    source = _sources(name, h, w, pixels.device)[negative.long()]  # (n, h·w)
    blackened = pad(pixels.flatten(2), (1, 0))
    return blackened.gather(2, source[:, None].expand(n, c, h * w)).view_as(pixels)


POINTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "AutoContrast": autocontrast,
    "Equalize": equalize,
    "Invert": invert,
    "Posterize": posterize,
    "Solarize": solarize,
    "SolarizeAdd": solarize_add,
    "Color": color,
    "Contrast": contrast,
    "Brightness": brightness,
    "Sharpness": sharpen,
}
WARPS = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")


@cache
def _sources(name: str, h: int, w: int, device: torch.device) -> Tensor:
    """Return which pixel moves where: (2, h·w), 1-based source positions, 0 for black.

    Pillow transforms an image of positions, once per size and direction, so that rounding is
    Pillow's.
    """
    positions = Image.fromarray(np.arange(1, h * w + 1, dtype=np.int32).reshape(h, w))
    moved = []
    for sign in (1, -1):
        if name == "Rotate":
            image = positions.rotate(sign * ROTATION)
        else:
            image = positions.transform((w, h), Image.Transform.AFFINE, _affine(name, sign, h, w))
        moved.append(np.asarray(image, dtype=np.int64).ravel())
    return torch.from_numpy(np.stack(moved)).to(device)


def _affine(name: str, sign: int, h: int, w: int) -> tuple[float, ...]:
    """Return (a, b, c, d, e, f): the output at (x, y) is the input at (ax+by+c, dx+ey+f)."""
    return {
        "ShearX": (1, sign * SHEAR, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, sign * SHEAR, 1, 0),
        "TranslateX": (1, 0, sign * SHIFT * w / 32, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, sign * SHIFT * h / 32),
    }[name]


def _grey(pixels: Tensor) -> Tensor:
    """Return the luma (n, 1, h, w) by ITU-R 601-2 in 16-bit fixed point."""
    if pixels.shape[1] == 1:
        return pixels
    red, green, blue = pixels.to(torch.int32).split(1, dim=1)
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16


def _blend(faded: Tensor, pixels: Tensor) -> Tensor:
    """Return ``faded + FACTOR · (pixels − faded)`` in single precision, fractions cut off."""
    base = faded.float()
    return (base + FACTOR * (pixels.float() - base)).to(torch.uint8)


OPERATIONS = (*POINTWISE, *WARPS, "Cutout")
ROUNDS = 2
"""N of RandAugment: operations per image in the authors' code."""


def randaugment(pixels: Tensor, generator: torch.Generator, rounds: int = ROUNDS) -> Tensor:
    """Apply ``rounds`` (N of RandAugment) random operations to each image; return new images.

    ``pixels`` are uint8 (n, c, h, w), grey or RGB; ``generator`` is on their device.
    """
    n, device = len(pixels), pixels.device
    choices = torch.randint(len(OPERATIONS), (rounds, n), generator=generator, device=device)
    negative = torch.rand(rounds, n, generator=generator, device=device) < 0.5
    # The released code draws the centre of a cutout from 1 (not 0) to 32 pixels.
    centre = 1 - torch.rand(rounds, n, 2, generator=generator, device=device) * (31 / 32)
    for draws in zip(choices, negative, centre, strict=True):
        pixels = _one_each(pixels, *draws)
    return pixels


def _one_each(pixels: Tensor, choice: Tensor, negative: Tensor, centre: Tensor) -> Tensor:
    """Apply to each image the operation of its ``choice`` (n,)."""
    order = choice.argsort(stable=True)
    grouped, negative, centre = pixels[order], negative[order], centre[order]
    counts = torch.bincount(choice, minlength=len(OPERATIONS)).tolist()
    start = 0
    for name, count in zip(OPERATIONS, counts, strict=True):
        rows = slice(start, start + count)
        start += count
        if count:
            grouped[rows] = _operate(name, grouped[rows], negative[rows], centre[rows])
    result = torch.empty_like(grouped)
    result[order] = grouped
    return result


def _operate(name: str, pixels: Tensor, negative: Tensor, centre: Tensor) -> Tensor:
    if name in POINTWISE:
        return POINTWISE[name](pixels)
    if name == "Cutout":
        return cutout(pixels, centre)
    return warp(pixels, name, negative)
