"""The signal tables of GMNS: their fields and keys, as frictionless Table Schemas, and rows read against them.

Field names, types and limits follow the GMNS specification (github.com/zephyr-data-specs/GMNS, Apache-2.0), told here
in own words. Keys into tables that are not written (``node``, ``link``, ``time_set_definitions``) are not declared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from greenband.errors import BadInput
from greenband.formats.plaintext import csv_lines

__all__ = ["TABLES", "Cell", "Row", "Table", "check_keys", "package", "read_rows"]

Cell = str | float | None
Row = Mapping[str, Cell]

MISSING = ("NaN", "")
NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")


@dataclass(frozen=True)
class Field:
    """A column. Its type is ``any`` (an id), ``string``, ``integer`` or ``number``; times are in seconds."""

    name: str
    type: str
    about: str
    required: bool = False
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""

    def schema(self) -> dict[str, Any]:
        """The field in a Table Schema."""
        limits = {
            "required": self.required or None,
            "minimum": self.least,
            "maximum": self.most,
            "enum": list(self.choices) or None,
            "pattern": self.pattern or None,
        }
        limits = {name: value for name, value in limits.items() if value is not None}
        told = {"name": self.name, "type": self.type, "description": self.about}
        return {**told, "constraints": limits} if limits else told

    def value(self, text: str) -> Cell:
        """A cell's value.

        Raises:
            ValueError: saying what is allowed.
        """
        if text in MISSING:
            if self.required:
                raise ValueError("it must not be empty")
            return None
        if self.choices and text not in self.choices:
            raise ValueError(f"it must be one of {', '.join(self.choices)}")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ValueError(f"it must match {self.pattern}")
        if self.type in ("any", "string"):
            return text
        if not NUMBER.fullmatch(text) or (self.type == "integer" and "." in text):
            raise ValueError(f"it must be a{'n integer' if self.type == 'integer' else ' number'}")
        number = float(text) if self.type == "number" else int(text)
        if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
            raise ValueError(f"it must be from {self.least} to {'any' if self.most is None else self.most}")
        return number


@dataclass(frozen=True)
class Table:
    """A table; its first field is the primary key. ``refers``: field -> the table whose key it holds."""

    name: str
    about: str
    fields: tuple[Field, ...]
    refers: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The primary key."""
        return self.fields[0].name

    def schema(self) -> dict[str, Any]:
        """The Table Schema."""
        keys = [
            {"fields": [name], "reference": {"resource": other, "fields": [_BY_NAME[other].key]}}
            for name, other in self.refers.items()
        ]
        return {
            "name": self.name,
            "description": self.about,
            "primaryKey": [self.key],
            "missingValues": list(MISSING),
            **({"foreignKeys": keys} if keys else {}),
            "fields": [each.schema() for each in self.fields],
        }


def _id(name: str, about: str, required: bool = True) -> Field:
    return Field(name, "any", about, required)


def _seconds(name: str, about: str, most: float | None = None) -> Field:
    return Field(name, "number", about, least=0, most=most)


TABLES = (
    Table("signal_controller", "Controllers, one a junction.", (_id("controller_id", "id of the junction's signal"),)),
    Table(
        "movement",
        "Ways over a junction.",
        (
            _id("mvmt_id", "from>to, by the network's edges"),
            _id("node_id", "id of the junction's signal"),
            Field("name", "string", "the movement in short"),
            _id("ib_link_id", "edge by which it comes"),
            _id("ob_link_id", "edge by which it leaves"),
            Field("type", "string", "turn", True, choices=("left", "right", "uturn", "thru", "merge", "diverge")),
            Field(
                "ctrl_type",
                "string",
                "with _RTOR: may make its near-side turn on red",
                choices=("signal", "signal_with_RTOR"),
            ),
            Field("mvmt_code", "string", "direction of travel, turn and number, such as NBL2"),
        ),
    ),
    Table(
        "signal_timing_plan",
        "Plans and when they are in force, one row for each span of the day.",
        (
            _id("timing_plan_id", "junction/plan/number of the span"),
            _id("controller_id", "whose plan it is"),
            _id("timeday_id", "not used", required=False),
            Field(
                "time_day",
                "string",
                "days Sunday to Saturday and holiday as 0 or 1, then from and to as HHMM",
                pattern="[01]{8}_([01][0-9]|2[0-3])[0-5][0-9]_(([01][0-9]|2[0-3])[0-5][0-9]|2400)",
            ),
            _seconds("cycle_length", "cycle in seconds", 600),
        ),
        {"controller_id": "signal_controller"},
    ),
    Table(
        "signal_timing_phase",
        "Phases of the plans, in rings and barriers.",
        (
            _id("timing_phase_id", "plan/phase"),
            _id("timing_plan_id", "plan it belongs to", required=False),
            Field("signal_phase_num", "integer", "NEMA number", True, least=0),
            _seconds("min_green", "green of a fixed-time plan, flashing green included"),
            _seconds("max_green", "the same"),
            _seconds("extension", "not used by fixed-time plans", 120),
            _seconds("clearance", "yellow plus all-red", 120),
            _seconds("walk_time", "walk, where people cross", 120),
            _seconds("ped_clearance", "flash after the walk, where people cross", 120),
            Field("ring", "integer", "phases of a ring follow one another", True, least=0, most=12),
            Field("barrier", "integer", "all rings end a barrier together", True, least=0, most=12),
            Field("position", "integer", "place within ring and barrier", True),
        ),
        {"timing_plan_id": "signal_timing_plan"},
    ),
    Table(
        "signal_coordination",
        "What offsets refer to.",
        (
            _id("coordination_id", "the plan's id"),
            _id("timing_plan_id", "plan"),
            _id("controller_id", "controller"),
            _id("coord_contr_id", "empty: offsets count from midnight, not from a master", required=False),
            Field("coord_phase", "integer", "phase that the offset refers to", least=0, most=32),
            Field(
                "coord_ref_to",
                "string",
                "part of that phase",
                choices=("begin_of_green", "begin_of_yellow", "begin_of_red"),
            ),
            _seconds("offset", "seconds after midnight modulo the cycle"),
        ),
        {
            "timing_plan_id": "signal_timing_plan",
            "controller_id": "signal_controller",
            "coord_contr_id": "signal_controller",
        },
    ),
    Table(
        "signal_phase_mvmt",
        "Which movements and crossings a phase serves.",
        (
            _id("signal_phase_mvmt_id", "phase/movement or phase/crossing"),
            _id("timing_phase_id", "phase"),
            _id("mvmt_id", "movement, or empty", required=False),
            _id("link_id", "crossing on foot, or empty", required=False),
            Field("protection", "string", "whether it gives way", choices=("protected", "permitted", "rtor")),
        ),
        {"timing_phase_id": "signal_timing_phase", "mvmt_id": "movement"},
    ),
)
_BY_NAME = {table.name: table for table in TABLES}


def package() -> dict[str, Any]:
    """The data package that names every table and its schema."""
    return {
        "name": "gmns-signals",
        "profile": "tabular-data-package",
        "resources": [
            {
                "name": table.name,
                "path": f"{table.name}.csv",
                "profile": "tabular-data-resource",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": f"{table.name}.schema.json",
            }
            for table in TABLES
        ],
    }


def read_rows(table: Table, path: Path) -> tuple[Row, ...]:
    """The rows of a table's file; columns that the standard does not have are passed over.

    Raises:
        BadInput: naming file, line, field, value and what is allowed.
    """
    lines = csv_lines(path)
    _, headings = next(lines, (1, []))
    if missing := [each.name for each in table.fields if each.required and each.name not in headings]:
        raise BadInput(f"{path}: line 1: there is no column {missing[0]!r}")
    if len(set(headings)) != len(headings):
        raise BadInput(f"{path}: line 1: a column appears twice")
    known = [each for each in table.fields if each.name in headings]
    places = [headings.index(each.name) for each in known]
    rows = []
    for number, line in lines:
        if len(line) != len(headings):
            raise BadInput(f"{path}: line {number}: {len(line)} cells, but {len(headings)} columns")
        row: dict[str, Cell] = {each.name: None for each in table.fields}
        for each, place in zip(known, places, strict=True):
            try:
                row[each.name] = each.value(line[place])
            except ValueError as error:
                raise BadInput(
                    f"{path}: line {number}, {each.name}: {line[place]!r} is not allowed: {error}"
                ) from error
        rows.append(row)
    return tuple(rows)


def check_keys(tables: Mapping[str, Sequence[Row]], place: str) -> None:
    """That keys are unique and lead somewhere.

    Raises:
        BadInput: naming ``place``, table, field and key.
    """
    keys = {table.name: [row[table.key] for row in tables[table.name]] for table in TABLES}
    known = {name: set(of) for name, of in keys.items()}
    for table in TABLES:
        if len(known[table.name]) != len(keys[table.name]):
            twice = next(key for key in keys[table.name] if keys[table.name].count(key) > 1)
            raise BadInput(f"{place}: table {table.name}, {table.key}: {twice!r} appears twice")
        for name, other in table.refers.items():
            for row in tables[table.name]:
                key = row.get(name)
                if key is not None and key not in known[other]:
                    raise BadInput(f"{place}: table {table.name}, {name}: there is no {key!r} in table {other}")
