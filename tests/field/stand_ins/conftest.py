"""A small controller: two rings, one barrier, one pattern that runs every day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from greenband.formats.ntcip_objects import (
    ACTION_OID,
    Action,
    Event,
    Pattern,
    Phase,
    ScheduleRow,
    Sequence,
    Split,
)
from greenband.formats.ntcip_rings import UNIT, UNUSED
from greenband.formats.ntcip_tables import NtcipTables

Plan = Callable[..., NtcipTables]
EVERY_DAY = ScheduleRow(months=0x1FFE, days=0xFE, dates=0xFFFFFFFE, day_plan=1)
BESIDE = {2: 6, 6: 2, 4: 8, 8: 4}


def _phase(number: int) -> Phase:
    if number not in BESIDE:
        return UNUSED
    ring = 1 if number < 5 else 2
    return replace(
        UNUSED, ring=ring, options=1, startup=2, min_green_s=5, red_ds=20, concurrency=bytes([BESIDE[number]])
    )


def _split(number: int, first_s: int, second_s: int) -> Split:
    if number not in BESIDE:
        return Split(0, 7, 0)
    return Split(first_s, 4, 1) if number in (2, 6) else Split(second_s, 4, 0)


@pytest.fixture
def plan() -> Plan:
    """Makes tables: cycle and offset in seconds, and the share of the cycle that phases 2 and 6 have."""

    def made(cycle_s: int = 60, offset_s: int = 10, first_s: int = 35) -> NtcipTables:
        return NtcipTables(
            unit=UNIT,
            phases={number: _phase(number) for number in range(1, 9)},
            sequences={(1, 1): Sequence(bytes([2, 4])), (1, 2): Sequence(bytes([6, 8]))},
            splits={(1, number): _split(number, first_s, cycle_s - first_s) for number in range(1, 9)},
            patterns={1: Pattern(cycle_s, offset_s, 1, 1)},
            actions={1: Action(1, 0, 0), 2: Action(254, 0, 0), 3: Action(255, 0, 0)},
            events={(1, 1): Event(0, 0, f"{ACTION_OID}.1")},
            schedule={1: EVERY_DAY},
        )

    return made
