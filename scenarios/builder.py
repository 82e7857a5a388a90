"""Builds a scenario folder from its specification, once per content, into the user's cache."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel

from greenband import __version__, sumo
from greenband.demand import save_profile
from greenband.errors import UnknownName
from greenband.formats import json as plan_json
from greenband.plan.model import PlanSet, Provenance, TimingPlan
from greenband.plan.ratios import critical_ratios
from greenband.plan.splits import build_plan
from greenband.scenario import Assumption, Junction, Period, PlanSwitch, Scenario
from greenband.scenarios.network import junction_id, write_network
from greenband.scenarios.spec import Graded, Section, VehicleType, load_section
from greenband.scenarios.traffic import Traffic, mainline_routes, movement_flows, write_vehicles
from greenband.signals import SignalTiming

__all__ = ["build", "cache_folder", "load"]


def cache_folder() -> Path:
    """Where built scenarios live; ``GREENBAND_CACHE`` in the environment moves it."""
    root = os.environ.get("GREENBAND_CACHE")
    return Path(root) if root else platformdirs.user_cache_path("greenband") / "scenarios"


def load(name: str, people: bool | str = False, ebikes: bool | str = False) -> Scenario:
    """A shipped scenario, built if the cache does not hold it yet.

    Args:
        name: one of ``available()``.
        people: pedestrians, their crossings and their lamps (``on``, ``off``, true, false); off runs faster.
        ebikes: e-bikes on lanes of their own; off runs faster.

    Raises:
        UnknownName: no such scenario, or an option that is neither on nor off.
        SimulationError: SUMO's netconvert failed.
    """
    section = load_section(name, people=_switch("people", people), ebikes=_switch("ebikes", ebikes))
    folder = cache_folder() / f"{section.title}-{_key(section)}"
    if not (folder / "scenario.json").is_file():
        _build_aside(section, folder)
    return Scenario.load(folder)


def _switch(option: str, value: bool | str) -> bool:
    """On or off; Hydra hands over what it does not know as text."""
    text = str(value).lower()
    if text not in ("on", "off", "true", "false"):
        raise UnknownName(f"value of scenario.{option}", str(value), ["on", "off"])
    return text in ("on", "true")


def _key(section: Section) -> str:
    """Hash of everything a build depends on: the specification, this package's code, and SUMO's version."""
    digest = hashlib.sha256(section.model_dump_json().encode())
    sources = [source for source in files("greenband.scenarios").iterdir() if source.name.endswith(".py")]
    core = files("greenband")
    sources += [core / name for name in ("network.py", "signals.py", "demand.py", "scenario.py")]
    sources += [core / "plan" / name for name in ("model.py", "ratios.py", "splits.py")]
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
    write_vehicles(section, folder / "vehicles.add.xml")
    scenario = Scenario(
        name=section.title,
        title=corridor.title,
        folder=folder,
        network_file="network.net.xml",
        additional_files=("vehicles.add.xml",),
        periods=_periods(section),
        mainline=mainline_routes(section),
        timing=_timing(section),
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
    for period in corridor.periods:
        Traffic(section, period).table().save(folder / scenario.period(period).demand)
    save_profile(folder / scenario.period(DAY).demand, list(_hours(section)))
    plan_json.write(_existing(section, scenario), folder / EXISTING)
    scenario.save()
    return scenario


DAY = "day"
EXISTING = "existing.json"
HOUR_S = 3600


def _periods(section: Section) -> dict[str, Period]:
    """The hours of the specification, and the whole day, which takes their tables and plans in turn."""
    corridor = section.corridor
    periods = {
        name: Period(
            begin_s=spec.begin_s,
            duration_s=corridor.duration_s,
            warmup_s=corridor.warmup_s,
            demand=f"demand_{name}.json",
            existing_plan=EXISTING,
        )
        for name, spec in corridor.periods.items()
    }
    hours = enumerate(corridor.day.pattern.value)
    plans = tuple(PlanSwitch(time_s=hour * HOUR_S, period=pattern) for hour, pattern in hours)
    switches = tuple(s for k, s in enumerate(plans) if k == 0 or s.period != plans[k - 1].period)
    day = Period(
        begin_s=0,
        duration_s=24 * HOUR_S,
        warmup_s=0,
        demand="demand_day.profile.json",
        existing_plan=EXISTING,
        plans=switches,
    )
    return {**periods, DAY: day}


def _hours(section: Section) -> Iterator[tuple[int, int, str, float]]:
    """Per hour of the day: begin and end in s, the table of its pattern, and the factor on it."""
    day, periods = section.corridor.day, section.corridor.periods
    for hour, (share, pattern) in enumerate(zip(day.share.value, day.pattern.value, strict=True)):
        factor = share / day.share.value[periods[pattern].hour]
        yield hour * HOUR_S, (hour + 1) * HOUR_S, f"demand_{pattern}.json", factor


def _timing(section: Section) -> SignalTiming:
    corridor = section.corridor
    figures: dict[str, Any] = {name: figure.value for name, figure in corridor.signals}
    people = corridor.people
    return SignalTiming(**figures, walk_s=people.walk_s.value, walking_speed_ms=people.walking_speed_ms.value)


def _existing(section: Section, scenario: Scenario) -> PlanSet:
    """An ordinary plan: the stages in order, the cycle in force, green in proportion to flow ratios, offsets 0.

    Where those on foot need more green than the cycle has, the cycle is as long as they need.
    """
    saturation = section.corridor.existing_plan.saturation_flow.value
    plans: dict[str, dict[str, TimingPlan]] = {}
    for period, spec in section.corridor.periods.items():
        flows, plans[period] = movement_flows(section, period), {}
        signals = scenario.network.signals.values()
        limits = {signal.id: signal.limits(scenario.timing) for signal in signals}
        least = max(sum(limit.min_green_s) + len(limit.min_green_s) * limit.intergreen_s for limit in limits.values())
        cycle = max(spec.cycle_s.value, math.ceil(least / 10) * 10)
        for signal in signals:
            weights = critical_ratios(signal, flows, saturation)
            plans[period][signal.id] = build_plan(signal, limits[signal.id], cycle, weights, name=f"existing {period}")
    note = f"greens in proportion to flow ratios at {saturation:g} veh/h/lane, offsets 0"
    origin = Provenance(
        subject="existing", scenario=scenario.name, greenband=__version__, sumo=sumo.version_string(), note=note
    )
    return PlanSet(provenance=origin, plans=plans)


def _assumptions(section: Section) -> list[Assumption]:
    """Every graded figure of the specification as a row, named by its path."""
    corridor = section.corridor
    groups: dict[str, object] = {
        "geometry": corridor.geometry,
        "signals": corridor.signals,
        "existing plan": corridor.existing_plan,
        "periods": corridor.periods,
        "day": corridor.day,
        "traffic": corridor.traffic,
        "buses": corridor.buses,
    }
    if section.people:
        groups["people"] = corridor.people
    if section.ebikes:
        groups["e-bikes"] = corridor.ebikes
    rows = [row for name, group in groups.items() for row in _graded(name, group)]
    flows = corridor.flows_note
    rows.append(Assumption(figure="credits", value=corridor.credits.strip(), grade="A"))
    rows.append(Assumption(figure="flows", value=corridor.flows, grade=flows.grade, source=flows.source))
    rows.extend(Assumption(figure=n.figure, value=n.value, grade=n.grade, source=n.source) for n in corridor.left_out)
    return rows


def _graded(name: str, item: object) -> list[Assumption]:
    if isinstance(item, (Graded, VehicleType)):
        value = item.value.model_dump() if hasattr(item.value, "model_dump") else item.value
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        return [Assumption(figure=name, value=f"{text} {item.unit}", grade=item.grade, source=item.source)]
    pairs = dict(item) if isinstance(item, (dict, BaseModel)) else {}
    return [row for key, value in pairs.items() for row in _graded(f"{name} · {key}", value)]
