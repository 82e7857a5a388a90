"""The long table: a figure a row, with its seed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from greenband import __version__
from greenband.errors import BadInput
from greenband.evaluation import PlaceResult, Result, SubjectResult, parquet


def test_every_figure_of_every_seed(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    place = PlaceResult("movement", "a>b", "J1", {"control_delay_s": 5.0}, {"control_delay_s": (5.0, math.nan)})
    subjects = (SubjectResult("existing", {"delay_s": [40.0, 50.0]}, 0, places=(place,)),)
    results = [Result("jincheng", "AM", (3, 8), subjects, demand, incident="lane closed") for demand in (0.8, 1.2)]
    parquet.write_parquet(results, tmp_path / "new" / "r.parquet")
    table = pq.read_table(tmp_path / "new" / "r.parquet")
    assert tuple(table.column_names) == parquet.COLUMNS
    assert table.schema.metadata[b"greenband"] == __version__.encode()
    found: list[dict[str, Any]] = table.to_pylist()
    assert len(found) == 8
    assert found[1] == {
        "scenario": "jincheng",
        "period": "AM",
        "demand": 0.8,
        "sensing": None,
        "incident": "lane closed",
        "subject": "existing",
        "seed": 8,
        "level": "network",
        "signal": None,
        "id": None,
        "metric": "delay_s",
        "value": 50.0,
    }
    last = found[-1]
    assert (last["demand"], last["seed"], last["level"], last["signal"], last["id"]) == (
        1.2,
        8,
        "movement",
        "J1",
        "a>b",
    )
    assert last["value"] is None


def test_without_its_library_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install 'greenband\[parquet\]'"):
        parquet.check_parquet()
