"""Plans in UTDF, version 8: one combined CSV file per period, as Synchro, PTV Visum and Aimsun read it.

Sections ``[Network]``, ``[Nodes]``, ``[Links]``, ``[Lanes]``, ``[Timeplans]`` and ``[Phases]``, each with a title line
and a heading line. Metric: metres and km/h (``Metric`` 1); times in seconds. Field names and codes as in files that
Synchro writes, and as told in the settings of the open reader utdf2gmns.

An intersection's ``INTID`` is its junction's number along the road; see ``utdf_layout`` for external nodes and links.
``NBL`` is the left turn of traffic that travels north; see ``approaches``. ``Phase1`` to ``Phase4`` hold the phases in
which a lane group goes protected, ``PermPhase1`` to 4 those in which it gives way; -1 is always green, none is never.

``Offset`` is the start of green of the first coordinated phase to turn green (``Referenced To`` 3), after midnight
modulo the cycle; ``Reference Phase`` 206 means phases 2 and 6. ``Start``, ``End`` and ``Yield`` (start of yellow) tell
the same on the same clock, because readers let them override the offset; the ``Local`` ones count from the offset.
``BRP`` is barrier, ring and place. Plans are fixed (``Control Type`` 0), so every phase has maximum recall, and its
``MaxGreen`` is its green, flash included.

Not expressed: green flash, signals for bicycles, volumes, lane widths, which lanes two movements share (each counts
them), and which way a road bends: links are as long as the straight line. Commas and quotes in names become blanks.
In left-hand traffic ``Allow RTOR`` stands at left turns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from greenband.errors import BadInput
from greenband.files import write_text
from greenband.formats.approaches import DIRECTIONS, approach_of, exit_of
from greenband.formats.phasing import Protection, always_green, coordinated, protections
from greenband.formats.utdf_layout import Layout, laid_out
from greenband.formats.utdf_model import Utdf
from greenband.formats.utdf_reader import read
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, TimingPlan
from greenband.plan.rings import RingPhase, RingPlan, to_rings

__all__ = ["Utdf", "export", "read"]

FIRST_GREEN = 3  # Referenced To: first of the reference phases to turn green, as TS2 controllers count
MAX_RECALL = 3
PLACES = (1, 2, 3, 4)  # Phase1 to Phase4
UNSAFE = re.compile(r'[",\x00-\x1f\x7f]')
KMH = 3.6

NO_DETECTORS = {"VehExt": 3, "TimeBeforeReduce": 0, "TimeToReduce": 0, "MinGap": 3}  # Synchro's; of no effect here

Cell = str | float | None
Records = Mapping[str, Mapping[str, Cell]]  # record name -> column -> value


def export(plans: PlanSet, folder: Path) -> list[Path]:
    """Write ``PERIOD.csv`` for every period into ``folder``.

    Raises:
        BadInput: a plan has no rings and barriers, or a junction more approaches or movements than UTDF has names for.
    """
    texts = {}
    layouts: dict[tuple[str, ...], Layout] = {}
    for of, file in zip(plans.plans.values(), _file_names(plans.plans), strict=True):
        junctions = [plans.junctions[signal] for signal in of]
        if tuple(of) not in layouts:
            layouts[tuple(of)] = laid_out(junctions)
        texts[folder / file] = _file(layouts[tuple(of)], junctions, of)
    for path, text in texts.items():
        write_text(path, text, durable=False)
    return list(texts)


def _file_names(periods: Iterable[str]) -> list[str]:
    """A file name for each period that every file system takes, different also where case does not count."""
    names: list[str] = []
    for period in periods:
        stem = name = re.sub(r"[^A-Za-z0-9_-]", "_", period)[:80] or "_"
        number = 2
        while f"{name}.csv".lower() in (taken.lower() for taken in names):
            name, number = f"{stem}~{number}", number + 1
        names.append(f"{name}.csv")
    return names


def _file(layout: Layout, junctions: Sequence[Junction], of: Mapping[str, TimingPlan]) -> str:
    rings = {junction.signal: to_rings(junction, of[junction.signal]) for junction in junctions}
    lanes = {
        junction.number: _lanes(junction, of[junction.signal], rings[junction.signal], layout) for junction in junctions
    }
    phases = {junction.number: _phases(rings[junction.signal]) for junction in junctions}
    names = [f"D{number}" for number in range(1, max(8, *(p.number for r in rings.values() for p in r.phases)) + 1)]
    sections = (
        ("Network", "Network Settings", ["RECORDNAME", "DATA"], _network(junctions[0])),
        ("Nodes", "Node Data", ["INTID", "TYPE", "X", "Y", "Z", "DESCRIPTION"], _nodes(layout)),
        ("Links", "Link Data", *_table(list(DIRECTIONS), _links(layout))),
        ("Lanes", "Lane Group Data", *_table(_lane_columns(lanes.values()), lanes)),
        ("Timeplans", "Timing Plan Settings", *_table(["DATA"], _timeplans(junctions, rings))),
        ("Phases", "Phasing Data", *_table(names, phases)),
    )
    lines: list[Sequence[Cell]] = []
    for name, title, heading, rows in sections:
        lines += [[f"[{name}]"], [title], heading, *rows, []]
    return "".join(",".join(map(_text, line)) + "\r\n" for line in lines)


def _text(cell: Cell) -> str:
    """A cell; no quotes, because readers of UTDF split lines at every comma."""
    if isinstance(cell, str):
        return UNSAFE.sub(" ", cell)
    return "" if cell is None else f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def _table(columns: Sequence[str], of_node: Mapping[int, Records]) -> tuple[list[str], Iterator[list[Cell]]]:
    """Heading and rows: one for each record of each node."""
    rows = (
        [record, node, *(cells.get(column) for column in columns)]
        for node, records in of_node.items()
        for record, cells in records.items()
    )
    return ["RECORDNAME", "INTID", *columns], rows


def _network(junction: Junction) -> list[list[Cell]]:
    times: list[list[Cell]] = [["yellowTime", junction.yellow_s], ["allRedTime", junction.all_red_s]]
    return [["UTDFVERSION", 8], ["Metric", 1], *times]


def _nodes(layout: Layout) -> Iterator[list[Cell]]:
    for node in layout.nodes.values():
        yield [node.number, 0 if node.signal is not None else 1, node.x_m, node.y_m, 0, node.text]


def _links(layout: Layout) -> Mapping[int, Records]:
    found: dict[int, dict[str, dict[str, Cell]]] = {}
    for link in sorted(layout.links, key=lambda link: link.node):
        told = {
            "Up ID": link.up_node,
            "Lanes": link.lanes,
            "Distance": link.length_m,
            "Speed": round(link.speed_ms * KMH),
            "Time": link.length_m / link.speed_ms,
            "Grade": 0,
        }
        for record, value in told.items():
            found.setdefault(link.node, {}).setdefault(record, {})[link.direction] = value
    return found


def _lane_columns(lanes: Iterable[Records]) -> list[str]:
    """Left, through and right for every direction, and rarer movements where there are any."""
    used = {code for records in lanes for cells in records.values() for code in cells}
    usual = [f"{direction}{turn}" for direction in DIRECTIONS for turn in ("U", "L2", "L", "T", "R", "R2")]
    return [*(code for code in usual if code in used or code[2:] in ("L", "T", "R")), "PED", "HOLD"]


def _lanes(junction: Junction, plan: TimingPlan, rings: RingPlan, layout: Layout) -> Records:
    records: dict[str, dict[str, Cell]] = {}
    ways, always = protections(junction, plan, rings), always_green(junction, plan)
    for code, groups in layout.lane_groups[junction.signal].items():
        numbers = {group.number for group in groups}
        phases = ([-1], []) if numbers <= always else _served_in(numbers, ways)
        if phases is None or max(map(len, phases)) > len(PLACES):
            raise BadInput(
                f"junction {junction.signal}, plan {plan.name!r}: the lanes of {code} do not all have the same green,"
                " or have it in more than four phases, which UTDF cannot express"
            )
        told = {
            "Up Node": layout.up[junction.signal, approach_of(groups[0])],
            "Dest Node": layout.down[junction.signal, exit_of(groups[0])],
            "Lanes": sum(group.lanes for group in groups),
            "Shared": 0,
            **_numbered("Phase", phases[0]),
            **_numbered("PermPhase", phases[1]),
            "Allow RTOR": int(any(group.on_red for group in groups)),
        }
        for record, value in told.items():
            records.setdefault(record, {})[code] = value
    on_foot = [
        phase.number
        for phase in rings.phases
        if {junction.group(group).kind for group in phase.groups} == {"pedestrian"}
    ]
    for record, value in _numbered("Phase", on_foot).items():
        records.setdefault(record, {})["PED"] = value
    needed = {record for record, cells in records.items() if any(value is not None for value in cells.values())}
    return {record: cells for record, cells in records.items() if record in needed or record == "PermPhase1"}


def _served_in(
    numbers: Iterable[int], ways: Mapping[int, Mapping[int, Protection]]
) -> tuple[list[int], list[int]] | None:
    """Phases that serve signal groups protected, and permitted; None where they do not serve all of them alike."""
    served = [
        tuple(
            [phase for phase, groups in sorted(ways.items()) if groups.get(number) == wanted]
            for wanted in ("protected", "permitted")
        )
        for number in numbers
    ]
    return (served[0][0], served[0][1]) if all(one == served[0] for one in served) else None


def _numbered(record: str, phases: Sequence[int]) -> dict[str, Cell]:
    return {f"{record}{place}": phase for place, phase in zip_longest(PLACES, phases)}


def _timeplans(junctions: Sequence[Junction], rings: Mapping[str, RingPlan]) -> dict[int, Records]:
    found: dict[int, Records] = {}
    for junction in junctions:
        plan = rings[junction.signal]
        ring_a, *ring_b = coordinated(plan)
        told: dict[str, Cell] = {
            "Control Type": 0,
            "Cycle Length": plan.cycle_s,
            "Lock Timings": 0,
            "Referenced To": FIRST_GREEN,
            "Reference Phase": 100 * ring_a + ring_b[0] if ring_b else ring_a,
            "Offset": plan.offset_s,
            "Master": 0,
            "Yield": 0,
            "Node 0": junction.number,
            "Node 1": 0,
        }
        found[junction.number] = {record: {"DATA": value} for record, value in told.items()}
    return found


def _phases(rings: RingPlan) -> Records:
    records: dict[str, dict[str, Cell]] = {}
    starts = rings.starts_s
    for phase in rings.phases:
        for record, value in _phase(phase, rings, starts[phase.number]).items():
            records.setdefault(record, {})[f"D{phase.number}"] = value
    return records


def _phase(phase: RingPhase, rings: RingPlan, start: int) -> dict[str, Cell]:
    end, stop = (start + phase.split_s) % rings.cycle_s, (start + phase.green_s) % rings.cycle_s
    clearing = phase.yellow_s + phase.all_red_s
    on_foot = (phase.walk_s, phase.clearance_s, 0) if phase.walk_s else (None, None, None)
    if max(phase.barrier, phase.ring, phase.position) > 9:
        raise BadInput(f"junction {rings.signal}, plan {rings.name!r}: more than 9 barriers or phases between two")
    return {
        "BRP": f"{phase.barrier}{phase.ring}{phase.position}",
        "MinGreen": phase.min_green_s,
        "MaxGreen": phase.green_s,
        **NO_DETECTORS,
        "Yellow": phase.yellow_s,
        "AllRed": phase.all_red_s,
        "Recall": MAX_RECALL,
        "Walk": on_foot[0],
        "DontWalk": on_foot[1],
        "PedCalls": on_foot[2],
        "MinSplit": max(phase.min_green_s, phase.walk_s + phase.clearance_s) + clearing,
        "DualEntry": 0,
        "InhibitMax": 0,
        "Start": start,
        "End": end,
        "Yield": stop,
        "Yield170": stop,
        "LocalStart": (start - rings.offset_s) % rings.cycle_s,
        "LocalYield": (stop - rings.offset_s) % rings.cycle_s,
        "LocalYield170": (stop - rings.offset_s) % rings.cycle_s,
        "ActGreen": phase.green_s,
    }
