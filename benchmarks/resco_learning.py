"""Policies learned on the RESCO maps under RESCO's settings, beside the best of all other subjects.

    python benchmarks/resco_learning.py [--maps cologne1,cologne3,cologne8,ingolstadt1] [--seeds 1:11]
                                        [--processes 2] [--out benchmarks/results/resco_learning.md]

A policy for each map is trained by rollouts (``TRAINING``, ``BUDGET``) on training seeds, and the best one on
validation seeds is taken. It begins as max-wave and is held near it. Its cameras see as far as suits the map
(``RANGE_M``, chosen on validation seeds; on cologne1 nothing else was tried), at most the 200 m that RESCO allows. On
cologne3 vehicles that block each other within a junction never move again: under max-wave in 2 of 8 validation seeds at
50 m and at 80 m, in none at 30 m. At 200 m it happened in none either, but delay was half as long again.
Settings, maps and delay are those of resco.py, whose results are compared with, paired by seed. A training run is kept
in ``runs/benchmarks/resco_learning``: the command, given again, goes on with it or takes it as it is. ``BAR`` is the
lowest row of an independent implementation, see resco.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, stdev

from resco import DECISION_S, MAPS, PERIOD, REFERENCE, delays_of, imported

from greenband import sumo
from greenband.cli.train import run as train
from greenband.errors import BadInput
from greenband.evaluation import SubjectResult, evaluate, parse_seeds, resolve
from greenband.evaluation.statistics import paired_difference
from greenband.files import write_text

RUNS = Path("runs", "benchmarks", "resco_learning")
TRAINING = (
    *("agent=rollouts", "agent.prior=wave", "agent.rule=0.5", "agent.episodes=8", "agent.window=4", "agent.members=3"),
    *("agent.wait_limit_s=0", f"env.periods=[{PERIOD}]", f"env.interval_s={DECISION_S}"),
    "validation.seeds='1000:1008'",
)
RANGE_M = {"cologne1": 80, "cologne3": 30, "cologne8": 100, "ingolstadt1": 200}
BUDGET = {"cologne1": 16_000, "cologne3": 270_000, "cologne8": 860_000, "ingolstadt1": 165_000}  # decisions
BAR = {name: min(rows[name][0] for rows in REFERENCE.values()) for name in MAPS}
HEAD = """| map | learned policy | median | best row, measured independently | change | best other subject here \
| change, paired (95 % interval) | violations |
|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Train, evaluate, and write the table after each map."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--maps", default=",".join(MAPS))
    parser.add_argument("--seeds", default="1:11")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = f"`python benchmarks/resco_learning.py --maps {options.maps} --seeds {options.seeds}`,"
    text += f" SUMO {sumo.version_string()}\n\n"
    text += "Delay in s/veh, mean and standard deviation over the seeds. RESCO's settings, see [resco](resco.md).\n\n"
    text += HEAD
    for name in options.maps.split(","):
        text += row(name, learned(name, parse_seeds(options.seeds), options.processes))
        print(text.splitlines()[-1], flush=True)
        if options.out:
            write_text(options.out, text)


def learned(name: str, seeds: Sequence[int], processes: int) -> SubjectResult:
    """The policy of a map, evaluated; trained first, as far as it is not yet."""
    scenario = imported(name, RUNS / "maps")
    sees = f"sensing.range_m={RANGE_M[name]}"
    run, budget = RUNS / name, [f"steps={BUDGET[name]}", f"processes={processes}"]
    try:
        if (run / "rounds.json").is_file():
            train(["--resume", str(run), *budget])
        else:
            train([f"scenario={scenario.folder}", *TRAINING, sees, *budget, f"out={run}"])
    except BadInput as error:
        if "is finished" not in str(error):
            raise
    return evaluate([resolve(str(run))], scenario, PERIOD, seeds, jobs=processes).subjects[0]


def row(name: str, policy: SubjectResult) -> str:
    """A map's line."""
    delays, known = policy.per_seed["delay_s"], delays_of(name)
    best = min(known, key=lambda which: mean(known[which]))
    change, interval = paired_difference(delays, known[best])
    low, high = interval or (change, change)
    cells = [
        f"{mean(delays):.2f} ± {stdev(delays):.2f}",
        f"{median(delays):.2f}",
        f"{BAR[name]:.2f}",
        f"{mean(delays) / BAR[name] - 1:+.1%}",
        f"{best} {mean(known[best]):.2f}",
        f"{change:+.2f} ({low:+.2f} to {high:+.2f}), {change / mean(known[best]):+.1%}",
        str(policy.violations),
    ]
    return f"| {name} | {' | '.join(cells)} |\n"


if __name__ == "__main__":
    main()
