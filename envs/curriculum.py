"""Easier episodes first: what a training draws from while it is young."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenband.errors import BadInput

__all__ = ["Lesson", "curriculum"]


@dataclass(frozen=True)
class Lesson:
    """What episodes draw from while the share of the training that is over is below ``until``.

    What is left out is as in the rest of the training.
    """

    until: float
    periods: Sequence[str] | None = None
    demand: Sequence[float] | None = None


def curriculum(items: Iterable[Lesson | Mapping[str, Any]]) -> tuple[Lesson, ...]:
    """Lessons, also from plain mappings, in the order of their ends.

    Raises:
        BadInput: an item is no lesson, or the ends do not rise from above 0 up to 1.
    """
    lessons = tuple(_lesson(item) for item in items)
    ends = [lesson.until for lesson in lessons]
    if not all(0 < end <= 1 for end in ends) or ends != sorted(set(ends)):
        raise BadInput(f"curriculum: until must rise, above 0 and up to 1, not {', '.join(map(str, ends))}")
    return lessons


def _lesson(item: Lesson | Mapping[str, Any]) -> Lesson:
    if isinstance(item, Lesson):
        return item
    known = set(Lesson.__dataclass_fields__)
    if not isinstance(item, Mapping) or not {"until"} <= set(item) <= known:
        raise BadInput(f"curriculum: {item!r}: a lesson has until, and periods or demand")
    if isinstance(item["until"], bool) or not isinstance(item["until"], int | float):
        raise BadInput(f"curriculum: until={item['until']!r}: must be a share of the training")
    return Lesson(**item)
