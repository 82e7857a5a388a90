"""Seed ranges: reports use 0 to 99, validation 1000 to 1099, training 10000 and above."""

from __future__ import annotations

import re

from greenband.errors import BadInput

__all__ = ["parse_seeds"]


def parse_seeds(text: str) -> tuple[int, ...]:
    """``a:b`` (b left out, as in Python), a single seed, or a comma-separated list of both.

    Raises:
        BadInput: anything else, or an empty range.
    """
    seeds: list[int] = []
    for part in text.split(","):
        if match := re.fullmatch(r"\s*(\d+)\s*:\s*(\d+)\s*", part):
            if int(match[1]) >= int(match[2]):
                raise BadInput(f"seeds {text!r}: the range {part.strip()} is empty")
            seeds.extend(range(int(match[1]), int(match[2])))
        elif re.fullmatch(r"\s*\d+\s*", part):
            seeds.append(int(part))
        else:
            raise BadInput(f"seeds {text!r}: {part!r} is neither a number nor a range such as 0:10")
    return tuple(dict.fromkeys(seeds))
