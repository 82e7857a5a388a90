"""The shipped policy after ten more minutes of training in cities it was not trained on, beside every baseline.

    python benchmarks/finetune.py [--where cologne8,macau_amizade] [--start reference] [--minutes 10]
                                  [--out benchmarks/results/finetune.md]

It goes on by rollouts, on two processes, held near a rule that suits the place: max-wave on cologne8. That map is
simulated under RESCO's settings and seeds, where all other subjects are those of resco.py; of macau_amizade they are
those of ``benchmarks/results/macau_amizade.json``, see baselines.py. A run is kept in ``runs/benchmarks/finetune``, and
taken as it is when the command is given again.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

from baselines import interval_text, kept
from resco import DECISION_S, PERIOD, delays_of, imported

from greenband import registry, sumo
from greenband.cli.train import run as train
from greenband.errors import BadInput, UnknownName
from greenband.evaluation import Result, SubjectResult, evaluate, parse_seeds, resolve
from greenband.evaluation.statistics import paired_difference
from greenband.files import write_text
from greenband.scenario import Scenario

MAP, MAP_SEEDS = "cologne8", "1:11"
CITY, CITY_SEEDS = "macau_amizade", "0:10"
RUNS = Path("runs", "benchmarks", "finetune")
TRAINING = {
    MAP: (
        *("agent.prior=wave", "agent.rule=0.7", "agent.episodes=3", "agent.window=4", "agent.wait_limit_s=0"),
        *(f"env.periods=[{PERIOD}]", f"env.interval_s={DECISION_S}", "sensing.range_m=80"),
    ),
    CITY: (
        *("agent.rule=0.17", "agent.first=0.67", "agent.episodes=3"),  # few: a round ends in time on slow machines too
        *("env.periods=[AM,OFF,PM]", "validation.seeds=1000:1003"),
    ),
}
PROCESSES = 2


def main() -> None:
    """Train, simulate, and write the table after each city."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--where", default=f"{MAP},{CITY}")
    parser.add_argument("--start", default="reference")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = (
        f"`python benchmarks/finetune.py --where {options.where} --start {options.start} --minutes"
        f" {options.minutes:g}`, SUMO {sumo.version_string()}\n\n"
        "Delay in s/veh, means over the seeds; the difference is the tuned policy's, paired by seed, with its 95 %"
        " bootstrap interval.\n"
    )
    wanted = options.where.split(",")
    for where in wanted:
        if where not in TRAINING:
            raise UnknownName("place", where, TRAINING)
        if where != MAP and not known(where):
            raise BadInput(
                f"the baselines of {where} are not measured: python benchmarks/baselines.py --scenario {where}"
            )
    for where in wanted:
        folder = tuned(where, options.start, options.minutes)
        for period, policy, others in measured(where, folder):
            text += "".join(section(f"{where} {period}", folder, policy, others))
            print(text, flush=True)
            if options.out:
                write_text(options.out, text)


def scenario_of(where: str) -> Scenario:
    """The city, imported where it is a map."""
    return imported(MAP, RUNS / "maps") if where == MAP else registry.scenario(where)


def known(where: str) -> Mapping[str, Result]:
    """Committed results of the baselines, by period."""
    found: Mapping[str, Result] = kept(Path("benchmarks", "results", f"{where}.md"))
    return found


def tuned(where: str, start: str, minutes: float) -> Path:
    """The run that went on from a policy, trained if it is not there."""
    folder = RUNS / where
    if not (folder / "rounds.json").is_file():
        scenario = str(scenario_of(where).folder) if where == MAP else where
        words = [f"scenario={scenario}", "agent=rollouts", f"start={start}", f"minutes={minutes}", "steps=100000000"]
        train([*words, f"out={folder}", f"processes={PROCESSES}", *TRAINING[where]])
    return folder


def measured(where: str, folder: Path) -> Iterator[tuple[str, SubjectResult, Mapping[str, Sequence[float]]]]:
    """By period, the tuned policy and the delays of all others."""
    scenario = scenario_of(where)
    if where == MAP:
        (policy,) = evaluate([resolve(str(folder))], scenario, PERIOD, parse_seeds(MAP_SEEDS), jobs=PROCESSES).subjects
        yield "", policy, delays_of(MAP)
        return
    for period, result in known(where).items():
        (policy,) = evaluate([resolve(str(folder))], scenario, period, parse_seeds(CITY_SEEDS), jobs=PROCESSES).subjects
        yield period, policy, {subject.name: subject.per_seed["delay_s"] for subject in result.subjects}


def section(title: str, folder: Path, policy: SubjectResult, others: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """A period's table."""
    delays, state = policy.per_seed["delay_s"], json.loads((folder / "rounds.json").read_text(encoding="utf-8"))
    yield (
        f"\n## {title.strip()}\n\nTuned for {state['seconds'] / 60:.1f} minutes; rounds: {state['rounds']}; best on"
        f" validation seeds, and kept, was the policy after {found_s(folder) / 60:.1f} minutes:"
        f" {mean(delays):.1f} s/veh, {policy.violations} broken safety rules.\n\n"
        "| subject | delay | difference |\n|---|---|---|\n"
    )
    for name, theirs in others.items():
        change, interval = paired_difference(delays, theirs)
        yield f"| {name} | {mean(theirs):.1f} | {change:+.1f} {interval_text(interval)} |\n"


def found_s(folder: Path) -> float:
    """Wall time of a run when it had the policy that was kept, s; fitting and validation included."""
    steps = json.loads((folder / "best" / "card.json").read_text(encoding="utf-8"))["steps"]
    with (folder / "validation.csv").open(encoding="utf-8") as file:
        return next(float(row["seconds"]) for row in csv.DictReader(file) if int(row["steps"]) == steps)


if __name__ == "__main__":
    main()
