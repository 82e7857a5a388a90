"""Count the vehicles at the stop lines of a simulation: ``python scripts/count.py SCENARIO --out counts.csv``."""

from __future__ import annotations

import argparse
from pathlib import Path

from greenband import counts, registry
from greenband.passages import drive, stop_lines


def main() -> None:
    """Run one seed under a controller and write what crossed each stop line in the measured time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", help="name or folder")
    parser.add_argument("--period", default="AM")
    parser.add_argument("--controller", default="existing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    scenario = registry.scenario(given.scenario)
    span = scenario.period(given.period)
    passages = drive(scenario, given.period, given.seed, registry.controller(given.controller))
    counts.write(given.out, stop_lines(scenario, passages, span.begin_s, span.end_s))


if __name__ == "__main__":
    main()
