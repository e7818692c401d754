"""Colours of coefficients in tables: blue below zero, orange above, as CSS for two themes.

The two hues differ for every kind of colour blindness, and the sign is printed in each cell, so
that nothing is lost in grey. Text on a shade is black or white, whichever contrasts more.
"""

from __future__ import annotations

import math

STEPS = 10
"""Shades on each side of zero."""

_ENDS = {"light": ("#2166ac", "#ffffff", "#b35806"), "dark": ("#8ec4e8", "#1b1d21", "#f5a742")}
"""Colours of τ = −1, 0 and 1 by theme."""


def shade(tau: float) -> str:
    """Return the CSS class of a coefficient: ``t-10`` to ``t10``; empty if it is undefined."""
    return "" if math.isnan(tau) else f"t{round(max(-1.0, min(1.0, tau)) * STEPS)}"


def shades(theme: str) -> dict[str, tuple[str, str]]:
    """Return the background and the colour of the text of each class in a theme."""
    low, middle, high = (_channels(colour) for colour in _ENDS[theme])
    found = {}
    for step in range(-STEPS, STEPS + 1):
        end, part = (low if step < 0 else high), abs(step) / STEPS
        mixed = [round(m + part * (e - m)) for m, e in zip(middle, end, strict=True)]
        found[f"t{step}"] = "#" + bytes(mixed).hex(), _text(mixed)
    return found


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours by WCAG 2: from 1 to 21; text needs 4.5."""
    dark, light = sorted(_luminance(_channels(colour)) for colour in (first, second))
    return (light + 0.05) / (dark + 0.05)


def style() -> str:
    """Return the rules of all classes; those of the dark theme only where it is preferred."""
    light, dark = (
        "".join(f".{name}{{background:{b};color:{c}}}\n" for name, (b, c) in shades(theme).items())
        for theme in ("light", "dark")
    )
    return f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


def _channels(colour: str) -> list[int]:
    return [*bytes.fromhex(colour[1:])]


def _luminance(channels: list[int]) -> float:
    linear = [
        c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4
        for c in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _text(background: list[int]) -> str:
    """Return black or white, whichever contrasts more; the two meet at a luminance of 0.179."""
    return "#000000" if _luminance(background) > 0.179 else "#ffffff"
