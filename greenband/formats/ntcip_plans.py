"""Back from a controller's tables to plans of stages, with the help of a plan set that describes its junction.

A controller knows phases, not stages. What is known of a junction says which phases are on in which stage; the tables
say when. A plan is only returned if the tables made of it are the controller's again, so that nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from greenband.errors import BadInput
from greenband.formats import ntcip
from greenband.formats.ntcip_checks import OMITTED, RINGS, complaints
from greenband.formats.ntcip_objects import ACTION_OID, Pattern, ScheduleRow
from greenband.formats.ntcip_tables import NtcipTables
from greenband.plan import calendar
from greenband.plan.calendar import DayPlan, Switch
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, StageTiming, TimingPlan
from greenband.plan.rings import to_rings

__all__ = ["plans_of"]

EVERY_MONTH = sum(1 << month for month in range(1, 13))
EVERY_DATE = sum(1 << date for date in range(1, 32))


class _Unlike(Exception):  # a finding, which plans_of turns into bad input
    """Why tables are not those of a plan of stages."""


@dataclass(frozen=True)
class _Span:
    """A part of the cycle in which the same phases have their turn, in s from the first phase of ring 1."""

    begin_s: int
    length_s: int
    phases: frozenset[int]


def plans_of(tables: NtcipTables, signal: str, like: PlanSet) -> PlanSet:
    """The plans, day plans and schedule of one junction.

    Args:
        tables: what its controller holds; rows that nothing calls for are not looked at.
        signal: the junction.
        like: plans for the junction as described there; patterns and day plans get the names that their numbers have
            in it, where it has so many.

    Raises:
        BadInput: the tables are not those of plans of this junction's stages, with the reason.
    """
    try:
        junction, tables = like.junctions[signal], tables.in_force()
        known = {period: of[signal] for period, of in like.plans.items() if signal in of}
        names = dict(enumerate(like.plans, 1))
        plans = {}
        for number, pattern in tables.patterns.items():
            name = names.get(number, f"P{number}")
            own = [known[name]] if name in known else []
            plan = _plan(tables, pattern, junction, [*own, *known.values()])
            plans[name] = {signal: plan.model_copy(update={"name": own[0].name if own else name})}
        found = PlanSet(
            provenance=like.provenance.model_copy(update={"subject": "controller", "seeds": (), "note": ""}),
            plans=plans,
            junctions={signal: junction},
            day_plans=_day_plans(tables, [*plans], [*like.day_plans]),
            schedule=_schedule(tables, [*like.day_plans], like.schedule),
        )
        if ntcip.tables(found, signal).in_force() != tables:
            raise _Unlike("tables made of the plans found are not the same")
    except (_Unlike, ValueError, KeyError, StopIteration, BadInput) as error:
        raise BadInput(f"junction {signal}: its controller's tables are no plans of its stages: {error}") from error
    return found


def _plan(tables: NtcipTables, pattern: Pattern, junction: Junction, known: list[TimingPlan]) -> TimingPlan:
    """The plan of a pattern, its stages beginning as those of the first known plan with the same phases."""
    if wrong := next(complaints(tables), None):
        raise _Unlike(str(wrong))
    spans = list(_spans(tables, pattern))
    for plan in known:
        stage_of = _stages_by_phases(junction, plan)
        if all(span.phases in stage_of for span in spans):
            return _of_spans(tables, pattern, plan, spans, stage_of)
    raise _Unlike("phases have their turn together that no stage has")


def _of_spans(
    tables: NtcipTables,
    pattern: Pattern,
    like: TimingPlan,
    spans: list[_Span],
    stage_of: Mapping[frozenset[int], StageTiming],
) -> TimingPlan:
    first = next(k for k, span in enumerate(spans) if stage_of[span.phases].stage == like.stages[0].stage)
    order = [*spans[first:], *spans[:first]]
    stages = tuple(_timing(tables, span, stage_of[span.phases]) for span in order)
    zero = _local_zero(tables, pattern)
    return TimingPlan(
        signal=like.signal,
        name=like.name,
        cycle_s=pattern.cycle_s,
        offset_s=(pattern.offset_s + order[0].begin_s - zero) % pattern.cycle_s,
        stages=stages,
    )


def _timing(tables: NtcipTables, span: _Span, like: StageTiming) -> StageTiming:
    ends = {(tables.phases[phase].yellow_ds, tables.phases[phase].red_ds) for phase in span.phases}
    yellow_ds, red_ds = max(ends)
    go_s = span.length_s - (yellow_ds + red_ds) // 10
    flash_s = min(like.green_flash_s, go_s)
    return like.model_copy(
        update={
            "green_s": go_s - flash_s,
            "green_flash_s": flash_s,
            "yellow_s": yellow_ds // 10,
            "all_red_s": red_ds // 10,
        }
    )


def _stages_by_phases(junction: Junction, plan: TimingPlan) -> dict[frozenset[int], StageTiming]:
    """The stages of a plan by the phases that have their turn in them."""
    rings = to_rings(junction, plan)
    starts, found, at = rings.starts_s, {}, plan.offset_s
    for stage in plan.stages:
        on = {p.number for p in rings.phases if (at - starts[p.number]) % plan.cycle_s < p.split_s}
        found[frozenset(on)] = stage
        at += stage.duration_s
    return found


def _spans(tables: NtcipTables, pattern: Pattern) -> Iterator[_Span]:
    starts = _starts_s(tables, pattern)
    lengths = {phase: tables.splits[pattern.split, phase].time_s for phase in starts}
    edges = sorted({*starts.values()})
    for begin, end in zip(edges, (*edges[1:], pattern.cycle_s), strict=True):
        on = frozenset(phase for phase, start in starts.items() if start <= begin < start + lengths[phase])
        yield _Span(begin, end - begin, on)


def _starts_s(tables: NtcipTables, pattern: Pattern) -> dict[int, int]:
    """When each phase has its turn, from the cycle's first barrier on; rings wait for each other at barriers."""
    left = {
        ring: [p for p in tables.sequences[pattern.sequence, ring].data if _served(tables, pattern, p)]
        for ring in RINGS
    }
    found: dict[int, int] = {}
    at = 0
    while any(left.values()):
        barrier = _before_a_barrier(tables, left)
        ends = [at]
        for ring in RINGS:
            now = at
            while left[ring] and left[ring][0] in barrier:
                phase = left[ring].pop(0)
                found[phase] = now
                now += tables.splits[pattern.split, phase].time_s
            ends.append(now)
        at = max(ends)
    return found


def _served(tables: NtcipTables, pattern: Pattern, phase: int) -> bool:
    return tables.splits[pattern.split, phase].mode != OMITTED


def _before_a_barrier(tables: NtcipTables, left: Mapping[int, list[int]]) -> set[int]:
    """The phases that lie before the next barrier: those that may be on together with the first ones, and so on.

    A ring whose next phase goes with none of the other's rests.
    """
    first = min(
        (order[0] for order in left.values() if order), key=lambda phase: bool(tables.phases[phase].concurrency)
    )
    found, new = set(), {first}
    while new:
        found |= new
        new = {other for phase in new for other in tables.phases[phase].concurrency} - found
    return found


def _local_zero(tables: NtcipTables, pattern: Pattern) -> int:
    """Start of green of the first coordinated phase, in s from the first barrier."""
    starts = _starts_s(tables, pattern)
    return min(start for phase, start in starts.items() if tables.splits[pattern.split, phase].coordinated)


def _day_plans(tables: NtcipTables, plans: list[str], names: list[str]) -> dict[str, DayPlan]:
    patterns = {f"{ACTION_OID}.{number}": action.pattern for number, action in tables.actions.items()}
    order = dict(zip(tables.patterns, plans, strict=True))
    found: dict[int, list[Switch]] = {}
    for (day, _), event in tables.events.items():
        switch = Switch(at_min=60 * event.hour + event.minute, plan=order[patterns[event.action]])
        found.setdefault(day, []).append(switch)
    return {_day_name(names, day): DayPlan(switches=tuple(switches)) for day, switches in found.items()}


def _day_name(names: list[str], number: int) -> str:
    return names[number - 1] if number <= len(names) else f"day plan {number}"


def _schedule(
    tables: NtcipTables, names: list[str], like: Sequence[calendar.ScheduleRow]
) -> tuple[calendar.ScheduleRow, ...]:
    """Its rows; one that is like a known row has its name."""
    known = {row.model_copy(update={"name": ""}): row for row in reversed(like)}
    found = (_row(row, _day_name(names, row.day_plan)) for row in tables.schedule.values())
    return tuple(known.get(row, row) for row in found)


def _row(row: ScheduleRow, name: str) -> calendar.ScheduleRow:
    """A row for days of the week, all the year round; others hold dates as bits and are not put together again."""
    if (row.months, row.dates) != (EVERY_MONTH, EVERY_DATE):
        raise _Unlike("its schedule has dates")
    days = tuple(day for day in calendar.WEEK if row.days >> (day % 7 + 1) & 1)
    return calendar.ScheduleRow(day_plan=name, weekdays=days)
