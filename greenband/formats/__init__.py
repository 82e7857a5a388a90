"""Timing-table formats, one module each, and the way in by a format's name or a file's path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from greenband.errors import BadInput, UnknownName
from greenband.formats.manifest import MANIFEST, write_manifest
from greenband.plan.model import PlanSet
from greenband.plan.rings import to_rings
from greenband.plan.tables import Table
from greenband.scenario import Scenario

__all__ = ["FORMATS", "MANIFEST", "Written", "names", "read_plan", "read_table", "write"]

FORMATS = {  # name -> (module, what it writes below the output folder)
    "json": ("greenband.formats.json", "plan.json"),
    "csv": ("greenband.formats.csv", "csv"),
    "sheet": ("greenband.formats.sheet", "sheet/timing.xlsx"),
    "sumo": ("greenband.formats.sumo", "plan.add.xml"),
    "nema": ("greenband.formats.sumo_nema", "plan.nema.add.xml"),
    "gat1049": ("greenband.formats.gat1049", "gat1049"),
    "gb20999": ("greenband.formats.gb20999", "gb20999"),
    "ntcip": ("greenband.formats.ntcip", "ntcip"),
    "utdf": ("greenband.formats.utdf", "utdf"),
    "gmns": ("greenband.formats.gmns", "gmns"),
}

ALL = "all"


def names(formats: str | Sequence[str]) -> list[str]:
    """Format names from a list, or from text such as ``json,csv`` or ``all``; each once, in the order given.

    Raises:
        UnknownName: one is not a format.
    """
    asked = formats.split(",") if isinstance(formats, str) else list(formats)
    wanted = [name.strip() for name in asked if name.strip()]
    if wanted == [ALL]:
        return list(FORMATS)
    for name in wanted:
        if name not in FORMATS:
            raise UnknownName("format", name, [*FORMATS, ALL])
    if not wanted:
        raise BadInput(f"no format named: choose from {', '.join([*FORMATS, 'all'])}")
    return list(dict.fromkeys(wanted))


@dataclass(frozen=True)
class Written:
    """What an export wrote, by format, and why other formats could not hold the plans."""

    files: dict[str, list[Path]]
    refused: dict[str, str]

    def all(self) -> list[Path]:
        """Every file, format after format."""
        return [file for files in self.files.values() for file in files]


def write(plans: PlanSet, formats: str | Sequence[str], out_dir: Path) -> Written:
    """Write a plan set in each of the formats below ``out_dir``, and what was written into ``manifest.json``.

    A format that cannot hold the plans is refused; where ``all`` were asked for, the others are written all the same.
    Nothing waits for the disk but the plan itself and the manifest, written last: after a power cut its hashes tell
    which tables are whole.

    Raises:
        UnknownName: a format is not known.
        BadInput: the set lacks junctions or a schedule, which every format but JSON needs; a format that was named
            cannot hold the plans; or the folder cannot be written.
    """
    chosen, every = names(formats), formats == ALL
    if not plans.whole and chosen != ["json"]:
        raise BadInput("the plan set has no junctions or no schedule; greenband.plan.describe adds a scenario's")
    written = Written({}, {})
    try:
        for name in chosen:
            try:
                written.files[name] = _module(name).export(plans, out_dir / FORMATS[name][1])
            except BadInput as error:
                if not every:
                    raise
                written.refused[name] = str(error)
        if chosen != ["json"]:
            write_manifest(out_dir, plans.content_hash, written.files, written.refused)
    except OSError as error:
        raise BadInput(f"{error.filename or out_dir}: cannot be written: {error.strerror}") from error
    finally:
        to_rings.cache_clear()  # so that of many plan sets only the one in hand takes memory
    return written


def read_plan(path: Path, scenario: Scenario | None = None) -> PlanSet:
    """Read a plan set from a JSON plan, a SUMO ``.add.xml`` file, a workbook, a folder of CSV tables or of GA/T 1049
    messages, or a folder that holds one.

    ``scenario`` gives the stages of a SUMO file that greenband did not write.

    Raises:
        BadInput: there is no plan there, or it breaks the plan model.
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder")
    if path.is_dir():
        return _read_folder(path)
    if path.suffix == ".json":
        return _as_plans(_module("json").read(path))
    if path.suffix == ".xml":
        return _as_plans(_module("sumo").read(path, scenario))
    if path.suffix == ".csv":
        return _as_plans(_module("csv").read(path.parent))
    if path.suffix == ".xlsx":
        return _as_plans(_module("sheet").read(path))
    raise BadInput(f"{path}: not a plan: allowed are a .json plan, a .add.xml file, a workbook, or a folder of tables")


def read_table(path: Path) -> Table:
    """Read a plan set as ``read_plan`` does, or another kind of table from its JSON file.

    Raises:
        BadInput: as ``read_plan``.
    """
    if path.suffix == ".json" and path.is_file():
        from greenband.formats.json import read_table as read

        return read(path)
    return read_plan(path)


def _read_folder(folder: Path) -> PlanSet:
    for name, place, sign in (
        ("json", folder / "plan.json", ""),
        ("csv", folder, "index.csv"),
        ("csv", folder / "csv", "index.csv"),
        ("gat1049", folder, "index.json"),
    ):
        if (place / sign).is_file():
            return _as_plans(_module(name).read(place))
    raise BadInput(f"{folder}: holds no plan: neither plan.json nor index.csv of CSV tables")


def _module(name: str) -> ModuleType:
    return import_module(FORMATS[name][0])


def _as_plans(value: object) -> PlanSet:
    assert isinstance(value, PlanSet)
    return value
