"""Every baseline on a scenario, period by period, against the existing plan on the same seeds.

    python benchmarks/baselines.py [--scenario shixin] [--periods AM,OFF,PM] [--seeds 0:10]
                                   [--subjects existing,webster] [--jobs 2] [--out benchmarks/results/shixin.md]

The first subject is the reference. ``simopt`` is tuned before it is evaluated, on training and validation seeds and
with the budget of its configuration. Hours of simulation: runs that are done are kept in ``runs/benchmarks/SCENARIO``,
so that the command, given again, goes on; delete the folder to simulate anew. Beside the tables lie the results as
JSON, without the figures by junction. Periods in there that are not asked for stay as they are, and so do subjects of a
period, if the first subject comes out just as it did then; else they are dropped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from greenband import registry
from greenband.cli.common import announced, counting
from greenband.evaluation import Result, SubjectResult, evaluate, load, parse_seeds, resolve, save, settled
from greenband.evaluation.store import Store
from greenband.evaluation.texts import best
from greenband.files import write_text
from greenband.metrics import METRICS

SUBJECTS = (
    *("existing", "webster", "greenwave", "simopt", "actuated", "coordinated", "delaybased"),
    *("sotl", "maxpressure", "maxwave"),
)
PAIRED = ("delay_s", "mainline_speed_kmh")
OTHERS = ("delay_median_s", "delay_p95_s", "side_delay_s", "speed_kmh", "stops", "gridlock_share")


def main() -> None:
    """Simulate, and write the tables after each period."""
    parser = arguments(__doc__)
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    options = parser.parse_args()
    results = kept(options.out)
    for period in options.periods.split(","):
        results[period] = joined(results.get(period), measured(options, period))
        print(table(results[period]), flush=True)
        if options.out:
            in_order = [results[name] for name in registry.scenario(options.scenario).periods if name in results]
            write_text(options.out, head(options, in_order) + "".join(table(result) for result in in_order))
            save([without_places(result) for result in in_order], options.out.with_suffix(".json"))


def arguments(text: str | None) -> argparse.ArgumentParser:
    """What scripts that simulate a scenario's periods have in common; described by the first line of a docstring."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0] if text else "")
    parser.add_argument("--scenario", default="shixin")
    parser.add_argument("--periods", default="AM,OFF,PM")
    parser.add_argument("--seeds", default="0:10")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    return parser


def kept(out: Path | None) -> dict[str, Result]:
    """Results of an earlier call, by period."""
    file = out.with_suffix(".json") if out else None
    return {result.period: result for result in load(file)} if file and file.exists() else {}


def without_places(result: Result) -> Result:
    """The result without figures by junction, movement and direction, which would be most of the file."""
    return replace(result, subjects=tuple(replace(subject, places=()) for subject in result.subjects))


def measured(options: argparse.Namespace, period: str) -> Result:
    """All subjects in a period; runs that are kept from before are not simulated again."""
    scenario, seeds = registry.scenario(options.scenario), parse_seeds(options.seeds)
    subjects = [resolve(name) for name in options.subjects.split(",")]
    store = Store(Path("runs", "benchmarks", scenario.name))
    with (
        settled(subjects, scenario, [period], options.jobs, announced) as ready,
        counting(f"{scenario.name} {period}", len(ready) * len(seeds)) as step,
    ):
        return evaluate(ready, scenario, period, seeds, jobs=options.jobs, progress=step, store=store)


def joined(old: Result | None, new: Result) -> Result:
    """The new result with the subjects of an old one that it lacks, in the order of ``SUBJECTS``."""
    reference = new.subjects[0]
    known = {subject.name: subject for subject in old.subjects} if old else {}
    if old is None or reference.name not in known:
        return new
    before = known[reference.name]
    if (old.sumo, old.seeds, shown(before)) != (new.sumo, new.seeds, shown(reference)):
        print(f"{reference.name} comes out otherwise than before: the other subjects are dropped", file=sys.stderr)
        return new
    subjects = {**known, **{subject.name: subject for subject in new.subjects}}
    order = [reference.name, *(name for name in SUBJECTS if name in subjects), *subjects]
    return replace(new, subjects=tuple(subjects[name] for name in dict.fromkeys(order)))


def shown(subject: SubjectResult) -> dict[str, list[str]]:
    """Its figures as they are written in a file."""
    return {metric: [f"{value:.6f}" for value in values] for metric, values in subject.per_seed.items()}


def head(options: argparse.Namespace, results: Sequence[Result]) -> str:
    """What made the tables, and how to read them."""
    names = dict.fromkeys(subject.name for result in results for subject in result.subjects)
    return (
        f"`python benchmarks/baselines.py --scenario {options.scenario} --periods PERIODS"
        f" --seeds {options.seeds} --subjects {','.join(names)}`\n\n"
        "Means over the seeds; in brackets 95 % bootstrap intervals of the difference to the first subject, paired by"
        " seed, and the p-value of Wilcoxon's signed-rank test. The best of a column is bold. Of `simopt` and the"
        " plans made from flows see docs/baselines.md.\n"
    )


def table(result: Result) -> str:
    """A period's rows."""
    labels = [f"{METRICS[metric].label}, {METRICS[metric].unit}".removesuffix(", ") for metric in (*PAIRED, *OTHERS)]
    lines = [f"\n## {result.period}\n\nSUMO {result.sumo}\n", f"| subject | {' | '.join(labels)} | violations |"]
    lines.append("|---" * (len(labels) + 2) + "|")
    for subject in result.subjects:
        cells = [cell(result, subject, metric) for metric in (*PAIRED, *OTHERS)]
        lines.append(f"| {subject.name} | {' | '.join(cells)} | {subject.violations} |")
    return "\n".join([*lines, ""])


def cell(result: Result, subject: SubjectResult, metric: str) -> str:
    """A mean; of the paired metrics with the difference to the reference."""
    digits = METRICS[metric].digits
    text = f"{subject.mean(metric):.{digits}f}"
    text = f"**{text}**" if subject.name in best(result, metric) else text
    if metric not in PAIRED or subject is result.subjects[0]:
        return text
    mean, interval = result.paired(subject, metric)
    return f"{text} ({mean:+.1f} {interval_text(interval)}, p {result.p_value(subject, metric):.3f})"


def interval_text(interval: Sequence[float] | None) -> str:
    """``[low, high]``; nothing where one seed gives none."""
    return "" if interval is None else f"[{interval[0]:+.1f}, {interval[1]:+.1f}]"


if __name__ == "__main__":
    main()
