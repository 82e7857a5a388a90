"""A whole day in one process: wall time, vehicles, and what became of them.

python benchmarks/day.py [--scenario shixin_full] [--subject existing] [--out benchmarks/results/day.md]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from greenband import registry, sumo
from greenband.evaluation.runner import Task, run_one
from greenband.evaluation.subjects import resolve
from greenband.files import write_text


def main() -> None:
    """Simulate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin_full")
    parser.add_argument("--subject", default="existing")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    scenario = registry.scenario(options.scenario)
    start = time.perf_counter()
    run = run_one(Task(resolve(options.subject), scenario, "day", 0))
    taken, metrics = time.perf_counter() - start, run.metrics
    rows = {
        "signals": f"{len(scenario.network.signals)}",
        "wall time": f"{taken / 60:.1f} min",
        "faster than the clock": f"{24 * 3600 / taken:.0f} times",
        "vehicles that arrived": f"{metrics['throughput_veh']:.0f}",
        "never departed": f"{metrics['undeparted_veh']:.0f}",
        "delay": f"{metrics['delay_s']:.1f} s/veh",
        "network speed": f"{metrics['speed_kmh']:.1f} km/h",
        "broken safety rules": f"{len(run.violations)}",
        "collisions": f"{run.collisions}",
        "teleports": f"{run.teleports}",
    }
    text = f"`python benchmarks/day.py --scenario {options.scenario} --subject {options.subject}`, SUMO "
    text += f"{sumo.version_string()}, seed 0, 0:00 to 24:00, one process\n\n| | |\n|---|---|\n"
    text += "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    print(text)
    if options.out:
        write_text(options.out, text)


if __name__ == "__main__":
    main()
