"""What is drawn on a time-space diagram: the road, the lamps, the vehicles and the bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from greenband.errors import BadInput, UnknownName
from greenband.metrics import Travel
from greenband.plan.artery import Artery, Way, find_artery
from greenband.plan.greenwave import greenwave
from greenband.plan.maxband import Direction
from greenband.plan.model import StageTiming, TimingPlan
from greenband.report import bands
from greenband.report.bands import Stretch, stretches
from greenband.report.cases import Case
from greenband.report.sample import Order, Sample, record, speed_series
from greenband.scenario import Scenario


def test_a_fixed_plan_is_kept_with_the_result_and_an_adaptive_subject_has_none(case: Case, road: Scenario) -> None:
    existing, maxpressure = case.base.subjects
    assert set(existing.plans) == set(road.network.signals)
    assert (existing.source, maxpressure.source, maxpressure.plans) == ("existing", "maxpressure", {})


def test_the_run_simulated_again_is_the_one_evaluated(case: Case, samples: dict[str, Sample]) -> None:
    for subject in case.compared:
        assert samples[subject.name].delay_s == pytest.approx(subject.per_seed["delay_s"][0], abs=1e-5)


def test_the_course_runs_both_ways_over_the_same_stop_lines(samples: dict[str, Sample]) -> None:
    there, back = samples["existing"].passages
    assert there.signals == back.signals == ("J08", "J09", "J10", "J11")
    assert there.course.stop_lines_m[0] == 0
    assert all(b > a for a, b in pairwise(there.course.stop_lines_m))
    assert all(b < a for a, b in pairwise(back.course.stop_lines_m))
    assert back.course.stop_lines_m[-1] == 0
    assert there.course.stop_lines_m[-1] == pytest.approx(1609, abs=60)  # between the outer junctions


def test_greens_follow_the_plan(case: Case, samples: dict[str, Sample], road: Scenario) -> None:
    existing = case.reference
    (passage, _), period = samples["existing"].passages, road.period("AM")
    for signal, k, greens in zip(passage.signals, passage.course.way.movements, passage.greens, strict=True):
        plan, shape = existing.plans[signal], road.network.signals[signal]
        for green in greens:
            if green.begin_s > period.start_s + plan.cycle_s and green.end_s < period.end_s:
                assert k in shape.stages[plan.stage_at(green.begin_s)].movements
                assert green.end_s - green.begin_s < plan.cycle_s


def test_vehicles_move_forward_and_stay_on_the_road(samples: dict[str, Sample]) -> None:
    for sample in samples.values():
        for passage in sample.passages:
            assert len(passage.tracks) > 5
            for track in passage.tracks:
                assert all(b > a for a, b in pairwise(track.times_s))
                assert all(b >= a - 0.2 for a, b in pairwise(track.places_m))
            farthest = max(place for track in passage.tracks for place in track.places_m)
            assert farthest > max(passage.course.stop_lines_m) - 50


def test_vehicles_cross_stop_lines_on_green_alone(samples: dict[str, Sample]) -> None:
    """The sample and the lamps agree: no straight track passes a line in the middle of a red."""
    passage = samples["existing"].passages[0]
    line, greens = passage.course.stop_lines_m[1], passage.greens[1]
    crossed = [
        t0 + (line - a) / (b - a) * (t1 - t0)
        for track in passage.tracks
        for (t0, a), (t1, b) in pairwise(zip(track.times_s, track.places_m, strict=True))
        if a < line <= b and b - a < 80
    ]
    assert crossed
    assert all(any(green.begin_s - 2 <= t <= green.end_s + 6 for green in greens) for t in crossed)


@pytest.fixture
def one_way(jincheng: Scenario, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Stretch]]:
    """The bands that offsets leave on a street of three signals, 20 s apart, with greens of 30 of 60 s."""
    street = Direction((0.0,) * 3, (30.0,) * 3, (0.0, 20.0, 40.0))
    monkeypatch.setattr(bands, "direction", lambda *_: street)
    way = Way("outbound", (0, 0, 0), street.passes_s)
    timing = StageTiming(stage=0, name="a", green_s=54, yellow_s=3, all_red_s=3)

    def found(*offsets_s: int) -> list[Stretch]:
        plans = {
            name: TimingPlan(signal=name, cycle_s=60, offset_s=offset, stages=(timing,))
            for name, offset in zip("abc", offsets_s, strict=True)
        }
        return stretches(jincheng, plans, Artery(("a", "b", "c"), way, None), way)

    return found


def test_bands_of_an_ideal_road(one_way: Callable[..., list[Stretch]]) -> None:
    (whole,) = one_way(0, 20, 40)
    assert (whole.first, whole.last, whole.width_s) == (0, 2, 30)
    assert [begin % 60 for begin in whole.begins_s] == [0, 20, 40]
    (narrow,) = one_way(0, 20, 5)
    assert (narrow.first, narrow.last, narrow.width_s) == (0, 2, 5)
    one, two = one_way(0, 40, 20)  # each comes 20 s later than the one before would like
    assert [(s.first, s.last, s.width_s) for s in (one, two)] == [(0, 1, 10), (1, 2, 10)]
    assert one_way(0, 49, 38) == []  # a second that two greens share is no band


@pytest.mark.parametrize("period", ["AM", "OFF"])
def test_bands_of_a_green_wave_are_those_that_the_plan_tells(shixin: Scenario, period: str) -> None:
    """From end to end one way, by sections the other; in OFF a section is longer than from its first signal on."""
    wave = greenwave(shixin, period, 120)
    assert wave.artery is not None
    assert wave.artery.inbound is not None
    assert wave.progression is not None
    told, last = wave.progression, len(wave.artery.signals) - 1
    assert len(told.sections) > 1
    for way, whole, side in (
        (wave.artery.outbound, told.outbound_s, "out"),
        (wave.artery.inbound, told.inbound_s, "in"),
    ):
        sections = [(s.first, s.last, getattr(s, f"{side}bound_s")) for s in told.sections if s.last > s.first]
        found = [(s.first, s.last, s.width_s) for s in stretches(shixin, wave.plans, wave.artery, way)]
        assert found == ([(0, last, whole)] if whole >= 2 else sections)


def test_bands_need_a_common_cycle(case: Case, road: Scenario) -> None:
    artery = find_artery(road, "AM")
    assert artery is not None
    plans = dict(case.reference.plans)
    found = stretches(road, plans, artery, artery.outbound)
    assert [s.cycle_s for s in found] == [plans["J08"].cycle_s] * len(found) != []
    assert stretches(road, {}, artery, artery.outbound) == []
    plans["J10"] = plans["J10"].model_copy(update={"cycle_s": plans["J10"].cycle_s + 10})
    assert stretches(road, plans, artery, artery.outbound) == []


def test_speeds_without_trips_are_no_numbers(road: Scenario) -> None:
    series = speed_series(Travel((), ()), road, 0, 700)
    assert {name: len(values) for name, values in series.items()} == {
        "northbound_speed_kmh": 3,
        "southbound_speed_kmh": 3,
    }
    assert all(value != value for values in series.values() for value in values)


def test_a_subject_that_is_gone_is_said(case: Case, road: Scenario) -> None:
    gone = replace(case.best, source="policies/gone")
    with pytest.raises(UnknownName, match="policies/gone"):
        record(Order(case.base, gone, road))
    with pytest.raises(BadInput, match="incident"):
        record(Order(replace(case.base, incident="lane x closed"), gone, road))
