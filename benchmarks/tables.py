"""Timing tables made from a policy, as exported, against every baseline and against the policy itself.

    python benchmarks/tables.py [--policy reference] [--plan benchmarks/results/shixin_plan.json] [--scenario shixin]
                                [--periods AM,OFF,PM] [--seeds 0:10] [--jobs 2] [--out benchmarks/results/tables.md]

What is simulated are the CSV tables that ``greenband export`` makes of the plan. A plan that is not there is made
first, by ``greenband plan``, which takes half an hour a period. The baselines' runs are those of
``benchmarks/results/SCENARIO.json``, see baselines.py; the existing plan is simulated again, and must
come out as there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from baselines import arguments, interval_text, kept, measured
from reference import RESULTS, section

from greenband import formats
from greenband.cli.plan import Order
from greenband.cli.plan import run as make_plan
from greenband.evaluation import Result
from greenband.evaluation.statistics import paired_difference
from greenband.files import write_text


def main() -> None:
    """Make the plan if need be, export, simulate, and write the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--policy", default="reference")
    parser.add_argument("--plan", type=Path, default=RESULTS / "shixin_plan.json")
    options = parser.parse_args()
    if not options.plan.is_file():
        made = Path("runs", "benchmarks", "tables")
        seeds = "1000:1001"
        make_plan(Order(options.policy, options.scenario, made, options.periods, compare=seeds, jobs=options.jobs))
        shutil.copyfile(made / "plan.json", options.plan)
    before = kept(RESULTS / f"{options.scenario}.md")
    plans = formats.read_plan(options.plan)
    text = (
        f"`python benchmarks/tables.py --policy {options.policy} --plan {options.plan} --scenario {options.scenario}"
        f" --periods {options.periods} --seeds {options.seeds}`, plan {plans.content_hash[:12]}\n\n"
        "Means over the seeds; in brackets the difference of the exported tables (`csv`) to the baseline, paired by"
        " seed, with its 95 % bootstrap interval. Bold: the tables are better, and the interval excludes 0.\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        formats.write(plans, "csv", Path(folder))
        options.subjects = f"existing,{Path(folder, 'csv')},{options.policy}"
        for period in options.periods.split(","):
            now = measured(options, period)
            text += "".join(section(before[period], replace(now, subjects=now.subjects[:2])))
            text += "".join(loss(now))
            print(text, flush=True)
            if options.out:
                write_text(options.out, text)


def loss(now: Result) -> Iterator[str]:
    """What is lost from policy to table."""
    existing, tables, policy = now.subjects
    for metric, label in (("delay_s", "delay, s/veh"), ("mainline_speed_kmh", "mainline speed, km/h")):
        mean, interval = paired_difference(tables.per_seed[metric], policy.per_seed[metric])
        yield (
            f"\nFrom policy to tables, {label}: {policy.mean(metric):.1f} to {tables.mean(metric):.1f}"
            f" ({mean:+.1f} {interval_text(interval)}).\n"
        )
    gain = tables.mean("mainline_speed_kmh") / existing.mean("mainline_speed_kmh") - 1
    yield f"\nMainline speed against the existing plan: {gain:+.1%}.\n"


if __name__ == "__main__":
    main()
