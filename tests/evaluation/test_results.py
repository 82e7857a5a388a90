"""The JSON of results is a contract: exact keys, null for what is no number, and back again."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenband import __version__, sumo
from greenband.errors import BadInput
from greenband.evaluation import PlaceResult, Result, SubjectResult, load, save
from greenband.evaluation.results import Lost
from greenband.junction_metrics import Level


def place(level: Level, name: str, signal: str, delays: tuple[float, ...]) -> PlaceResult:
    mean = sum(delays) / len(delays)
    return PlaceResult(
        level, name, signal, {"control_delay_s": mean, "queue_max_veh": 7.0}, {"control_delay_s": delays}
    )


PLACES = (
    place("junction", "J1", "J1", (10.0, 20.0, 36.0)),
    place("junction", "J2", "J2", (math.nan,)),
    place("movement", "a>b", "J1", (90.0,)),
    place("movement", "b>c", "J2", (5.0,)),
    place("direction", "northbound", "", (22.0,)),
)


@pytest.fixture
def result() -> Result:
    base = {"delay_s": [40.0, 50.0, 60.0], "mainline_speed_kmh": [20.0, 22.0, math.nan]}
    better = {"delay_s": [30.0, 45.0, 51.0], "mainline_speed_kmh": [25.0, 26.0, 27.0]}
    subjects = (SubjectResult("existing", base, 0), SubjectResult("maxpressure", better, 2, 1, 3, PLACES))
    retried, failed = (Lost("existing", 1, "SUMO ended"),), (Lost("maxpressure", 7, "its process died"),)
    return Result(
        "jincheng",
        "AM",
        (0, 1, 2),
        subjects,
        1.25,
        sensing="field",
        incident="lane a_1 closed",
        retried=retried,
        failed=failed,
    )


def no_constants(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constants)


def test_the_contract(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    save([result], path)
    data = read(path)
    contract = ["greenband", "sumo", "scenario", "period", "seeds", "subjects"]
    assert [key for key in data if key in contract] == contract
    assert set(data) == {*contract, "demand", "sensing", "incident", "paired", "retried", "failed"}
    assert (data["greenband"], data["sumo"]) == (__version__, sumo.version_string())
    assert (data["scenario"], data["period"], data["seeds"], data["demand"]) == ("jincheng", "AM", [0, 1, 2], 1.25)
    assert (data["sensing"], data["incident"]) == ("field", "lane a_1 closed")
    assert data["retried"] == [{"subject": "existing", "seed": 1, "reason": "SUMO ended"}]
    assert data["failed"] == [{"subject": "maxpressure", "seed": 7, "reason": "its process died"}]
    first, second = data["subjects"]
    places = ["junctions", "directions"]
    assert list(first) == ["name", "metrics", "violations", "collisions", "teleports", *places, "source", "plans"]
    delay = {"mean": 50.0, "ci95": [40.0, 60.0], "median": 50.0, "iqm": 50.0, "per_seed": [40.0, 50.0, 60.0]}
    assert first["metrics"]["delay_s"] == delay
    assert second["junctions"] == {
        "J1": {
            "control_delay_s": 22.0,
            "queue_max_veh": 7.0,
            "level_of_service": "C",
            "movements": {"a>b": {"control_delay_s": 90.0, "queue_max_veh": 7.0, "level_of_service": "F"}},
        },
        "J2": {
            "control_delay_s": None,
            "queue_max_veh": 7.0,
            "level_of_service": None,
            "movements": {"b>c": {"control_delay_s": 5.0, "queue_max_veh": 7.0, "level_of_service": "A"}},
        },
    }
    assert second["directions"] == {"northbound": {"control_delay_s": 22.0, "queue_max_veh": 7.0}}
    assert (second["violations"], second["collisions"], second["teleports"]) == (2, 1, 3)
    assert data["paired"] == {
        "maxpressure": {
            "delay_s": {"mean": -8.0, "ci95": [-10.0, -5.0], "wilcoxon_p": 0.25},
            "mainline_speed_kmh": {"mean": 4.5, "ci95": [4.0, 5.0], "wilcoxon_p": 0.5},
        }
    }


def test_what_is_no_number_is_null(result: Result, tmp_path: Path) -> None:
    save([result], tmp_path / "r.json")
    speed = read(tmp_path / "r.json")["subjects"][0]["metrics"]["mainline_speed_kmh"]
    known = {"mean": 21.0, "ci95": [20.0, 22.0], "median": 21.0, "iqm": 21.0}
    assert speed == {**known, "per_seed": [20.0, 22.0, None]}
    result.subjects[0].per_seed["mainline_speed_kmh"] = [math.nan] * 3
    save([result], tmp_path / "r.json")
    data = read(tmp_path / "r.json")
    nothing = {"mean": None, "ci95": None, "median": None, "iqm": None}
    assert data["subjects"][0]["metrics"]["mainline_speed_kmh"] == {**nothing, "per_seed": [None] * 3}
    assert data["paired"]["maxpressure"]["mainline_speed_kmh"] == {"mean": None, "ci95": None, "wilcoxon_p": None}


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    save([Result("s", "AM", (4,), (SubjectResult("a", {"delay_s": [1.0]}, 0),))], tmp_path / "r.json")
    data = read(tmp_path / "r.json")
    assert data["subjects"][0]["metrics"]["delay_s"] == {
        "mean": 1.0,
        "ci95": None,
        "median": 1.0,
        "iqm": 1.0,
        "per_seed": [1.0],
    }
    assert data["paired"] == {}


def test_round_trip(result: Result, tmp_path: Path) -> None:
    save([result], tmp_path / "one.json")
    (back,) = load(tmp_path / "one.json")
    assert back.to_json() == result.to_json()
    assert math.isnan(back.subjects[0].per_seed["mainline_speed_kmh"][2])
    assert back.subject("maxpressure").per_seed == result.subject("maxpressure").per_seed
    assert [replace(p, per_seed={}) for p in PLACES if p.id != "J2"] == [
        p for p in back.subject("maxpressure").places if p.id != "J2"
    ]
    assert [p.level_of_service for p in back.subject("maxpressure").at("junction")] == ["C", ""]
    assert (back.retried, back.failed) == (result.retried, result.failed)
    save([result, back], tmp_path / "two.json")
    assert [item.period for item in load(tmp_path / "two.json")] == ["AM", "AM"]
    assert len(read(tmp_path / "two.json")) == 2


def test_a_file_of_the_contract_alone_is_read(tmp_path: Path) -> None:
    metrics = {"delay_s": {"mean": 1.5, "ci95": [1.0, 2.0], "per_seed": [1.0, 2.0]}}
    data = {
        "greenband": "9",
        "sumo": "8",
        "scenario": "s",
        "period": "AM",
        "seeds": [0, 1],
        "subjects": [{"name": "a", "metrics": metrics, "violations": 0}],
    }
    (tmp_path / "r.json").write_text(json.dumps(data), encoding="utf-8")
    (back,) = load(tmp_path / "r.json")
    assert (back.greenband, back.sumo, back.demand, back.sensing) == ("9", "8", 1.0, None)
    assert (back.subject("a").mean("delay_s"), back.subject("a").collisions) == (1.5, 0)


@pytest.mark.parametrize("text", ["", "{", "{}", "[3]", '{"subjects": []}', '[{"scenario": "s", "subjects": [1]}]'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"r\.json: not a result file"):
        load(tmp_path / "r.json")
    with pytest.raises(BadInput, match=r"none\.json: not a result file"):
        load(tmp_path / "none.json")
