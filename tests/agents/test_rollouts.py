"""Fits to what alternatives cost: the formula, what is learnt, and that it comes again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from greenband.agents.networks import StageScorer
from greenband.agents.rollouts import Rollouts, Rows
from greenband.errors import BadInput
from greenband.observation import MAX_STAGES, OBSERVATION_SIZE, STAGE_FEATURES

F = len(STAGE_FEATURES)
STANDING = STAGE_FEATURES.index("standing")


def rows(n: int, seed: int = 0) -> Rows:
    """Alternatives that cost 400 vehicle seconds for each 40 vehicles that stand there less than at the choice."""
    rng = np.random.default_rng(seed)
    table = np.zeros((n, MAX_STAGES, F), np.float32)
    table[:, :4] = rng.random((n, 4, F))
    table[:, :4, :2] = 1
    table[:, :, 2] = np.arange(MAX_STAGES) == 0
    tried = rng.integers(1, 4, n)
    chosen = np.zeros(n, np.int64)
    more = 400 * (table[:, 0, STANDING] - table[np.arange(n), tried, STANDING])
    costs = np.zeros((n, 2, 3), np.float32)
    costs[:, 0, 0] = more
    flat = np.concatenate([table.reshape(n, -1), np.zeros((n, OBSERVATION_SIZE - MAX_STAGES * F))], axis=1)
    return Rows(flat.astype(np.float32), chosen, tried, costs, "AM")


def test_targets_are_discounted_weighted_and_cut_off() -> None:
    costs = np.array([[[100, 10, 1], [100, 20, 2]], [[9e3, 0, 0], [0, 0, 0]]], np.float32)
    kept = Rows(*[np.zeros(0)] * 3, costs, "AM")
    found = Rollouts(discount=0.5, mainline=2.0, waiting=10.0).targets(kept)
    assert found.tolist() == pytest.approx([(130 + 0.5 * 160) / 100, 6.0])
    by_period = Rollouts(discount=0.5, mainline={"AM": 2.0}, waiting=10.0)
    assert by_period.targets(kept).tolist() == found.tolist()
    other = by_period.targets(replace(kept, period="PM"))
    assert other.tolist() == pytest.approx([(110 + 0.5 * 120) / 100, 6.0])


def test_it_learns_which_stage_costs_less() -> None:
    torch.set_num_threads(1)
    fit = Rollouts(hidden=16).fit([rows(1500), rows(500, seed=1)], seed=0, first=StageScorer(16))
    assert fit.rows == 2000
    assert fit.explained > 0.8
    unseen = rows(300, seed=2)
    with torch.no_grad():
        best = fit.scorer(torch.from_numpy(unseen.observations)).argmax(1).numpy()
    standing = unseen.observations[:, : MAX_STAGES * F].reshape(-1, MAX_STAGES, F)[:, :, STANDING]
    assert (best == standing.argmax(axis=1)).mean() > 0.8


def test_it_is_held_near_the_rule_and_the_first_policy() -> None:
    """Every stage's score is the sum of three; what all stages of a signal have in common does not matter."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    begun, fitting = StageScorer(16), Rollouts(hidden=16, members=1)
    with torch.no_grad():
        begun.linear.weight[0, STANDING] = 0.4
    alone, ruled = (replace(fitting, rule=rule).fit([rows(1000)], 0, begun).scorer for rule in (0.0, 0.5))
    torch.manual_seed(0)
    rule = StageScorer(16, prior="hold")
    observations = torch.from_numpy(rows(200, seed=2).observations)
    plain, mixed = _spread(alone.learned(observations)), _spread(ruled.learned(observations))
    with torch.no_grad():
        rule.score.weight.zero_()
    assert torch.allclose(mixed, plain + 0.5 * _spread(rule.learned(observations)), atol=1e-4)
    both = replace(fitting, rule=0.5, first=0.75).fit([rows(1000)], 0, begun)
    wanted = 0.25 * plain + 0.75 * _spread(begun.learned(observations)) + 0.5 * _spread(rule.learned(observations))
    assert torch.allclose(_spread(both.scorer.learned(observations)), wanted, atol=1e-4)
    assert (both.scorer.parts, alone.parts) == (2, 1)
    assert both.explained == fitting.fit([rows(1000)], 0, begun).explained


def _spread(scores: torch.Tensor) -> torch.Tensor:
    """Scores of the four stages that exist, about their mean."""
    some = scores[:, :4].detach()
    return some - some.mean(1, keepdim=True)


def test_the_same_rows_and_seed_give_the_same_scorer() -> None:
    torch.set_num_threads(1)
    begun = StageScorer(8)
    fits = [Rollouts(hidden=8, epochs=2, first=0.5).fit([rows(300)], s, begun) for s in (0, 0, 1)]
    first, again, other = (fit.scorer.state_dict() for fit in fits)
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"discount": 0}, "discount=0"),
        ({"epochs": 0}, "epochs=0"),
        ({"window": 0}, "window=0"),
        ({"waiting": -1}, "at least 0"),
        ({"rule": -0.1}, "at least 0"),
        ({"first": 1.0}, "below 1"),
        ({"prior": "surf"}, "hold, wave"),
        ({"mainline": {"AM": 1, "OFF": -1}}, "at least 0"),
        ({"wait_limit_s": {"AM": 90, "OFF": -1}}, "at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Rollouts(**change)
