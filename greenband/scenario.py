"""A scenario: a folder with network, demand and plans that the control loop can run."""

from __future__ import annotations

import json
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from greenband import demand as demands
from greenband import meso
from greenband.demand import Demand
from greenband.errors import BadInput, UnknownName
from greenband.fidelity import FIDELITIES, Fidelity
from greenband.network import Network
from greenband.signals import SignalTiming

__all__ = ["Assumption", "Junction", "Period", "PlanSwitch", "Scenario"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanSwitch(_Record):
    """From a time in seconds after midnight on, the plans of a period are in force."""

    time_s: int
    period: str


class Period(_Record):
    """A stretch of the day. Trips scheduled within ``duration_s`` after ``begin_s`` are measured; traffic runs from
    ``warmup_s`` earlier. Times in seconds after midnight. One that spans several others names their ``plans`` in order.
    """

    begin_s: int
    duration_s: int
    warmup_s: int
    demand: str
    existing_plan: str | None = None
    plans: tuple[PlanSwitch, ...] = ()

    def plan_period(self, time_s: int) -> str | None:
        """The period whose plans are in force at a time; None where this one has its own."""
        past = [switch.period for switch in self.plans if switch.time_s <= time_s]
        return past[-1] if past else None

    @property
    def start_s(self) -> int:
        """When the simulation starts."""
        return self.begin_s - self.warmup_s

    @property
    def end_s(self) -> int:
        """When the simulation ends."""
        return self.begin_s + self.duration_s


class Assumption(_Record):
    """One figure of a scenario with its grade: A sourced, B inferred, C general knowledge, assumed."""

    figure: str
    value: str
    grade: str
    source: str = ""


class Junction(_Record):
    """What a signal is called on the street, and how well its place is known."""

    signal: str
    name_en: str
    name_zh: str
    x_m: float
    cross_street: str
    name_grade: str
    position_grade: str
    position_uncertainty_m: float


class Scenario(_Record):
    """A road with its signals, traffic and timing practice, as found in a scenario folder.

    ``mainline`` names, per direction, the routes that run the main road from end to end. ``signals`` are the traffic
    lights to control, all of them by default; the rest keep their programs. ``fidelity`` is how finely SUMO simulates
    all that.
    """

    name: str
    title: str
    folder: Path
    network_file: str
    additional_files: tuple[str, ...] = ()
    signals: tuple[str, ...] | None = None
    periods: dict[str, Period]
    mainline: dict[str, tuple[str, ...]] = {}
    timing: SignalTiming = SignalTiming()
    junctions: tuple[Junction, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    fidelity: Fidelity = "micro"

    @model_validator(mode="after")
    def _files_inside(self) -> Self:
        plans = [period.existing_plan for period in self.periods.values() if period.existing_plan]
        flows = [period.demand for period in self.periods.values()]
        for name in (self.network_file, *self.additional_files, *plans, *flows):
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(f"{name!r} must lie inside the scenario's folder")
        return self

    @classmethod
    def load(cls, folder: Path | str) -> Scenario:
        """Read the scenario folder.

        Raises:
            BadInput: ``scenario.json`` is missing or not as it should be.
        """
        folder = Path(folder)
        path = folder / "scenario.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(folder=folder, **data)
        except (OSError, ValueError, TypeError, ValidationError) as error:
            raise BadInput(f"{path}: not a scenario: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without the network, which other processes read themselves."""
        return Scenario.model_validate, (self.model_dump(),)

    def save(self) -> None:
        """Write ``scenario.json`` into the folder."""
        path = self.folder / "scenario.json"
        path.write_text(self.model_dump_json(indent=1, exclude={"folder"}), encoding="utf-8")

    def at(self, fidelity: str) -> Scenario:
        """The same road at a fidelity; its name says so where that is not ``micro``.

        Raises:
            UnknownName: there is no such fidelity.
        """
        if fidelity not in FIDELITIES:
            raise UnknownName("fidelity", fidelity, FIDELITIES)
        if fidelity == self.fidelity:
            return self
        road = self.name.removesuffix(f" ({self.fidelity})")
        made = self.model_copy(
            update={"fidelity": fidelity, "name": road if fidelity == "micro" else f"{road} ({fidelity})"}
        )
        made.__dict__.pop("network", None)  # what was read for this fidelity
        return made

    @cached_property
    def network(self) -> Network:
        """The road network, read once."""
        with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
            return Network(self.write_network(Path(folder)), self.signals, self.folder / self.network_file)

    def write_network(self, folder: Path) -> Path:
        """The network as SUMO gets it: the scenario's own file, but in meso one made from it, in ``folder``.

        Raises:
            BadInput: the scenario's file cannot be read.
        """
        path = self.folder / self.network_file
        if self.fidelity == "micro":
            return path
        routes = {period.demand for period in self.periods.values() if period.demand.endswith(".xml")}
        placed = [self.folder / name for name in (*self.additional_files, *sorted(routes))]
        made = folder / path.name
        made.write_bytes(meso.lengthened(path, placed))
        return made

    def period(self, name: str) -> Period:
        """A period by name.

        Raises:
            UnknownName: the scenario has no such period.
        """
        if name not in self.periods:
            raise UnknownName(f"period of {self.name}", name, self.periods)
        return self.periods[name]

    def demand(self, period: str) -> Demand:
        """What travels in a period."""
        return demands.load(self.folder / self.period(period).demand)

    def vehicle_classes(self, period: str) -> dict[str, str]:
        """SUMO's vehicle class by vehicle type, of all that may travel in a period."""
        files = [*self.additional_files, self.period(period).demand]
        return demands.vehicle_classes(self.folder / name for name in files if name.endswith(".xml"))

    def existing_plan_file(self, period: str) -> Path:
        """The plan file in force today.

        Raises:
            BadInput: the scenario comes without one.
        """
        plan = self.period(period).existing_plan
        if plan is None:
            raise BadInput(f"scenario {self.name} has no existing plan for {period}")
        return self.folder / plan
