"""Rules on actuated tables; the ids are those of fixed plans, but for what fixed plans have not: force-offs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from greenband.plan.actuated import ActuatedPlan, ActuatedSet
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, StageTiming, TimingPlan
from greenband.plan.rules import corridor, lamps, timing
from greenband.plan.rules.finding import Finding
from greenband.plan.rules.profile import Profile

__all__ = ["check_actuated"]

SPLITS = (timing.minimum_service, corridor.cycles)

SHARED = (
    *(timing.yellow, timing.all_red, timing.pedestrians, timing.green_flash),
    *(lamps.lamps, lamps.conflicts, lamps.service, corridor.schedule, corridor.release),
)


def check_actuated(tables: ActuatedSet, profile: Profile) -> Iterator[Finding]:
    """Every stage is there, greens are within the junction's, and one round of maxima keeps the maximum red.

    A coordinated stage can rest until its yield point. Splits are judged as the fixed plan that they make.

    Yellow, all-red, walks, lamps and conflicts are the junction's: the rules of fixed plans judge them by the plan that
    has every stage for its minimum green.
    """
    for period, table in tables:
        junction = tables.junctions[table.signal]
        if missing := sorted(set(range(len(junction.stages))) - set(table.order)):
            found = f"no stage {', '.join(str(k + 1) for k in missing)}"
            yield Finding("stages", table.signal, period, "stages", found, f"all {len(junction.stages)}")
        yield from _greens(period, table, junction, profile)
        yield from _reds(period, table, junction)
        yield from _rests(period, table, junction)
    least = _at_minimum(tables)
    for judge in SHARED:
        yield from judge(least, profile)
    yield from _splits(tables, profile)


def _at_minimum(tables: ActuatedSet) -> PlanSet:
    """The shortest round of every table as a fixed plan."""
    plans: dict[str, dict[str, TimingPlan]] = {}
    for period, table in tables:
        greens = {stage.stage: stage.min_green_s for stage in table.stages}
        plans.setdefault(period, {})[table.signal] = _fixed(table, tables.junctions[table.signal], greens)
    return PlanSet(
        provenance=tables.provenance,
        plans=plans,
        junctions=tables.junctions,
        day_plans=tables.day_plans,
        schedule=tables.schedule,
    )


def _splits(tables: ActuatedSet, profile: Profile) -> Iterator[Finding]:
    """What fixed plans of the coordinated tables' splits break; in a group all have one cycle or half of it."""
    plans: dict[str, dict[str, TimingPlan]] = {}
    for period, table in tables:
        junction = tables.junctions[table.signal]
        greens = {stage: split - junction.intergreen_s for stage, split in table.splits_s.items()}
        if greens:
            plans.setdefault(period, {})[table.signal] = _fixed(table, junction, greens)
    if plans:
        fixed = PlanSet(provenance=tables.provenance, plans=plans, junctions=tables.junctions)
        for judge in SPLITS:
            yield from judge(fixed, profile)
    cycles_s = {period: {name: plan.cycle_s for name, plan in plans.get(period, {}).items()} for period in tables.plans}
    yield from corridor.unequal_cycles(cycles_s, tables.junctions, tables.day_plans)


def _fixed(table: ActuatedPlan, junction: Junction, greens_s: Mapping[int, int]) -> TimingPlan:
    """The table's stages with greens in s by stage index."""
    stages = []
    for stage in table.stages:
        green = greens_s[stage.stage]
        flash = min(junction.green_flash_s, green)
        timing = StageTiming(
            stage=stage.stage,
            name=stage.name,
            green_s=green - flash,
            green_flash_s=flash,
            yellow_s=junction.yellow_s,
            all_red_s=junction.all_red_s,
        )
        stages.append(timing)
    cycle = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal=table.signal, name=table.name, cycle_s=cycle, offset_s=0, stages=tuple(stages))


def _greens(period: str, table: ActuatedPlan, junction: Junction, profile: Profile) -> Iterator[Finding]:
    for stage in table.stages:
        known, place = junction.stages[stage.stage], f"stage {stage.stage + 1} {stage.name}"
        least = max(known.min_green_s, profile.min_green_s)
        if stage.min_green_s < least:
            required = f"a minimum green of {least} s or more"
            yield Finding("min-green", table.signal, period, place, f"{stage.min_green_s} s", required)
        if stage.max_green_s > known.max_green_s:
            required = f"a maximum green of {known.max_green_s} s or less"
            yield Finding("min-green", table.signal, period, place, f"{stage.max_green_s} s", required)


def _reds(period: str, table: ActuatedPlan, junction: Junction) -> Iterator[Finding]:
    for stage in table.stages if len(table.stages) > 1 else ():
        red = table.longest_red_s(stage, junction.intergreen_s)
        if red > junction.max_red_s:
            place, required = f"stage {stage.stage + 1} {stage.name}", f"at most {junction.max_red_s} s"
            yield Finding("max-red", table.signal, period, place, f"{red} s while all others last", required)


def _rests(period: str, table: ActuatedPlan, junction: Junction) -> Iterator[Finding]:
    rest = table.longest_rest_s(junction.intergreen_s)
    for stage in table.stages:
        if table.coordination and stage.stage == table.coordination.stage and stage.max_green_s < rest:
            place = f"stage {stage.stage + 1} {stage.name}"
            required = f"{rest} s or more: from an early return to the yield point"
            yield Finding(
                "force-offs", table.signal, period, place, f"a maximum green of {stage.max_green_s} s", required
            )
