"""Builds a scenario folder from its specification, once per content, into the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

import platformdirs
from pydantic import BaseModel

from greenband import __version__, sumo
from greenband.demand import FlowTable
from greenband.formats import json as plan_json
from greenband.plan.model import PlanSet, Provenance
from greenband.plan.splits import build_plan, critical_ratios
from greenband.scenario import Assumption, Junction, Period, Scenario
from greenband.scenarios.network import junction_id, write_network
from greenband.scenarios.spec import Graded, Section, load_section
from greenband.scenarios.traffic import MIX, mainline_routes, movement_flows, route_flows, write_vehicle_types
from greenband.signals import SignalTiming

__all__ = ["build", "cache_folder", "load"]


def cache_folder() -> Path:
    """Where built scenarios live; ``GREENBAND_CACHE`` in the environment moves it."""
    root = os.environ.get("GREENBAND_CACHE")
    return Path(root) if root else platformdirs.user_cache_path("greenband") / "scenarios"


def load(name: str) -> Scenario:
    """A shipped scenario, built if the cache does not hold it yet.

    Raises:
        UnknownName: no such scenario.
        SimulationError: SUMO's netconvert failed.
    """
    section = load_section(name)
    folder = cache_folder() / f"{name}-{_key(section)}"
    if not (folder / "scenario.json").is_file():
        _build_aside(section, folder)
    return Scenario.load(folder)


def _key(section: Section) -> str:
    """Hash of everything a build depends on: the specification, this package's code, and SUMO's version."""
    digest = hashlib.sha256(section.model_dump_json().encode())
    sources = [source for source in files("greenband.scenarios").iterdir() if source.name.endswith(".py")]
    core = files("greenband")
    sources += [core / name for name in ("network.py", "signals.py", "demand.py", "scenario.py")]
    sources += [core / "plan" / name for name in ("model.py", "splits.py")]
    for source in sorted(sources, key=lambda entry: entry.name):
        digest.update(source.read_bytes())
    digest.update(sumo.version_string().encode())
    return digest.hexdigest()[:16]


def _build_aside(section: Section, folder: Path) -> None:
    """Build in a scratch folder and move it into place; whoever comes second discards its own copy."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        build(section, scratch)
        scratch.chmod(0o755)
        try:
            scratch.rename(folder)
        except OSError:
            if not (folder / "scenario.json").is_file():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def build(section: Section, folder: Path) -> Scenario:
    """Write network, traffic, existing plans and ``scenario.json`` into an empty folder."""
    corridor = section.corridor
    write_network(section, folder)
    write_vehicle_types(section, folder / "vehicles.add.xml")
    scenario = Scenario(
        name=section.name,
        title=corridor.title,
        folder=folder,
        network_file="network.net.xml",
        additional_files=("vehicles.add.xml",),
        periods={
            name: Period(
                begin_s=spec.begin_s,
                duration_s=corridor.duration_s,
                warmup_s=corridor.warmup_s,
                demand=f"demand_{name}.json",
                existing_plan=f"existing_{name}.json",
            )
            for name, spec in corridor.periods.items()
        },
        mainline=mainline_routes(section),
        timing=SignalTiming(**{name: figure.value for name, figure in corridor.signals}),
        junctions=tuple(
            Junction(
                signal=junction_id(row),
                name_en=row.name_en,
                name_zh=row.name_zh,
                x_m=row.x_m,
                cross_street=row.cross_street_class,
                name_grade=row.name_grade,
                position_grade=row.position_grade,
                position_uncertainty_m=row.position_uncertainty_m,
            )
            for row in section.junctions
        ),
        assumptions=tuple(_assumptions(section)),
    )
    for period in scenario.periods:
        flows = FlowTable(tuple(route_flows(section, period)), MIX)
        flows.save(folder / scenario.period(period).demand)
        plan_json.write(_existing(section, scenario, period), scenario.existing_plan_file(period))
    scenario.save()
    return scenario


def _existing(section: Section, scenario: Scenario, period: str) -> PlanSet:
    """An ordinary plan: the stages in order, the cycle in force, green in proportion to flow ratios, offsets 0."""
    cycle = section.corridor.periods[period].cycle_s.value
    saturation = section.corridor.existing_plan.saturation_flow.value
    flows = movement_flows(section, period)
    plans = {}
    for signal in scenario.network.signals.values():
        weights = critical_ratios(signal, flows, saturation)
        plans[signal.id] = build_plan(signal, signal.limits(scenario.timing), cycle, weights, name=f"existing {period}")
    note = f"greens in proportion to flow ratios at {saturation:g} veh/h/lane, offsets 0"
    origin = Provenance(
        subject="existing", scenario=scenario.name, greenband=__version__, sumo=sumo.version_string(), note=note
    )
    return PlanSet(provenance=origin, plans={period: plans})


def _assumptions(section: Section) -> list[Assumption]:
    """Every graded figure of the specification as a row, named by its path."""
    corridor = section.corridor
    groups = {
        "geometry": corridor.geometry,
        "signals": corridor.signals,
        "existing plan": corridor.existing_plan,
        "periods": corridor.periods,
        "traffic": corridor.traffic,
    }
    rows = [row for name, group in groups.items() for row in _graded(name, group)]
    flows = corridor.flows_note
    rows.append(Assumption(figure="flows", value=corridor.flows, grade=flows.grade, source=flows.source))
    rows.extend(Assumption(figure=n.figure, value=n.value, grade=n.grade, source=n.source) for n in corridor.left_out)
    return rows


def _graded(name: str, item: object) -> list[Assumption]:
    if isinstance(item, Graded):
        value = item.value.model_dump() if hasattr(item.value, "model_dump") else item.value
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        return [Assumption(figure=name, value=f"{text} {item.unit}", grade=item.grade, source=item.source)]
    pairs = dict(item) if isinstance(item, (dict, BaseModel)) else {}
    return [row for key, value in pairs.items() for row in _graded(f"{name} · {key}", value)]
