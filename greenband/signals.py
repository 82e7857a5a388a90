"""Stages, intergreen times, limits, and the Interlock: the only way to a lamp.

All times are whole seconds of simulation time. Lamp states are SUMO strings, one letter per link index
(https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html): ``G`` protected green, ``g`` permissive green, ``y`` yellow,
``r`` red, ``s`` stop-then-go on red.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from greenband.errors import InfeasibleLimits

__all__ = [
    "GREEN",
    "Interlock",
    "Limits",
    "SignalTiming",
    "Stage",
    "all_red_s",
    "clearance_s",
    "green_lamps",
    "transition_lamps",
    "yellow_s",
]

GREEN = frozenset("Gg")
BUFFER_S = 3


@dataclass(frozen=True)
class Stage:
    """Movements that are green together 阶段.

    ``state`` is the SUMO lamp string shown while the stage is green; ``movements`` indexes the signal's movements.
    """

    name: str
    state: str
    movements: tuple[int, ...]

    @property
    def greens(self) -> frozenset[int]:
        """Link indices that are green, permissive ones included."""
        return frozenset(i for i, lamp in enumerate(self.state) if lamp in GREEN)


@dataclass(frozen=True)
class SignalTiming:
    """Timing practice of an agency, from which the limits of each signal follow. All values in seconds.

    ``yellow_s`` and ``all_red_s`` of None are computed per signal from approach speed and crossing length. On foot:
    ``walk_s`` is the least walk, ``walking_speed_ms`` (m/s) gives the clearance that follows it, see ``clearance_s``.
    For ``clear_turns_s`` at most the end of a stage is put off while vehicles that turn across oncoming traffic wait
    within the junction, by cameras there, 0: never; see ``greenband.clearing``.
    """

    yellow_s: int | None = None
    all_red_s: int | None = None
    min_green_through_s: int = 15
    min_green_turn_s: int = 8
    max_green_s: int = 90
    max_red_s: int = 180
    green_flash_s: int = 3
    walk_s: int = 7
    walking_speed_ms: float = 1.2
    clear_turns_s: int = 0


@dataclass(frozen=True)
class Limits:
    """What one signal must hold to, in whole seconds; ``min_green_s`` has one entry per stage.

    ``walks`` holds, per stage, pairs of a crossing's link index and the seconds of walk at the stage's start; it is
    empty where nobody crosses. A minimum green leaves room for the clearance after the walk.

    Raises:
        InfeasibleLimits: a value is out of range, or one round of minimum greens does not fit into ``max_red_s``.
    """

    yellow_s: int
    all_red_s: int
    min_green_s: tuple[int, ...]
    max_green_s: int = 90
    max_red_s: int = 180
    green_flash_s: int = 3
    walks: tuple[tuple[tuple[int, int], ...], ...] = ()

    def __post_init__(self) -> None:
        if any(
            not 0 < walk < green for green, row in zip(self.min_green_s, self.walks, strict=False) for _, walk in row
        ):
            raise InfeasibleLimits("every walk must be at least 1 s and end before its stage's minimum green")
        if self.yellow_s < 0 or self.all_red_s < 0 or any(g < 1 for g in self.min_green_s):
            raise InfeasibleLimits("yellow and all-red must be at least 0 s and every minimum green at least 1 s")
        if any(g > self.max_green_s for g in self.min_green_s):
            raise InfeasibleLimits(f"a minimum green exceeds the maximum green of {self.max_green_s} s")
        rounds = sum(g + self.intergreen_s for g in self.min_green_s)
        if len(self.min_green_s) > 1 and rounds - min(self.min_green_s) > self.max_red_s:
            raise InfeasibleLimits(
                f"max_red_s = {self.max_red_s} s is too short for one round of minimum greens ({rounds} s)"
            )

    @property
    def intergreen_s(self) -> int:
        """Yellow plus all-red, in seconds."""
        return self.yellow_s + self.all_red_s


def yellow_s(speed_ms: float) -> int:
    """Yellow time in whole seconds for an approach speed in m/s, at least 3 s.

    ``t + v / (2 a)`` with t = 1 s perception-reaction and a = 3.05 m/s² on level ground, rounded to the nearest second
    (ITE kinematic formula, NCHRP Report 731).
    """
    return max(3, round(1.0 + speed_ms / (2 * 3.05)))


def all_red_s(crossing_m: float, speed_ms: float) -> int:
    """Red clearance in whole seconds: ``(W + L) / v`` less 1 s start-up of the next stream, at least 1 s.

    W is the crossing length in metres, L = 6.1 m the vehicle length (NCHRP Report 731, 1 s reduction included there).
    """
    return max(1, math.ceil((crossing_m + 6.1) / max(speed_ms, 1.0) - 1.0))


def clearance_s(crossing_m: float, walking_speed_ms: float) -> int:
    """Seconds from the end of walk until a stream across may start: the way over the crossing plus 3 s to spare.

    MUTCD 2009, 4E.06: time to walk the crossing, then a buffer of 3 s. Yellow and all-red may count towards both.
    """
    return math.ceil(crossing_m / walking_speed_ms) + BUFFER_S


def green_lamps(state: str, walks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """What a stage shows while it is green: (seconds from its start, lamps), in order of time.

    Crossings show green for their seconds of walk and red after it, so that they are clear when the stage may end.
    """
    yield 0, state
    for end in sorted({seconds for _, seconds in walks}):
        over = {index for index, seconds in walks if seconds <= end}
        yield end, "".join("r" if i in over else lamp for i, lamp in enumerate(state))


def transition_lamps(before: str, after: str) -> tuple[str, str]:
    """Lamp strings for the yellow and the all-red between two stage states of equal length.

    A link that loses green, permissive or protected, shows yellow then red; one that keeps green keeps the weaker of
    its two greens until the next stage starts; any other link shows red (``s`` where both states have it).
    """
    yellow, red = [], []
    for old, new in zip(before, after, strict=True):
        if old in GREEN and new in GREEN:
            kept = "G" if old == new == "G" else "g"
            yellow.append(kept)
            red.append(kept)
        else:
            stop = "s" if old == new == "s" else "r"
            yellow.append("y" if old in GREEN else stop)
            red.append(stop)
    return "".join(yellow), "".join(red)


@dataclass
class Interlock:
    """Shows one signal's lamps so that no request, however wrong, breaks the limits.

    ``request`` asks for a stage; ``tick`` moves the clock. Guaranteed every second: minimum green, maximum green,
    yellow then all-red for each stream that loses green, walk and clearance on crossings, and a maximum red for every
    stage. The last holds because a
    stage is only entered or kept while all other stages can still be served in order of their deadlines, each for its
    minimum green; that round is the fallback when a controller stays silent.
    """

    stages: Sequence[Stage]
    limits: Limits
    now: int
    stage: int = 0
    green_since: int | None = field(init=False)
    executed: list[tuple[int, int]] = field(init=False)
    _lamps: str = field(init=False)
    _leave_by: float = field(init=False)
    _steps: list[tuple[int, str]] = field(init=False)  # lamps to come, with the time in s of each

    def __post_init__(self) -> None:
        if len(self.limits.min_green_s) != len(self.stages):
            raise InfeasibleLimits(f"{len(self.limits.min_green_s)} minimum greens for {len(self.stages)} stages")
        if self.limits.walks and len(self.limits.walks) != len(self.stages):
            raise InfeasibleLimits(f"walks of {len(self.limits.walks)} stages for {len(self.stages)}")
        self.executed = [(self.now, self.stage)]
        self._left_at = [self.now] * len(self.stages)
        self._two_rounds_s = 2 * sum(self.limits.intergreen_s + green for green in self.limits.min_green_s)
        self._start_green()

    @property
    def lamps(self) -> str:
        """The SUMO lamp string to show now."""
        return self._lamps

    @property
    def in_transition(self) -> bool:
        """Whether the stage is still being brought in (yellow or all-red showing)."""
        return self.green_since is None

    @property
    def next_change(self) -> float:
        """Time in seconds at which lamps change by themselves; infinity if they never do."""
        return min(self._steps[0][0], self._leave_by) if self._steps else self._leave_by

    def green_elapsed(self) -> int:
        """Seconds of green the present stage has had; 0 in a transition."""
        return 0 if self.green_since is None else self.now - self.green_since

    def red_elapsed(self) -> npt.NDArray[np.int64]:
        """Seconds since each stage was last left, shape ``[stages]``; 0 for the present stage."""
        red = self.now - np.asarray(self._left_at)
        red[self.stage] = 0
        return red

    def mask(self) -> npt.NDArray[np.bool_]:
        """Which stages may be requested now, shape ``[stages]``; never all False."""
        allowed = np.zeros(len(self.stages), dtype=np.bool_)
        if self.green_since is None or self.now < self.green_since + self.limits.min_green_s[self.stage]:
            allowed[self.stage] = True
            return allowed
        if self._unhurried():
            allowed[:] = True
            allowed[self.stage] = self.now < self._leave_by
            return allowed
        for stage in range(len(self.stages)):
            allowed[stage] = self.now < self._leave_by if stage == self.stage else self._may_enter(stage)
        if not allowed.any():
            allowed[self._most_urgent()] = True
        return allowed

    def request(self, stage: int) -> int:
        """Ask for a stage; returns the stage that is executed, the present one where the mask forbids the change."""
        wanted = int(stage)
        if 0 <= wanted < len(self.stages) and wanted != self.stage and self.mask()[wanted]:
            self._change_to(wanted)
        return self.stage

    def tick(self, now: int) -> None:
        """Move the clock to ``now``. Must be called at least at every ``next_change``."""
        self.now = now
        while self._steps and self._steps[0][0] <= now:
            _, self._lamps = self._steps.pop(0)
            if not self._steps and self.green_since is None:
                self._start_green()
        if self.green_since is not None and now >= self._leave_by:
            self._change_to(self._most_urgent())

    def _change_to(self, stage: int) -> None:
        before, after = self.stages[self.stage], self.stages[stage]
        self._left_at[self.stage] = self.now
        self.stage = stage
        self.executed.append((self.now, stage))
        if before.greens <= after.greens:
            self._start_green()
            return
        yellow, red = transition_lamps(self._lamps, after.state)
        self.green_since, self._leave_by = None, math.inf
        shown = [(self.limits.yellow_s, yellow), (self.limits.all_red_s, red)]
        clock = self.now
        self._steps = []
        for duration, lamps in [(d, lamps) for d, lamps in shown if d > 0]:
            self._steps.append((clock, lamps))
            clock += duration
        self._steps.append((clock, after.state))
        self.tick(self.now)

    def _start_green(self) -> None:
        self.green_since = self.now
        self._leave_by = self._latest_leave()
        walks = self.limits.walks[self.stage] if self.limits.walks else ()
        (_, self._lamps), *later = green_lamps(self.stages[self.stage].state, walks)
        self._steps = [(self.now + seconds, lamps) for seconds, lamps in later]

    def _by_urgency(self, but: int) -> list[int]:
        return sorted((s for s in range(len(self.stages)) if s != but), key=lambda s: self._left_at[s])

    def _most_urgent(self) -> int:
        return self._by_urgency(self.stage)[0]

    def _slack(self, start: int, order: Sequence[int]) -> float:
        """Least time by which stages served in ``order`` from ``start``, each for its minimum, beat their deadline."""
        slack, clock = math.inf, start
        for stage in order:
            clock += self.limits.intergreen_s
            left = self.now if stage == self.stage else self._left_at[stage]
            slack = min(slack, left + self.limits.max_red_s - clock)
            clock += self.limits.min_green_s[stage]
        return slack

    def _unhurried(self) -> bool:
        """Whether any order of the stages meets all deadlines, so that none needs to be looked at; False if unsure."""
        if len(self.stages) == 1:
            return False
        return min(self._left_at) + self.limits.max_red_s >= self.now + self._two_rounds_s

    def _may_enter(self, stage: int) -> bool:
        leave = self.now + self.limits.intergreen_s + self.limits.min_green_s[stage]
        order = [s for s in self._by_urgency(self.stage) if s != stage] + [self.stage]
        late = self._left_at[stage] + self.limits.max_red_s < self.now + self.limits.intergreen_s
        return not late and self._slack(leave, order) >= 0

    def _latest_leave(self) -> float:
        if len(self.stages) == 1:
            return math.inf
        assert self.green_since is not None
        slack = self._slack(self.now, self._by_urgency(self.stage))
        return min(self.green_since + self.limits.max_green_s, self.now + slack)
