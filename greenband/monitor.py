"""The safety monitor: reads back the lamps that SUMO displayed and counts every second that should not have been.

It shares no code with the interlock and reads conflicts straight from the ``.net.xml``, so that a mistake in either is
seen by the other. In the mesoscopic model the lamps are those that SUMO was asked for (see ``meso``). Times are seconds
of simulation time; links are places in the lamp string.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.errors import BadInput, SimulationError

__all__ = [
    "MonitorLimits",
    "Span",
    "Violation",
    "conflicts_of",
    "crossings_of",
    "read_lamps",
    "switched_links",
    "watch",
]

Pairs = Collection[tuple[int, int]]


@dataclass(frozen=True)
class MonitorLimits:
    """What the displayed lamps must hold to, in whole seconds.

    ``min_green_s`` is one figure for all links, or one per link: for each, the smallest minimum of its stages.
    ``crossings`` holds, for each link that is a crossing on foot, the seconds from the end of its green until a stream
    across it may start; its own minimum green is ``walk_s``, and it needs no yellow.
    """

    yellow_s: int
    all_red_s: int
    min_green_s: int | tuple[int, ...]
    max_green_s: int
    max_red_s: int
    walk_s: int = 7
    crossings: Mapping[int, int] = field(default_factory=dict)

    @property
    def intergreen_s(self) -> int:
        """Yellow plus all-red, in seconds."""
        return self.yellow_s + self.all_red_s

    def min_green_of(self, link: int) -> int:
        """Minimum green of a link in seconds."""
        if link in self.crossings:
            return self.walk_s
        return self.min_green_s if isinstance(self.min_green_s, int) else self.min_green_s[link]


@dataclass(frozen=True)
class Violation:
    """One broken rule, at the second from which it is broken.

    ``rule`` is one of no-yellow, yellow-time, yellow-end, all-red, clearance, conflict, min-green, max-green, max-red.
    """

    signal: str
    time_s: int
    link: int
    rule: str
    detail: str


@dataclass(frozen=True)
class Span:
    """From ``begin`` up to ``end``, both in seconds, the lamp string or one link's kind of lamp was the same."""

    begin: int
    end: int
    lamps: str

    @property
    def length(self) -> int:
        """Seconds."""
        return self.end - self.begin


@dataclass(frozen=True)
class _Watch:
    """A record with what it is held against."""

    signal: str
    shown: tuple[Span, ...]
    conflicts: Pairs
    limits: MonitorLimits
    switched: Collection[int]
    foes: dict[int, list[int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for a, b in self.conflicts:
            self.foes.setdefault(a, []).append(b)
            self.foes.setdefault(b, []).append(a)

    @property
    def links(self) -> range:
        return range(len(self.shown[0].lamps))

    @property
    def wheels(self) -> list[int]:
        """Links that are no crossings."""
        return [link for link in self.links if link not in self.limits.crossings]

    @cached_property
    def spans(self) -> dict[int, list[Span]]:
        """Per link, its runs of green ``G``, yellow ``y``, red ``r`` and dark or unknown ``?``."""
        return {link: list(_link_spans(self.shown, link)) for link in self.links}

    def violation(self, time_s: int, link: int, rule: str, detail: str) -> Violation:
        return Violation(self.signal, time_s, link, rule, detail)


KIND = {"G": "G", "g": "G", "y": "y", "Y": "y", "r": "r", "s": "r", "u": "u"}


def watch(
    lamps_file: Path, conflicts: Pairs, limits: MonitorLimits, switched: Collection[int] | None = None
) -> list[Violation]:
    """Every violation in one signal's lamp record, in order of time.

    The record's first second counts as the true start of what it shows; of what is still going on at its end, only
    what is certain is judged.

    Args:
        lamps_file: SUMO's SaveTLSStates output of one signal, a line a second.
        conflicts: pairs of link indices whose paths cross or merge, see ``conflicts_of``.
        limits: what to hold the lamps to.
        switched: links to which maximum green and maximum red apply, see ``switched_links``; all links by default,
            which suits signals where no link is always green or never.

    Raises:
        SimulationError: the record is missing, incomplete or empty.
        BadInput: conflicts or minimum greens do not fit the record's number of links.
    """
    signal, shown = read_lamps(lamps_file)
    size = len(shown[0].lamps)
    if any(not 0 <= link < size for pair in conflicts for link in pair):
        raise BadInput(f"{lamps_file}: the record has {size} links, a conflict names another")
    if not isinstance(limits.min_green_s, int) and len(limits.min_green_s) != size:
        raise BadInput(f"{lamps_file}: {len(limits.min_green_s)} minimum greens for {size} links")
    record = _Watch(signal, shown, conflicts, limits, range(size) if switched is None else switched)
    found = [violation for rule in RULES for violation in rule(record)]
    return sorted(found, key=lambda violation: (violation.time_s, violation.link, violation.rule))


def conflicts_of(net_file: Path, signal: str) -> frozenset[tuple[int, int]]:
    """Pairs (a, b), a < b, of a signal's link indices that are foes at a junction.

    Raises:
        BadInput: the file is no SUMO network or has no such signal.
    """
    root = _network(net_file)
    lanes = _connections_by_lane(root)
    if not any(c.get("tl") == signal for connections in lanes.values() for c in connections):
        raise BadInput(f"{net_file}: no traffic light {signal!r} controls a connection")
    found: set[tuple[int, int]] = set()
    for junction in root.iter("junction"):
        if junction.get("type") != "internal":
            found.update(_foes_at(junction, lanes, signal))
    return frozenset(found)


def switched_links(net_file: Path, signal: str) -> frozenset[int]:
    """Links that are green in some stage of a signal's programs and not in all; a stage is a phase without yellow.

    Raises:
        BadInput: the file is no SUMO network or has no program for such a signal.
    """
    programs = [logic for logic in _network(net_file).iter("tlLogic") if logic.get("id") == signal]
    states = [phase.get("state", "") for logic in programs for phase in logic.iter("phase")]
    steady = [state for state in states if not set(state) & set("yYu")]
    stages = [green for state in steady if (green := frozenset(i for i, lamp in enumerate(state) if lamp in "Gg"))]
    if not stages:
        raise BadInput(f"{net_file}: no program with a green phase for traffic light {signal!r}")
    return frozenset.union(*stages) - frozenset.intersection(*stages)


def crossings_of(net_file: Path, signal: str, walking_speed_ms: float) -> dict[int, int]:
    """For each of a signal's crossings on foot, the seconds to walk its length (m/s) and 3 s to spare (MUTCD 4E.06).

    Raises:
        BadInput: the file is no SUMO network.
    """
    root = _network(net_file)
    lengths = {
        edge.get("id", ""): max(float(lane.get("length", "0")) for lane in edge.iter("lane"))
        for edge in root.iter("edge")
        if edge.get("function") == "crossing"
    }
    return {
        int(c.get("linkIndex", "-1")): math.ceil(lengths[c.get("to", "")] / walking_speed_ms) + 3
        for c in root.iter("connection")
        if c.get("tl") == signal and c.get("to", "") in lengths
    }


def read_lamps(path: Path) -> tuple[str, tuple[Span, ...]]:
    """Signal id and displayed lamp strings of SUMO's SaveTLSStates output; every second of it must be there.

    Raises:
        SimulationError: the record is missing, incomplete or empty.
    """
    try:
        rows = [
            (float(item.attrib["time"]), item.attrib["id"], item.attrib["state"])
            for _, item in ET.iterparse(path)
            if item.tag == "tlsState"
        ]
    except (OSError, ET.ParseError, KeyError, ValueError) as error:
        raise SimulationError(f"{path}: SUMO's lamp record is incomplete: {error}") from error
    if not rows:
        raise SimulationError(f"{path}: SUMO's lamp record is empty")
    for (before, _, _), (time, _, _) in pairwise(rows):
        if time - before != 1:
            raise SimulationError(f"{path}: SUMO's lamp record is incomplete: {before:g} s is followed by {time:g} s")
    if len({(name, len(state)) for _, name, state in rows}) > 1:
        raise SimulationError(f"{path}: the lamp record mixes signals")
    return rows[0][1], tuple(_spans([(int(time), state) for time, _, state in rows]))


def _spans(rows: list[tuple[int, str]]) -> Iterator[Span]:
    for state, group in groupby(rows, key=lambda row: row[1]):
        times = [time for time, _ in group]
        yield Span(times[0], times[-1] + 1, state)


def _link_spans(shown: tuple[Span, ...], link: int) -> Iterator[Span]:
    for kind, group in groupby(shown, key=lambda span: KIND.get(span.lamps[link], "?")):
        spans = list(group)
        yield Span(spans[0].begin, spans[-1].end, kind)


def _lost_without_yellow(record: _Watch) -> Iterator[Violation]:
    """Green must end in yellow."""
    for link in record.wheels:
        for span, after in pairwise(record.spans[link]):
            if span.lamps == "G" and after.lamps != "y" and record.limits.yellow_s > 0:
                yield record.violation(after.begin, link, "no-yellow", "green ended without yellow")


def _yellow(record: _Watch) -> Iterator[Violation]:
    """Yellow lasts its time, no less and no more, and ends in red."""
    required = record.limits.yellow_s
    for link in record.wheels:
        spans = record.spans[link]
        for number, span in enumerate(spans):
            if span.lamps != "y":
                continue
            whole = 0 < number < len(spans) - 1
            if span.length > required or (whole and span.length < required):
                detail = f"yellow of {span.length} s instead of {required} s"
                yield record.violation(span.begin, link, "yellow-time", detail)
            if number + 1 < len(spans) and spans[number + 1].lamps != "r":
                yield record.violation(span.end, link, "yellow-end", "yellow did not end in red")


def _clearance(record: _Watch) -> Iterator[Violation]:
    """A link that turns green, or from permissive to protected, waits until its foes have been red for the all-red."""
    required = record.limits.all_red_s
    stopped: dict[int, int] = {}
    for before, span in pairwise(record.shown):
        changed = [i for i in record.links if before.lamps[i] != span.lamps[i]]
        for link in changed:
            if before.lamps[link] in "GgyY" and span.lamps[link] not in "GgyY":
                stopped[link] = span.begin
        for link in changed:
            if span.lamps[link] == "G" or (span.lamps[link] == "g" and before.lamps[link] != "G"):
                for foe in record.foes.get(link, ()):
                    clear = span.begin - stopped.get(foe, span.begin - required)
                    if foe not in record.limits.crossings and clear < required:
                        detail = f"{clear} s instead of {required} s after link {foe} stopped"
                        yield record.violation(span.begin, link, "all-red", detail)


def _clear_of_walkers(record: _Watch) -> Iterator[Violation]:
    """A stream that does not yield starts only after those who walk have had their time to reach the other side."""
    stopped: dict[int, int] = {}
    for before, span in pairwise(record.shown):
        for crossing in record.limits.crossings:
            if before.lamps[crossing] in "Gg" and span.lamps[crossing] not in "Gg":
                stopped[crossing] = span.begin
        for link in record.wheels:
            if span.lamps[link] != "G" or before.lamps[link] == "G":
                continue
            for crossing, required in record.limits.crossings.items():
                clear = span.begin - stopped.get(crossing, span.begin - required)
                if crossing in record.foes.get(link, ()) and clear < required:
                    detail = f"{clear} s instead of {required} s after crossing {crossing} stopped"
                    yield record.violation(span.begin, link, "clearance", detail)


def _conflicts(record: _Watch) -> Iterator[Violation]:
    """Two foes have green or yellow together only where one of them yields (``g``, or the yellow after it)."""
    right_of_way = ["?"] * len(record.links)  # of each link: G, g, r for red; ? for a yellow of unknown origin
    known: set[tuple[int, int]] = set()
    for span in record.shown:
        for link, lamp in enumerate(span.lamps):
            if lamp not in "yY":
                right_of_way[link] = lamp if lamp in "Gg" else "r"
        now = {
            (a, b)
            for a, b in record.conflicts
            if right_of_way[a] == right_of_way[b] == "G" and "G" in (span.lamps[a], span.lamps[b])
        }
        for a, b in sorted(now - known):
            detail = f"link {a} shows {span.lamps[a]} while its foe {b} shows {span.lamps[b]}"
            yield record.violation(span.begin, a, "conflict", detail)
        known = now


def _min_green(record: _Watch) -> Iterator[Violation]:
    """A green that has ended lasted its minimum."""
    for link in record.links:
        required = record.limits.min_green_of(link)
        for span in record.spans[link][:-1]:
            if span.lamps == "G" and span.length < required:
                detail = f"green of {span.length} s instead of at least {required} s"
                yield record.violation(span.begin, link, "min-green", detail)


def _max_green(record: _Watch) -> Iterator[Violation]:
    """No stage stands longer than the maximum green.

    Changes that nobody on wheels sees come on top: the all-red before a stage whose greens all stood before, and yellow
    and all-red after one whose greens all go on, where only those on foot lose theirs.
    """
    limits, wheels = record.limits, record.wheels
    groups = groupby(record.shown, key=lambda span: [span.lamps[i] for i in wheels])
    stages = [list(group) for _, group in groups]
    for before, spans, after in zip([None, *stages[:-1]], stages, [*stages[1:], None], strict=True):
        lamps = spans[0].lamps
        greens = [i for i in wheels if lamps[i] in "Gg"]
        allowed = limits.max_green_s
        if before and all(before[-1].lamps[i] in "Gg" for i in greens):
            allowed += limits.all_red_s
        if after and limits.crossings and all(after[0].lamps[i] in "Gg" for i in greens):
            allowed += limits.intergreen_s
        shown = spans[-1].end - spans[0].begin
        held = [i for i in greens if i in record.switched]
        if held and shown > allowed:
            detail = f"the same green for {shown} s, at most {allowed} s allowed"
            yield record.violation(spans[0].begin + allowed, held[0], "max-green", detail)


def _max_red(record: _Watch) -> Iterator[Violation]:
    """From losing green to the next green, yellow included, no link waits longer than the maximum red.

    A crossing also waits while its stage goes on after its walk.
    """
    for link in sorted(record.switched):
        allowed = record.limits.max_red_s + (record.limits.max_green_s if link in record.limits.crossings else 0)
        for green, group in groupby(record.spans[link], key=lambda span: span.lamps == "G"):
            spans = list(group)
            waited = spans[-1].end - spans[0].begin
            if not green and waited > allowed:
                detail = f"no green for {waited} s, at most {allowed} s allowed"
                yield record.violation(spans[0].begin + allowed, link, "max-red", detail)


RULES: tuple[Callable[[_Watch], Iterator[Violation]], ...] = (
    _lost_without_yellow,
    _yellow,
    _clearance,
    _clear_of_walkers,
    _conflicts,
    _min_green,
    _max_green,
    _max_red,
)


def _network(path: Path) -> ET.Element:
    """The network's XML; a city has hundreds of signals that ask for the same file one after the other."""
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise BadInput(f"{path}: not a SUMO network: {error}") from error


@lru_cache(maxsize=1)
def _parsed(path: Path, _changed_ns: int) -> ET.Element:
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise BadInput(f"{path}: not a SUMO network: {error}") from error
    if root.tag != "net":
        raise BadInput(f"{path}: not a SUMO network: its root is <{root.tag}>")
    return root


def _connections_by_lane(root: ET.Element) -> dict[str, list[ET.Element]]:
    """Connections per starting lane in file order, those that take a request index at their junction only.

    Ways onto and off a pavement corner (walking area) take none, except from there to a crossing.
    """
    function = {edge.get("id", ""): edge.get("function") for edge in root.iter("edge")}
    lanes: dict[str, list[ET.Element]] = {}
    for connection in root.iter("connection"):
        start, end = connection.get("from", ""), function.get(connection.get("to", ""))
        if end == "walkingarea" or (function.get(start) == "walkingarea" and end != "crossing"):
            continue
        lanes.setdefault(f"{start}_{connection.get('fromLane')}", []).append(connection)
    return lanes


def _foes_at(junction: ET.Element, lanes: dict[str, list[ET.Element]], signal: str) -> Iterator[tuple[int, int]]:
    """Pairs of the signal's links that a junction's request matrix holds as foes; the matrix counts from the right."""
    order = [c for lane in junction.get("incLanes", "").split() for c in lanes.get(lane, ())]
    links = {k: int(c.get("linkIndex", "-1")) for k, c in enumerate(order) if c.get("tl") == signal}
    for request in junction.iter("request"):
        a, foes = links.get(int(request.get("index", "-1"))), request.get("foes", "")[::-1]
        for k, b in links.items():
            if a is not None and a != b and foes[k : k + 1] == "1":
                yield min(a, b), max(a, b)
