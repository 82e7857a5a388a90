"""Signal timing in GMNS, the General Modeling Network Specification: a folder of CSV tables with their Table Schemas.

Tables ``signal_controller``, ``signal_timing_plan``, ``signal_timing_phase``, ``signal_coordination`` and
``signal_phase_mvmt``, with the ``movement`` rows they refer to; see ``gmns_tables`` for the fields.
``datapackage.json`` names them all, so that ``frictionless validate datapackage.json`` checks the folder. Times are
seconds, text is UTF-8 without a byte-order mark.

A row of ``signal_timing_plan`` is a plan in one span of the day, so a plan that runs thrice a day stands there three
times, each with its phases. A plan that never runs has no days (``00000000``). The holiday digit is 1 where every day
of the week has the same day plan. Offsets count from midnight to the green of the coordinated phase.

What GMNS is weak in, or does not tell: yellow and all-red are one number, ``clearance``; green flash is part of green;
names of plans and periods stand in ids alone; there are no dates, so a schedule with dates is refused. Limits of green
are not told, because both greens of a fixed-time plan are its green. Signals for bicycles are not told. ``node_id`` is
the signal's id; ``ib_link_id``, ``ob_link_id`` and ``link_id`` are ids of SUMO's edges and crossings, whose tables are
not written. In left-hand traffic ``RTOR`` means the left turn.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from greenband.errors import BadInput
from greenband.files import write_text
from greenband.formats.approaches import approach_of, exit_of, lane_groups
from greenband.formats.gmns_tables import TABLES, Cell, Row, Table, check_keys, package, read_rows
from greenband.formats.phasing import coordinated, protections
from greenband.plan.calendar import DAY_MIN, WEEK, clock
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, TimingPlan
from greenband.plan.rings import RingPlan, to_rings

__all__ = ["GmnsSignals", "export", "read"]

PACKAGE = "datapackage.json"
SUNDAY_FIRST = (7, *WEEK[:6])
TOLERANCE_S = 0.05  # half of what controllers resolve
TURNS = {"L": "left", "R": "right", "U": "uturn", "T": "thru"}

Rows = dict[str, list[Row]]


@dataclass(frozen=True)
class GmnsSignals:
    """The signal tables of a folder: table name -> rows, a row being field -> value.

    Ids and words are ``str``, numbers ``int`` or ``float`` (times in seconds), empty cells ``None``. Keys are unique
    and lead somewhere; each plan's rings sum to its cycle and end barriers together.
    """

    tables: Mapping[str, tuple[Row, ...]]

    def __getitem__(self, table: str) -> tuple[Row, ...]:
        return self.tables[table]


def export(plans: PlanSet, folder: Path) -> list[Path]:
    """Write the tables, their schemas and the data package into ``folder``.

    Raises:
        BadInput: a plan has no rings and barriers, the schedule has dates, or a value is beyond GMNS's limits.
    """
    spans = _spans(plans)
    rows: Rows = {table.name: [] for table in TABLES}
    for signal, junction in plans.junctions.items():
        own = [(period, of[signal]) for period, of in plans.plans.items() if signal in of]
        if own:
            rows["signal_controller"].append({"controller_id": signal})
            rows["movement"].extend(_movements(junction))
        for period, plan in own:
            _add_plan(rows, junction, plan, period, spans.get(period, ["00000000_0000_2400"]))
    texts = {f"{table.name}.csv": _text(table, rows[table.name]) for table in TABLES}
    check_keys(rows, "the plan set")
    texts |= {f"{table.name}.schema.json": _json(table.schema()) for table in TABLES}
    texts[PACKAGE] = _json(package())
    for name, text in texts.items():
        write_text(folder / name, text, durable=False)
    return [folder / name for name in texts]


def _spans(plans: PlanSet) -> dict[str, list[str]]:
    """When each period's plans are in force, as GMNS writes it: ``01111100_0700_0900``."""
    for row in plans.schedule:
        if row.first is not None:
            raise BadInput(
                f"day plan {row.day_plan!r} is for the dates {row.first} to {row.last}, and GMNS has no dates: it tells"
                " days of the week alone"
            )
    names = [next((row.day_plan for row in plans.schedule if day in row.weekdays), None) for day in SUNDAY_FIRST]
    names.append(names[0] if len(set(names)) == 1 else None)
    days: dict[tuple[str, int, int], set[int]] = defaultdict(set)
    for place, name in enumerate(names):
        switches = plans.day_plans[name].switches if name is not None else ()
        ends = [*(switch.at_min for switch in switches), DAY_MIN]
        for switch, (begin, end) in zip(switches, pairwise(ends), strict=True):
            days[switch.plan, begin, end].add(place)
    found: dict[str, list[str]] = defaultdict(list)
    for (period, begin, end), places in sorted(days.items()):
        digits = "".join("1" if place in places else "0" for place in range(len(names)))
        found[period].append(f"{digits}_{clock(begin)}_{clock(end)}".replace(":", ""))
    return found


def _movements(junction: Junction) -> Iterator[Row]:
    for code, groups in lane_groups(junction).items():
        yield {
            "mvmt_id": groups[0].movement,
            "node_id": junction.signal,
            "name": code,
            "ib_link_id": approach_of(groups[0]),
            "ob_link_id": exit_of(groups[0]),
            "type": TURNS[code[2]],
            "ctrl_type": "signal_with_RTOR" if any(group.on_red for group in groups) else "signal",
            "mvmt_code": code,
        }


def _add_plan(rows: Rows, junction: Junction, plan: TimingPlan, period: str, spans: list[str]) -> None:
    """The rows of a plan: once for each span of the day in which it is in force."""
    rings = to_rings(junction, plan)
    starts, served = rings.starts_s, list(_served(junction, plan, rings))
    reference = min(coordinated(rings), key=lambda phase: (starts[phase] != rings.offset_s, phase))
    for number, span in enumerate(spans, 1):
        key = f"{junction.signal}/{period}/{number}"
        rows["signal_timing_plan"].append(
            {"timing_plan_id": key, "controller_id": junction.signal, "time_day": span, "cycle_length": rings.cycle_s}
        )
        rows["signal_timing_phase"].extend(_phases(key, rings))
        rows["signal_coordination"].append(
            {
                "coordination_id": key,
                "timing_plan_id": key,
                "controller_id": junction.signal,
                "coord_phase": reference,
                "coord_ref_to": "begin_of_green",
                "offset": rings.offset_s,
            }
        )
        for phase, field, way, protection in served:
            rows["signal_phase_mvmt"].append(
                {
                    "signal_phase_mvmt_id": f"{key}/{phase}/{way}",
                    "timing_phase_id": f"{key}/{phase}",
                    field: way,
                    "protection": protection,
                }
            )


def _phases(key: str, rings: RingPlan) -> Iterator[Row]:
    for phase in rings.phases:
        yield {
            "timing_phase_id": f"{key}/{phase.number}",
            "timing_plan_id": key,
            "signal_phase_num": phase.number,
            "min_green": phase.green_s,
            "max_green": phase.green_s,
            "clearance": phase.yellow_s + phase.all_red_s,
            "walk_time": phase.walk_s or None,
            "ped_clearance": phase.clearance_s if phase.walk_s else None,
            "ring": phase.ring,
            "barrier": phase.barrier,
            "position": phase.position,
        }


def _served(junction: Junction, plan: TimingPlan, rings: RingPlan) -> Iterator[tuple[int, str, str, str | None]]:
    """Phase number, field, movement or crossing, and protection; each movement of a phase once."""
    ways = protections(junction, plan, rings)
    for phase in rings.phases:
        for number in phase.groups:
            if junction.group(number).kind == "pedestrian":
                yield phase.number, "link_id", junction.group(number).movement, None
        told: dict[str, str] = {}
        for number, protection in ways[phase.number].items():
            movement = junction.group(number).movement
            told[movement] = "permitted" if "permitted" in (protection, told.get(movement)) else protection
        for movement, shown in told.items():
            yield phase.number, "mvmt_id", movement, shown


def _text(table: Table, rows: list[Row]) -> str:
    """The table as CSV.

    Raises:
        BadInput: a value is not one that the standard allows.
    """
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\n")
    out.writerow(each.name for each in table.fields)
    for row in rows:
        cells = ["" if (value := row.get(each.name)) is None else str(value) for each in table.fields]
        for each, cell in zip(table.fields, cells, strict=True):
            try:
                each.value(cell)
            except ValueError as error:
                raise BadInput(
                    f"GMNS table {table.name}, {row[table.key]}, {each.name}: {cell!r} is not allowed: {error}"
                ) from error
        out.writerow(cells)
    return text.getvalue()


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def read(folder: Path) -> GmnsSignals:
    """Read the six tables in ``folder``, whoever wrote them.

    Raises:
        BadInput: naming file, line, field, value and what is allowed; or the plan whose rings do not add up.
    """
    tables = {table.name: read_rows(table, folder / f"{table.name}.csv") for table in TABLES}
    check_keys(tables, str(folder))
    phases: dict[object, list[Row]] = defaultdict(list)
    for row in tables["signal_timing_phase"]:
        phases[row["timing_plan_id"]].append(row)
    cycles = {row["timing_plan_id"]: row["cycle_length"] for row in tables["signal_timing_plan"]}
    for plan, cycle in cycles.items():
        if reason := _rings_fault(phases[plan], cycle):
            raise BadInput(f"{folder / 'signal_timing_phase.csv'}: plan {plan}: {reason}")
    for row in tables["signal_coordination"]:
        plan = row["timing_plan_id"]
        if reason := _offset_fault(row, phases[plan], cycles[plan]):
            raise BadInput(f"{folder / 'signal_coordination.csv'}: plan {plan}: {reason}")
    return GmnsSignals(tables)


def _rings_fault(phases: list[Row], cycle: Cell) -> str | None:
    """Why a plan's rings do not add up; None where they do."""
    ends: dict[Cell, dict[Cell, float]] = defaultdict(lambda: defaultdict(float))
    for row in phases:
        green = row["max_green"] if row["max_green"] is not None else row["min_green"]
        ends[row["barrier"]][row["ring"]] += _number(green) + _number(row["clearance"])
    for barrier, rings in ends.items():
        if max(rings.values()) - min(rings.values()) > TOLERANCE_S:
            lasts = ", ".join(f"ring {ring} {total:g} s" for ring, total in rings.items())
            return f"the rings do not end barrier {barrier} together: {lasts}"
    total = sum(max(rings.values()) for rings in ends.values())
    if cycle is not None and abs(total - _number(cycle)) > TOLERANCE_S:
        return f"the phases of a ring sum to {total:g} s, but cycle_length is {cycle:g}"
    return None


def _offset_fault(row: Row, phases: list[Row], cycle: Cell) -> str | None:
    if row["coord_phase"] is not None and row["coord_phase"] not in [phase["signal_phase_num"] for phase in phases]:
        return f"there is no phase {row['coord_phase']} to coordinate"
    if cycle is not None and row["offset"] is not None and _number(row["offset"]) >= _number(cycle):
        return f"offset {row['offset']:g} must be below cycle_length {cycle:g}"
    return None


def _number(value: Cell) -> float:
    return value if isinstance(value, int | float) else 0.0
