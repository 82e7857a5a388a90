"""A policy, as it is, in cities that it was not trained on, beside max-pressure on the same seeds.

    python benchmarks/transfer.py [--subject reference] [--periods AM,OFF,PM] [--jobs 2]
                                  [--out benchmarks/results/transfer.md]

cologne8 is simulated under RESCO's settings and seeds, see resco.py, whose results are compared with; macau_amizade as
it comes. The policy keeps its own interval between decisions and the range of its cameras.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from baselines import interval_text
from resco import PERIOD, REFERENCE, delays_of, imported

from greenband import registry, sumo
from greenband.evaluation import evaluate, parse_seeds, resolve
from greenband.evaluation.statistics import paired_difference
from greenband.evaluation.store import Store
from greenband.files import write_text

MAP, MAP_SEEDS = "cologne8", "1:11"
CITY, CITY_SEEDS = "macau_amizade", "0:10"
RULE = "maxpressure"


def main() -> None:
    """Simulate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--subject", default="reference")
    parser.add_argument("--periods", default="AM,OFF,PM", help="of macau_amizade")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rule, spread = REFERENCE[RULE][MAP]
    text = (
        f"`python benchmarks/transfer.py --subject {options.subject} --periods {options.periods}`,"
        f" SUMO {sumo.version_string()}\n\n"
        f"Delay in s/veh; the difference is paired by seed, with its 95 % bootstrap interval. An independent"
        f" implementation of {RULE} has {rule} ± {spread} on {MAP}.\n\n"
        f"| where | {RULE} | {options.subject} | difference | violations |\n|---|---|---|---|---|\n"
    )
    for where, ruled, delays, violations in measured(options.subject, options.periods.split(","), options.jobs):
        change, interval = paired_difference(delays, ruled)
        cells = [f"{mean(ruled):.1f}", f"{mean(delays):.1f}", f"{change:+.1f} {interval_text(interval)}"]
        text += f"| {where} | {' | '.join(cells)} | {violations} |\n"
        print(text.splitlines()[-1], flush=True)
        if options.out:
            write_text(options.out, text)


def measured(
    subject: str, periods: Sequence[str], jobs: int
) -> Iterator[tuple[str, Sequence[float], Sequence[float], int]]:
    """Where, delays of max-pressure and of the policy per seed, and the safety rules that the policy broke."""
    policy, store = resolve(subject), Store(Path("runs", "benchmarks", "transfer"))
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        scenario = imported(MAP, Path(folder))
        (done,) = evaluate([policy], scenario, PERIOD, parse_seeds(MAP_SEEDS), jobs=jobs, store=store).subjects
    yield f"{MAP}, RESCO's settings", delays_of(MAP)[RULE], done.per_seed["delay_s"], done.violations
    city = registry.scenario(CITY)
    for period in periods:
        both = evaluate([resolve(RULE), policy], city, period, parse_seeds(CITY_SEEDS), jobs=jobs, store=store)
        ruled, done = both.subjects
        yield f"{CITY} {period}", ruled.per_seed["delay_s"], done.per_seed["delay_s"], done.violations


if __name__ == "__main__":
    main()
