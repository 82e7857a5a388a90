"""Traffic-responsive control by SUMO's own controllers, stage after stage in the signal's order.

SUMO decides how long a stage lasts, between its minimum green and a maximum; yellow, all-red, walk and clearance are
this project's. No stage is skipped, and one round of maxima keeps the maximum red. Times are whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from greenband.errors import BadInput
from greenband.network import Signal
from greenband.plan.ratios import critical_ratios
from greenband.plan.splits import SATURATION_VEH_H_LANE, free_turn, longest_greens, movement_flows
from greenband.programs import Program
from greenband.scenario import Scenario
from greenband.sensing import Measurement
from greenband.signals import Limits, transition_lamps

__all__ = ["Actuated", "DelayBased", "stage_phases", "stage_program"]

Phase = Mapping[str, str]


class _StageByStage:
    """Leaves every signal to a program of one of SUMO's types."""

    interval_s = 60
    blind = True
    kind: str
    bounded = False

    def __init__(self) -> None:
        self.programs: tuple[Program, ...] = ()

    def reset(self, scenario: Scenario, period: str) -> None:
        """Make the programs; the first stage turns green as the simulation starts."""
        flows, start_s = movement_flows(scenario.demand(period)), scenario.period(period).start_s
        self.programs = tuple(
            self._program(signal, signal.limits(scenario.timing), flows, start_s)
            for signal in scenario.network.signals.values()
        )

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        """Nothing: SUMO decides."""
        return {}

    def settings(self, signal: Signal) -> Mapping[str, str]:
        """SUMO's parameters."""
        raise AssertionError("a subclass has settings")

    def _program(self, signal: Signal, limits: Limits, flows_veh_h: Mapping[str, float], start_s: int) -> Program:
        ratios = critical_ratios(signal, flows_veh_h, SATURATION_VEH_H_LANE)
        phases = tuple(stage_phases(signal, limits, longest_greens(limits, ratios)))
        return stage_program(self.kind, signal, phases, self.settings(signal), start_s, self.bounded)


class Actuated(_StageByStage):
    """A stage goes on while vehicles follow each other closely on one of its lanes.

    Each lane has a loop ``detector_gap_s`` of driving before the stop line; a stage ends once no loop has been crossed
    for ``max_gap_s``, or at its maximum. ``passing_time_s`` is the headway at which a queue between loop and stop line
    leaves: it bounds the distance to what the minimum green clears. Lanes of turns that may go on red ask for nothing.

    Source: SUMO's type ``actuated`` (https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html); the rule is that of
    RiLSA and of basic actuated control in FHWA's Traffic Signal Timing Manual, FHWA-HOP-08-024, chapter 5.
    """

    kind = "actuated"

    def __init__(self, max_gap_s: float = 3.0, detector_gap_s: float = 2.0, passing_time_s: float = 1.9) -> None:
        super().__init__()
        _check_positive(max_gap_s=max_gap_s, detector_gap_s=detector_gap_s, passing_time_s=passing_time_s)
        self._settings = {
            "max-gap": str(max_gap_s),
            "detector-gap": str(detector_gap_s),
            "passing-time": str(passing_time_s),
        }

    def settings(self, signal: Signal) -> Mapping[str, str]:
        """Gap, detector and passing time, and the lanes without detector."""
        free = (movement for k, movement in enumerate(signal.movements) if free_turn(signal, k))
        return {**self._settings, **{lane: "NO_DETECTOR" for movement in free for lane in movement.from_lanes}}


class DelayBased(_StageByStage):
    """A stage goes on while vehicles that have lost time approach it and can still pass before its maximum.

    Looked at are vehicles up to ``detector_range_m`` before the stop line that have lost at least ``min_time_loss_s``
    there. SUMO would let a green go on for ever while nobody waits elsewhere; here it ends at its maximum all the same.

    Source: SUMO's type ``delay_based``; Oertel and Wagner, Delay-Time Actuated Traffic Signal Control for an Isolated
    Intersection, TRB 90th Annual Meeting, 2011.
    """

    kind = "delay_based"
    bounded = True

    def __init__(self, detector_range_m: float = 100.0, min_time_loss_s: float = 1.0) -> None:
        super().__init__()
        _check_positive(detector_range_m=detector_range_m, min_time_loss_s=min_time_loss_s)
        self._settings = {"detectorRange": str(detector_range_m), "minTimeloss": str(min_time_loss_s)}

    def settings(self, signal: Signal) -> Mapping[str, str]:
        """Range and time loss."""
        return self._settings


def stage_program(
    kind: str,
    signal: Signal,
    phases: Sequence[Phase],
    settings: Mapping[str, str],
    start_s: int,
    bounded: bool = False,
) -> Program:
    """SUMO's program of the phases of one round; the first turns green as the simulation starts at ``start_s``."""
    return Program(
        signal=signal.id,
        kind=kind,
        offset_s=start_s % sum(int(phase["duration"]) for phase in phases),
        phases=tuple(phases),
        settings=settings,
        stages={_name(k): k for k in range(len(signal.stages))},
        bounded=bounded,
    )


def stage_phases(
    signal: Signal,
    limits: Limits,
    longest_s: Sequence[int],
    order: Sequence[int] | None = None,
    shortest_s: Sequence[int] | None = None,
) -> Iterator[Phase]:
    """SUMO's phases of one round: per stage its green, flexible once the walks are over, and the change to the next.

    Named ``1 green``, ``1 yellow`` and ``1 all-red`` by stage number, with the lamps that the interlock would show.
    ``longest_s`` and ``shortest_s`` (by default the minimum greens) go by stage index; ``order`` is the sequence of
    stages, by default the signal's.
    """
    sequence = range(len(signal.stages)) if order is None else order
    minima_s = limits.min_green_s if shortest_s is None else shortest_s
    for k, following in zip(sequence, (*sequence[1:], sequence[0]), strict=True):
        stage, after, steps = signal.stages[k], signal.stages[following], signal.walk_steps(k, limits)
        for (begin, lamps), (end, _) in pairwise(steps):
            yield _fixed(end - begin, lamps, _name(k))
        begin, lamps = steps[-1]
        least, longest = str(minima_s[k] - begin), str(longest_s[k] - begin)
        yield {"duration": least, "minDur": least, "maxDur": longest, "state": lamps, "name": _name(k)}
        if not stage.greens <= after.greens:  # else nothing has to clear
            yellow, red = transition_lamps(lamps, after.state)
            shown = ((limits.yellow_s, yellow, "yellow"), (limits.all_red_s, red, "all-red"))
            yield from (_fixed(seconds, state, f"{k + 1} {name}") for seconds, state, name in shown if seconds > 0)


def _fixed(seconds: int, lamps: str, name: str) -> Phase:
    return {"duration": str(seconds), "state": lamps, "name": name}


def _name(stage: int) -> str:
    return f"{stage + 1} green"


def _check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if isinstance(value, str) or not value > 0:
            raise BadInput(f"{name}={value!r}: must be a number above 0")
