"""Timing-table formats, one module each, and the way in by a format's name or a file's path."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from greenband.errors import BadInput, UnknownName
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario

__all__ = ["FORMATS", "names", "read_plan", "write"]

FORMATS = {  # name -> (module, what it writes below the output folder)
    "json": ("greenband.formats.json", "plan.json"),
    "csv": ("greenband.formats.csv", "csv"),
    "sumo": ("greenband.formats.sumo", "plan.add.xml"),
}


def names(formats: str | Sequence[str]) -> list[str]:
    """Format names from a list, or from text such as ``json,csv`` or ``all``; each once, in the order given.

    Raises:
        UnknownName: one is not a format.
    """
    asked = formats.split(",") if isinstance(formats, str) else list(formats)
    wanted = [name.strip() for name in asked if name.strip()]
    if wanted == ["all"]:
        return list(FORMATS)
    for name in wanted:
        if name not in FORMATS:
            raise UnknownName("format", name, [*FORMATS, "all"])
    if not wanted:
        raise BadInput(f"no format named: choose from {', '.join([*FORMATS, 'all'])}")
    return list(dict.fromkeys(wanted))


def write(plans: PlanSet, formats: str | Sequence[str], out_dir: Path) -> list[Path]:
    """Write a plan set in each of the formats below ``out_dir``.

    Returns:
        all files written, in the order of the formats.

    Raises:
        UnknownName: a format is not known.
        BadInput: the set lacks junctions or a schedule, which every format but JSON needs; a format cannot express
            a plan; or the folder cannot be written.
    """
    chosen = names(formats)
    if not plans.whole and chosen != ["json"]:
        raise BadInput("the plan set has no junctions or no schedule; greenband.plan.describe adds a scenario's")
    try:
        return [file for name in chosen for file in _module(name).export(plans, out_dir / FORMATS[name][1])]
    except OSError as error:
        raise BadInput(f"{error.filename or out_dir}: cannot be written: {error.strerror}") from error


def read_plan(path: Path, scenario: Scenario | None = None) -> PlanSet:
    """Read a plan set from a JSON plan, a SUMO ``.add.xml`` file, a folder of CSV tables, or a folder that holds one.

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
    raise BadInput(f"{path}: not a plan: allowed are a .json plan, a .add.xml file, or a folder of CSV tables")


def _read_folder(folder: Path) -> PlanSet:
    for name, place in (("json", folder / "plan.json"), ("csv", folder), ("csv", folder / "csv")):
        if place.is_file() or (place / "index.csv").is_file():
            return _as_plans(_module(name).read(place))
    raise BadInput(f"{folder}: holds no plan: neither plan.json nor index.csv of CSV tables")


def _module(name: str) -> ModuleType:
    return import_module(FORMATS[name][0])


def _as_plans(value: object) -> PlanSet:
    assert isinstance(value, PlanSet)
    return value
