"""Fits a stage scorer to what alternatives cost, so that its best-scored stage is the one with the least cost.

Approximate policy iteration by rollouts (Lagoudakis and Parr, ICML 2003): differences of scores are regressed on
differences of cost, by a Huber loss. Each decision is learned from twice: as it was seen, and as if the junction stood
alone, so that the policy does not lean on neighbours where it has none, or others than those it was trained with.

Costs are noisy and rows few, so what is fitted may be held near what is known to work: scores of the untrained rule,
and of the policy that the run began with, are added to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from greenband.agents.learned import copy_policy, shape_of
from greenband.agents.networks import RULES, StageScorer, WaitLimit, wait_limits
from greenband.errors import BadInput, UnknownName
from greenband.observation import MAX_STAGES, STAGE_FEATURES, standing_alone

__all__ = ["Fit", "Rollouts", "Rows"]

SCALE = 100.0  # vehicle seconds to a score of 1
LARGEST = 6.0  # differences beyond are cut off: what is far off need not be told apart
HELD_OUT = 0.1


@dataclass(frozen=True)
class Rows:
    """Decisions in a period, one alternative each: ``[n, OBSERVATION_SIZE]``, ``[n]``, ``[n]``, ``[n, steps, 3]``."""

    observations: npt.NDArray[np.float32]
    chosen: npt.NDArray[np.int64]
    tried: npt.NDArray[np.int64]
    costs: npt.NDArray[np.float32]
    period: str


@dataclass(frozen=True)
class Fit:
    """A fitted scorer, the number of rows, and the share of variance that it explains in those that it did not see."""

    scorer: StageScorer
    rows: int
    explained: float


@dataclass(frozen=True)
class Rollouts:
    """Settings of rounds and fit.

    Args:
        branches: where simulations branch, see ``greenband.envs.branches.BranchConfig``.
        episodes: of a round.
        window: newest rounds that a fit uses.
        hidden: units a layer.
        prior: the untrained policy, see ``greenband.agents.networks.StageScorer``; ``wait_limit_s``: see there, one for
            all periods, or by period.
        discount: of cost, per decision interval.
        mainline: weight of what those lose who run the main road from end to end, beside the 1 of every vehicle; one
            for all periods, or by period, 0 in others.
        waiting: weight of time spent standing for longer than the patience.
        members: scorers that are fitted, whose mean the policy follows.
        rule: share of the untrained rule's scores in those of the policy, see ``StageScorer``.
        first: share of the scores of the policy that the run begins with, the rest is what is fitted; below 1.
        epochs: over the rows.
        batch_size: rows.
        learning_rate: highest; it rises and falls over the fit.
        weight_decay: of AdamW.

    Raises:
        BadInput: a value is out of range.
        UnknownName: there is no such prior.
    """

    branches: Mapping[str, Any] = field(default_factory=dict)
    episodes: int = 16
    window: int = 2
    hidden: int = 64
    prior: str = "hold"
    wait_limit_s: WaitLimit = 0.0
    discount: float = 0.96
    mainline: float | Mapping[str, float] = 0.0
    waiting: float = 0.0
    members: int = 4
    rule: float = 0.0
    first: float = 0.0
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.1

    def __post_init__(self) -> None:
        for name in ("episodes", "window", "members", "epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise BadInput(f"agent.{name}={getattr(self, name)}: must be above 0")
        if not 0 < self.discount <= 1:
            raise BadInput(f"agent.discount={self.discount}: must be above 0 and at most 1")
        weights = self.mainline.values() if isinstance(self.mainline, Mapping) else [self.mainline]
        if min(*weights, self.waiting, self.rule, self.first, self.weight_decay) < 0:
            names = ("mainline", "waiting", "rule", "first", "weight_decay")
            raise BadInput(f"{', '.join(f'agent.{name}' for name in names)}: must be at least 0")
        if self.prior not in RULES:
            raise UnknownName("prior", str(self.prior), list(RULES))
        wait_limits(self.wait_limit_s)
        if self.first >= 1:
            raise BadInput(f"agent.first={self.first}: must be below 1, or nothing is learned")

    def begin(self, start: str | None, seed: int) -> StageScorer:
        """The policy of the first round: that of a run or policy folder, or the untrained one of a seed."""
        torch.manual_seed(seed)
        parts = 1 if start is None else shape_of(start).get("parts", 1)
        scorer = StageScorer(self.hidden, self.prior, self.wait_limit_s, parts)
        if start is not None:
            copy_policy(start, scorer)
        return scorer

    def fit(self, rounds: Sequence[Rows], seed: int, first: StageScorer | None = None) -> Fit:
        """Fit fresh scorers to all rows and one more to their mean; then add shares of ``first`` and of the rule.

        The same rows, seed and first policy give the same scorer. Raises ValueError if the first one has a share and is
        missing.
        """
        seen = np.concatenate([rows.observations for rows in rounds])
        n = len(seen)
        observations = torch.from_numpy(np.concatenate([seen, standing_alone(seen)]))
        chosen, tried, targets = (
            torch.from_numpy(np.concatenate([*parts, *parts]))
            for parts in (
                [rows.chosen for rows in rounds],
                [rows.tried for rows in rounds],
                [self.targets(rows) for rows in rounds],
            )
        )
        held, known = np.split(np.random.default_rng(seed).permutation(n), [int(HELD_OUT * n)])

        def missed(scorer: StageScorer, rows: npt.NDArray[np.int64]) -> torch.Tensor:
            ahead = _ahead(scorer, observations[rows], chosen[rows], tried[rows])
            return functional.huber_loss(ahead, targets[rows], delta=2.0)

        twice = np.concatenate([known, n + known])
        members = [self._trained(missed, twice, [seed, member]) for member in range(self.members)]
        scorer = members[0] if len(members) == 1 else self._distilled(members, observations, seed)
        if self.first:
            if first is None:
                raise ValueError("a share of the first policy needs that policy")
            scorer = StageScorer.mixed({first: self.first, scorer: 1 - self.first})
        with torch.no_grad():
            ahead = [_ahead(member, observations[held], chosen[held], tried[held]) for member in members]
            errors = torch.stack(ahead).mean(0) - targets[held]
            spread = float((targets[held] - targets[held].mean()).square().sum()) if len(held) else 0.0
        scorer.add_rule(self.rule, self.prior)
        return Fit(scorer, n, 1 - float(errors.square().sum()) / spread if spread else float("nan"))

    def _distilled(self, members: Sequence[StageScorer], observations: torch.Tensor, seed: int) -> StageScorer:
        """A scorer that scores as the mean of several does, but for what all stages of a signal have in common."""
        exists = observations[:, 1 : MAX_STAGES * len(STAGE_FEATURES) : len(STAGE_FEATURES)]

        def centred(scores: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
            return (scores - (scores * exists).sum(1, keepdim=True) / exists.sum(1, keepdim=True)) * exists

        with torch.no_grad():
            wanted = centred(torch.stack([member.learned(observations) for member in members]).mean(0), exists)

        def missed(scorer: StageScorer, rows: npt.NDArray[np.int64]) -> torch.Tensor:
            found = centred(scorer.learned(observations[rows]), exists[rows])
            return (found - wanted[rows]).square().sum(1).mean()

        return self._trained(missed, np.arange(len(observations)), [seed, self.members])

    def _trained(
        self, loss: Callable[[StageScorer, npt.NDArray[np.int64]], torch.Tensor], rows: npt.NDArray[np.int64], seed: Any
    ) -> StageScorer:
        """A fresh scorer with less loss over the rows."""
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(rng.integers(2**31)))
        scorer = StageScorer(self.hidden, wait_limit_s=self.wait_limit_s)
        batches = max(1, len(rows) // self.batch_size)
        optimizer = torch.optim.AdamW(scorer.parameters(), self.learning_rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, self.epochs * batches)
        for _ in range(self.epochs):
            for batch in np.array_split(rng.permutation(rows), batches):
                optimizer.zero_grad()
                loss(scorer, batch).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        return scorer

    def targets(self, rows: Rows) -> npt.NDArray[np.float32]:
        """By how much each choice should score above its alternative, ``[n]``."""
        mainline = self.mainline.get(rows.period, 0.0) if isinstance(self.mainline, Mapping) else self.mainline
        weights = np.array([1.0, mainline, self.waiting])
        discounted = (rows.costs @ weights) @ self.discount ** np.arange(rows.costs.shape[1])
        return np.clip(discounted / SCALE, -LARGEST, LARGEST).astype(np.float32)


def _ahead(scorer: StageScorer, observations: torch.Tensor, chosen: torch.Tensor, tried: torch.Tensor) -> torch.Tensor:
    """Score of the choice above that of the alternative."""
    scores = scorer.learned(observations)
    return scores.gather(1, chosen[:, None])[:, 0] - scores.gather(1, tried[:, None])[:, 0]
