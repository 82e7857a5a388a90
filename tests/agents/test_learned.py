"""Policy files: what is saved acts the same when loaded; what is not a policy is refused and runs no code."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from greenband.agents.learned import (
    CARD,
    WEIGHTS,
    CycleController,
    LearnedController,
    copy_policy,
    load_policy,
    save_policy,
    shape_of,
)
from greenband.agents.networks import URGENCY, CycleActor, StageScorer
from greenband.cli.plan import make_plans
from greenband.control import Controller, ControlLoop, run
from greenband.envs.cycles import CycleSession
from greenband.envs.session import EpisodeConfig
from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.evaluation.tasks import Task, run_one
from greenband.observation import OBSERVATION_SIZE, RED_S, SIGNAL_SCALES, STAGE_FEATURES, STAGE_SCALES, Encoder
from greenband.plan.adaptive import adjusted_plans
from greenband.plan.describe import described
from greenband.plan.greenwave import greenwave
from greenband.plan.rules import PROFILES, check
from greenband.scenario import Scenario

FACTS = {"interval_s": 5, "sensing_range_m": 80.0}


def scorer(hidden: int = 16) -> StageScorer:
    torch.manual_seed(hidden)
    made: StageScorer = StageScorer(hidden, prior="hold", wait_limit_s=90.0)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good policy."""
    save_policy(tmp_path / "policy", scorer(), FACTS)
    return tmp_path / "policy"


def edit_card(folder: Path, **change: Any) -> None:
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    (folder / CARD).write_text(json.dumps({**card, **change}), encoding="utf-8")


def test_shares_of_several_add_up_and_come_back_from_the_file(tmp_path: Path) -> None:
    observations = torch.rand(50, OBSERVATION_SIZE)
    one, other = scorer(), scorer(8)
    with pytest.raises(RuntimeError):  # of another shape
        StageScorer.mixed({one: 0.5, other: 0.5})
    torch.manual_seed(1)
    other = StageScorer(16, prior="hold")
    both = StageScorer.mixed({StageScorer.mixed({one: 0.5, other: 2.0}): 0.5, other: 0.25})
    assert (both.parts, both.wait_limit_s) == (3, 90.0)
    wanted = 0.25 * one.learned(observations) + 1.25 * other.learned(observations)
    assert torch.allclose(both.learned(observations), wanted, atol=1e-4)
    save_policy(tmp_path / "policy", both, FACTS)
    assert shape_of(tmp_path / "policy") == {"hidden": 16, "parts": 3}
    loaded = LearnedController(tmp_path / "policy").network
    assert torch.equal(loaded(observations), both(observations))
    with pytest.raises(BadInput, match="a policy of 3 parts, the one that is trained of 1"):
        copy_policy(tmp_path / "policy", scorer())
    edit_card(tmp_path / "policy", parts=0)
    with pytest.raises(BadInput, match="parts must be at least 1"):
        LearnedController(tmp_path / "policy")


def test_round_trip_decides_alike(folder: Path, shixin_short: Scenario, shorten: Callable[..., Scenario]) -> None:
    controller, network = LearnedController(folder), scorer()
    short = shorten(shixin_short, duration_s=100, warmup_s=60)
    loop = ControlLoop(short, "AM")
    encoder = Encoder(short.network, loop.limits)
    assert isinstance(controller, Controller)
    controller.reset(short, "AM")
    try:
        measurement = loop.reset(2)
        seen = set()
        while not loop.done:
            with torch.inference_mode():
                expected = network(torch.from_numpy(encoder.encode(measurement))).argmax(1).tolist()
            wanted = controller.decide(measurement)
            assert dict(wanted) == dict(zip(short.network.signals, expected, strict=True))
            assert all(measurement.signals[name].allowed[stage] for name, stage in wanted.items())
            seen |= set(expected)
            loop.step(wanted, 5)
            measurement = loop.measure()
        assert len(seen) > 1
    finally:
        loop.close()


def test_a_controller_forgets_between_runs(
    folder: Path, jincheng: Scenario, shixin_short: Scenario, shorten: Callable[..., Scenario]
) -> None:
    controller, short = LearnedController(folder), shorten(jincheng, duration_s=100, warmup_s=60)
    first = run(controller, short, "AM", 1)
    run(controller, shorten(shixin_short, duration_s=20, warmup_s=10), "AM", 1)
    assert run(controller, short, "AM", 1) == first


def test_card_and_files(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    assert card == {
        **FACTS, "mode": "stage", "hidden": 16, "wait_limit_s": 90.0, "parts": 1, "observation_size": OBSERVATION_SIZE,
        "scales": {"stages": STAGE_SCALES, "signal": SIGNAL_SCALES},
    }  # fmt: skip
    assert sorted(path.name for path in folder.iterdir()) == [CARD, WEIGHTS]
    assert LearnedController(str(folder)).interval_s == 5


def test_saving_again_replaces(folder: Path) -> None:
    save_policy(folder, scorer(32), {**FACTS, "interval_s": 7})
    assert LearnedController(folder).interval_s == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation_size": 77}, f"made for observations of size 77, this version has {OBSERVATION_SIZE}"),
        ({"scales": {"stages": {**STAGE_SCALES, "red": 60}, "signal": SIGNAL_SCALES}}, "other features or scales"),
        (
            {"scales": {"stages": dict(reversed(STAGE_SCALES.items())), "signal": SIGNAL_SCALES}},
            "other features or scales",
        ),
        ({"scales": None}, "other features or scales"),
        ({"hidden": 64}, "policy.safetensors: not the weights of a policy"),
        ({"hidden": "many"}, "card.json: not a policy card"),
        ({"wait_limit_s": -1}, "card.json: not a policy card"),
        ({"wait_limit_s": {"AM": "long"}}, "card.json: not a policy card: wait_limit_s="),
        ({"hidden": 0}, "card.json: not a policy card"),
        ({"interval_s": None}, "card.json: not a policy card"),
        ({"interval_s": 0}, "card.json: not a policy card"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(change: dict[str, Any], message: str, folder: Path) -> None:
    edit_card(folder, **change)
    with pytest.raises(BadInput, match=message):
        LearnedController(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "{}", '"hidden interval_s"', '{"hidden": 16}'])
def test_a_broken_card_is_refused(text: str, folder: Path) -> None:
    (folder / CARD).write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"card\.json: not a policy card"):
        LearnedController(folder)


@pytest.mark.parametrize("data", [b"", b"\x00" * 7, b"\xff" * 64, b"not weights, but long enough to be read as some"])
def test_broken_weights_are_refused(data: bytes, folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(BadInput, match=r"policy\.safetensors: not the weights of a policy"):
        LearnedController(folder)


def test_missing_files_are_named(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(BadInput, match=r"policy\.safetensors"):
        LearnedController(folder)
    with pytest.raises(BadInput, match=r"card\.json"):
        LearnedController(folder / "nowhere")


class Bomb:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_loading_does_not_unpickle(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "code ran"
    for data in (pickle.dumps(Bomb(mark)), pickle.dumps({"score": Bomb(mark)}, protocol=2)):
        (folder / WEIGHTS).write_bytes(data)
        with pytest.raises(BadInput, match="not the weights of a policy"):
            LearnedController(folder)
        torch.save(Bomb(mark), folder / WEIGHTS)
        with pytest.raises(BadInput, match="not the weights of a policy"):
            LearnedController(folder)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()  # the bomb is a real one


def test_the_wait_limit_is_that_of_the_period(folder: Path, jincheng: Scenario) -> None:
    made = scorer()
    made.wait_limit_s = {"AM": 100.0, "OFF": 70.0}
    save_policy(folder, made, FACTS)
    controller = LearnedController(folder)
    assert controller.network.wait_limit_s == {"AM": 100.0, "OFF": 70.0}
    table = np.zeros((1, OBSERVATION_SIZE), np.float32)
    late = {"allowed": 1.0, "exists": 1.0, "red": 90 / RED_S, "standing": 1 / 40}
    for name, value in late.items():
        table[0, STAGE_FEATURES.index(name)] = value
    with torch.inference_mode():
        learned = float(controller.network.learned(torch.from_numpy(table))[0, 0])
    gains = {}
    for period in ("AM", "OFF", "PM"):
        controller.reset(jincheng, period)
        gains[period] = float(controller.scores(table)[0, 0]) - learned
    assert gains == pytest.approx({"AM": 0.0, "OFF": 20 * URGENCY, "PM": 20 * URGENCY}, abs=1e-5)


def test_a_card_without_a_wait_limit_has_none(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    del card["wait_limit_s"]
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")
    assert LearnedController(folder).network.wait_limit_s == 0


@pytest.fixture
def cyclic(tmp_path: Path) -> Path:
    """A policy that adjusts plans, by more than an untrained one does."""
    torch.manual_seed(3)
    network = CycleActor(16)
    with torch.no_grad():
        network.common.weight.mul_(100)
        network.split.weight.mul_(100)
    save_policy(tmp_path / "cyclic", network, FACTS)
    return tmp_path / "cyclic"


def test_a_policy_that_adjusts_plans_does_as_it_was_trained(
    cyclic: Path, shixin_short: Scenario, shorten: Callable[..., Scenario]
) -> None:
    controller, short = load_policy(cyclic), shorten(shixin_short, duration_s=500, warmup_s=100)
    assert isinstance(controller, CycleController)
    session = CycleSession(short, EpisodeConfig(mode="cycle"))
    try:
        observations, done, plans = session.reset(4), False, []
        while not done:
            with torch.inference_mode():
                step = session.step(controller.network(torch.from_numpy(observations)).numpy())
            observations, done = step.observations, step.truncated
            plans.append(session.plans.plans)
        assert run(controller, short, "AM", 4) == session.loop.executed
    finally:
        session.close()
    assert len(plans) > 3
    assert len({plan.cycle_s for plan in plans[0].values()}) == 1  # common
    assert plans[0] != plans[1]


def test_its_table_holds_its_mean_adjustments(
    cyclic: Path, shixin_short: Scenario, shorten: Callable[..., Scenario]
) -> None:
    """Made of them directly, not of what the lamps showed; and within the limits of the junctions."""
    short = shorten(shixin_short, duration_s=500, warmup_s=100)
    subject = resolve(str(cyclic))
    plans = make_plans(subject, short, ["AM"], [10_000, 10_001], 1)
    found = [run_one(Task(subject, short, "AM", seed)).adjustments for seed in (10_000, 10_001)]
    assert found[0] != found[1]
    mean = np.mean(found, axis=0)
    assert plans.plans["AM"] == adjusted_plans(short, "AM", mean)
    assert plans.plans["AM"] != adjusted_plans(short, "AM", np.zeros_like(mean))
    cycle = next(iter(plans.plans["AM"].values())).cycle_s
    usual = next(iter(greenwave(short, "AM", 120).plans.values())).cycle_s
    assert cycle == round(usual * np.exp(0.3 * mean[:, -1].mean()))
    assert {finding.rule for finding in check(described(plans, short), PROFILES["cn"])} == {"release"}


def test_the_kind_of_policy_is_in_the_card(folder: Path, cyclic: Path) -> None:
    assert isinstance(load_policy(folder), LearnedController)
    with pytest.raises(BadInput, match="other mode"):
        copy_policy(cyclic, scorer())
    network = CycleActor(16)
    copy_policy(cyclic, network)
    theirs = load_policy(cyclic).network.state_dict()
    assert all((network.state_dict()[name] == theirs[name]).all() for name in theirs)
