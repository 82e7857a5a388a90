"""The mainline's directions are the scenario's own words, so that a result may have a metric of any direction."""

from __future__ import annotations

import csv
import io

from greenband.evaluation import Result, SubjectResult
from greenband.evaluation.texts import best, to_csv
from greenband.metrics import METRICS, Metric, find_metric

EAST = "eastbound_speed_kmh"


def test_a_direction_of_any_name_is_a_mainline_speed() -> None:
    assert find_metric(EAST) == Metric(EAST, "eastbound mainline speed", "km/h", 1)
    assert find_metric("northbound_speed_kmh") is METRICS["northbound_speed_kmh"]
    assert find_metric("of_tomorrow") == Metric("of_tomorrow", "of tomorrow", "", 0)


def test_it_is_in_the_table_and_can_be_best() -> None:
    subjects = tuple(
        SubjectResult(name, {"delay_s": [delay], EAST: [speed]}, 0)
        for name, delay, speed in (("existing", 50.0, 20.0), ("greenwave", 40.0, 25.0))
    )
    result = Result("road", "AM", (0,), subjects)
    rows = [row for row in csv.DictReader(io.StringIO(to_csv([result]))) if row["metric"] == EAST]
    assert [(row["subject"], row["unit"], float(row["mean"])) for row in rows] == [
        ("existing", "km/h", 20.0),
        ("greenwave", "km/h", 25.0),
    ]
    assert best(result, EAST) == {"greenwave"}
