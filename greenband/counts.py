"""Traffic counts: tables of counted vehicles, and how well a model agrees with them.

A count names the edge that vehicles leave and, for a turning count, the edge that they enter; the file is a CSV table
with the columns ``from_edge,to_edge,begin_s,end_s,veh``.
"""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenband.errors import BadInput
from greenband.files import write_text
from greenband.network import Network

__all__ = ["GOOD_SHARE", "Agreement", "Count", "geh", "read", "share_good", "write", "write_agreement"]

COLUMNS = ("from_edge", "to_edge", "begin_s", "end_s", "veh")
GOOD_GEH = 5.0
GOOD_SHARE = 0.85  # of the counts that a calibrated model meets with a GEH below 5, see geh


@dataclass(frozen=True)
class Count:
    """Vehicles that left ``from_edge`` in ``[begin_s, end_s)``, seconds after midnight.

    Where ``to_edge`` is named, only those that drove onto it; else all of them, also those whose trip ended there.
    """

    from_edge: str
    to_edge: str
    begin_s: int
    end_s: int
    veh: float

    @property
    def location(self) -> str:
        """``from>to`` or ``from``."""
        return f"{self.from_edge}>{self.to_edge}" if self.to_edge else self.from_edge

    @property
    def hours(self) -> float:
        """Length of the interval in hours."""
        return (self.end_s - self.begin_s) / 3600

    @property
    def veh_h(self) -> float:
        """Hourly volume."""
        return self.veh / self.hours


def geh(model_veh_h: float, counted_veh_h: float) -> float:
    """The GEH statistic of two hourly volumes: ``sqrt(2 (m - c)^2 / (m + c))``, 0 where both are 0.

    UK Design Manual for Roads and Bridges, volume 12, section 2, part 1; FHWA Traffic Analysis Toolbox, volume III
    (FHWA-HRT-04-040). Both call a model calibrated where more than 85 % of the counts have a GEH below 5.
    """
    both = model_veh_h + counted_veh_h
    return math.sqrt(2 * (model_veh_h - counted_veh_h) ** 2 / both) if both > 0 else 0.0


def share_good(values: Sequence[float]) -> float:
    """Share of GEH values below 5."""
    return sum(value < GOOD_GEH for value in values) / len(values)


def read(path: Path, network: Network) -> list[Count]:
    """Read a table of counts and hold it against a network.

    Raises:
        BadInput: naming file, line and what is wrong: an edge or turn that the network has not, no number, a negative
            count, an interval that ends before it begins or overlaps another one of the table.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    reader = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise BadInput(f"{path}: no column {missing[0]!r} in its first line, which must be {','.join(COLUMNS)}")
    counts: list[Count] = []
    lines: dict[Count, int] = {}
    for row in reader:
        place = f"{path} line {reader.line_num}"
        count = _count(row, network, place)
        _check_interval(count, counts, lines, place)
        lines[count] = reader.line_num
        counts.append(count)
    if not any(count.veh for count in counts):
        raise BadInput(f"{path}: it counts no vehicle")
    return counts


def write(path: Path, counts: Iterable[Count]) -> None:
    """Write a table of counts."""
    rows = [f"{c.from_edge},{c.to_edge},{c.begin_s},{c.end_s},{c.veh:g}" for c in counts]
    write_text(path, "\n".join([",".join(COLUMNS), *rows]) + "\n")


@dataclass(frozen=True)
class Agreement:
    """A count, and the hourly volumes at that place and time of the fitted demand and of its simulation."""

    count: Count
    fitted_veh_h: float
    simulated_veh_h: float

    @property
    def fitted_geh(self) -> float:
        """GEH of the fitted demand."""
        return geh(self.fitted_veh_h, self.count.veh_h)

    @property
    def simulated_geh(self) -> float:
        """GEH of the simulation."""
        return geh(self.simulated_veh_h, self.count.veh_h)


def write_agreement(path: Path, rows: Iterable[Agreement]) -> None:
    """Write a CSV table: where and when, then veh/h counted, fitted and simulated, then both GEH."""
    lines = ["from_edge,to_edge,begin_s,end_s,counted_veh_h,fitted_veh_h,simulated_veh_h,fitted_geh,simulated_geh"]
    for row in rows:
        figures = (row.count.veh_h, row.fitted_veh_h, row.simulated_veh_h, row.fitted_geh, row.simulated_geh)
        place = f"{row.count.from_edge},{row.count.to_edge},{row.count.begin_s},{row.count.end_s}"
        lines.append(",".join([place, *(f"{figure:.2f}" for figure in figures)]))
    write_text(path, "\n".join(lines) + "\n")


def _count(row: dict[str, str | None], network: Network, place: str) -> Count:
    from_edge, to_edge = ((row[name] or "").strip() for name in COLUMNS[:2])
    begin_s, end_s, veh = (_number(row[name], name, place) for name in COLUMNS[2:])
    if from_edge not in network.drives:
        raise BadInput(f"{place}: from_edge {from_edge!r} is no road of the network{_near(from_edge, network.drives)}")
    onto = network.drives[from_edge]
    if to_edge and to_edge not in onto:
        known = ", ".join(onto) or "nowhere"
        raise BadInput(
            f"{place}: from {from_edge!r} one drives onto {known}, not onto {to_edge!r}{_near(to_edge, onto)}"
        )
    if veh < 0:
        raise BadInput(f"{place}: veh {veh:g}: must be 0 or more")
    if begin_s % 1 or end_s % 1 or not 0 <= begin_s < end_s:
        raise BadInput(f"{place}: begin_s {begin_s:g}, end_s {end_s:g}: must be whole seconds, the end after the begin")
    return Count(from_edge, to_edge, int(begin_s), int(end_s), veh)


def _number(text: str | None, name: str, place: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInput(f"{place}: {name} {text or ''!r}: must be a number")
    return value


def _near(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _check_interval(count: Count, before: Sequence[Count], lines: dict[Count, int], place: str) -> None:
    """Refuse what would count a vehicle twice, and intervals of two locations that overlap without being the same."""
    for other in before:
        if count.end_s <= other.begin_s or other.end_s <= count.begin_s:
            continue
        if count.location == other.location:
            raise BadInput(f"{place}: {count.location} is counted at that time in line {lines[other]} already")
        if (count.begin_s, count.end_s) != (other.begin_s, other.end_s):
            raise BadInput(
                f"{place}: {count.begin_s} to {count.end_s} s overlaps {other.begin_s} to {other.end_s} s of line"
                f" {lines[other]}: all locations must share their intervals"
            )
