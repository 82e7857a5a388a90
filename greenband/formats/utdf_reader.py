"""Reading combined UTDF files, version 8: of greenband or of others, as far as it takes to check their timing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from greenband.errors import BadInput
from greenband.formats.plaintext import csv_lines
from greenband.formats.utdf_model import LaneGroup, Link, Node, Phase, Signal, Utdf, fault

__all__ = ["read"]

HEADINGS = {
    "Network": ("RECORDNAME", "DATA"),
    "Nodes": ("INTID", "TYPE", "X", "Y"),
    "Links": ("RECORDNAME", "INTID"),
    "Lanes": ("RECORDNAME", "INTID"),
    "Timeplans": ("RECORDNAME", "INTID", "DATA"),
    "Phases": ("RECORDNAME", "INTID"),
}
NUMBER = re.compile(r"\*?(-?[0-9]{1,9}(?:\.[0-9]{0,9})?)")  # a star marks what was set by hand in Synchro
WHOLE = re.compile(r"\*?(-?[0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a section with its place, so that every complaint can name it."""

    path: Path
    section: str
    line: int
    places: Mapping[str, int]
    cells: list[str]

    def text(self, column: str) -> str:
        """A cell; empty where the line or the section has none."""
        place = self.places.get(column, len(self.cells))
        return self.cells[place].strip() if place < len(self.cells) else ""

    def fail(self, column: str, reason: str) -> NoReturn:
        place = f"{self.path}: line {self.line}, section {self.section}"
        record = f" {self.text('RECORDNAME')}" if self.text("RECORDNAME") else ""
        raise BadInput(f"{place},{record} {column}: {self.text(column)!r} is not allowed: {reason}")

    def number(self, column: str) -> float | None:
        """A number; None where the cell is empty."""
        if not self.text(column):
            return None
        found = NUMBER.fullmatch(self.text(column))
        if found is None:
            self.fail(column, "it must be a number")
        return float(found[1])

    def whole(self, column: str) -> int | None:
        """A whole number; None where the cell is empty."""
        if not self.text(column):
            return None
        found = WHOLE.fullmatch(self.text(column))
        if found is None:
            self.fail(column, "it must be a whole number")
        return int(found[1])

    def node(self, nodes: Mapping[int, Node], column: str = "INTID") -> int:
        """The number of a node that there is."""
        number = self.whole(column)
        if number is None or number not in nodes:
            self.fail(column, "there is no such node")
        return number


Records = dict[str, _Row]  # of one node, by record name


def read(path: Path) -> Utdf:
    """Read a file and check its timing.

    Nodes and phases that are named must exist; the phases of a ring must follow one another without a gap, all rings
    must pass each barrier together, and all of it must take one cycle; the offset must be below the cycle and say the
    same as the times of its reference phases. A phase that rests until a barrier is taken for a gap.

    Raises:
        BadInput: naming file, line, record and what is allowed, or the node whose timing does not add up.
    """
    sections = _sections(path)
    settings = {row.text("RECORDNAME"): row.text("DATA") for row in sections["Network"]}
    nodes: dict[int, Node] = {}
    for row in sections["Nodes"]:
        node = _node(row)
        if node.number in nodes:
            row.fail("INTID", "it appears twice")
        nodes[node.number] = node
    links, lanes, phases, plans = (_by_node(sections[n], nodes) for n in ("Links", "Lanes", "Phases", "Timeplans"))
    signals = {}
    for number, records in plans.items():
        signal = _signal(path, number, records, _phases(phases[number]), _lanes(lanes[number], nodes))
        if reason := fault(signal):
            raise BadInput(f"{path}: node {number}: {reason}")
        signals[number] = signal
    if unplanned := set(phases) - set(plans):
        raise BadInput(f"{path}: node {min(unplanned)} has phases, but no time plan")
    roads = tuple(link for node, records in links.items() for link in _links(node, records, nodes))
    return Utdf(settings, nodes, roads, signals)


def _sections(path: Path) -> dict[str, list[_Row]]:
    """Rows of every section: ``[Name]``, a title line, a heading line and rows; sections not known are passed over."""
    found: dict[str, list[_Row]] = {}
    section, since, places = "", 0, dict[str, int]()
    for number, cells in csv_lines(path):
        if mark := re.fullmatch(r"\[(.*)\]", cells[0].strip()):
            section, since = mark[1], 0
            if section in found:
                raise BadInput(f"{path}: line {number}: section {section} appears twice")
            found[section] = []
        elif not found:
            raise BadInput(f"{path}: line {number}: not a UTDF file: it must begin with [Network]")
        elif section in HEADINGS:
            since += 1
            if since == 2:
                places = _places(path, number, section, cells)
            elif since > 2:
                if any(cell.strip() for cell in cells[len(places) :]):
                    raise BadInput(f"{path}: line {number}, section {section}: more cells than columns")
                found[section].append(_Row(path, section, number, places, cells))
    if missing := [name for name in HEADINGS if name not in found]:
        raise BadInput(f"{path}: there is no section [{missing[0]}]")
    return found


def _places(path: Path, line: int, section: str, headings: list[str]) -> dict[str, int]:
    names = [heading.strip() for heading in headings]
    while names and not names[-1]:
        names.pop()
    if len(set(names)) != len(names):
        raise BadInput(f"{path}: line {line}, section {section}: a column appears twice")
    if missing := [name for name in HEADINGS[section] if name not in names]:
        raise BadInput(f"{path}: line {line}, section {section}: there is no column {missing[0]}")
    return {name: place for place, name in enumerate(names)}


def _by_node(rows: list[_Row], nodes: Mapping[int, Node]) -> defaultdict[int, Records]:
    found: defaultdict[int, Records] = defaultdict(dict)
    for row in rows:
        records = found[row.node(nodes)]
        if row.text("RECORDNAME") in records:
            row.fail("RECORDNAME", "it appears twice for this node")
        records[row.text("RECORDNAME")] = row
    return found


def _node(row: _Row) -> Node:
    number, kind, x, y = row.whole("INTID"), row.whole("TYPE"), row.number("X"), row.number("Y")
    if number is None or number < 0:
        row.fail("INTID", "it must be a whole number from 0 up")
    if kind is None or not 0 <= kind <= 4:
        row.fail("TYPE", "it must be from 0 to 4")
    if x is None or y is None:
        row.fail("X" if x is None else "Y", "it must be a number")
    return Node(number, kind, x, y, row.text("DESCRIPTION"))


def _columns(records: Records, key: str) -> Iterator[str]:
    """Columns in which a node's record of that name has a value."""
    if key in records:
        row = records[key]
        yield from (name for name in row.places if name not in ("RECORDNAME", "INTID") and row.text(name))


def _whole(records: Records, record: str, column: str) -> int | None:
    return records[record].whole(column) if record in records else None


def _number(records: Records, record: str, column: str) -> float | None:
    return records[record].number(column) if record in records else None


def _links(node: int, records: Records, nodes: Mapping[int, Node]) -> Iterator[Link]:
    for direction in _columns(records, "Up ID"):
        yield Link(
            node=node,
            direction=direction,
            up_node=records["Up ID"].node(nodes, direction),
            lanes=_whole(records, "Lanes", direction),
            length=_number(records, "Distance", direction),
            speed=_number(records, "Speed", direction),
        )


def _lanes(records: Records, nodes: Mapping[int, Node]) -> tuple[LaneGroup, ...]:
    found = []
    for code in _columns(records, "Up Node"):
        if "Dest Node" not in records:
            records["Up Node"].fail(code, "the node has no record Dest Node")
        served = {
            record: tuple(
                phase for place in range(1, 5) if (phase := _whole(records, f"{record}{place}", code)) not in (None, 0)
            )
            for record in ("Phase", "PermPhase")
        }
        found.append(
            LaneGroup(
                code=code,
                up_node=records["Up Node"].node(nodes, code),
                dest_node=records["Dest Node"].node(nodes, code),
                lanes=_whole(records, "Lanes", code),
                phases=served["Phase"],
                permitted=served["PermPhase"],
                on_red=_whole(records, "Allow RTOR", code) == 1,
            )
        )
    return tuple(found)


def _phases(records: Records) -> tuple[Phase, ...]:
    found = []
    for column in _columns(records, "MaxGreen"):
        row = records.get("BRP", records["MaxGreen"])
        name, digits = re.fullmatch(r"D([1-9][0-9]?)", column), re.fullmatch(r"[1-9]{3}", row.text(column))
        if name is None or digits is None:
            row.fail(column, "it must be barrier, ring and position, each from 1 to 9, of a phase such as D1")
        times = {}
        for record in ("MinGreen", "MaxGreen", "Yellow", "AllRed", "Start", "End"):
            value = _number(records, record, column)
            if value is None or value < 0:
                records.get(record, row).fail(column, f"{record} of a phase must be seconds from 0 up")
            times[record] = value
        barrier, ring, position = (int(digit) for digit in digits[0])
        found.append(
            Phase(
                number=int(name[1]),
                barrier=barrier,
                ring=ring,
                position=position,
                min_green_s=times["MinGreen"],
                green_s=times["MaxGreen"],
                yellow_s=times["Yellow"],
                all_red_s=times["AllRed"],
                walk_s=_number(records, "Walk", column),
                dont_walk_s=_number(records, "DontWalk", column),
                start_s=times["Start"],
                end_s=times["End"],
            )
        )
    return tuple(found)


def _signal(
    path: Path, node: int, records: Records, phases: tuple[Phase, ...], lane_groups: tuple[LaneGroup, ...]
) -> Signal:
    for record in ("Cycle Length", "Offset", "Referenced To", "Reference Phase"):
        if _number(records, record, "DATA") is None:
            raise BadInput(f"{path}: section Timeplans: node {node} has no {record}")
    reference = records["Reference Phase"].whole("DATA") or 0
    referenced_to = records["Referenced To"].whole("DATA")
    if referenced_to is None or not 0 <= referenced_to <= 4 or reference < 0:
        records["Referenced To"].fail("DATA", "it must be from 0 to 4, and Reference Phase from 0 up")
    return Signal(
        node=node,
        cycle_s=_number(records, "Cycle Length", "DATA") or 0.0,
        offset_s=_number(records, "Offset", "DATA") or 0.0,
        referenced_to=referenced_to,
        reference_phases=tuple(number for number in divmod(reference, 100) if number),
        phases=phases,
        lane_groups=lane_groups,
    )
