"""Does it pay to begin training in the mesoscopic model? Wall time to a delay in micro, with and without.

    python benchmarks/pretraining.py [--agents rollouts,ppo] [--scenario shixin_short] [--period AM] [--seeds 1,2]
                                     [--out benchmarks/results/pretraining.md]

Each agent learns on two SUMO processes, as ``TRAININGS`` says: once in micro throughout, once in meso first and then in
micro from what was best. It begins as max-wave, which does badly there, so that there is much to learn. All
runs are validated in micro, which takes the same time whatever the model of the training. A finished run is kept in
``runs/benchmarks/pretraining`` and taken as it is when the command is given again.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from learners import kept_run

from greenband import sumo
from greenband.files import write_text

RUNS = Path("runs", "benchmarks", "pretraining")
Curve = list[tuple[float, float]]  # (wall time in s, least validation delay so far in s)


@dataclass(frozen=True)
class Training:
    """Decisions of an agent in micro, in meso, and in micro after that; settings, and those of the last in addition."""

    micro: int
    meso: int
    finish: int
    settings: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


TRAININGS = {
    "rollouts": Training(
        190_000, 190_000, 80_000, ("agent.prior=wave", "agent.episodes=3", "agent.window=2"), ("agent.first=0.5",)
    ),
    "ppo": Training(60_000, 60_000, 40_000, ("agent.prior=wave", "validation.every_steps=20000")),
}


def main() -> None:
    """Train, and write the tables after each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--agents", default=",".join(TRAININGS))
    parser.add_argument("--scenario", default="shixin_short")
    parser.add_argument("--period", default="AM")
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = (
        f"`python benchmarks/pretraining.py --agents {options.agents} --scenario {options.scenario} --period"
        f" {options.period} --seeds {options.seeds}`, SUMO {sumo.version_string()}\n\n"
        "Wall time in minutes, validations included, until the delay on the validation seeds in micro (1000 to 1003)"
        " is at most the one given: the best of either way, and 1, 5, 10 and 20 % above it.\n"
    )
    for agent in options.agents.split(","):
        for seed in options.seeds.split(","):
            micro, meso = run(agent, "micro", seed, options), run(agent, "meso", seed, options)
            finished = run(agent, "micro", seed, options, start=meso)
            direct, staged = curve([micro]), curve([meso, finished])
            text += "".join(section(f"{agent}, seed {seed}", direct, staged, curve([meso])))
            print(text, flush=True)
            if options.out:
                write_text(options.out, text)


def run(agent: str, fidelity: str, seed: str, options: argparse.Namespace, start: Path | None = None) -> Path:
    """A training run, trained if it is not there; ``start`` is the run it goes on from."""
    training = TRAININGS[agent]
    steps = training.meso if fidelity == "meso" else training.micro if start is None else training.finish
    name = f"{options.scenario}_{options.period}_{agent}_{seed}_{fidelity}"
    words = [f"scenario={options.scenario}", f"env.periods=[{options.period}]", f"agent={agent}", f"seed={seed}"]
    words += [f"simulation.fidelity={fidelity}", f"steps={steps}", *training.settings]
    if start is not None:
        name, words = f"{name}_after_meso", [*words, f"start={start}", *training.after]
    folder: Path = kept_run(RUNS / name, words)
    return folder


def curve(folders: Sequence[Path]) -> Curve:
    """Runs one after another as one curve of the least delay over wall time."""
    points: Curve = []
    began, least = 0.0, float("inf")
    for folder in folders:
        with (folder / "validation.csv").open(encoding="utf-8") as file:
            rows = [(began + float(row["seconds"]), float(row["delay_s"])) for row in csv.DictReader(file)]
        for seconds, delay in rows:
            least = min(least, delay)
            points.append((seconds, least))
        began = points[-1][0]
    return points


def section(title: str, direct: Curve, staged: Curve, meso: Curve) -> Iterator[str]:
    """A table of one agent and seed."""
    yield (
        f"\n## {title}\n\nLeast delay: {direct[-1][1]:.1f} s in micro alone ({direct[-1][0] / 60:.1f} min),"
        f" {staged[-1][1]:.1f} s with meso first ({staged[-1][0] / 60:.1f} min, {meso[-1][0] / 60:.1f} of them in meso,"
        f" which came to {meso[-1][1]:.1f} s).\n\n| delay s | micro alone | meso, then micro |\n|---|---|---|\n"
    )
    best = min(direct[-1][1], staged[-1][1])
    for factor in (1.2, 1.1, 1.05, 1.01, 1.0):
        cells = [reached(points, best * factor) for points in (direct, staged)]
        yield f"| {best * factor:.1f} | {' | '.join(cells)} |\n"


def reached(points: Curve, delay: float) -> str:
    """Minutes until the delay is reached, or that it is not."""
    times = [seconds for seconds, least in points if least <= delay + 1e-9]
    return f"{times[0] / 60:.1f}" if times else "never"


if __name__ == "__main__":
    main()
