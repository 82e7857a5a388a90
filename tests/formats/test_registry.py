from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from greenband import formats
from greenband.errors import BadInput, UnknownName
from greenband.plan.describe import described
from greenband.plan.model import PlanSet, Provenance
from greenband.plan.rings import to_rings
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario


def plans(scenario: Scenario) -> PlanSet:
    made = {
        name: build_plan(signal, signal.limits(scenario.timing), 100, [3, 1, 2, 1])
        for name, signal in scenario.network.signals.items()
    }
    return PlanSet(provenance=Provenance(subject="hand", scenario=scenario.name), plans={"AM": made})


def test_every_format_reads_back_what_it_wrote(shixin_short: Scenario, tmp_path: Path) -> None:
    written = formats.write(described(plans(shixin_short), shixin_short), "all", tmp_path)
    assert not written.refused
    named = [file for name in ("json", "csv", "sheet", "sumo") for file in written.files[name]]
    assert [str(file.relative_to(tmp_path)) for file in named] == [
        "plan.json",
        *("csv/index.csv", *(f"csv/junction_{name}.csv" for name in shixin_short.network.signals)),
        "sheet/timing.xlsx",
        "plan.add.xml",
    ]
    for place in ("plan.json", "plan.add.xml", "sheet/timing.xlsx", "csv", "csv/index.csv", "."):
        assert formats.read_plan(tmp_path / place).plans == plans(shixin_short).plans
    manifest = json.loads((tmp_path / formats.MANIFEST).read_text())
    assert set(manifest["files"]) == set(formats.FORMATS)
    for files in manifest["files"].values():
        for file, digest in files.items():
            assert hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() == digest
    assert formats.read_plan(tmp_path) == described(plans(shixin_short), shixin_short)
    assert not [file for file in tmp_path.rglob("*") if file.name.startswith(".")]


def test_of_many_plan_sets_none_stays_in_memory(jincheng: Scenario, tmp_path: Path) -> None:
    whole = described(plans(jincheng), jincheng)
    made = {name: (whole.junctions[name], plan) for name, plan in whole.plans["AM"].items()}
    assert all(to_rings(*both) is to_rings(*both) for both in made.values())
    formats.write(whole, "ntcip,utdf,gmns", tmp_path)
    assert to_rings.cache_info().currsize == 0


def test_a_folder_with_only_tables_below_it_is_found(jincheng: Scenario, tmp_path: Path) -> None:
    formats.write(described(plans(jincheng), jincheng), ["csv"], tmp_path)
    assert formats.read_plan(tmp_path) == plans(jincheng)


def test_names_come_from_text_or_list() -> None:
    assert formats.names("csv, json,csv") == ["csv", "json"]
    assert formats.names(["sumo"]) == ["sumo"]
    assert formats.names("all") == list(formats.FORMATS)
    with pytest.raises(
        UnknownName, match=r"unknown format 'jsn': choose from all, csv, gat1049, .*; did you mean 'json'"
    ):
        formats.names("jsn")
    with pytest.raises(BadInput, match="no format named"):
        formats.names(" ,")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none", "no such file or folder"), ("x.txt", "not a plan: allowed are"), ("empty", "holds no plan")],
)
def test_anything_else_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=reason):
        formats.read_plan(tmp_path / name)


def test_a_place_that_cannot_be_written_is_named(jincheng: Scenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"file.*cannot be written"):
        formats.write(plans(jincheng), "json", tmp_path / "file")


def test_a_format_that_cannot_hold_the_plans_is_told_and_the_others_are_written(
    jincheng: Scenario, tmp_path: Path
) -> None:
    """NTCIP holds cycles up to 255 s."""
    (signal,) = jincheng.network.signals.values()
    limits = replace(signal.limits(jincheng.timing), max_green_s=200)
    plan = build_plan(signal, limits, 280, [3, 1, 2, 1])
    found = PlanSet(provenance=Provenance(subject="hand", scenario=jincheng.name), plans={"AM": {signal.id: plan}})
    whole = described(found, jincheng)
    written = formats.write(whole, "all", tmp_path)
    assert "ntcip" in written.refused
    assert "255" in written.refused["ntcip"]
    assert set(written.files) == set(formats.FORMATS) - set(written.refused)
    assert json.loads((tmp_path / formats.MANIFEST).read_text())["refused"] == written.refused
    with pytest.raises(BadInput, match="255"):
        formats.write(whole, "json,ntcip", tmp_path / "named")
