"""Agent decisions per second of PPO training on cologne8, beside sumo-rl's own route to stable-baselines3.

    python benchmarks/throughput.py [--repeats 3] [--out benchmarks/results/throughput.md]

All train by PPO with 256 steps a rollout, 5 epochs and minibatches of 1,024, a decision every 5 s, two cores;
greenband with sixteen SUMO processes, sumo-rl with the one that it can have, over libsumo and over TraCI. greenband
begins as max-wave, as it does where this map is learned (``resco_learning.py``), and has 32 units a layer, 12,166
weights where sumo-rl's has 10,949; sumo-rl begins at random. They take turns in the same run, and ratios are of
medians. sumo-rl needs older packages, so it gets a venv of its own in ``runs/benchmarks``, which is kept for the next
call.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from statistics import median

from resco import PERIOD, imported, sources, window

from greenband import sumo
from greenband.files import write_text
from greenband.processes import lenient_threads

MAP = "cologne8"
STEPS, EPOCHS, BATCH, PROCESSES, HIDDEN = 256, 5, 1024, 16, 32
ROLLOUTS = {"greenband": 4, "sumo-rl over libsumo": 8, "sumo-rl over TraCI": 1}
VENV = Path("runs", "benchmarks", "sumo-rl")
PACKAGES = (
    *("sumo-rl==1.4.5", "gymnasium==0.29.1", "pettingzoo==1.24.3", "supersuit==3.9.3", "stable-baselines3==2.3.2"),
    "setuptools<81",  # pettingzoo of that time asks for pkg_resources
)
PEER = Path(__file__).parent / "peers" / "sumo_rl_ppo.py"


def main() -> None:
    """Measure in turns, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    python = peer_python()
    rates: dict[str, list[float]] = {name: [] for name in ROLLOUTS}
    for _ in range(options.repeats):
        for name, found in rates.items():
            found.append(ours() if name == "greenband" else peer(python, name))
            print(f"{name}: {found[-1]:.0f} decisions/s", flush=True)
    text = table(rates)
    print(text)
    if options.out:
        write_text(options.out, text)


def peer_python() -> Path:
    """The Python of the peer's venv, which is made if it is missing."""
    python = VENV / "bin" / "python"
    if not (VENV / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        version = sumo.version_string()
        same = [f"{name}=={version}" for name in ("eclipse-sumo", "libsumo", "traci", "sumolib")]
        same.append(f"torch=={metadata.version('torch').partition('+')[0]}")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES, *same], check=True)
        (VENV / "complete").touch()
    return python


def ours() -> float:
    """Decisions per second of this package: one rollout without the clock, then those with it."""
    lenient_threads()  # these two as greenband train does
    import torch

    from greenband.agents.learners import ppo
    from greenband.envs import CorridorVecEnv, EpisodeConfig

    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        torch.set_num_threads(1)
        env = CorridorVecEnv(imported(MAP, Path(folder)), EpisodeConfig(periods=(PERIOD,)), processes=PROCESSES)
        try:
            learner = ppo(
                env, 0, lambda: 0.0, Path(folder), hidden=HIDDEN, prior="wave", wait_limit_s=0.0, temperature=0.3,
                learning_rate=3e-4, n_steps=STEPS, n_epochs=EPOCHS, batch_size=BATCH,
            )  # fmt: skip
            a_rollout = STEPS * env.num_envs
            learner.learn(a_rollout)
            start = time.perf_counter()
            learner.learn(ROLLOUTS["greenband"] * a_rollout, reset_num_timesteps=False)
            return float(ROLLOUTS["greenband"] * a_rollout / (time.perf_counter() - start))
        finally:
            env.close()


def peer(python: Path, name: str) -> float:
    """Decisions per second of sumo-rl."""
    network, routes = sources(MAP)
    begin, end = window(MAP)
    words = [str(network), str(routes), *map(str, (begin, end, ROLLOUTS[name], STEPS, EPOCHS, BATCH))]
    home = subprocess.run(
        [str(python), "-c", "import sumo; print(sumo.SUMO_HOME)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = {**os.environ, "SUMO_HOME": home} | ({"LIBSUMO_AS_TRACI": "1"} if "libsumo" in name else {})
    done = subprocess.run(
        [str(python), str(PEER), *words], env=environment, capture_output=True, text=True, check=True, timeout=900
    )
    decisions, seconds = done.stdout.splitlines()[-1].split()
    return int(decisions) / float(seconds)


def table(rates: Mapping[str, list[float]]) -> str:
    """Medians, ranges, and ratios to this package."""
    best = median(rates["greenband"])
    lines = [
        f"`python benchmarks/throughput.py --repeats {len(rates['greenband'])}`, {MAP}, SUMO {sumo.version_string()},"
        f" {os.cpu_count()} cores\n",
        f"greenband has {PROCESSES} SUMO processes, begins as max-wave and has {HIDDEN} units a layer;"
        " sumo-rl's route has one process, its parallel form fails.\n",
        "Decisions of all agents per second of wall time, PPO included; median and range of turns in one run.\n",
        "| trainer | decisions/s | range | greenband is faster by |",
        "|---|---|---|---|",
    ]
    for name, found in rates.items():
        ratio = "" if name == "greenband" else f"{best / median(found):.1f}"
        lines.append(f"| {name} | {median(found):,.0f} | {min(found):,.0f} to {max(found):,.0f} | {ratio} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
