"""SUMO's own GUI on a scenario, for looking only: no controller, no records."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from greenband import sumo
from greenband.errors import BadInput, SimulationError
from greenband.formats import json as plan_json
from greenband.formats import sumo as programs
from greenband.plan.describe import described
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario

__all__ = ["watch"]

HOUR_S = 3600


def watch(scenario: Scenario, period: str) -> None:
    """Open the network with the first hour of a period's traffic, under its existing plan if it has one; seed 0.

    Returns when the window is closed.

    Raises:
        UnknownName: there is no such period.
        BadInput: there is no display.
        SimulationError: the GUI could not be opened.
    """
    span = scenario.period(period)
    end_s = min(span.begin_s + HOUR_S, span.end_s)
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        raise BadInput("--gui needs a display, and DISPLAY names none; --plot draws without one")
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch:
        routes, plan = Path(scratch) / "routes.rou.xml", Path(scratch) / "plan.add.xml"
        scenario.demand(period).write(routes, span.begin_s, end_s, seed=0)
        additional = [str(scenario.folder / name) for name in scenario.additional_files]
        if span.existing_plan is not None:
            plans = plan_json.read(scenario.existing_plan_file(period))
            shown = span.plan_period(span.begin_s) or period
            one = PlanSet(provenance=plans.provenance, plans={shown: plans.plans[shown]})
            programs.export(described(one, scenario), plan)
            additional.append(str(plan))
        files = ["-n", str(scenario.folder / scenario.network_file), "-r", str(routes)]
        times = ["--begin", str(span.begin_s), "--end", str(end_s), "--delay", "50", "--time-to-teleport", "-1"]
        loaded = ["-a", ",".join(additional)] if additional else []
        done = subprocess.run(
            [sumo.binary("sumo-gui"), *files, *loaded, *times, "--no-warnings", "--xml-validation", "never"],
            env=sumo.environment(),
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SimulationError(f"SUMO's GUI could not be opened: {' '.join(done.stderr.split()) or done.returncode}")
