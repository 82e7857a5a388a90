"""What other decisions would have cost: the simulation branches at a decision and each branch is driven to its horizon.

A branch is a copy of the whole process, so it starts from the same state, random numbers included, and what differs
comes of the decision alone. The policy goes on deciding in all of them, and drivers do not dawdle there, which made
better policies of fewer rows.

Source: rollouts of Tesauro and Galperin (NIPS 1996), for all signals of a road; the estimate is that of the "vine" in
Schulman et al. (ICML 2015).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from greenband import registry
from greenband.control import ControlLoop
from greenband.envs.rewards import RewardWeights
from greenband.envs.session import EpisodeConfig, Session
from greenband.errors import BadInput
from greenband.network import Network
from greenband.observation import OBSERVATION_SIZE, action_mask, vehicles_before
from greenband.processes import can_copy, in_a_copy
from greenband.scenario import Scenario

__all__ = ["COSTS", "BranchConfig", "Branched", "Episode", "Scores", "branch"]

COSTS = ("lost", "mainline", "waiting")
Floats = npt.NDArray[np.float64]
OPEN_FILES = "/proc/self/fd"
MOVED_M = 0.5  # a vehicle that has made less way since the last look stood
FLOOR = 0.15  # weight of the worst alternative beside the best one's of 1
QUIET = 0.25  # vehicles, added to those that are seen: a signal where nobody is gets a branch now and then


class Scores(Protocol):
    """A policy that scores stages, higher for better."""

    def reset(self, scenario: Scenario, period: str) -> None:
        """Begin a run."""

    def scores(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``[signals, OBSERVATION_SIZE]`` to ``[signals, MAX_STAGES]``, forbidden stages far below the others."""


@dataclass(frozen=True)
class BranchConfig:
    """Where the simulation branches and what is counted there.

    Args:
        horizon_s: how long a branch is driven, s.
        share: of the decision times, at which branches start.
        signals: at most so many of those with a choice get a branch at such a time, each its own.
        busy: share of such times at which these signals are drawn by how many vehicles one stage could serve there, at
            the others evenly. Where nobody is, costs hardly differ, but a policy must know what to do there too.
        spread: of scores; an alternative is drawn by exp(score / spread), the worst ones a little more often.
        patience_s: standing longer than this at a stretch counts as waiting, s.

    Raises:
        BadInput: a value is out of range.
    """

    horizon_s: int = 120
    share: float = 0.1
    signals: int = 4
    busy: float = 0.0
    spread: float = 2.0
    patience_s: float = 75.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BadInput(f"branches: {name}={value}: must be a number")
        for name in ("horizon_s", "signals"):
            if not isinstance(getattr(self, name), int):
                raise BadInput(f"branches: {name}={getattr(self, name)}: must be a whole number")
        for name in ("horizon_s", "signals", "spread", "patience_s"):
            if not getattr(self, name) > 0:
                raise BadInput(f"branches: {name}={getattr(self, name)}: must be above 0")
        if not 0 < self.share <= 1:
            raise BadInput(f"branches: share={self.share}: must be above 0 and at most 1")
        if not 0 <= self.busy <= 1:
            raise BadInput(f"branches: busy={self.busy}: must be from 0 to 1")


@dataclass(frozen=True)
class Episode:
    """One to simulate and branch; ``policy`` is a ``_target_`` configuration of ``Scores``."""

    scenario: Scenario
    config: EpisodeConfig
    branches: BranchConfig
    policy: Mapping[str, Any]
    seed: int
    lesson: int


@dataclass(frozen=True)
class Branched:
    """Decisions and one alternative to each.

    ``observations`` ``[n, OBSERVATION_SIZE]``; ``chosen`` and ``tried`` stages ``[n]``; ``costs`` ``[n, steps, 3]``: by
    how much the alternative's exceeded those of the choice in each decision interval up to the horizon, by ``COSTS``,
    over the whole network in vehicle seconds: time lost against the speed limit or waiting to enter; what those lost on
    the road who run the main road from end to end; and time spent standing for longer than the patience. ``decisions``
    were made for it by all signals in all branches; ``period`` is that of the day.
    """

    observations: npt.NDArray[np.float32]
    chosen: npt.NDArray[np.int64]
    tried: npt.NDArray[np.int64]
    costs: npt.NDArray[np.float32]
    decisions: int
    period: str

    def __len__(self) -> int:
        return len(self.chosen)


def branch(episode: Episode) -> Branched:
    """Drive an episode by its policy and branch on the way.

    Raises:
        BadInput: this system cannot copy processes.
        SimulationError: SUMO failed, here or in a branch.
    """
    if not can_copy():
        raise BadInput("branches copy the process with its open files, which greenband can do on Linux only")
    policy: Scores = registry.instantiate(dict(episode.policy))
    config = replace(episode.config, backend="libsumo", reward=RewardWeights(progress=0.0))
    session = Session(episode.scenario, config)
    try:
        return _Drive(session, policy, episode).run()
    finally:
        session.close()


class _Drive:
    """An episode under way."""

    def __init__(self, session: Session, policy: Scores, episode: Episode) -> None:
        self._session, self._policy, self._episode = session, policy, episode
        self._settings = episode.branches
        self._rng = np.random.default_rng([episode.seed, 1])
        self._steps = max(1, self._settings.horizon_s // episode.config.interval_s)

    def run(self) -> Branched:
        session, settings = self._session, self._settings
        observations = session.reset(self._episode.seed, self._episode.lesson)
        self._policy.reset(session.scenario, session.loop.period_name)
        self._meter = _Meter(session.loop, settings.patience_s, self._episode.config.interval_s)
        self._meter.read()
        tried: list[tuple[npt.NDArray[np.float32], int, int, Floats]] = []
        intervals, copies, done = 0, 0, False
        while not done:
            scores = self._policy.scores(observations)
            actions = scores.argmax(axis=1)
            if self._branches_here() and (others := self._alternatives(observations, scores, actions)):
                kept, copies = self._copy(actions), copies + 1 + len(others)
                for k, other in others:
                    changed = actions.copy()
                    changed[k] = other
                    tried.append((observations[k], int(actions[k]), other, self._copy(changed) - kept))
            step = session.step(actions)
            observations, done, intervals = step.observations, step.truncated, intervals + 1
            self._meter.read()
        return self._rows(tried, len(session.signals) * (intervals + self._steps * copies))

    def _branches_here(self) -> bool:
        """From half a horizon before what is measured, to the last time from which a horizon fits into the period."""
        loop, period = self._session.loop, self._session.loop.period
        early = loop.now < period.begin_s - self._settings.horizon_s / 2
        late = loop.now + self._steps * self._episode.config.interval_s > period.end_s
        return not early and not late and self._rng.random() < self._settings.share

    def _alternatives(
        self, observations: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], actions: npt.NDArray[np.int64]
    ) -> list[tuple[int, int]]:
        """Some signals that have a choice, each with a stage that the policy would not take."""
        masks = action_mask(observations)
        found = []
        for k in self._drawn(observations, np.flatnonzero(masks.sum(axis=1) > 1)):
            others = np.array([stage for stage in np.flatnonzero(masks[k]) if stage != actions[k]])
            rated = scores[k, others].astype(np.float64)
            weights = np.exp((rated - rated.max()) / self._settings.spread) + FLOOR
            found.append((int(k), int(self._rng.choice(others, p=weights / weights.sum()))))
        return found

    def _drawn(self, observations: npt.NDArray[np.float32], signals: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Those of the signals that get a branch."""
        busy = self._settings.busy > 0 and self._rng.random() < self._settings.busy
        if not busy or not len(signals):
            return self._rng.permutation(signals)[: self._settings.signals]
        weights = vehicles_before(observations[signals]).astype(np.float64) + QUIET
        count = min(self._settings.signals, len(signals))
        return self._rng.choice(signals, count, replace=False, p=weights / weights.sum())

    def _copy(self, actions: npt.NDArray[np.int64]) -> Floats:
        """Costs at the end of each interval, ``[steps, 3]``, if these actions are taken now."""
        return in_a_copy(self._follow, actions)

    def _follow(self, actions: npt.NDArray[np.int64]) -> Floats:
        _reopen_files()
        totals = []
        types = self._session.loop.simulation.api.vehicletype
        for name in types.getIDList():
            types.setImperfection(name, 0.0)
        for _ in range(self._steps):
            observations = self._session.step(actions).observations
            totals.append(self._meter.read())
            actions = self._policy.scores(observations).argmax(axis=1)
        return np.array(totals)

    def _rows(self, tried: list[tuple[npt.NDArray[np.float32], int, int, Floats]], decisions: int) -> Branched:
        costs = [np.diff(more, axis=0, prepend=0.0) for *_, more in tried]
        return Branched(
            np.array([row[0] for row in tried], np.float32).reshape(len(tried), OBSERVATION_SIZE),
            np.array([row[1] for row in tried], np.int64),
            np.array([row[2] for row in tried], np.int64),
            np.array(costs, np.float32).reshape(len(tried), self._steps, len(COSTS)),
            decisions,
            self._session.loop.period_name,
        )


def _reopen_files() -> None:
    """Give a copied process places of its own in the files that it reads.

    SUMO reads routes as time goes on, and would share its place in the file with the process that it was copied from.
    """
    for entry in os.listdir(OPEN_FILES):
        number = int(entry)
        try:
            place = os.lseek(number, 0, os.SEEK_CUR)
            path = os.readlink(f"{OPEN_FILES}/{entry}")
            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY or not os.path.isfile(path):
                continue
            own = os.open(path, os.O_RDONLY)
        except OSError:  # a pipe, or the listing itself, which is closed by now
            continue
        os.lseek(own, place, os.SEEK_SET)
        os.dup2(own, number)
        os.close(own)


class _Times:
    """What vehicles have lost, and how long they have stood, as SUMO keeps it."""

    def read(self, api: Any) -> tuple[dict[str, float], list[float]]:
        """Time lost by vehicle, and times of standing at a stretch, both in s."""
        vehicle = api.vehicle
        lost = {name: vehicle.getTimeLoss(name) for name in vehicle.getIDList()}
        return lost, [vehicle.getWaitingTime(name) for name in lost]


class _RoadTimes(_Times):
    """The same where SUMO does not keep it, from the ways that vehicles have made since the call before."""

    def __init__(self, network: Network) -> None:
        self._length_m = cache(network.edge_length_m)
        self._behind_m: dict[str, list[float]] = {}  # of a vehicle's route, before each of its edges
        self._last: dict[str, tuple[float, float, float, float]] = {}  # time, way in m, lost and waited in s

    def read(self, api: Any) -> tuple[dict[str, float], list[float]]:
        """See above; a vehicle that has just entered lost what it needed longer since then."""
        vehicle, now_s = api.vehicle, float(api.simulation.getTime())
        last, self._last = self._last, {}
        for name in vehicle.getIDList():
            then_s, before_m, lost_s, waited_s = last.get(name) or (float(vehicle.getDeparture(name)), 0.0, 0.0, 0.0)
            # one that crosses a junction is at 0 of the edge that it left
            way_m = max(before_m, self._way_m(vehicle, name))
            passed_s, driven_m = now_s - then_s, way_m - before_m
            lost_s += passed_s - driven_m / vehicle.getAllowedSpeed(name)
            self._last[name] = now_s, way_m, lost_s, waited_s + passed_s if driven_m < MOVED_M else 0.0
        return {name: times[2] for name, times in self._last.items()}, [times[3] for times in self._last.values()]

    def _way_m(self, vehicle: Any, name: str) -> float:
        """Way since the start of the route. SUMO's own counts the edges that are passed twice."""
        if name not in self._behind_m:
            lengths = [self._length_m(edge) for edge in vehicle.getRoute(name)]
            self._behind_m[name] = [0.0, *accumulate(lengths)]
        return self._behind_m[name][vehicle.getRouteIndex(name)] + float(vehicle.getLanePosition(name))


class _Meter:
    """Costs so far of a running loop."""

    def __init__(self, loop: ControlLoop, patience_s: float, interval_s: int) -> None:
        self._loop, self._patience_s, self._interval_s = loop, patience_s, interval_s
        self._mainline = {route for routes in loop.scenario.mainline.values() for route in routes}
        self._times = _Times() if loop.scenario.fidelity == "micro" else _RoadTimes(loop.scenario.network)
        self._lost: dict[str, float] = {}  # s, of the vehicles that are on the road
        self._gone = np.zeros(len(COSTS))

    def read(self) -> Floats:
        """Totals by ``COSTS``; called at the end of every interval."""
        simulation = self._loop.simulation
        lost, waited = self._times.read(simulation.api)
        self._gone += self._sum({name: value for name, value in self._lost.items() if name not in lost})
        self._lost = lost
        standing = sum(seconds > self._patience_s for seconds in waited)
        self._gone += self._interval_s * np.array([simulation.pending(), 0, standing])
        return self._gone + self._sum(lost)

    def _sum(self, lost: Mapping[str, float]) -> Floats:
        mainline = sum(value for name, value in lost.items() if name.rpartition(".")[0] in self._mainline)
        return np.array([sum(lost.values()), mainline, 0.0])
