"""What a controller holds: texts by the names of its objects, as far as timing plans need them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Difference", "Holding"]


@dataclass(frozen=True)
class Difference:
    """An object with two values; None where one side lacks it."""

    name: str
    was: str | None
    is_now: str | None


@dataclass(frozen=True)
class Holding:
    """Objects by name, such as ``splitTime.1.2`` of NTCIP or ``PlanParam.3`` of GA/T 1049, in the order to set them.

    Values are texts in one canonical form, so that equal texts are equal values.
    """

    objects: Mapping[str, str]

    @property
    def hash(self) -> str:
        """SHA-256 of names and values, in any order."""
        return hashlib.sha256(json.dumps(dict(self.objects), sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Whether names and values are the same, in any order."""
        return isinstance(other, Holding) and dict(self.objects) == dict(other.objects)

    def __hash__(self) -> int:
        """As equal holdings have it equal."""
        return hash(frozenset(self.objects.items()))

    def __len__(self) -> int:
        return len(self.objects)

    def changed_from(self, before: Holding) -> Holding:
        """The objects that are not so in ``before``, in this order."""
        old = before.objects
        return Holding({name: text for name, text in self.objects.items() if old.get(name) != text})

    def of(self, other: Holding) -> Holding:
        """The objects that ``other`` names, as far as they are here."""
        return Holding({name: self.objects[name] for name in other.objects if name in self.objects})

    def differences(self, after: Holding) -> Iterator[Difference]:
        """What differs from here to ``after``, in the order of ``after``; what it lacks comes last."""
        for name in dict.fromkeys((*after.objects, *self.objects)):
            was, is_now = self.objects.get(name), after.objects.get(name)
            if was != is_now:
                yield Difference(name, was, is_now)
