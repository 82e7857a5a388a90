"""What a green passes of a queue that turns to the far side from lanes of its own: time lost at the start, headway.

    python benchmarks/turn_capacity.py [--scenario shixin] [--period AM] [--demand 1.3] [--seeds 1000:1002] [--out FILE]

Under Webster's plans at more demand than they are made for. Counted are vehicles over the stop line from the start of
green to the end of yellow, of lanes in which some of those that stood at the start are left at the end. A straight line
through the means by green (in s, flashing green included), weighted by their number, gives the headway and what of the
green is lost; a yellow that is used makes that less.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from greenband import registry, sumo
from greenband.control import ControlLoop
from greenband.detectors import STANDING_MS
from greenband.evaluation.seeds import parse_seeds
from greenband.evaluation.subjects import resolve
from greenband.files import write_text
from greenband.network import Signal
from greenband.scenario import Scenario
from greenband.signals import GREEN

FEWEST = 20  # greens of a length


@dataclass
class Green:
    """A green under way on a lane: since when, who stood, who was there last, how many have left."""

    since_s: int
    queue: set[str]
    present: set[str]
    left: int = 0
    length_s: int = 0


def own_lanes(signal: Signal) -> Iterator[tuple[str, int]]:
    """Lanes from which all turn to the far side, with their link."""
    links: dict[str, set[int]] = {}
    for link in signal.links:
        links.setdefault(link.from_lane, set()).add(link.index)
    far = {lane for movement in signal.movements if movement.turn == "far" for lane in movement.from_lanes}
    other = {lane for movement in signal.movements if movement.turn != "far" for lane in movement.from_lanes}
    for lane in sorted(far - other):
        yield lane, min(links[lane])


def measure(scenario: Scenario, period: str, demand: float, seed: int) -> Iterator[tuple[int, int]]:
    """Seconds of green and vehicles passed, of greens that did not clear their queue."""
    controller, loop = resolve("webster").make(), ControlLoop(scenario, period)
    lanes = [(name, *own) for name, signal in scenario.network.signals.items() for own in own_lanes(signal)]
    greens: dict[str, Green] = {}
    begin_with = controller.reset(scenario, period)
    try:
        loop.reset(seed, begin_with=begin_with, demand=demand)
        api = loop.simulation.api
        while not loop.done:
            loop.step(controller.decide(loop.perceive(controller)), 1)
            for name, lane, link in lanes:
                lamp, here = loop.interlocks[name].lamps[link], set(api.lane.getLastStepVehicleIDs(lane))
                green = greens.get(lane)
                if green is None and lamp in GREEN:
                    queue = {one for one in here if api.vehicle.getSpeed(one) < STANDING_MS}
                    greens[lane] = Green(loop.now, queue, here)
                elif green is not None:
                    green.left += len(green.present - here)
                    green.present = here
                    if lamp not in GREEN and not green.length_s:
                        green.length_s = loop.now - green.since_s
                    if lamp == "r":
                        if green.queue & here:
                            yield green.length_s, green.left
                        del greens[lane]
    finally:
        loop.close()


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin")
    parser.add_argument("--period", default="AM")
    parser.add_argument("--demand", type=float, default=1.3)
    parser.add_argument("--seeds", default="1000:1002")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    scenario, found = registry.scenario(options.scenario), dict[int, list[int]]()
    for seed in parse_seeds(options.seeds):
        for length_s, passed in measure(scenario, options.period, options.demand, seed):
            found.setdefault(length_s, []).append(passed)
    kept = sorted((length_s, passed) for length_s, passed in found.items() if len(passed) >= FEWEST)
    lengths, means, numbers = zip(*((s, mean(passed), len(passed)) for s, passed in kept), strict=True)
    slope, offset = np.polyfit(lengths, means, 1, w=np.sqrt(numbers))
    text = f"`python benchmarks/turn_capacity.py --scenario {options.scenario} --period {options.period} --demand "
    text += f"{options.demand:g} --seeds {options.seeds}`, SUMO {sumo.version_string()}\n\n"
    text += f"Headway {1 / slope:.2f} s, {-offset / slope:.1f} s of the green lost.\n\n"
    text += "| green s | greens | vehicles a lane | by the line |\n|---|---|---|---|\n"
    for length_s, average, number in zip(lengths, means, numbers, strict=True):
        text += f"| {length_s} | {number} | {average:.2f} | {slope * length_s + offset:.2f} |\n"
    print(text)
    if options.out:
        write_text(options.out, text)


if __name__ == "__main__":
    main()
