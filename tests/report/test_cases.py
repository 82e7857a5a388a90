"""Results are grouped by road and period; what cannot be compared is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenband.errors import BadInput
from greenband.evaluation import Result, SubjectResult
from greenband.report.cases import gather


def result(demand: float = 1.0, period: str = "AM") -> Result:
    delays = {"existing": 60.0, "webster": 50.0, "greenwave": 40.0}
    subjects = tuple(SubjectResult(name, {"delay_s": [delay * demand]}, 0) for name, delay in delays.items())
    return Result("road", period, (0,), subjects, demand)


def test_demands_of_one_road_and_period_are_one_case() -> None:
    first, second = gather([result(1.2), result(period="PM"), result(0.8), result(1.0)])
    assert [r.demand for r in first.results] == [0.8, 1.0, 1.2]
    assert (first.base.demand, first.base.period, second.base.period) == (1.0, "AM", "PM")
    assert [subject.name for subject in first.compared] == ["existing", "greenwave"]


def test_a_lone_subject_stands_alone() -> None:
    one = replace(result(), subjects=result().subjects[:1])
    assert [subject.name for subject in gather([one])[0].compared] == ["existing"]


def test_the_same_run_twice_is_refused() -> None:
    with pytest.raises(BadInput, match=r"two results of road AM, 1 seed.*evaluate the subjects together"):
        gather([result(), result()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": ()}, "has no seed"),
        ({"subjects": ()}, "has no subject"),
        ({"seeds": (0, 1)}, "existing has 1 values of delay_s for 2 seeds"),
        ({"subjects": (SubjectResult("x", {}, 0),)}, "x has no delay_s"),
    ],
)
def test_an_unfit_result_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        gather([replace(result(), **change)])  # type: ignore[arg-type]
