"""Tables of counts are read strictly, GEH is the published statistic, and simulated vehicles are counted exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband import counts, registry
from greenband.control import run
from greenband.counts import Agreement, Count, geh, share_good
from greenband.errors import BadInput, SimulationError
from greenband.passages import Passages, drive, stop_lines
from greenband.scenario import Scenario
from greenband.simulation import Records

HEAD = "from_edge,to_edge,begin_s,end_s,veh\n"
GOOD = "S_J11.bay,J11_N,25200,28800,678\n"


def test_geh_of_published_examples() -> None:
    assert geh(1000, 850) == pytest.approx(4.93, abs=0.01)  # 22500 * 2 / 1850 = 24.3
    assert geh(850, 1000) == geh(1000, 850)
    assert geh(100, 0) == pytest.approx(200**0.5)
    assert geh(0, 0) == 0
    assert share_good([4.99, 5.0, 0.0, 9.0]) == 0.5


def test_what_is_written_is_read(jincheng: Scenario, tmp_path: Path) -> None:
    table = [
        Count("S_J11.bay", "J11_N", 25200, 26100, 170),
        Count("S_J11.bay", "J11_N", 26100, 27000, 0),
        Count("N_J11", "", 25200, 26100, 12.5),
    ]
    counts.write(tmp_path / "counts.csv", table)
    assert counts.read(tmp_path / "counts.csv", jincheng.network) == table
    assert [count.location for count in table] == ["S_J11.bay>J11_N", "S_J11.bay>J11_N", "N_J11"]
    assert table[0].veh_h == 680


WRONG = {
    "no column": ("from_edge,to_edge,begin_s,end_s\n", r"no column 'veh' in its first line"),
    "edge": (HEAD + GOOD + "S_J11.bya,J11_N,25200,28800,9\n", r"line 3: from_edge 'S_J11\.bya' .*mean 'S_J11\.bay'\?"),
    "turn": (
        HEAD + "S_J11.bay,J11_X11,0,900,9\n",
        r"drives onto J11_E11, J11_N, J11_W11, not .*'J11_[EW]11'\?",
    ),
    "negative": (HEAD + "S_J11.bay,,0,900,-1\n", r"line 2: veh -1: must be 0 or more"),
    "no number": (HEAD + "S_J11.bay,,0,900,many\n", r"line 2: veh 'many': must be a number"),
    "not finite": (HEAD + "S_J11.bay,,0,900,nan\n", r"line 2: veh 'nan': must be a number"),
    "missing": (HEAD + "S_J11.bay,,0,900\n", r"line 2: veh '': must be a number"),
    "backwards": (HEAD + "S_J11.bay,,900,0,5\n", r"line 2: begin_s 900, end_s 0"),
    "twice": (HEAD + GOOD + "N_J11,,25200,28800,5\n" + GOOD, r"line 4: S_J11\.bay>J11_N is counted .* line 2 already"),
    "overlap": (HEAD + GOOD + "N_J11,,25000,26000,5\n", r"line 3: 25000 to 26000 s overlaps .* line 2"),
    "nothing": (HEAD, r"it counts no vehicle"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_table_with_a_mistake_is_refused_by_line(name: str, jincheng: Scenario, tmp_path: Path) -> None:
    text, message = WRONG[name]
    path = tmp_path / "counts.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"counts\.csv.*" + message):
        counts.read(path, jincheng.network)


def test_a_missing_table_is_refused(jincheng: Scenario, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.csv: cannot be read"):
        counts.read(tmp_path / "gone.csv", jincheng.network)


def test_passages_fall_into_half_open_intervals() -> None:
    passed = Passages([("a", "b", 10.0), ("a", "c", 20.0), ("b", "", 20.0)])
    assert [passed.veh("a", 10, 20), passed.veh("a", 10, 20.5), passed.veh("a>b", 0, 10)] == [1, 2, 0]
    assert [passed.veh("b", 0, 100), passed.veh("b>", 0, 100), passed.veh("x", 0, 100)] == [1, 0, 0]


def test_stop_lines_agree_with_a_count_second_by_second(
    jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    """Counted independently: SUMO's edge data of the edges behind the junction, over the whole run."""
    scenario = shorten(jincheng, duration_s=300, warmup_s=120)
    span = scenario.period("AM")
    edges = tmp_path / "edges.xml"
    recorder = tmp_path / "edges.add.xml"
    begin, end = f'begin="{span.begin_s}"', f'end="{span.end_s}"'
    recorder.write_text(f'<additional><edgeData id="e" file="{edges}" {begin} {end}/></additional>', encoding="utf-8")
    more = scenario.model_copy(update={"additional_files": (*scenario.additional_files, str(recorder))})
    found = stop_lines(more, drive(more, "AM", 3, registry.controller("maxpressure")), span.begin_s, span.end_s)
    assert len(found) == 12
    behind: Counter[str] = Counter()
    for count in found:
        behind[count.to_edge] += int(count.veh)
    entered = {e.attrib["id"]: int(e.attrib["entered"]) for e in ET.parse(edges).getroot().iter("edge")}
    assert sum(behind.values()) > 100
    for edge, veh in behind.items():
        assert abs(veh - entered[edge]) <= 3, edge  # those on the junction when the count begins and ends


def test_routes_are_recorded_only_where_asked(
    jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    scenario = shorten(jincheng, duration_s=20, warmup_s=20)
    records = Records(tmp_path)
    run(registry.controller("maxpressure"), scenario, "AM", 1, records=records)
    assert records.trips.is_file()
    assert not records.routes.exists()
    with pytest.raises(SimulationError, match=r"routes\.xml: SUMO's route record is incomplete"):
        Passages.load(records)


def test_agreement_is_written_with_both_geh(tmp_path: Path) -> None:
    row = Agreement(Count("a", "b", 0, 1800, 425), fitted_veh_h=850, simulated_veh_h=1000)
    counts.write_agreement(tmp_path / "r.csv", [row])
    head, line = (tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()
    assert dict(zip(head.split(","), line.split(","), strict=True)) == {
        "from_edge": "a", "to_edge": "b", "begin_s": "0", "end_s": "1800", "counted_veh_h": "850.00",
        "fitted_veh_h": "850.00", "simulated_veh_h": "1000.00", "fitted_geh": "0.00", "simulated_geh": "4.93",
    }  # fmt: skip
