"""What an NTCIP controller says of its running, in words: whether it is free, flashes, stands still or has an alarm.

Left out is what tells nothing about the plans: faulty detectors, alarm inputs of the cabinet, a low battery, a
preemption under way, an offset being corrected, power that came back. Central control instead of the time base is left
out too: it is somebody's will, not a fault.

Two of the objects forget a bit when they are read, by anybody: unitAlarmStatus2 that power came back, shortAlarmStatus
that the local cycle passed zero.

Source: NTCIP 1202:2004 v02.18, clauses 2.3.5 to 2.4.2, 2.5.10 and 2.5.11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["STATUS", "Status"]

ASC = "1.3.6.1.4.1.1206.4.2.1"
STATUS: Mapping[str, str] = {
    "coordPatternStatus": f"{ASC}.4.10.0",
    "localFreeStatus": f"{ASC}.4.11.0",
    "unitControlStatus": f"{ASC}.3.5.0",
    "unitFlashStatus": f"{ASC}.3.6.0",
    "unitAlarmStatus2": f"{ASC}.3.7.0",
    "unitAlarmStatus1": f"{ASC}.3.8.0",
    "shortAlarmStatus": f"{ASC}.3.9.0",
}
NOT_FREE, TRANSITION, NOT_FLASHING, STARTUP, BY_HAND = 2, 4, 2, 7, 5
FREE_PATTERN, FLASH_PATTERN = 254, 255
FREE = {
    1: "for a reason of its own (other)",
    3: "because it is told to (commandFree)",
    4: "and still on the way to coordination (transitionFree)",
    5: "because of an input (inputFree)",
    6: "because the pattern says so (coordFree)",
    7: "because the pattern is invalid (badPlan)",
    8: "because the cycle is too short for the phases (badCycleTime)",
    9: "because the splits exceed the cycle (splitOverrun)",
    10: "because the offset is invalid (invalidOffset)",
    11: "because it found phases not served (failed)",
}
FLASH = {
    1: "for a reason of its own (other)",
    3: "as it is told to (automatic)",
    4: "switched by hand at the cabinet (localManual)",
    5: "because of a fault that it found (faultMonitor)",
    6: "because the conflict monitor demands it (mmu)",
    7: "after power came back (startup)",
    8: "for a preemption (preempt)",
}
BITS: Mapping[str, Mapping[int, str]] = {
    "unitAlarmStatus1": {
        0: "a call was not served for two cycles in coordination (cycle fault)",
        1: "calls were served again only after a cycle fault (coord fault)",
        2: "a cycle fault came again after coordination was retried (coord fail)",
        3: "a call was not served for two cycles out of coordination (cycle fail)",
        4: "the conflict monitor demands flash (MMU flash)",
        5: "flash is switched at the cabinet (local flash)",
        6: "an input or its programming keeps it from coordination (local free)",
    },
    "unitAlarmStatus2": {
        2: "a unit of the cabinet does not answer (response fault)",
        3: "the input for an external start is active (external start)",
        4: "its timing is stopped by an input (stop time)",
    },
    "shortAlarmStatus": {
        1: "flash is switched at the cabinet or by the conflict monitor (T&F flash)",
        3: "an input or its programming keeps it from coordination (local override)",
        4: "it did not reach the pattern that it is to run within three cycles (coordination alarm)",
        7: "its timing is stopped by an input (critical alarm)",
    },
}


@dataclass(frozen=True)
class Status:
    """Values by the names of ``STATUS``, as far as the controller has them."""

    values: Mapping[str, int]

    @property
    def passing(self) -> bool:
        """Whether it is on the way from one state of running to another."""
        return self.values.get("localFreeStatus") == TRANSITION or self.values.get("unitFlashStatus") == STARTUP

    def troubles(self) -> list[str]:
        """What keeps it from running its plans, a line each."""
        return list(self._troubles())

    def _troubles(self) -> Iterator[str]:
        free = self.values.get("localFreeStatus", NOT_FREE)
        flash = self.values.get("unitFlashStatus", NOT_FLASHING)
        pattern = self.values.get("coordPatternStatus", 0)
        if free != NOT_FREE:
            yield f"it runs free, {FREE.get(free, f'localFreeStatus {free}')}"
        elif pattern == FREE_PATTERN:
            yield "it runs free (coordPatternStatus 254)"
        if flash != NOT_FLASHING:
            yield f"it flashes, {FLASH.get(flash, f'unitFlashStatus {flash}')}"
        elif pattern == FLASH_PATTERN:
            yield "it flashes (coordPatternStatus 255)"
        if self.values.get("unitControlStatus") == BY_HAND:
            yield "it runs a pattern chosen by hand (unitControlStatus manual)"
        for name, bits in BITS.items():
            yield from (text for bit, text in bits.items() if self.values.get(name, 0) >> bit & 1)
