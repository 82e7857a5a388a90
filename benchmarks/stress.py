"""A policy against another controller at other demand and with dead detectors, on the same traffic and paired by seed.

    python benchmarks/stress.py [--subject reference] [--against actuated] [--scenario shixin] [--periods AM,OFF,PM]
                                [--conditions low,high,dead] [--seeds 0:10] [--jobs 2]
                                [--out benchmarks/results/stress.md]

Cameras of 80 m, or ``sensing=outage``, of which one in ten is dead, the same ones for both: the policy's signal then
follows its green wave, SUMO's controller has a constant call there (its own detectors stand where the cameras look).
Runs that are done are kept in ``runs/benchmarks/SCENARIO``, so that the command, given again, goes on.
"""

from __future__ import annotations

from pathlib import Path

from baselines import arguments, interval_text

from greenband import registry, sumo
from greenband.evaluation import evaluate, parse_seeds, resolve
from greenband.evaluation.statistics import paired_difference
from greenband.evaluation.store import Store
from greenband.files import write_text

CONDITIONS = {
    "low": ("demand x 0.8", 0.8, "camera"),
    "high": ("demand x 1.2", 1.2, "camera"),
    "dead": ("one detector in ten dead", 1.0, "outage"),
}


def main() -> None:
    """Simulate, and write the table after each line."""
    parser = arguments(__doc__)
    parser.add_argument("--subject", default="reference")
    parser.add_argument("--against", default="actuated")
    parser.add_argument("--conditions", default=",".join(CONDITIONS))
    options = parser.parse_args()
    scenario, seeds = registry.scenario(options.scenario), parse_seeds(options.seeds)
    subjects = [resolve(options.against), resolve(options.subject)]
    store = Store(Path("runs", "benchmarks", scenario.name))
    text = (
        f"`python benchmarks/stress.py --subject {options.subject} --against {options.against} --scenario"
        f" {options.scenario} --periods {options.periods} --conditions {options.conditions} --seeds {options.seeds}`,"
        f" SUMO {sumo.version_string()}\n\n"
        f"Delay in s/veh, means over the seeds; the difference is paired by seed, with its 95 % bootstrap interval.\n\n"
        f"| condition | period | {options.against} | {options.subject} | difference | violations |\n"
        "|---|---|---|---|---|---|\n"
    )
    for label, demand, sensing in (CONDITIONS[name] for name in options.conditions.split(",")):
        for period in options.periods.split(","):
            done = evaluate(
                subjects, scenario, period, seeds, jobs=options.jobs, demand=demand, sensing=sensing, store=store
            )
            other, policy = done.subjects
            change, interval = paired_difference(policy.per_seed["delay_s"], other.per_seed["delay_s"])
            text += (
                f"| {label} | {period} | {other.mean('delay_s'):.1f} | {policy.mean('delay_s'):.1f}"
                f" | {change:+.1f} {interval_text(interval)} | {policy.violations} |\n"
            )
            print(text.splitlines()[-1], flush=True)
            if options.out:
                write_text(options.out, text)


if __name__ == "__main__":
    main()
