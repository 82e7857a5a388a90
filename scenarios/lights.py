"""Which traffic lights of a foreign network can be controlled, and their programs in its file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from greenband.scenarios.programs import Program, Run, stages_of

__all__ = ["Light", "Places", "join_crossing_lamps", "set_program", "take_program"]


@dataclass(frozen=True)
class Light:
    """A light to control: the program in force, its stages, and the programs not used."""

    program: Program
    stages: tuple[Run, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """What the lamps of each light stand for: all links, those of roads, and those of crossings on foot."""

    links: Mapping[str, frozenset[int]]
    roads: Mapping[str, frozenset[int]]
    crossings: Mapping[str, frozenset[int]]

    @classmethod
    def of(cls, root: ET.Element) -> Places:
        """Read them from a network's connections."""
        function = {edge.get("id", ""): edge.get("function", "") for edge in root.iter("edge")}
        links: dict[str, set[int]] = {}
        roads: dict[str, set[int]] = {}
        crossings: dict[str, set[int]] = {}
        for connection in root.iter("connection"):
            name = connection.get("tl", "")
            if not name:
                continue
            index = int(connection.get("linkIndex", "-1"))
            links.setdefault(name, set()).add(index)
            ends = {function.get(connection.get(end, ""), "") for end in ("from", "to")}
            if not ends & {"internal", "crossing", "walkingarea"}:
                roads.setdefault(name, set()).add(index)
            elif "crossing" in ends:
                crossings.setdefault(name, set()).add(index)
        return cls(*({name: frozenset(found) for name, found in part.items()} for part in (links, roads, crossings)))

    def light(self, name: str, programs: Sequence[Program]) -> Light | str:
        """The light, or why it cannot be controlled."""
        links, roads = self.links.get(name, frozenset()), self.roads.get(name, frozenset())
        crossings = self.crossings.get(name, frozenset())
        in_use = [program for program in programs if not program.off]
        if not programs:
            return "it has no program, as rail signals have none"
        if not in_use:
            return "all its programs are switched off"
        if not roads:
            return "no road leads through it"
        if roads & crossings:
            return "a lamp serves a road and a crossing on foot at once"
        if any(len(phase.state) <= max(links) for phase in in_use[-1].phases):
            return f"program {in_use[-1].id!r} has fewer lamps than the light has links"
        stages = tuple(stages_of(in_use[-1], crossings))
        if len(stages) < 2:
            return f"program {in_use[-1].id!r} has {len(stages)} stage, so that there is nothing to choose"
        return Light(in_use[-1], stages, tuple(program.id for program in programs if program is not in_use[-1]))


def join_crossing_lamps(root: ET.Element, names: Collection[str]) -> list[str]:
    """Let one lamp serve both ends of each crossing of these lights, so that walk and clearance hold for both.

    A network may give the way back a lamp of its own (``linkIndex2`` of a crossing). Returns the crossings so changed.
    """
    there: dict[str, str] = {}
    back: list[ET.Element] = []
    crossings = {edge.get("id", "") for edge in root.iter("edge") if edge.get("function") == "crossing"}
    for connection in root.iter("connection"):
        if connection.get("tl") in names and connection.get("to") in crossings:
            there[connection.get("to", "")] = connection.get("linkIndex", "")
        elif connection.get("tl") in names and connection.get("from") in crossings:
            back.append(connection)
    changed = [one for one in back if one.get("linkIndex") != there.get(one.get("from", ""), one.get("linkIndex"))]
    for connection in changed:
        connection.set("linkIndex", there[connection.get("from", "")])
    return [connection.get("from", "") for connection in changed]


def set_program(root: ET.Element, name: str, offset_s: int, phases: Iterable[tuple[float, str, str]]) -> None:
    """Make these phases the one program of a light."""
    program = ET.Element("tlLogic", id=name, type="static", programID="0", offset=str(offset_s))
    for duration, state, label in phases:
        if duration > 0:
            phase = ET.SubElement(program, "phase", duration=f"{duration:g}", state=state)
            if label:
                phase.set("name", label)
    old = [item for item in root.findall("tlLogic") if item.get("id") == name]
    root.insert(list(root).index(old[0]), program)
    for item in old:
        root.remove(item)


def take_program(root: ET.Element, own: ET.Element) -> None:
    """Put a program of an additional file into the network, over one of the same name; the last one is in force."""
    old = [item for item in root.findall("tlLogic") if item.get("id") == own.get("id")]
    place = max((list(root).index(item) for item in root.findall("tlLogic")), default=len(root) - 1) + 1
    root.insert(place, own)
    for item in old:
        if item.get("programID") == own.get("programID"):
            root.remove(item)
