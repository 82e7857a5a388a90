"""Saturation flow of the built network: what a standing queue discharges, per lane and hour of green.

    python benchmarks/saturation_flow.py [--scenario jincheng] [--seeds 0:5] [--out FILE]

At a junction with a limit of 50 km/h, measured is the time from the 4th to the last vehicle of a through lane's queue
on the main road, the 16th at most, over the stop line, which leaves out the start-up (HCM 2000, appendix H to chapter
16). The queue are those that stood when green began. The flow is headways over time, summed over lanes and cycles. The
mix is turned into passenger car units by its mean: car and van 1, truck 2 (CJJ 37-2012, table 3.4.2, medium vehicles).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from greenband import registry, sumo
from greenband.control import ControlLoop
from greenband.detectors import STANDING_MS
from greenband.evaluation.seeds import parse_seeds
from greenband.evaluation.subjects import resolve
from greenband.files import write_text
from greenband.scenario import Scenario
from greenband.scenarios.spec import load_section

FIRST, LAST, FEWEST = 4, 16, 7  # vehicles of a queue
DEMAND = 1.2
TARGET = 1650.0
UNITS = {"car": 1.0, "van": 1.0, "truck": 2.0}


class Stopwatch:
    """Follows the queues of some lanes through a green, as far back as they reach on the link behind."""

    def __init__(self, api: Any, lanes: Sequence[str], links: Sequence[str]) -> None:
        self._api = api
        edges = {lane.rpartition("_")[0] for lane in lanes} | set(links)
        held = (name for edge in edges for name in api.edge.getLastStepVehicleIDs(edge))
        self._standing = {name for name in held if api.vehicle.getSpeed(name) < STANDING_MS}
        self._before = {lane: self._front_first(lane) for lane in lanes}
        self._times: dict[str, list[int]] = {lane: [] for lane in lanes}
        self._over: set[str] = set()

    def _front_first(self, lane: str) -> list[str]:
        return list(reversed(self._api.lane.getLastStepVehicleIDs(lane)))

    def look(self, time_s: int) -> None:
        """Note who has crossed the stop line since the last second; a lane is done at the first that had not stood."""
        for lane, before in self._before.items():
            here = self._front_first(lane)
            edge = lane.rpartition("_")[0]
            for name in before:
                if name in here or self._api.vehicle.getRoadID(name) == edge:
                    continue
                if name not in self._standing:
                    self._over.add(lane)
                if lane not in self._over:
                    self._times[lane].append(time_s)
            self._before[lane] = here

    def result(self) -> tuple[int, int]:
        """Headways and the seconds that they took, of lanes with a queue long enough."""
        long = [times[:LAST] for times in self._times.values() if len(times) >= FEWEST]
        return sum(len(times) - FIRST for times in long), sum(times[-1] - times[FIRST - 1] for times in long)


def measure(scenario: Scenario, period: str, seed: int) -> tuple[int, int]:
    """Headways and seconds of one run."""
    (name,) = scenario.network.signals
    signal, controller = scenario.network.signals[name], resolve("existing").make()
    main = [m for k, m in enumerate(signal.movements) if k in signal.stages[0].movements and m.turn == "through"]
    lanes = [lane for m in main for lane in m.from_lanes]
    links = [m.from_edge.removesuffix(".bay") for m in main]
    loop, watch, total = ControlLoop(scenario, period), None, (0, 0)
    begin_with = controller.reset(scenario, period)
    try:
        loop.reset(seed, begin_with=begin_with, demand=DEMAND)
        while not loop.done:
            loop.step(controller.decide(loop.perceive(controller)), 1)
            lock = loop.interlocks[name]
            green = lock.stage == 0 and not lock.in_transition
            if green and watch is None:
                watch = Stopwatch(loop.simulation.api, lanes, links)
            elif green and watch is not None:
                watch.look(loop.now)
            elif watch is not None:
                headways, seconds = watch.result()
                total, watch = (total[0] + headways, total[1] + seconds), None
    finally:
        loop.close()
    return total


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="jincheng")
    parser.add_argument("--period", default="AM")
    parser.add_argument("--seeds", default="0:5")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    scenario, seeds = registry.scenario(options.scenario), parse_seeds(options.seeds)
    mix = load_section(options.scenario).corridor.traffic.mix[options.period].value
    unit = sum(share * UNITS[kind] for kind, share in mix.items())
    rows = [measure(scenario, options.period, seed) for seed in seeds]
    flows = [3600 * headways / seconds * unit for headways, seconds in rows]
    text = f"`python benchmarks/saturation_flow.py --scenario {options.scenario} --period {options.period} --seeds "
    text += f"{options.seeds}`, SUMO {sumo.version_string()}\n\n"
    text += f"{unit:.3f} pcu a vehicle; target {TARGET:.0f} pcu/h/lane within 5 %\n\n"
    text += "| seed | headways | mean headway s | veh/h/lane | pcu/h/lane |\n|---|---|---|---|---|\n"
    for seed, (headways, seconds), flow in zip(seeds, rows, flows, strict=True):
        text += f"| {seed} | {headways} | {seconds / headways:.3f} | {flow / unit:.0f} | {flow:.0f} |\n"
    spread = f" ± {stdev(flows):.0f}" if len(flows) > 1 else ""
    text += f"| mean | | | | **{mean(flows):.0f}**{spread}, {mean(flows) / TARGET - 1:+.1%} |\n"
    print(text)
    if options.out:
        write_text(options.out, text)


if __name__ == "__main__":
    main()
