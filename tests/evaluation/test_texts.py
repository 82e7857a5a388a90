"""Results as CSV and Markdown for programs and documents."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from greenband.evaluation import Result, SubjectResult
from greenband.evaluation.texts import FORMATS, best, to_csv, to_markdown


@pytest.fixture
def result() -> Result:
    base = {"delay_s": [40.0, 50.0, 60.0], "stops": [1.0, 1.0, 1.0], "mainline_speed_kmh": [20.0, 22.0, 24.0]}
    better = {"delay_s": [30.0, 45.0, 51.0], "stops": [1.0, 1.0, 1.0], "mainline_speed_kmh": [25.0, math.nan, 27.0]}
    subjects = (SubjectResult("existing", base, 0), SubjectResult("maxpressure", better, 2))
    return Result("jincheng", "AM", (0, 1, 2), subjects, 1.25)


def test_csv_has_a_row_per_figure(result: Result) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv([result, result]))))
    assert len(rows) == 12
    first, other = rows[0], rows[3]
    assert (first["scenario"], first["period"], first["demand"], first["sensing"]) == ("jincheng", "AM", "1.25", "")
    assert (first["subject"], first["metric"], first["unit"], first["seeds"]) == ("existing", "delay_s", "s/veh", "3")
    assert (first["mean"], first["ci95_low"], first["ci95_high"]) == ("50.0", "40.0", "60.0")
    assert (first["median"], first["iqm"], first["difference"]) == ("50.0", "50.0", "")
    assert (other["subject"], other["difference"], other["wilcoxon_p"]) == ("maxpressure", "-8.0", "0.25")
    assert (other["difference_ci95_low"], other["difference_ci95_high"]) == ("-10.0", "-5.0")
    assert (first["greenband"], first["sumo"]) == (result.greenband, result.sumo)
    unknown = rows[5]  # on the second of three seeds nobody drove the whole road
    assert (unknown["metric"], unknown["seeds"], unknown["mean"]) == ("mainline_speed_kmh", "2", "26.0")
    assert (unknown["difference"], unknown["wilcoxon_p"]) == ("4.0", "0.5")


def test_what_no_seed_knows_is_left_empty(result: Result) -> None:
    result.subjects[1].per_seed["mainline_speed_kmh"] = [math.nan] * 3
    row = list(csv.DictReader(io.StringIO(to_csv([result]))))[5]
    assert row["seeds"] == "0"
    assert row["mean"] == row["ci95_low"] == row["difference"] == row["wilcoxon_p"] == ""
    assert to_markdown([result]).splitlines()[5].startswith("| maxpressure | **42.0** [30.0, 51.0] |  | 1.00")


def test_markdown_marks_the_best(result: Result) -> None:
    lines = to_markdown([result]).splitlines()
    assert lines[0] == f"jincheng AM, 3 seeds, demand × 1.25, SUMO {result.sumo}"
    assert lines[2] == "| subject | delay, s/veh | mainline speed, km/h | stops, per veh | violations |"
    assert lines[3] == "|---|---|---|---|---|"
    assert lines[4] == "| existing | 50.0 [40.0, 60.0] | 22.0 [20.0, 24.0] | 1.00 [1.00, 1.00] | 0 |"
    assert lines[5].startswith("| maxpressure | **42.0** [30.0, 51.0] | **26.0** [25.0, 27.0] |")


def test_what_is_best_depends_on_the_metric(result: Result) -> None:
    assert best(result, "delay_s") == {"maxpressure"}
    assert best(result, "mainline_speed_kmh") == {"maxpressure"}
    assert best(result, "stops") == set()  # all alike
    result.subjects[1].per_seed["mainline_speed_kmh"] = [math.nan] * 3
    assert best(result, "mainline_speed_kmh") == set()  # one subject alone has one


def test_json_is_what_the_file_holds(result: Result) -> None:
    assert json.loads(FORMATS["json"]([result])) == result.to_json()
