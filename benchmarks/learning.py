"""Train, then compare on the reporting seeds with paired intervals.

    python benchmarks/learning.py [--scenario shixin_short] [--minutes 20] [--out benchmarks/results/learning.md]

Trains PPO for the given wall time on 2 SUMO processes, distils timing tables from the policy, and evaluates existing
plan, max-pressure, max-wave, policy and exported tables on seeds 0 to 9.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from greenband.evaluation import Result, load
from greenband.files import write_text

METRICS = ("delay_s", "mainline_speed_kmh", "speed_kmh", "stops", "delay_p95_s")


def main() -> None:
    """Run the commands that a user would run, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin_short")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", default="0:10")
    parser.add_argument("--run", type=Path, help="a finished training run, instead of training one")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = options.run or folder / "policy"
        if options.run is None:
            greenband("train", f"scenario={options.scenario}", f"minutes={options.minutes}", f"out='{run}'")
        on = ["--scenario", options.scenario]
        greenband("plan", str(run), *on, "--period", "AM", "--out", str(folder / "plan"), "--compare", "1000")
        greenband("export", str(folder / "plan"), "--format", "csv", "--out", str(folder / "tables"))
        subjects = ["existing", "maxpressure", "maxwave", str(run), str(folder / "tables" / "csv")]
        results = folder / "results.json"
        greenband("evaluate", *subjects, *on, "--period", "AM", "--seeds", options.seeds, "--json", str(results))
        (result,) = load(results)
        text = table(result, options)
        print(text)
        if options.out:
            write_text(options.out, text)
            write_text(options.out.with_suffix(".json"), results.read_text())


def greenband(*arguments: str) -> None:
    """Run the program as a user would."""
    subprocess.run([sys.executable, "-c", "from greenband.cli import main; main()", *arguments], check=True)


def table(result: Result, options: argparse.Namespace) -> str:
    """Means over seeds with the paired difference of delay to the existing plan."""
    given = " --run RUN" if options.run else ""
    head = (
        f"`python benchmarks/learning.py --scenario {options.scenario} --minutes {options.minutes:g}{given}`,"
        f" PPO on 2 cores, AM, seeds {options.seeds}, SUMO {result.sumo}, greenband {result.greenband}\n\n"
        "| subject | delay s/veh | mainline km/h | network km/h | stops | p95 delay s | delay against existing, paired"
        " (95 % interval) | violations |\n|---|---|---|---|---|---|---|---|\n"
    )
    names = {options.run.name if options.run else "policy": "policy (PPO)", "csv": "exported timing tables"}
    rows = []
    for subject in result.subjects:
        mean, interval = result.paired(subject, "delay_s")
        low, high = interval or (mean, mean)
        change = "" if subject is result.subjects[0] else f"{mean:+.1f} s ({low:+.1f} to {high:+.1f})"
        cells = [f"{subject.mean(metric):.1f}" for metric in METRICS]
        label = names.get(subject.name, subject.name)
        rows.append(f"| {label} | {' | '.join(cells)} | {change} | {subject.violations} |\n")
    return head + "".join(rows)


if __name__ == "__main__":
    main()
