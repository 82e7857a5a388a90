"""ONNX files decide as the policies that they are made of."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from greenband.agents.learned import LearnedController, load_policy, save_policy
from greenband.agents.networks import CycleActor, StageScorer
from greenband.agents.onnx_file import write_onnx
from greenband.errors import BadInput
from greenband.observation import MAX_STAGES, OBSERVATION_SIZE, STAGE_FEATURES, action_mask


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policies") / "one"
    torch.manual_seed(1)
    save_policy(folder, StageScorer(prior="hold"), {"interval_s": 5, "sensing_range_m": 80.0})
    return folder


@pytest.fixture(scope="module")
def file(policy: Path) -> Path:
    path = policy.parent / "out" / "one.onnx"
    write_onnx(policy, path)
    return path


def observations(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Random ones with 1 to ``MAX_STAGES`` stages, some of them allowed."""
    rng = np.random.default_rng(0)
    made = rng.random((n, OBSERVATION_SIZE), np.float32)
    stages = made[:, : MAX_STAGES * len(STAGE_FEATURES)].reshape(n, MAX_STAGES, -1)
    exists = np.arange(MAX_STAGES) < rng.integers(1, MAX_STAGES + 1, n)[:, None]
    present = (rng.random(n) * exists.sum(axis=1)).astype(int)
    stages[..., 0] = exists & (rng.random((n, MAX_STAGES)) < 0.6)
    stages[np.arange(n), present, 0] = 1
    stages[..., 1] = exists
    stages[..., 2] = np.arange(MAX_STAGES) == present[:, None]
    return made


def test_actions_equal_those_of_torch_on_ten_thousand_observations(policy: Path, file: Path) -> None:
    seen = observations(10_000)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    scores, stage = session.run(["scores", "stage"], {"observations": seen})
    with torch.inference_mode():
        expected = LearnedController(policy).network(torch.from_numpy(seen)).numpy()
    assert (stage == expected.argmax(axis=1)).all()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    assert action_mask(seen)[np.arange(len(seen)), stage].all()
    assert len(np.unique(stage)) == MAX_STAGES


@pytest.mark.parametrize("n", [1, 2, 5])
def test_any_number_of_signals_can_be_decided_at_once(file: Path, n: int) -> None:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    scores, stage = session.run(None, {"observations": observations(n)})
    assert (scores.shape, stage.shape) == ((n, MAX_STAGES), (n,))


def test_a_wait_limit_by_period_makes_a_file_for_each(policy: Path, tmp_path: Path) -> None:
    network = LearnedController(policy).network
    network.wait_limit_s = {"AM": 100.0, "OFF": 20.0}
    save_policy(tmp_path / "two", network, {"interval_s": 5})
    files = write_onnx(tmp_path / "two", tmp_path / "v1.2.onnx")
    assert files == [tmp_path / "v1.2.AM.onnx", tmp_path / "v1.2.OFF.onnx"]
    seen, found = observations(500), []
    for file, period in zip(files, ("AM", "OFF"), strict=True):
        network.period = period
        with torch.inference_mode():
            expected = network(torch.from_numpy(seen)).numpy()
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        scores, stage = session.run(["scores", "stage"], {"observations": seen})
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
        assert (stage == expected.argmax(axis=1)).all()
        found.append(stage)
    assert (found[0] != found[1]).any()


def test_a_period_from_elsewhere_leads_to_no_file_outside(policy: Path, tmp_path: Path) -> None:
    network = LearnedController(policy).network
    network.wait_limit_s = {"AM": 100.0, "/../../x": 20.0}
    save_policy(tmp_path / "two", network, {"interval_s": 5})
    with pytest.raises(BadInput, match=r"period '/\.\./\.\./x' of its wait limits cannot be part of a file's name"):
        write_onnx(tmp_path / "two", tmp_path / "out" / "x.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_the_card_is_in_the_file(policy: Path, file: Path) -> None:
    metadata = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).get_modelmeta()
    card = json.loads((policy / "card.json").read_text(encoding="utf-8"))
    assert json.loads(metadata.custom_metadata_map["card"]) == card


def test_without_the_extra_packages_it_says_what_to_install(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(BadInput, match=r"pip install \"greenband\[onnx\]\""):
        write_onnx(policy, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_a_policy_that_adjusts_plans_is_exported_too(tmp_path: Path) -> None:
    torch.manual_seed(2)
    save_policy(tmp_path / "cyclic", CycleActor(16), {"interval_s": 5, "sensing_range_m": 80.0})
    write_onnx(tmp_path / "cyclic", tmp_path / "cyclic.onnx")
    seen = observations(500)
    session = onnxruntime.InferenceSession(tmp_path / "cyclic.onnx", providers=["CPUExecutionProvider"])
    (adjustments,) = session.run(["adjustments"], {"observations": seen})
    with torch.inference_mode():
        expected = load_policy(tmp_path / "cyclic").network(torch.from_numpy(seen)).numpy()
    exists = seen[:, 1 : MAX_STAGES * len(STAGE_FEATURES) : len(STAGE_FEATURES)] > 0.5
    kept = np.concatenate([exists, np.ones((len(seen), 2), bool)], axis=1)
    np.testing.assert_allclose(adjustments[kept], expected[kept], rtol=1e-4, atol=1e-5)
