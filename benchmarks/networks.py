"""Networks that could score stages, by what they explain of the cost of decisions that they did not see.

    python benchmarks/networks.py [--scenario shixin_short] [--episodes 16] [--folds 4] [--fits 2] [--jobs 2]
                                  [--out benchmarks/results/networks.md]

The untrained policy drives episodes of three periods that branch on the way (``envs/branches.py``): at some decisions
a copy of the simulation takes another stage, and what it loses more in two minutes, in the whole network, is by how
much the choice should score above it. Each network is fitted, with the settings of ``agent=rollouts``, to all episodes
but those of a fold, and judged on that fold. All have the linear path of ``greenband.agents.networks.StageScorer``.

Episodes that are done are kept in ``runs/benchmarks/networks``, so that the command, given again, goes on.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from statistics import mean, stdev
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from baselines import interval_text
from torch import nn
from torch.nn import functional

from greenband import registry, sumo
from greenband.agents.networks import StageScorer, linear_scores, stage_features
from greenband.agents.rollouts import Rollouts, Rows
from greenband.envs import EpisodeConfig
from greenband.envs.branches import BranchConfig, Episode, branch
from greenband.errors import SimulationError
from greenband.evaluation.statistics import paired_difference
from greenband.evaluation.workers import run_each
from greenband.files import write_bytes, write_text
from greenband.neighbours import feeds
from greenband.network import Network
from greenband.observation import (
    MAX_STAGES,
    OBSERVATION_SIZE,
    SIGNAL_FEATURES,
    STAGE_FEATURES,
    standing_alone,
)
from greenband.scenario import Scenario

RUNS = Path("runs", "benchmarks", "networks")
SEEDS = 10_000  # the first for training
PERIODS = ("AM", "OFF", "PM")
ROLES = 2  # a neighbour is ahead, behind, or both
HEADS = 4
FEATURES = len(STAGE_FEATURES) + len(SIGNAL_FEATURES)
CLIP = 5.0  # deviations
SIGNALS = 32  # decided for at once when time is taken
REPEATS = 200
USED = "attention over stages"

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


def main() -> None:
    """Simulate, fit, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin_short")
    parser.add_argument("--episodes", type=int, default=16)
    parser.add_argument("--folds", type=int, default=4, help="parts of the episodes, each held out once")
    parser.add_argument("--fits", type=int, default=2, help="of each network to each fold")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not 2 <= options.folds <= options.episodes:
        parser.error("there must be at least 2 folds, and an episode for each")
    folder = RUNS / options.scenario
    simulate(folder, registry.scenario(options.scenario), options.episodes, options.jobs)
    fits = [
        Task(folder, options.episodes, name, options.folds, fold, seed)
        for name in NETWORKS
        for fold in range(options.folds)
        for seed in range(options.fits)
    ]
    explained: dict[str, dict[tuple[int, int], float]] = {name: {} for name in NETWORKS}
    for place, share in outcomes(fitted, fits, options.jobs):
        task = fits[place]
        explained[task.network][task.fold, task.seed] = share
        print(f"{task.network}, fold {task.fold}, fit {task.seed}: {share:.3f}", flush=True)
    text = "".join(table(options, {name: [found[key] for key in sorted(found)] for name, found in explained.items()}))
    print(text)
    if options.out:
        write_text(options.out, text)


def table(options: argparse.Namespace, explained: dict[str, list[float]]) -> Iterator[str]:
    """Each network's line."""
    rows = Decisions.read(RUNS / options.scenario, range(options.episodes))
    yield (
        f"`python benchmarks/networks.py --scenario {options.scenario} --episodes {options.episodes} --folds"
        f" {options.folds} --fits {options.fits}`, SUMO {sumo.version_string()}\n\n"
        f"{len(rows.chosen)} decisions with an alternative each. Share of the variance of their cost that is explained"
        f" in episodes that were not learned from: mean and standard deviation over {options.folds} folds and"
        f" {options.fits} fits each, and the difference to the network in use, in hundredths, with its 95 % bootstrap"
        f" interval. Time is that of scores for {SIGNALS} signals on one core, as a ratio to the network in use.\n\n"
        f"| network | explained | difference | weights | time |\n|---|---|---|---|---|\n"
    )
    used_s = seconds(USED, rows)
    for name, shares in explained.items():
        change, interval = paired_difference([100 * s for s in shares], [100 * s for s in explained[USED]])
        against = "" if name == USED else f"{change:+.1f} {interval_text(interval)}"
        weights = sum(weight.numel() for weight in NETWORKS[name]().parameters() if weight.requires_grad)
        spread = f" ± {stdev(shares):.3f}" if len(shares) > 1 else ""
        yield f"| {name} | {mean(shares):.3f}{spread} | {against} | {weights} | {seconds(name, rows) / used_s:.1f} |\n"


@dataclass(frozen=True)
class Decisions:
    """Each has a signal's ``own`` observation ``[n, OBSERVATION_SIZE]``; those of its neighbours at that time,
    ``around`` ``[n, most, OBSERVATION_SIZE]``, and what they are to it, ``roles`` ``[n, most, ROLES]``, 0 where there
    is none; the stages ``chosen`` and ``tried`` ``[n]``, and by how much the first should score above the second,
    ``targets`` ``[n]``.
    """

    own: torch.Tensor
    around: torch.Tensor
    roles: torch.Tensor
    chosen: torch.Tensor
    tried: torch.Tensor
    targets: torch.Tensor

    @classmethod
    def read(cls, folder: Path, episodes: Iterable[int]) -> Decisions:
        """Those of some episodes."""
        saved = [np.load(folder / f"{number:03d}.npz") for number in episodes]
        return cls(*(torch.from_numpy(np.concatenate([part[name] for part in saved])) for name in PARTS))

    def at(self, rows: Any) -> Decisions:
        """Some of the rows."""
        return Decisions(*(getattr(self, name)[rows] for name in PARTS))


PARTS = [part.name for part in fields(Decisions)]


def outcomes(work: Callable[[Any], Any], tasks: list[Any], jobs: int) -> Iterator[tuple[int, Any]]:
    """As ``run_each``; a failure of SUMO ends it."""
    for place, outcome in run_each(work, tasks, jobs):
        if isinstance(outcome, SimulationError):
            raise outcome
        yield place, outcome


# Episodes ------------------------------------------------------------------------------------------------------------


class Recorder:
    """The untrained policy, which keeps what all signals saw at each decision. What copies see stays in the copies."""

    seen: ClassVar[list[Array]] = []  # of the one episode of a process

    def __init__(self) -> None:
        self._scorer = registry.make("agent", "rollouts").begin(None, seed=0)

    def reset(self, scenario: Scenario, period: str) -> None:
        """Begin a run."""

    def scores(self, observations: Floats) -> Floats:
        """Of the stages, see ``StageScorer``."""
        self.seen.append(observations)
        with torch.inference_mode():
            found: Floats = self._scorer(torch.from_numpy(observations)).numpy()
        return found


def simulate(folder: Path, scenario: Scenario, episodes: int, jobs: int) -> None:
    """Write the decisions of the episodes that are not there yet."""
    lacking = [number for number in range(episodes) if not (folder / f"{number:03d}.npz").is_file()]
    for place, arrays in outcomes(driven, [(scenario, number) for number in lacking], jobs):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_bytes(folder / f"{lacking[place]:03d}.npz", buffer.getvalue())
        print(f"episode {lacking[place]}: {len(arrays['chosen'])} decisions", flush=True)


def driven(task: tuple[Scenario, int]) -> dict[str, Array]:
    """An episode's decisions as arrays, by the names of ``Decisions``."""
    scenario, number = task
    method = registry.make("agent", "rollouts")
    config = EpisodeConfig(periods=PERIODS)
    policy = {"_target_": "networks.Recorder"}
    found = branch(Episode(scenario, config, BranchConfig(**method.branches), policy, SEEDS + number, 0))
    seen = np.stack(Recorder.seen)
    keys = [row.tobytes() for row in seen.reshape(-1, OBSERVATION_SIZE)]
    once = Counter(keys)
    place = {key: divmod(k, seen.shape[1]) for k, key in enumerate(keys) if once[key] == 1}
    rows = [k for k, row in enumerate(found.observations) if row.tobytes() in place]
    times, signals = np.array([place[found.observations[k].tobytes()] for k in rows]).T
    others, roles = neighbours(scenario.network)
    around = seen[times[:, None], others[signals]] * (roles[signals].sum(axis=2, keepdims=True) > 0)
    targets = method.targets(Rows(found.observations, found.chosen, found.tried, found.costs, found.period))
    return {
        "own": found.observations[rows],
        "around": around.astype(np.float32),
        "roles": roles[signals],
        "chosen": found.chosen[rows],
        "tried": found.tried[rows],
        "targets": targets[rows],
    }


def neighbours(network: Network) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Of each signal the numbers of those ahead and behind, ``[signals, most]``; what they are, ``[..., ROLES]``."""
    number = {name: k for k, name in enumerate(network.signals)}
    found: list[dict[int, list[float]]] = [{} for _ in number]
    for feed in feeds(network):
        here, behind = number[feed.signal], number[feed.behind]
        found[behind].setdefault(here, [0.0] * ROLES)[0] = 1.0
        found[here].setdefault(behind, [0.0] * ROLES)[1] = 1.0
    most = max(1, *(len(others) for others in found))
    numbers, roles = np.zeros((len(found), most), np.int64), np.zeros((len(found), most, ROLES), np.float32)
    for k, others in enumerate(found):
        for j, (other, role) in enumerate(others.items()):
            numbers[k, j], roles[k, j] = other, role
    return numbers, roles


# Fits ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A fit of a network to all folds of the episodes in ``folder`` but one."""

    folder: Path
    episodes: int
    network: str
    folds: int
    fold: int
    seed: int


def fitted(task: Task) -> float:
    """The share of variance that a fit explains in its fold."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    known = Decisions.read(task.folder, [k for k in range(task.episodes) if k % task.folds != task.fold])
    held = Decisions.read(task.folder, [k for k in range(task.episodes) if k % task.folds == task.fold])
    network = NETWORKS[task.network]()
    fit(network, known, registry.make("agent", "rollouts"), task.seed)
    with torch.no_grad():
        errors = ahead(network, held) - held.targets
    return 1 - float(errors.square().sum() / (held.targets - held.targets.mean()).square().sum())


def fit(network: Candidate, rows: Decisions, method: Rollouts, seed: int) -> None:
    """As ``greenband.agents.rollouts`` fits a member, but to decisions only as they were seen."""
    network.prepare(rows)
    rng = np.random.default_rng(seed)
    batches = max(1, len(rows.chosen) // method.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), method.learning_rate, weight_decay=method.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, method.learning_rate, method.epochs * batches)
    for _ in range(method.epochs):
        for batch in np.array_split(rng.permutation(len(rows.chosen)), batches):
            part = rows.at(batch)
            optimizer.zero_grad()
            functional.huber_loss(ahead(network, part), part.targets, delta=2.0).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def ahead(network: nn.Module, rows: Decisions) -> torch.Tensor:
    """Score of each choice above that of its alternative."""
    scores = network(rows)
    difference: torch.Tensor = (scores.gather(1, rows.chosen[:, None]) - scores.gather(1, rows.tried[:, None]))[:, 0]
    return difference


def seconds(name: str, rows: Decisions) -> float:
    """Least time of scores for ``SIGNALS`` signals."""
    torch.set_num_threads(1)
    network, few, times = NETWORKS[name](), rows.at(slice(SIGNALS)), []
    with torch.inference_mode():
        for _ in range(REPEATS):
            begin = time.perf_counter()
            network(few)
            times.append(time.perf_counter() - begin)
    return min(times)


# Networks ------------------------------------------------------------------------------------------------------------


class Candidate(nn.Module):
    """Scores ``[n, MAX_STAGES]`` of stages that are embedded alike; how they are seen together is what differs."""

    shift: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, hidden: int = 64, blind: bool = False, normalises: bool = False) -> None:
        super().__init__()
        self.blind, self.normalises = blind, normalises
        self.register_buffer("shift", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.scorer = StageScorer(hidden)
        if not isinstance(self, Attention):
            assert self.scorer.encoder.attention is not None
            self.scorer.encoder.attention.requires_grad_(False)

    def prepare(self, rows: Decisions) -> None:
        """Take mean and deviation of what is learned from, if it ``normalises``."""
        if self.normalises:
            features = features_of(rows.own)
            there = features[stage_features(rows.own)[:, :, 1] > 0.5]
            self.shift, self.deviation = there.mean(0), there.std(0).clamp(min=0.01)

    def forward(self, rows: Decisions) -> torch.Tensor:
        """By the linear path, and by what ``together`` makes of the embedded stages."""
        own = self.seen(rows.own)
        stages = stage_features(own)
        embedded = self.together(self.embedded(own), stages[:, :, 1], rows)
        scores: torch.Tensor = self.scorer.score(embedded).squeeze(2) + linear_scores(stages, self.scorer.linear.weight)
        return scores

    def seen(self, observations: torch.Tensor) -> torch.Tensor:
        """Without what they tell of neighbours, if it is ``blind``."""
        return torch.from_numpy(standing_alone(observations.numpy())) if self.blind else observations

    def embedded(self, observations: torch.Tensor) -> torch.Tensor:
        """``[n, MAX_STAGES, hidden]``, 0 for stages that do not exist."""
        features = (features_of(observations) - self.shift) / self.deviation
        features = features.clamp(-CLIP, CLIP) if self.normalises else features
        found: torch.Tensor = self.scorer.encoder.embed(features) * stage_features(observations)[:, :, 1:2]
        return found

    def together(self, embedded: torch.Tensor, exists: torch.Tensor, rows: Decisions) -> torch.Tensor:
        """Each stage by itself."""
        return embedded


class Linear(Candidate):
    """The linear path alone."""

    def __init__(self) -> None:
        super().__init__()
        self.scorer.requires_grad_(False).linear.requires_grad_(True)

    def together(self, embedded: torch.Tensor, exists: torch.Tensor, rows: Decisions) -> torch.Tensor:
        """Nothing."""
        return torch.zeros_like(embedded)


class Sets(Candidate):
    """Each stage beside the mean of all (Deep Sets, Zaheer 2017)."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__(hidden)
        self.beside = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))

    def together(self, embedded: torch.Tensor, exists: torch.Tensor, rows: Decisions) -> torch.Tensor:
        """See the class."""
        whole = pooled(embedded, exists)[:, None].expand_as(embedded)
        beside: torch.Tensor = self.beside(torch.cat([embedded, whole], dim=2))
        return embedded + beside


class Pairs(Candidate):
    """Each stage against each other one, added up: the competition of phases of FRAP (Zheng 2019)."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__(hidden)
        self.against = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))

    def together(self, embedded: torch.Tensor, exists: torch.Tensor, rows: Decisions) -> torch.Tensor:
        """See the class."""
        one = embedded[:, :, None].expand(-1, -1, MAX_STAGES, -1)
        both = exists[:, :, None] * exists[:, None] * (1 - torch.eye(MAX_STAGES))
        against: torch.Tensor = self.against(torch.cat([one, one.transpose(1, 2)], dim=3)) * both[..., None]
        return embedded + against.sum(2)


class Attention(Candidate):
    """What ``StageScorer`` is."""

    def together(self, embedded: torch.Tensor, exists: torch.Tensor, rows: Decisions) -> torch.Tensor:
        """Stages look at each other."""
        assert self.scorer.encoder.attention is not None
        found: torch.Tensor = self.scorer.encoder.attention(embedded, exists)
        return found * exists[..., None]


class Neighbours(Attention):
    """Before that the signal looks at itself and those ahead and behind, by attention as in CoLight (Wei 2019)."""

    def __init__(self, hidden: int = 64, blind: bool = False) -> None:
        super().__init__(hidden, blind)
        self.role = nn.Linear(ROLES, hidden)
        self.look = nn.MultiheadAttention(hidden, HEADS, batch_first=True)

    def together(self, embedded: torch.Tensor, exists: torch.Tensor, rows: Decisions) -> torch.Tensor:
        """See the class."""
        n, most = rows.around.shape[:2]
        theirs = self.seen(rows.around.reshape(n * most, -1))
        others = pooled(self.embedded(theirs), stage_features(theirs)[:, :, 1]).reshape(n, most, -1)
        here = pooled(embedded, exists)[:, None]
        keys = torch.cat([here, others + self.role(rows.roles)], dim=1)
        missing = torch.cat([torch.zeros(n, 1, dtype=torch.bool), rows.roles.sum(2) == 0], dim=1)
        context, _ = self.look(here, keys, keys, key_padding_mask=missing, need_weights=False)
        return super().together((embedded + context) * exists[..., None], exists, rows)


def features_of(observations: torch.Tensor) -> torch.Tensor:
    """Of each stage, and beside them the signal's, ``[n, MAX_STAGES, FEATURES]``."""
    signal = observations[:, -len(SIGNAL_FEATURES) :, None].transpose(1, 2).expand(-1, MAX_STAGES, -1)
    return torch.cat([stage_features(observations), signal], dim=2)


def pooled(embedded: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
    """Mean of the stages that exist, ``[n, hidden]``."""
    return embedded.sum(1) / exists.sum(1, keepdim=True).clamp(min=1)


NETWORKS: dict[str, Callable[[], Candidate]] = {
    "linear": Linear,
    "each stage by itself": Candidate,
    "each stage beside the mean of all": Sets,
    "pairs of stages": Pairs,
    USED: Attention,
    "the same, observations normalised by mean and deviation": lambda: Attention(normalises=True),
    "attention over neighbours, then over stages": Neighbours,
    "attention over stages alone, observations without neighbours": lambda: Attention(blind=True),
    "attention over neighbours, then over stages, observations without neighbours": lambda: Neighbours(blind=True),
}


if __name__ == "__main__":
    import_module("networks").main()  # by its name, under which other processes and Hydra find what is in it
