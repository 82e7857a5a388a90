"""PPO and DQN, trained with their default settings for the same number of decisions, side by side.

    python benchmarks/learners.py [--scenario shixin_short] [--period AM] [--steps 400000] [--seeds 0:10]
                                  [--out benchmarks/results/learners.md]

Each is trained on two SUMO processes; the policy that was best on the validation seeds is compared. A finished run is
kept in ``runs/benchmarks/learners`` and taken as it is when the command is given again.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from baselines import interval_text

from greenband import registry, sumo
from greenband.cli.train import run as train
from greenband.evaluation import Result, evaluate, parse_seeds, resolve
from greenband.files import write_text

AGENTS = ("ppo", "dqn")
BASELINES = ("existing", "maxpressure", "maxwave")
METRICS = ("delay_s", "mainline_speed_kmh", "speed_kmh", "stops")
RUNS = Path("runs", "benchmarks", "learners")
PROCESSES = 2


def main() -> None:
    """Train, simulate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin_short")
    parser.add_argument("--period", default="AM")
    parser.add_argument("--steps", type=int, default=400_000)
    parser.add_argument("--seeds", default="0:10")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    folders = [trained(agent, options) for agent in AGENTS]
    subjects = [resolve(str(folder)) for folder in folders] + [resolve(name) for name in BASELINES]
    scenario, seeds = registry.scenario(options.scenario), parse_seeds(options.seeds)
    text = "".join(table(evaluate(subjects, scenario, options.period, seeds, jobs=PROCESSES), folders, options))
    print(text)
    if options.out:
        write_text(options.out, text)


def trained(agent: str, options: argparse.Namespace) -> Path:
    """The agent's run."""
    words = [f"scenario={options.scenario}", f"env.periods=[{options.period}]", f"steps={options.steps}"]
    return kept_run(RUNS / f"{options.scenario}_{options.period}_{options.steps}" / agent, [*words, f"agent={agent}"])


def kept_run(folder: Path, words: Sequence[str]) -> Path:
    """A finished run in ``folder``: trained as ``words`` say, or gone on with, if it is not there."""
    if not (folder / "finished").is_file():
        begun = any((folder / name).is_file() for name in ("checkpoint.pt", "rounds.json"))
        train(["--resume", str(folder)] if begun else [*words, f"out={folder}", f"processes={PROCESSES}"])
        write_text(folder / "finished", "")
    return folder


def table(result: Result, folders: Sequence[Path], options: argparse.Namespace) -> Iterator[str]:
    """Means over the seeds, and delay against PPO's, paired by seed."""
    yield (
        f"`python benchmarks/learners.py --scenario {options.scenario} --period {options.period} --steps"
        f" {options.steps} --seeds {options.seeds}`, SUMO {sumo.version_string()}\n\n"
        "Means over the seeds; the difference of delay is to PPO, paired by seed, with its 95 % bootstrap interval.\n\n"
        "| subject | training min | delay s/veh | against PPO | mainline km/h | network km/h | stops | violations |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    minutes = {folder.name: f"{seconds(folder) / 60:.0f}" for folder in folders}
    for subject in result.subjects:
        change, interval = result.paired(subject, "delay_s")
        against = "" if subject is result.subjects[0] else f"{change:+.1f} {interval_text(interval)}"
        delay, *others = [f"{subject.mean(metric):.1f}" for metric in METRICS]
        cells = [subject.name, minutes.get(subject.name, ""), delay, against, *others, str(subject.violations)]
        yield f"| {' | '.join(cells)} |\n"


def seconds(folder: Path) -> float:
    """Wall time of a run to its last validation."""
    with (folder / "validation.csv").open(encoding="utf-8") as file:
        return max(float(row["seconds"]) for row in csv.DictReader(file))


if __name__ == "__main__":
    main()
