"""Stage networks: forbidden stages score far below, stages are treated alike, padding does not count."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch.nn import functional

from greenband.agents.networks import FORBIDDEN, RULES, URGENCY, StageScorer, StageValue, _Attention
from greenband.errors import BadInput, UnknownName
from greenband.observation import MAX_STAGES, OBSERVATION_SIZE, RED_S, SIGNAL_FEATURES, STAGE_FEATURES

F = len(STAGE_FEATURES)


def observations(batch: int, stages: int, seed: int = 0) -> torch.Tensor:
    """Random traffic at signals with so many stages, some of them forbidden, the second one shown."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.zeros(batch, MAX_STAGES, F)
    table[:, :stages] = torch.rand(batch, stages, F, generator=generator)
    table[:, :, 1] = (torch.arange(MAX_STAGES) < stages).float()
    table[:, :, 0] = (table[:, :, 0] > 0.4).float()
    table[:, stages - 1, 0] = 1.0
    table[:, :, 2] = 0.0
    table[:, 1, 2] = 1.0
    return join(table, torch.rand(batch, len(SIGNAL_FEATURES), generator=generator))


def join(table: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
    return torch.cat([table.flatten(1), signal], dim=1)


def split(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return rows[:, : MAX_STAGES * F].reshape(-1, MAX_STAGES, F), rows[:, MAX_STAGES * F :]


def scorer(prior: str | None = None) -> StageScorer:
    """A scorer whose every weight matters."""
    torch.manual_seed(3)
    made: Any = StageScorer(16, prior)
    with torch.no_grad():
        made.linear.weight.add_(torch.randn(1, 2 * F))
    return made


@pytest.mark.parametrize("prior", [None, "hold", "wave"])
def test_forbidden_stages_score_far_below(prior: str | None) -> None:
    rows = observations(200, 5)
    scores = StageScorer(16, prior)(rows)
    allowed = split(rows)[0][:, :, 0] > 0.5
    assert scores.shape == (200, MAX_STAGES)
    assert 0 < allowed.sum() < allowed.numel()
    assert (scores[~allowed] == FORBIDDEN).all()
    assert (scores[allowed].abs() < 1e3).all()
    assert allowed[torch.arange(200), scores.argmax(1)].all()
    assert (torch.softmax(scores, 1)[~allowed] == 0).all()


def test_permuting_stages_permutes_scores() -> None:
    rows = observations(50, 6)
    table, signal = split(rows)
    network, value = scorer(), StageValue(16)
    for seed in range(5):
        order = torch.randperm(MAX_STAGES, generator=torch.Generator().manual_seed(seed))
        shuffled = join(table[:, order], signal)
        torch.testing.assert_close(network(shuffled), network(rows)[:, order], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(value(shuffled), value(rows), rtol=1e-4, atol=1e-5)


def test_beyond_the_wait_limit_a_stage_gains_while_vehicles_stand_there() -> None:
    table, signal = split(observations(1, 5))
    allowed, present, red, standing = (STAGE_FEATURES.index(n) for n in ("allowed", "present", "red", "standing"))
    table[:, :5, allowed] = 1.0
    table[0, :5, red] = torch.tensor([120.0, 120.0, 120.0, 100.0, 99.0]) / RED_S
    table[0, :5, standing] = torch.tensor([0.0, 1.0, 0.025, 1.0, 1.0])
    assert table[0, 1, present] == 1
    network = scorer()
    network.wait_limit_s = 100.0
    rows = join(table, signal)
    gain = (network(rows) - network.learned(rows))[0, :5]
    torch.testing.assert_close(gain, torch.tensor([0.0, 0.0, 20 * URGENCY, 0.0, 0.0]), atol=1e-5, rtol=0)
    network.wait_limit_s = 0.0
    torch.testing.assert_close(network(rows)[0, :5], network.learned(rows)[0, :5], atol=0, rtol=0)


def test_a_wait_limit_by_period_is_the_shortest_where_none_is_known() -> None:
    rows = observations(20, 5)
    red = torch.arange(MAX_STAGES * len(STAGE_FEATURES)) % len(STAGE_FEATURES) == STAGE_FEATURES.index("red")
    rows[:, : len(red)][:, red] = 110.0 / RED_S
    by_period = scorer()
    by_period.wait_limit_s = {"AM": 100.0, "OFF": 80.0, "night": 0.0}
    plain = scorer()
    for period, limit_s in [("AM", 100.0), ("OFF", 80.0), ("night", 0.0), ("noon", 80.0), (None, 80.0)]:
        by_period.period, plain.wait_limit_s = period, limit_s
        torch.testing.assert_close(by_period(rows), plain(rows), rtol=0, atol=0)
    assert not torch.equal(by_period(rows), by_period.learned(rows))


@pytest.mark.parametrize("limit", [-1, "x", None, float("nan"), {}, {"AM": 90, "PM": -1}, {"AM": "x"}, [90]])
def test_a_wait_limit_that_is_none_is_refused(limit: Any) -> None:
    with pytest.raises(BadInput, match=f"wait_limit_s={re.escape(str(limit))}: must be at least 0"):
        StageScorer(16, wait_limit_s=limit)


def test_padding_does_not_change_scores() -> None:
    rows = observations(50, 4)
    table, signal = split(rows)
    dirty = table.clone()
    dirty[:, 4:, 3:] = 7.0  # rows that do not exist, whatever stands in them
    network, value = scorer(), StageValue(16)
    torch.testing.assert_close(network(join(dirty, signal)), network(rows))
    torch.testing.assert_close(value(join(dirty, signal)), value(rows))


def test_scores_depend_on_the_stage_the_others_and_the_signal() -> None:
    rows = observations(1, 4)
    table, signal = split(rows)
    table[:, :4, 0] = 1.0
    network = scorer()
    base = network(join(table, signal))[0, :4]
    busier = table.clone()
    busier[0, 2, STAGE_FEATURES.index("standing")] += 0.5
    assert (network(join(busier, signal))[0, :4] != base).all()
    assert (network(join(table, signal + 0.5))[0, :4] != base).all()


def test_the_prior_prefers_queues_long_waits_and_staying() -> None:
    for name, weight in RULES["hold"][0].items():
        table, signal = torch.zeros(1, MAX_STAGES, F), torch.zeros(1, len(SIGNAL_FEATURES))
        table[:, :4, :2] = 1.0
        table[:, 2, STAGE_FEATURES.index(name)] = 1.0
        scores = StageScorer(64, prior="hold")(join(table, signal))[0, :4]
        assert (scores.argmax() == 2) == (weight > 0), name
        assert (scores.argmin() == 2) == (weight < 0), name


def test_the_prior_holds_a_green_for_those_that_come_and_ends_it_when_they_have_passed() -> None:
    def wanted(coming_veh: int) -> int:
        table, signal = torch.zeros(1, MAX_STAGES, F), torch.zeros(1, len(SIGNAL_FEATURES))
        table[:, :4, :2] = 1.0
        table[:, 1, STAGE_FEATURES.index("present")] = 1.0
        table[:, 1, STAGE_FEATURES.index("approaching")] = coming_veh / 40
        table[:, 2, STAGE_FEATURES.index("standing")] = 20 / 40
        table[:, 2, STAGE_FEATURES.index("red")] = 60 / 120
        return int(StageScorer(64, prior="hold")(join(table, signal))[0, :4].argmax())

    assert wanted(coming_veh=10) == 1
    assert wanted(coming_veh=0) == 2


def test_layout_is_what_the_observation_says() -> None:
    assert observations(1, 4).shape == (1, OBSERVATION_SIZE)
    assert STAGE_FEATURES[:3] == ("allowed", "exists", "present")
    assert {name for rule in RULES.values() for weights in rule for name in weights} <= set(STAGE_FEATURES)


def test_the_prior_wave_serves_most_vehicles_in_sight() -> None:
    table, signal = torch.zeros(1, MAX_STAGES, F), torch.zeros(1, len(SIGNAL_FEATURES))
    table[:, :4, :2] = 1.0
    table[:, 1, STAGE_FEATURES.index("present")] = 1.0
    table[:, 1:3, STAGE_FEATURES.index("approaching")] = torch.tensor([5 / 40, 2 / 40])
    table[:, 2, STAGE_FEATURES.index("standing")] = 4 / 40
    scores = StageScorer(64, "wave")(join(table, signal))[0, :4]
    assert scores.argmax() == 2


def test_a_prior_that_is_unknown_is_refused() -> None:
    with pytest.raises(UnknownName, match="surf"):
        StageScorer(16, "surf")


@pytest.mark.parametrize("stages", [1, 2, 4, MAX_STAGES])
def test_attention_is_what_pytorch_has(stages: int) -> None:
    torch.manual_seed(stages)
    attention = _Attention(16)
    seen, exists = torch.randn(9, stages, 16), (torch.rand(9, stages) > 0.3).float()
    parts = attention.look(attention.before(seen)).reshape(9, stages, 3, 4, 4).permute(2, 0, 3, 1, 4)
    visible = (exists[:, None] > 0.5) | torch.eye(stages, dtype=torch.bool)
    query, key, value = parts
    gathered = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible[:, None])
    expected = seen + attention.gather(gathered.transpose(1, 2).reshape(9, stages, 16))
    expected = expected + attention.feed(attention.after(expected))
    there = exists > 0.5
    torch.testing.assert_close(attention(seen, exists)[there], expected[there])
