"""A learned policy against every baseline, on the same traffic and paired by seed.

    python benchmarks/reference.py [--subject reference] [--scenario shixin] [--periods AM,OFF,PM] [--seeds 0:10]
                                   [--jobs 2] [--out benchmarks/results/reference.md]

The baselines' runs are those of ``benchmarks/results/SCENARIO.json``, see baselines.py; the existing plan is simulated
again, and must come out as it did there. Runs that are done are kept in ``runs/benchmarks/SCENARIO``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from baselines import arguments, interval_text, kept, measured, shown

from greenband.errors import BadInput
from greenband.evaluation import Result, SubjectResult
from greenband.evaluation.statistics import paired_difference
from greenband.files import write_text
from greenband.metrics import METRICS

COMPARED = {"delay_s": -1, "mainline_speed_kmh": 1, "speed_kmh": 1}  # and which sign is the better one
WAIT = "red_wait_max_s"
RESULTS = Path("benchmarks", "results")


def main() -> None:
    """Simulate, compare, and write the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--subject", default="reference")
    options = parser.parse_args()
    policy, options.subjects = options.subject, f"existing,{options.subject}"
    before = kept(RESULTS / f"{options.scenario}.md")
    text = (
        f"`python benchmarks/reference.py --subject {policy} --scenario {options.scenario} --periods {options.periods}"
        f" --seeds {options.seeds}`\n\nMeans over the seeds; in brackets the policy's difference to the baseline,"
        " paired by seed, with its 95 % bootstrap interval. Bold: the policy is better, and the interval excludes 0.\n"
    )
    for period in options.periods.split(","):
        text += "".join(section(before[period], measured(options, period)))
        print(text, flush=True)
        if options.out:
            write_text(options.out, text)


def section(before: Result, now: Result) -> Iterator[str]:
    """A period's table.

    Raises:
        BadInput: the baselines were simulated otherwise.
    """
    existing, policy = now.subjects
    if (before.sumo, before.seeds, shown(before.subject("existing"))) != (now.sumo, now.seeds, shown(existing)):
        raise BadInput(f"{now.scenario} {now.period}: the existing plan does not come out as in the baselines' results")
    labels = [f"{METRICS[metric].label}, {METRICS[metric].unit}" for metric in (*COMPARED, WAIT)]
    yield f"\n## {now.period}\n\nSUMO {now.sumo}, {policy.violations} broken safety rules\n\n"
    yield f"| subject | {' | '.join(labels)} |\n{'|---' * (len(labels) + 1)}|\n"
    yield f"| {policy.name} | {' | '.join(figure(policy, metric) for metric in (*COMPARED, WAIT))} |\n"
    for baseline in before.subjects:
        cells = [cell(policy, baseline, metric) for metric in COMPARED]
        yield f"| {baseline.name} | {' | '.join(cells)} | {figure(baseline, WAIT)} |\n"
    actuated = before.subject("actuated")
    share = policy.mean(WAIT) / actuated.mean(WAIT) - 1
    gain = policy.mean("mainline_speed_kmh") / before.subject("greenwave").mean("mainline_speed_kmh") - 1
    yield f"\nLongest red wait against actuated: {share:+.0%}. Mainline speed against greenwave: {gain:+.1%}.\n"


def figure(subject: SubjectResult, metric: str) -> str:
    """A mean."""
    return f"{subject.mean(metric):.{METRICS[metric].digits}f}"


def cell(policy: SubjectResult, baseline: SubjectResult, metric: str) -> str:
    """The baseline's mean, and how the policy differs from it."""
    mean, interval = paired_difference(policy.per_seed[metric], baseline.per_seed[metric])
    better = interval is not None and min(COMPARED[metric] * bound for bound in interval) > 0
    difference = f"{mean:+.1f} {interval_text(interval)}"
    return f"{figure(baseline, metric)} ({f'**{difference}**' if better else difference})"


if __name__ == "__main__":
    main()
