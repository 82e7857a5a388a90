"""Where the corridor saturates: queues at the end of the hour by demand, and the critical junction's load by hand.

    python benchmarks/saturation.py [--scenario shixin] [--period AM] [--seeds 0:3] [--jobs 2] [--out FILE]

Held are the motor vehicles on a signal's approaches at the end of the measured hour, and those outside that wait to
get in where an approach begins at the rim. By hand, a junction's degree of saturation is ``Y C / (C - L)``: the sum Y
of its stages' critical flow ratios at 1650 veh/h/lane, cycle C and lost time L = intergreens less 1 s a stage of yellow
that is still used (HCM 2000, equation 16-8). In the simulation a lane group's degree of saturation is the flow that it
serves over the most that it can serve, which is what passes it at the highest demand.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from greenband import registry, sumo
from greenband.control import ControlLoop
from greenband.evaluation.seeds import parse_seeds
from greenband.evaluation.subjects import resolve
from greenband.files import write_text
from greenband.formats import json as plan_json
from greenband.network import Signal
from greenband.passages import Passages
from greenband.plan.splits import SATURATION_VEH_H_LANE, free_turn, lane_group, movement_flows
from greenband.scenario import Scenario
from greenband.simulation import Records

FACTORS = (0.8, 1.0, 1.2, 1.3, 1.5)
USED_YELLOW_S = 1


@dataclass(frozen=True)
class Outcome:
    """Of one run: queue per signal, vehicles waiting outside, and veh/h per movement."""

    queues: dict[str, int]
    outside: int
    served: dict[str, float]


def simulate(name: str, period: str, seed: int, factor: float) -> Outcome:
    """One run under the existing plan."""
    scenario = registry.scenario(name)
    span, controller = scenario.period(period), resolve("existing").make()
    begin_with = controller.reset(scenario, period)
    with tempfile.TemporaryDirectory() as folder:
        records, loop = Records(Path(folder), passages=True), ControlLoop(scenario, period)
        try:
            loop.reset(seed, begin_with=begin_with, demand=factor, records=records)
            while not loop.done:
                loop.step(controller.decide(loop.perceive(controller)), 1)
            api = loop.simulation.api
            waiting = [api.vehicle.getRoute(v)[0] for v in api.simulation.getPendingVehicles()]
            queues = {
                name: sum(api.edge.getLastStepVehicleNumber(edge) for edge in signal.approaches)
                + sum(edge in signal.approaches for edge in waiting)
                for name, signal in scenario.network.signals.items()
            }
        finally:
            loop.close()
        passages = Passages.load(records)
    movements = [m.id for signal in scenario.network.signals.values() for m in signal.movements]
    hours = (span.end_s - span.begin_s) / 3600
    return Outcome(queues, len(waiting), {m: passages.veh(m, span.begin_s, span.end_s) / hours for m in movements})


def critical(signal: Signal, flows: dict[str, float]) -> list[tuple[float, str, int]]:
    """Per stage its critical flow ratio, with the lane group (a movement's id) and the lanes that it comes from."""
    found = []
    for stage in signal.stages:
        ratios = [(0.0, "", 1)]
        for k in stage.movements:
            if not free_turn(signal, k):
                group, lanes = lane_group(signal, k)
                flow = sum(flows.get(m.id, 0.0) for m in group)
                ratios.append((flow / (SATURATION_VEH_H_LANE * len(lanes)), signal.movements[k].id, len(lanes)))
        found.append(max(ratios))
    return found


def by_hand(scenario: Scenario, period: str, name: str) -> tuple[float, int, int]:
    """Degree of saturation of a junction under its existing plan, cycle in s and lost time in s."""
    signal = scenario.network.signals[name]
    plan = plan_json.read(scenario.existing_plan_file(period)).plans[period][name]
    ratios = critical(signal, movement_flows(scenario.demand(period)))
    lost = sum(stage.yellow_s + stage.all_red_s - USED_YELLOW_S for stage in plan.stages)
    return sum(ratio for ratio, _, _ in ratios) * plan.cycle_s / (plan.cycle_s - lost), plan.cycle_s, lost


def main() -> None:
    """Simulate and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin")
    parser.add_argument("--period", default="AM")
    parser.add_argument("--seeds", default="0:3")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    scenario, seeds = registry.scenario(options.scenario), parse_seeds(options.seeds)
    with ProcessPoolExecutor(options.jobs, mp.get_context("spawn")) as pool:
        jobs = {
            factor: [pool.submit(simulate, options.scenario, options.period, seed, factor) for seed in seeds]
            for factor in FACTORS
        }
        runs = {}
        for factor, futures in jobs.items():
            runs[factor] = [future.result() for future in futures]
            print(f"demand x{factor:g}: {mean(run.outside for run in runs[factor]):.0f} wait outside", flush=True)
    text = f"`python benchmarks/saturation.py --scenario {options.scenario} --period {options.period} --seeds "
    text += f"{options.seeds}`, SUMO {sumo.version_string()}, existing plan\n\n"
    text += queues(scenario, runs) + "\n" + load(scenario, options.period, runs)
    print(text)
    if options.out:
        write_text(options.out, text)


def queues(scenario: Scenario, runs: dict[float, list[Outcome]]) -> str:
    """Vehicles on and before each junction's approaches at the end, mean over the seeds."""
    text = "Vehicles held at the end of the hour, on the approaches and waiting to enter them:\n\n"
    text += "| junction |" + "".join(f" x{factor:g} |" for factor in runs) + "\n|---|" + "---|" * len(runs) + "\n"
    names = {junction.signal: junction.name_en for junction in scenario.junctions}
    for name in scenario.network.signals:
        values = [mean(run.queues[name] for run in runs[factor]) for factor in runs]
        text += f"| {name} {names.get(name, '')} |" + "".join(f" {value:.0f} |" for value in values) + "\n"
    outside = [mean(run.outside for run in runs[factor]) for factor in runs]
    return text + "| of all, waiting outside |" + "".join(f" {value:.0f} |" for value in outside) + "\n"


def load(scenario: Scenario, period: str, runs: dict[float, list[Outcome]]) -> str:
    """The junctions by their load, by hand; beside it the load of the heaviest one's lane groups in the simulation."""
    hand = {name: by_hand(scenario, period, name) for name in scenario.network.signals}
    order = sorted(hand, key=lambda name: -hand[name][0])
    text = "Degree of saturation by hand at x1.0, and the factor on demand at which it reaches 1:\n\n"
    text += "| junction | cycle s | lost s | degree | full at |\n|---|---|---|---|---|\n"
    for name in order:
        degree, cycle, lost = hand[name]
        text += f"| {name} | {cycle} | {lost} | {degree:.2f} | x{1 / degree:.2f} |\n"
    signal, (flows, highest) = scenario.network.signals[order[0]], (movement_flows(scenario.demand(period)), max(runs))
    plan = plan_json.read(scenario.existing_plan_file(period)).plans[period][order[0]]
    text += f"\nCritical lane groups of {order[0]}, by hand (flow over saturation flow times green share) and simulated"
    text += f" (served at x1.0 over served at x{highest:g}):\n\n"
    text += (
        "| stage | lane group | veh/h wanted | capacity by hand | by hand | served x1.0 | most served | simulated |\n"
    )
    text += "|---|---|---|---|---|---|---|---|\n"
    for timing, (ratio, movement, lanes) in zip(plan.stages, critical(signal, flows), strict=True):
        index = next(k for k, m in enumerate(signal.movements) if m.id == movement)
        group, _ = lane_group(signal, index)
        capacity = SATURATION_VEH_H_LANE * lanes * (timing.go_s + USED_YELLOW_S) / plan.cycle_s
        wanted = ratio * SATURATION_VEH_H_LANE * lanes
        served, most = (mean(sum(run.served[m.id] for m in group) for run in runs[factor]) for factor in (1.0, highest))
        text += f"| {timing.name} | {movement} | {wanted:.0f} | {capacity:.0f} | {wanted / capacity:.2f} |"
        text += f" {served:.0f} | {most:.0f} | {served / most:.2f} |\n"
    return text


if __name__ == "__main__":
    main()
