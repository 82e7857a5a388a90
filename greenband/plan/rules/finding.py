"""What a rule has to say: a place where it is broken, what was found there, and what is required."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from greenband.plan.model import PlanSet
from greenband.plan.rules.profile import Profile

__all__ = ["Finding", "Judge", "Rule", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """A broken rule at a place; ``junction`` and ``plan`` are empty where it is of the whole set.

    ``measured`` and ``required`` are texts with their units.
    """

    rule: str
    junction: str
    plan: str
    place: str
    measured: str
    required: str
    severity: Severity = "error"
    waived: str = ""  # by whom and why


Judge = Callable[[PlanSet, Profile], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A rule by its id, with what it asks in words and where that comes from."""

    id: str
    title: str
    source: str
    judge: Judge
