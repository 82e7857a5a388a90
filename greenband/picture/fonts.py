"""Fonts: Chinese names are drawn only where a font has their signs, so that no empty boxes appear."""

from __future__ import annotations

import re
from functools import cache

__all__ = ["families", "printable"]

LATIN = "DejaVu Sans"  # comes with matplotlib
SAMPLE = "市路"
NAMES = (
    "cjk",
    "source han",
    "wenquanyi",
    "simhei",
    "yahei",
    "pingfang",
    "heiti",
    "hiragino sans gb",
    "droid sans fall",
)


@cache
def families() -> list[str]:
    """Font families to draw with: Latin, then a Chinese one if there is any."""
    from matplotlib import font_manager

    known = sorted(font_manager.fontManager.ttflist, key=lambda font: (font.weight != 400, font.name))
    for font in known:
        if any(name in font.name.lower() for name in NAMES) and _covers(font.fname, SAMPLE):
            return [LATIN, font.name]
    return [LATIN]


def printable(text: str) -> str:
    """The text without the signs that no font at hand has, nor the brackets that enclosed nothing else."""
    from matplotlib import font_manager

    files = [font_manager.findfont(family) for family in families()]
    signs = "".join(sign for sign in text if any(_covers(file, sign) for file in files))
    return re.sub(r"\s*\(\s*\)", "", signs).strip() if signs != text else text


@cache
def _signs(file: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(file).get_charmap())


def _covers(file: str, text: str) -> bool:
    return all(ord(sign) in _signs(file) for sign in text)
