"""Every error that greenband raises on purpose; the command line turns them into one line and exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["BadInput", "GreenbandError", "InfeasibleLimits", "SimulationError", "UnknownName"]


class GreenbandError(Exception):
    """Base class of all errors of this package."""


class BadInput(GreenbandError):
    """A file, field or value from the user cannot be used."""


class InfeasibleLimits(BadInput):
    """Signal limits that contradict each other, such as a maximum red shorter than one round of minimum greens."""


class SimulationError(GreenbandError):
    """SUMO could not be started or ended unexpectedly."""


class UnknownName(BadInput):
    """A name that is not among the known ones; the message lists them and the nearest match."""

    def __init__(self, kind: str, value: str, options: Iterable[str]) -> None:
        known = sorted(options)
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {value!r}: choose from {', '.join(known) or 'none'}{hint}")
        self._made_of = kind, value, known

    def __reduce__(self) -> tuple[type[UnknownName], tuple[str, str, list[str]]]:
        """So that it can come back from another process."""
        return type(self), self._made_of
