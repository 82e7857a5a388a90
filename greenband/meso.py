"""What SUMO's mesoscopic model needs besides headways to lose the time that micro loses at signals.

- ``QueueLamps``: in meso a queue starts at once when green comes and goes on through yellow. In micro a lane's queue
  loses 2 s at the start and hardly anybody passes in yellow: turns from a lane of their own discharge
  ``(g - 2.1 s) / 2.37 s`` vehicles in a green of g (benchmarks/results/turn_capacity.md). So vehicles are held that
  long, and yellow stops them; not at signals that keep their own programs, which nobody asks for lamps.
- ``lengthened``: meso sorts vehicles by lane only on the last edge. Where that is a short bay, a queue of turns that
  overflows it blocks the whole road behind; in micro it takes one lane and the others drive past.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.errors import BadInput
from greenband.signals import GREEN

__all__ = ["QueueLamps", "lengthened"]

START_S = 2  # lost at the start of green
APPROACH_M = 400.0  # before a stop line vehicles queue by lane that far back, where the road allows
LEFT_M = 50.0  # of the road behind it, at least
CLEAR_M = 10.0  # left behind the last thing that is placed on it


class QueueLamps:
    """Lamps as queues obey them, and a log of those that were really asked for."""

    def __init__(self) -> None:
        self._asked: dict[str, list[tuple[int, str]]] = {}  # by signal, from a time in s on
        self._starts: dict[str, list[int]] = {}  # by signal and link, when the queue starts, s

    def ask(self, signal: str, lamps: str, now_s: int) -> str:
        """Note what a signal shall show from now on; what its queues obey now."""
        log = self._asked.setdefault(signal, [])
        before = log[-1][1] if log else lamps
        starts = self._starts.setdefault(signal, [now_s] * len(lamps))
        for link, (old, new) in enumerate(zip(before, lamps, strict=True)):
            if new in GREEN and old not in GREEN:
                starts[link] = now_s + START_S
        log.append((now_s, lamps))
        return self._obeyed(signal, now_s)

    def next_start(self, now_s: int) -> float:
        """When the next queue starts, s; infinite if none is held."""
        return min((start for starts in self._starts.values() for start in starts if start > now_s), default=math.inf)

    def starting(self, now_s: int) -> Iterator[tuple[str, str]]:
        """Signals at which a queue starts now, with what their queues obey."""
        for signal, starts in self._starts.items():
            if now_s in starts:
                yield signal, self._obeyed(signal, now_s)

    def write(self, signal: str, path: Path, end_s: int) -> None:
        """What a signal was asked to show each second before ``end_s``, in the form of SUMO's SaveTLSStates."""
        root, log = ET.Element("tlsStates"), self._asked.get(signal, [])
        for (begin_s, lamps), (until_s, _) in pairwise([*log, (end_s, "")]):
            for time_s in range(begin_s, until_s):
                ET.SubElement(root, "tlsState", time=f"{time_s}.00", id=signal, state=lamps)
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)

    def _obeyed(self, signal: str, now_s: int) -> str:
        lamps = zip(self._asked[signal][-1][1], self._starts[signal], strict=True)
        return "".join("r" if lamp in "yY" or (lamp in GREEN and now_s < start) else lamp for lamp, start in lamps)


def lengthened(network: Path, placed: Iterable[Path] = ()) -> bytes:
    """The network with longer bays: what an edge before a signal gains, the only edge that leads into it loses.

    It reaches back ``APPROACH_M`` then, or less where the edge behind would have less than ``LEFT_M``, or lose the
    place of something in the ``placed`` files (SUMO's additional and route files: stops, detectors). Both must have the
    same speed limit, so that no way takes longer. Only the lengths of lanes change, not their shapes; what is placed on
    a bay keeps its distance from the bay's start.

    Raises:
        BadInput: a file cannot be read.
    """
    files = [network, *placed]
    try:
        return _lengthened(tuple((path, path.stat().st_mtime_ns) for path in files))
    except (OSError, ET.ParseError, ValueError) as error:
        raise BadInput(f"{network}: cannot be made ready for fidelity meso: {error}") from error


@lru_cache(maxsize=4)
def _lengthened(files: tuple[tuple[Path, int], ...]) -> bytes:
    (network, _), *placed = files
    root = ET.parse(network).getroot()
    lanes = {edge.get("id", ""): list(edge.iter("lane")) for edge in root.iter("edge") if not edge.get("function")}
    taken = _taken(path for path, _ in placed)
    for bay, before in _bays(root):
        behind = min(float(lane.get("length", 0)) for lane in lanes[before])
        names = [before, *(lane.get("id", "") for lane in lanes[before])]
        needed = max(LEFT_M, *(taken.get(name, 0.0) + CLEAR_M for name in names))
        gain = min(APPROACH_M - min(float(lane.get("length", 0)) for lane in lanes[bay]), behind - needed)
        if gain > 0 and _limit(lanes[bay]) == _limit(lanes[before]):
            _lengthen(lanes[bay], gain)
            _lengthen(lanes[before], -gain)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _limit(lanes: Sequence[ET.Element]) -> float:
    return max(float(lane.get("speed", 0)) for lane in lanes)


def _lengthen(lanes: Sequence[ET.Element], by_m: float) -> None:
    for lane in lanes:
        lane.set("length", f"{float(lane.get('length', 0)) + by_m:.2f}")


def _bays(root: ET.Element) -> Iterator[tuple[str, str]]:
    """Edges before a signal into which a single edge leads, which leads nowhere else; with that edge.

    The end of a road where vehicles turn round is none.
    """
    ways = [(c.get("from", ""), c.get("to", ""), c) for c in root.iter("connection")]
    roads = [(start, end, c) for start, end, c in ways if not (start.startswith(":") or end.startswith(":"))]
    leads: dict[str, set[str]] = {}
    comes: dict[str, set[str]] = {}
    for start, end, _ in roads:
        leads.setdefault(start, set()).add(end)
        comes.setdefault(end, set()).add(start)
    signalled = {start for start, _, connection in roads if connection.get("tl")}
    turned = {end for _, end, connection in roads if connection.get("dir") == "t"}
    for bay in sorted(signalled - turned):
        if len(comes.get(bay, ())) == 1:
            (before,) = comes[bay]
            if leads[before] == {bay} and before not in signalled:
                yield bay, before


def _taken(files: Iterable[Path]) -> dict[str, float]:
    """How far along lanes and edges something is placed, m from the start; infinite where that is not said so."""
    found: dict[str, float] = {}
    for path in files:
        for _, item in ET.iterparse(path):
            names = [item.get("edge", ""), item.get("lane", ""), *item.get("lanes", "").split()]
            ends = [float(item.get(name, "")) for name in ("pos", "endPos") if name in item.attrib]
            said = "lane" in item.attrib and ends and min(ends) >= 0
            for name in filter(None, names):
                found[name] = max(found.get(name, 0.0), max(ends) if said else math.inf)
            item.clear()  # route files are large
    return found
