"""Tuning of a fixed plan in simulation by the covariance matrix adaptation evolution strategy (CMA-ES).

Hansen, The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772 (2016), by the author's library pycma. The search
starts at the green wave, or at a plan that is given. What a signal does is felt there and at the next signals, so each
signal has a strategy of its own, judged by the time waited at these; one more, for the cycle, is judged by all of it.
Every plan that is simulated tries one point of each: cooperative coevolution, after Potter and De Jong, A Cooperative
Coevolutionary Approach to Function Optimization, PPSN III (1994).

All plans of a generation meet the traffic of the same training seeds, and the next generation that of fresh ones, so
that no plan is fitted to one realisation. The plan to keep is chosen by mean delay on validation seeds among the start,
the strategies' final means and their best points of the last generation: it is never worse there than the start.

Tuning takes minutes to hours, so its result is kept in the user's cache under a key of everything that it depends on,
and so is every run that was simulated: an interrupted tuning, run again, goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from greenband import __version__, sumo
from greenband.demand import RouteFile
from greenband.errors import BadInput, UnknownName
from greenband.evaluation.runner import Run, Task, run_all
from greenband.evaluation.statistics import mean
from greenband.evaluation.store import SUFFIX, Store
from greenband.evaluation.subjects import Subject
from greenband.fidelity import FIDELITIES, Fidelity, options
from greenband.formats import json as plan_json
from greenband.junction_metrics import Place
from greenband.plan.model import PlanSet, TimingPlan
from greenband.plan.planner import Watch, plan_set
from greenband.plan.search import AroundPlans, PlanSpace
from greenband.scenario import Scenario

__all__ = ["Budget", "refined", "tuned"]

TRAINING_SEED, VALIDATION_SEED = 10_000, 1_000
LEAST_EVALUATIONS = 4  # of a generation
REVISION = 4  # of the search itself; part of the key

Plans = Mapping[str, TimingPlan]


@dataclass(frozen=True)
class Budget:
    """What a tuning may cost.

    ``evaluations`` counts plans that the strategy tries, each on ``seeds`` training seeds, in the first ``duration_s``
    of the period after its warm-up, at a ``fidelity``; then at most three plans for each start run all of it on
    ``validation_seeds``, always in micro.

    Raises:
        BadInput: fewer plans than a generation has, no seed, or no time.
        UnknownName: there is no such fidelity.
    """

    evaluations: int = 150
    seeds: int = 1
    duration_s: int = 1800
    validation_seeds: int = 4
    fidelity: Fidelity = "micro"

    def __post_init__(self) -> None:
        if self.evaluations < LEAST_EVALUATIONS:
            raise BadInput(
                f"a budget of {self.evaluations} plans is too small: at least {LEAST_EVALUATIONS} are needed"
            )
        if self.seeds < 1 or not 1 <= self.validation_seeds <= 100:
            raise BadInput("a tuning needs 1 training seed or more, and 1 to 100 validation seeds")
        if self.fidelity not in FIDELITIES:
            raise UnknownName("fidelity", self.fidelity, FIDELITIES)
        if self.duration_s < 1:
            raise BadInput(f"duration_s must be at least 1 s, not {self.duration_s}")


def tuned(scenario: Scenario, period: str, max_cycle_s: int, budget: Budget, jobs: int, watch: Watch) -> PlanSet:
    """The tuned plan of a period, from the cache or, once, by simulation.

    Args:
        scenario: where.
        period: when; one with plans of its own.
        max_cycle_s: of the green wave at which the search starts.
        budget: what the search may cost.
        jobs: simulations at a time.
        watch: progress, one step a simulation.

    Raises:
        BadInput: the limits of the signals allow no common cycle.
        SimulationError: SUMO failed.
    """
    space = PlanSpace(scenario, period, max_cycle_s)
    kept = _folder() / f"{_key(scenario, period, max_cycle_s, budget, _start(period, space))}.json"
    return _kept(kept, _Search("simopt", "green wave", scenario, period, [space], budget, jobs, watch))


def refined(
    subject: str,
    scenario: Scenario,
    period: str,
    starts: Mapping[str, Plans],
    budget: Budget,
    jobs: int,
    watch: Watch,
    mainline: float = 0.0,
) -> PlanSet:
    """The best plan of a period that a search from one of several plans finds; from the cache or by simulation.

    Args:
        subject: whom the plans are of.
        scenario: where.
        period: when.
        starts: plans by what they are called; a search begins at each, with an equal share of the budget. The better
            start does not tell where the better end is.
        budget: what the search may cost.
        jobs: simulations at a time.
        watch: progress, one step a simulation.
        mainline: s of delay that 1 s/km of travel time on the main road counts as, where plans are chosen.

    Raises:
        SimulationError: SUMO failed.
    """
    spaces = [AroundPlans(scenario, period, plans) for plans in starts.values()]
    about = ["each", subject, mainline, *starts, *(_start(period, space) for space in spaces)]
    kept = _folder() / f"{_key(scenario, period, 0, budget, json.dumps(about))}.json"
    search = _Search(subject, next(iter(starts)), scenario, period, spaces, budget, jobs, watch, mainline)
    return _kept(kept, search)


def _kept(file: Path, search: _Search) -> PlanSet:
    try:
        return plan_json.read(file)
    except BadInput:  # not there, or unusable
        store = Store(file.with_suffix(SUFFIX))
        found = search.run(store)
        plan_json.write(found, file)
        store.remove()
    return found


def _folder() -> Path:
    """Where tuned plans are kept; ``GREENBAND_CACHE`` in the environment moves it."""
    import platformdirs

    root = os.environ.get("GREENBAND_CACHE")
    return (Path(root) if root else platformdirs.user_cache_path("greenband")) / "tuned"


def _key(scenario: Scenario, period: str, max_cycle_s: int, budget: Budget, start: str) -> str:
    """Hash of all that a tuning depends on: scenario files, period, start of the search, budget, versions."""
    demand = scenario.demand(period)
    content = demand.path.read_bytes() if isinstance(demand, RouteFile) else repr(demand).encode()
    about = [
        scenario.model_dump_json(exclude={"folder"}),
        period,
        max_cycle_s,
        asdict(budget),
        start,
    ]
    if budget.fidelity != "micro":
        about += options(budget.fidelity)
    digest = hashlib.sha256(json.dumps([*about, REVISION, __version__, sumo.version_string()]).encode())
    for name in (scenario.network_file, *scenario.additional_files):
        digest.update((scenario.folder / name).read_bytes())
    digest.update(content)
    return digest.hexdigest()[:24]


def _start(period: str, space: PlanSpace) -> str:
    """Hash of the plans at which a search starts."""
    return plan_set(space.scenario, "simopt", {period: _origin(space)}, "").content_hash


def _origin(space: PlanSpace) -> Plans:
    return space.plans([0.0] * space.dimension)


@dataclass(frozen=True)
class _Search:
    """One tuning: from some starts, each in a space of its own and with its share of the plans."""

    subject: str
    start_name: str
    scenario: Scenario
    period: str
    spaces: Sequence[PlanSpace]
    budget: Budget
    jobs: int
    watch: Watch
    mainline: float = 0.0

    def run(self, store: Store) -> PlanSet:
        """Search, and choose on validation seeds among the starts and what was found."""
        budget, first = self.budget, self.spaces[0]
        each = max(budget.evaluations // len(self.spaces), LEAST_EVALUATIONS)
        size = min(4 + int(3 * math.log(first.dimension)), each)  # pycma's own choice of a generation
        generations = each // size if first.dimension > 1 else 0
        training = range(TRAINING_SEED, TRAINING_SEED + generations * budget.seeds)
        validation = range(VALIDATION_SEED, VALIDATION_SEED + budget.validation_seeds)
        short = _cut(self.scenario.at(budget.fidelity), self.period, budget.duration_s)
        tried = size * generations * len(self.spaces)
        label = f"tuning {self.scenario.name} {self.period}: {tried} plans by CMA-ES"
        with self.watch(label, tried * budget.seeds + 3 * len(self.spaces) * len(validation)) as step:

            def measure(candidates: Sequence[Plans], seeds: Sequence[int], road: Scenario = short) -> list[_Outcome]:
                return _outcomes(road, self.period, candidates, seeds, self.jobs, step, store)

            batches = [training[k : k + budget.seeds] for k in range(0, len(training), budget.seeds)]
            candidates = [_origin(space) for space in self.spaces]
            for space in self.spaces:
                candidates += _search(space, size, batches, measure)
            outcomes = measure(candidates, validation, self.scenario)
        costs = [outcome.delay_s + self.mainline * outcome.mainline_s_km for outcome in outcomes]
        best = costs.index(min(costs))
        note = (
            f"{self.period}: best of {tried} plans by CMA-ES, {outcomes[best].delay_s:.1f} s/veh on"
            f" validation seeds {validation[0]} to {validation[-1]} ({self.start_name} {outcomes[0].delay_s:.1f})"
        )
        return plan_set(self.scenario, self.subject, {self.period: candidates[best]}, note, training)


def _cut(scenario: Scenario, period: str, duration_s: int) -> Scenario:
    """The scenario with a period that ends sooner, if it is longer than that."""
    span = scenario.period(period)
    shorter = span.model_copy(update={"duration_s": min(duration_s, span.duration_s)})
    return scenario.model_copy(update={"periods": {**scenario.periods, period: shorter}})


def _search(
    space: PlanSpace,
    size: int,
    batches: Sequence[Sequence[int]],
    measure: Callable[[Sequence[Plans], Sequence[int]], list[_Outcome]],
) -> Iterator[Plans]:
    """The plan of the strategies' means, and that of their best points in the last generation.

    A plan that is tried joins one point of each block's strategy, so that each generation serves all of them.
    """
    import cma

    if not batches:
        return
    rng = np.random.default_rng(TRAINING_SEED)
    options: dict[str, Any] = {
        "popsize": size,
        "verbose": -10,  # neither prints nor writes files
        "seed": np.nan,  # leaves numpy's own generator alone
        "randn": lambda *shape: rng.standard_normal(shape),
    }
    sizes = [len(range(*block.coordinates.indices(space.dimension))) for block in space.blocks]
    strategies = [cma.CMAEvolutionStrategy([0.0] * count, 1.0, options) for count in sizes]
    for seeds in batches:
        points = [strategy.ask() for strategy in strategies]
        outcomes = measure([_joined(space, parts) for parts in zip(*points, strict=True)], seeds)
        waits = [[outcome.waited_s(block.signals) for outcome in outcomes] for block in space.blocks]
        for strategy, tried, waited in zip(strategies, points, waits, strict=True):
            strategy.tell(tried, waited)
    yield _joined(space, [strategy.result.xfavorite for strategy in strategies])
    yield _joined(space, [tried[int(np.argmin(w))] for tried, w in zip(points, waits, strict=True)])


def _joined(space: PlanSpace, parts: Sequence[Sequence[float]]) -> Plans:
    """The plan at the point that has these coordinates, block by block."""
    return space.plans(list(itertools.chain.from_iterable(parts)))


@dataclass(frozen=True)
class _Outcome:
    """What a plan did on some seeds: mean delay in s/veh, travel time on the main road in s/km (0 where there is none),
    and by signal the mean of the seconds waited there by all.
    """

    delay_s: float
    mainline_s_km: float
    by_signal: Mapping[str, float]

    def waited_s(self, signals: Iterable[str]) -> float:
        """Waited at some signals."""
        return sum(self.by_signal[name] for name in signals)


def _outcomes(
    scenario: Scenario,
    period: str,
    candidates: Sequence[Plans],
    seeds: Sequence[int],
    jobs: int,
    step: Callable[[], None],
    store: Store,
) -> list[_Outcome]:
    """What each of some plans did over the seeds, in simulation or from runs that are kept.

    Plans that are the same in whole seconds are simulated once.
    """
    sets = [plan_set(scenario, "simopt", {period: plans}, "") for plans in candidates]
    distinct = {one.content_hash: one for one in sets}
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        tasks = []
        for name, one in distinct.items():
            file = Path(folder) / f"{name}.json"
            plan_json.write(one, file)
            tasks += [Task(Subject("simopt", plan=file), scenario, period, seed) for seed in seeds]
        runs = run_all(tasks, jobs, step, store)
    for _ in range((len(sets) - len(distinct)) * len(seeds)):
        step()
    if not all(run.metrics for run in runs):
        raise BadInput(f"scenario {scenario.name}, period {period}: no trips to tune a plan on")
    rest = iter(runs)
    found = {name: _outcome([next(rest) for _ in seeds]) for name in distinct}
    return [found[one.content_hash] for one in sets]


def _outcome(runs: Sequence[Run]) -> _Outcome:
    junctions = [[place for place in run.places if place.level == "junction"] for run in runs]
    waited = [{place.id: _waited_s(place) for place in places} for places in junctions]
    return _Outcome(
        mean([run.metrics["delay_s"] for run in runs]),
        mean([3600 / speed if (speed := run.metrics.get("mainline_speed_kmh", 0.0)) else 0.0 for run in runs]),
        {name: mean([one[name] for one in waited]) for name in waited[0]},
    )


def _waited_s(place: Place) -> float:
    """By all vehicles together; 0 where none came."""
    vehicles = place.values["vehicles"]
    return vehicles * place.values["control_delay_s"] if vehicles else 0.0
