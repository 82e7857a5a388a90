"""Compare ways to find route flows from counts: ``python benchmarks/calibration.py SCENARIO...`` writes the table.

Truth is the demand of a scenario; the counts are those of one simulated hour of it, at every stop line or at every
second junction only. All methods choose among the same routes and meet the same counts. Route error: sum of the
absolute differences from the true route flows over their sum.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from xml.etree import ElementTree as ET

import numpy as np

from greenband import registry, sumo
from greenband.counts import Count, geh, share_good
from greenband.passages import drive, stop_lines
from greenband.scenario import Scenario
from greenband.scenarios.entropy import most_likely_flows
from greenband.scenarios.routes import Route, passes, rim_to_rim

TARGET = Path(__file__).parent / "results" / "calibration.md"
Flows = Mapping[Route, float]


def entropy(routes: Sequence[Route], counts: Sequence[Count]) -> Flows:
    """What greenband does."""
    flows = most_likely_flows(routes, [c.location for c in counts], [c.veh_h for c in counts])
    return dict(zip(routes, flows.tolist(), strict=True))


def least_squares(routes: Sequence[Route], counts: Sequence[Count]) -> Flows:
    """Non-negative least squares, each count weighted by its Poisson variance."""
    from scipy.optimize import nnls

    weight = 1 / np.sqrt([max(c.veh_h, 1.0) for c in counts])
    on = [passes(route) for route in routes]
    a = np.array([[float(c.location in places) for places in on] for c in counts])
    flows, _ = nnls(a * weight[:, None], np.array([c.veh_h for c in counts]) * weight)
    return dict(zip(routes, flows.tolist(), strict=True))


def sampler(*options: str) -> Callable[[Sequence[Route], Sequence[Count]], Flows]:
    """SUMO's routeSampler.py with some options, seed 42."""

    def fit(routes: Sequence[Route], counts: Sequence[Count]) -> Flows:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            known, data = ET.Element("routes"), ET.Element("data")
            for number, route in enumerate(routes):
                ET.SubElement(known, "route", id=str(number), edges=" ".join(route))
            hour = ET.SubElement(data, "interval", id="counts", begin="0", end="3600")
            for count in counts:
                ends = {"from": count.from_edge, "to": count.to_edge}
                ET.SubElement(hour, "edgeRelation", {**ends, "count": f"{count.veh_h:.0f}"})
            ET.ElementTree(known).write(folder / "routes.xml")
            ET.ElementTree(data).write(folder / "turns.xml")
            files = ["-r", "routes.xml", "-t", "turns.xml", "-o", "out.rou.xml"]
            tool = str(sumo.home() / "tools" / "routeSampler.py")
            command = [sys.executable, tool, *files, *options]
            subprocess.run(command, cwd=folder, env=sumo.environment(), check=True, capture_output=True)
            root = ET.parse(folder / "out.rou.xml").getroot()
            return Counter(tuple(item.attrib["edges"].split()) for item in root.iter("route"))

    return fit


METHODS = {
    "most likely flows (greenband)": entropy,
    "non-negative least squares": least_squares,
    "routeSampler.py": sampler(),
    "routeSampler.py --optimize full": sampler("--optimize", "full"),
}


def main() -> None:
    """Measure and write ``results/calibration.md``."""
    names = sys.argv[1:] or ["shixin_short", "shixin"]
    header = (
        "| scenario | counted | method | GEH < 5 | worst GEH | mean GEH | route error | end to end veh/h | routes | s |"
    )
    lines = [header, "|---|---|---|---|---|---|---|---|---|---|"]
    for name in names:
        scenario = registry.scenario(name)
        truth = _truth(scenario)
        span = scenario.period("AM")
        passages = drive(scenario, "AM", 0, registry.controller("existing"))
        every = stop_lines(scenario, passages, span.begin_s, span.end_s)
        odd = {m.id for signal in list(scenario.network.signals.values())[::2] for m in signal.movements}
        for label, counts in ("all turns", every), ("every 2nd junction", [c for c in every if c.location in odd]):
            lines.append(_row(scenario, label, "truth itself", counts, truth, truth, 0.0))
            routes = rim_to_rim(scenario.network, [c.location for c in counts])
            for method, fit in METHODS.items():
                start = time.perf_counter()
                flows = fit(routes, counts)
                lines.append(_row(scenario, label, method, counts, flows, truth, time.perf_counter() - start))
                print(lines[-1], flush=True)
    TARGET.write_text(
        f"# Route flows from counts\n\n{__doc__.split(chr(10), 2)[2].strip()}\n\nSUMO "
        f"{sumo.version_string()}.\n\n" + "\n".join(lines) + "\n",
        encoding="utf-8",
    )


def _truth(scenario: Scenario) -> Flows:
    """veh/h by route, buses included: the counts have them too."""
    found: Counter[Route] = Counter()
    for flow in scenario.demand("AM").motor_flows:
        found[flow.edges] += flow.veh_h  # type: ignore[assignment]
    for line in getattr(scenario.demand("AM"), "lines", ()):
        found[line.edges] += 3600 / line.headway_s
    return found


def _row(
    scenario: Scenario, label: str, method: str, counts: Sequence[Count], flows: Flows, truth: Flows, seconds: float
) -> str:
    volumes: Counter[str] = Counter()
    for route, veh_h in flows.items():
        for place in passes(route):
            volumes[place] += veh_h  # type: ignore[assignment]
    values = [geh(volumes[c.location], c.veh_h) for c in counts]
    error = sum(abs(flows.get(r, 0.0) - truth.get(r, 0.0)) for r in {*flows, *truth}) / sum(truth.values())
    ends = {route[0] + route[-1] for routes in scenario.mainline.values() for route in _named(scenario, routes)}
    through = sum(veh_h for route, veh_h in flows.items() if route[0] + route[-1] in ends)
    used = sum(veh_h >= 0.01 for veh_h in flows.values())
    figures = f"{share_good(values):.0%} | {max(values):.1f} | {fmean(values):.2f} | {error:.0%} | {through:.0f}"
    return f"| {scenario.name} | {label} | {method} | {figures} | {used} | {seconds:.1f} |"


def _named(scenario: Scenario, names: Sequence[str]) -> list[Route]:
    return [flow.edges for flow in scenario.demand("AM").motor_flows if flow.id in names]


if __name__ == "__main__":
    main()
