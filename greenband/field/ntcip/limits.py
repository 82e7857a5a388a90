"""How many rows an NTCIP controller's tables have: it says so itself, and the inventory may say otherwise.

Source: the objects max... of NTCIP 1202:2004 v02.18 and NTCIP 1201:2005 v02.27.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from greenband.field.driver import Refused
from greenband.formats.ntcip_objects import (
    Action,
    Event,
    NtcipObject,
    Pattern,
    Phase,
    ScheduleRow,
    Sequence,
    Split,
    columns,
)

__all__ = ["LIMITS", "MOST_OBJECTS", "MOST_ROWS", "check_rows", "limit", "told_limits"]

ASC = "1.3.6.1.4.1.1206.4.2.1"
TIMEBASE = "1.3.6.1.4.1.1206.4.2.6.3.3"
LIMITS: Mapping[str, str] = {
    "maxPhases": f"{ASC}.1.1.0",
    "maxPatterns": f"{ASC}.4.5.0",
    "maxSplits": f"{ASC}.4.8.0",
    "maxTimebaseAscActions": f"{ASC}.5.2.0",
    "maxRings": f"{ASC}.7.1.0",
    "maxSequences": f"{ASC}.7.2.0",
    "maxTimeBaseScheduleEntries": f"{TIMEBASE}.1.0",
    "maxDayPlans": f"{TIMEBASE}.3.0",
    "maxDayPlanEvents": f"{TIMEBASE}.4.0",
}
MOST_ROWS: Mapping[str, int] = {  # that the standard has
    **dict.fromkeys(LIMITS, 255),
    "maxPatterns": 253,
    "maxTimeBaseScheduleEntries": 65535,
}
MOST_OBJECTS = 100_000  # to read of one controller; 253 patterns, 16 phases and 255 full day plans of 50 make 65 000
TABLES: Mapping[type, tuple[str, ...]] = {
    Phase: ("maxPhases",),
    Sequence: ("maxSequences", "maxRings"),
    Split: ("maxSplits", "maxPhases"),
    Pattern: ("maxPatterns",),
    Action: ("maxTimebaseAscActions",),
    Event: ("maxDayPlans", "maxDayPlanEvents"),
    ScheduleRow: ("maxTimeBaseScheduleEntries",),
}
OF_COLUMN: Mapping[str, tuple[str, ...]] = {
    column.name: names for record, names in TABLES.items() for column in columns(record).values()
}


def told_limits(told: Mapping[str, object]) -> dict[str, int]:
    """The limits that a controller tells, without those that it does not tell.

    Raises:
        Refused: one is beyond what the standard has. Tables of such a size could neither be read nor be held.
    """
    found = {name: value for name, value in told.items() if isinstance(value, int)}
    for name, value in found.items():
        if not 1 <= value <= MOST_ROWS[name]:
            raise Refused(f"{name}: the controller says {value}, and there can be 1 to {MOST_ROWS[name]}")
    return found


def check_rows(objects: Iterable[NtcipObject], limits: Mapping[str, int]) -> None:
    """See that the controller has these rows; a limit that is not known is none.

    Raises:
        Refused: naming the object and the limit.
    """
    for item in objects:
        for part, name in zip(item.index, OF_COLUMN.get(item.column.name, ()), strict=False):
            if part > limits.get(name, part):
                raise Refused(f"{item.name}: there is no such row, {name} is {limits[name]}")


def limit(limits: Mapping[str, int], name: str) -> int:
    """A limit that must be known.

    Raises:
        Refused: it is not.
    """
    if name not in limits:
        raise Refused(f"{name}: the controller does not say; the inventory's limits must")
    return limits[name]
