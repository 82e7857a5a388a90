from __future__ import annotations

import pytest

from greenband.plan import progression
from greenband.plan.artery import Way, find_artery
from greenband.plan.display import lamps_by_second
from greenband.plan.greenwave import Wave, coordinate, greenwave
from greenband.plan.splits import build_plan
from greenband.plan.webster import flow_ratios, plans_at, webster
from greenband.scenario import Scenario
from greenband.signals import GREEN


def band_s(scenario: Scenario, wave: Wave, way: Way, first: int, last: int) -> int:
    """Seconds of the cycle at which a vehicle may pass the first of some signals and meet green at all of them."""
    assert wave.artery is not None
    signals, at = scenario.network.signals, wave.artery.signals
    cycle = wave.plans[at[0]].cycle_s
    lamps = {name: lamps_by_second(signals[name], wave.plans[name]) for name in at}

    def green(i: int, second: float) -> bool:
        now = int(second - wave.plans[at[i]].offset_s) % cycle
        return any(lamps[at[i]][now][link] in GREEN for link in signals[at[i]].movements[way.movements[i]].links)

    steps = [t / 10 for t in range(cycle * 10)]
    stretch = range(first, last + 1)
    return sum(all(green(i, t + way.passes_s[i]) for i in stretch) for t in steps) // 10


def test_splits_and_cycle_are_webster_s(shixin_short: Scenario) -> None:
    plain, wave = webster(shixin_short, "AM", 120), greenwave(shixin_short, "AM", 120)
    assert {n: p.model_copy(update={"offset_s": 0}) for n, p in wave.plans.items()} == plain
    assert any(plan.offset_s for plan in wave.plans.values())


@pytest.mark.parametrize("period", ["AM", "PM", "NIGHT"])
def test_the_bands_told_are_those_of_the_lamps(shixin_short: Scenario, period: str) -> None:
    """Counted on the lamps second by second, with the travel times of the artery."""
    wave = greenwave(shixin_short, period, 120)
    assert wave.artery is not None
    assert wave.artery.inbound is not None
    assert wave.progression is not None
    for section in wave.progression.sections:
        out = band_s(shixin_short, wave, wave.artery.outbound, section.first, section.last)
        back = band_s(shixin_short, wave, wave.artery.inbound, section.first, section.last)
        assert (section.outbound_s, section.inbound_s) == pytest.approx((out, back), abs=1.5)


def test_both_directions_of_an_even_street_roll(shixin_short: Scenario) -> None:
    """With half of the cycle green on the main road there are bands both ways, and the busier way's is the wider."""
    plans = {
        name: build_plan(signal, signal.limits(shixin_short.timing), 100, [5, 1, 1, 1])
        for name, signal in shixin_short.network.signals.items()
    }
    for period, busier in (("AM", "outbound_s"), ("PM", "inbound_s")):  # northbound is outbound
        found = coordinate(shixin_short, period, plans).progression
        assert found is not None
        assert len(found.sections) == 1
        assert min(found.outbound_s, found.inbound_s) > 15
        assert getattr(found, busier) == max(found.outbound_s, found.inbound_s)


def test_a_cycle_that_takes_neighbours_apart_is_lengthened(
    shixin_short: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progression, "FAIR", 0.2)
    plans, ratios = webster(shixin_short, "OFF", 120), flow_ratios(shixin_short, "OFF")
    short = coordinate(shixin_short, "OFF", plans)
    assert (short.cycle_s, short.links) == (68, 0)
    wave = greenwave(shixin_short, "OFF", 120)
    assert wave == coordinate(shixin_short, "OFF", plans_at(shixin_short, "OFF", wave.cycle_s, ratios))
    others = [coordinate(shixin_short, "OFF", plans_at(shixin_short, "OFF", cycle, ratios)) for cycle in (78, 90, 102)]
    assert wave.cycle_s <= 1.5 * 68
    assert wave.links > 0
    assert (wave.links, wave.width_share) >= max((other.links, other.width_share) for other in others)
    assert greenwave(shixin_short, "OFF", 75).cycle_s <= 75


def test_it_says_how_wide_the_bands_are(shixin_short: Scenario) -> None:
    told = greenwave(shixin_short, "AM", 120).describe()
    assert told.startswith("cycle 87 s, green bands J08 to J11 northbound ")
    assert " southbound " in told
    assert "%" in told


def test_a_single_junction_has_offset_zero(jincheng: Scenario) -> None:
    wave = greenwave(jincheng, "AM", 120)
    assert wave.plans == webster(jincheng, "AM", 120)
    assert find_artery(jincheng, "AM") is None
    assert wave.describe() == "cycle 75 s, no two signals in a line"


def test_the_same_input_gives_the_same_plans(shixin_short: Scenario) -> None:
    assert greenwave(shixin_short, "PM", 120) == greenwave(shixin_short, "PM", 120)
