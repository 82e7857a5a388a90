"""The interlock holds every limit whatever is asked of it; judged from the lamps it shows, second by second."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.errors import InfeasibleLimits
from greenband.signals import Interlock, Limits, Stage, all_red_s, transition_lamps, yellow_s

GREEN = "Gg"


@dataclass(frozen=True)
class Case:
    """A signal and what is asked of it: every ``gaps[i]`` seconds the next of ``asks``, both over and over."""

    stages: tuple[Stage, ...]
    limits: Limits
    asks: tuple[int | None, ...]
    gaps: tuple[int, ...]
    seconds: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    lamps = draw(st.integers(1, 6))
    state = st.text("GGgrrs", min_size=lamps, max_size=lamps).filter(lambda s: set(s) & set(GREEN))
    states = draw(st.lists(state, min_size=1, max_size=5, unique=True))
    stages = tuple(Stage(f"stage {k}", s, ()) for k, s in enumerate(states))
    minima = tuple(draw(st.integers(1, 20)) for _ in stages)
    yellow, red = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    one_round = sum(minima) + len(minima) * (yellow + red) - min(minima)
    maximum = max(minima) + draw(st.sampled_from([0, 1, 7, 60]))
    limits = Limits(yellow, red, minima, maximum, one_round + draw(st.sampled_from([0, 1, 5, 40, 130])))
    ask = st.none() | st.integers(-2, len(stages) + 2)
    asks = tuple(draw(st.lists(ask, min_size=1, max_size=12)))
    gaps = tuple(draw(st.lists(st.sampled_from([1, 1, 1, 2, 5, 17]), min_size=1, max_size=4)))
    return Case(stages, limits, asks, gaps, 3 * limits.max_red_s + 20)


def drive(case: Case, begin: int = 100) -> tuple[Interlock, list[str], list[int]]:
    """Run second by second; returns the interlock, and per second the lamps and the stage (-1 in a transition)."""
    lock = Interlock(case.stages, case.limits, begin)
    asks, gaps = itertools.cycle(case.asks), itertools.cycle(case.gaps)
    next_ask, lamps, stages = begin, [], []
    for now in range(begin, begin + case.seconds):
        lock.tick(now)
        assert lock.mask().any()
        if now == next_ask:
            ask_and_check(lock, next(asks))
            next_ask += next(gaps)
        lamps.append(lock.lamps)
        stages.append(-1 if lock.in_transition else lock.stage)
    return lock, lamps, stages


def ask_and_check(lock: Interlock, wanted: int | None) -> None:
    """What the mask allows is executed, what it forbids is not."""
    if wanted is None:
        return
    before, mask = lock.stage, lock.mask()
    executed = lock.request(wanted)
    allowed = 0 <= wanted < len(mask) and mask[wanted]
    assert executed == lock.stage == (wanted if allowed else before)


def runs(lamps: list[str], link: int) -> list[tuple[str, int, int]]:
    """Runs of one link as (G, y or r; first second; length); permissive counts as G, stop-then-go as r."""
    kinds = ["G" if s[link] in GREEN else "y" if s[link] == "y" else "r" for s in lamps]
    found, start = [], 0
    for kind, group in itertools.groupby(kinds):
        length = len(list(group))
        found.append((kind, start, length))
        start += length
    return found


@settings(max_examples=100, deadline=None)
@given(cases())
def test_each_stream_gets_minimum_green_yellow_and_all_red(case: Case) -> None:
    _, lamps, _ = drive(case)
    limits = case.limits
    for link in range(len(lamps[0])):
        own = [limits.min_green_s[k] for k, s in enumerate(case.stages) if s.state[link] in GREEN]
        seen = runs(lamps, link)
        for (kind, _, length), (after, _, _) in itertools.pairwise(seen):
            if kind == "G":
                assert after == "y"
                assert length >= min(own)
            if kind == "y":
                assert (length, after) == (limits.yellow_s, "r")
        for (kind, start, _), (_, red, _) in itertools.pairwise(seen):
            if kind == "y":  # nobody at all turns green before yellow and all-red are over
                quiet = range(start + 1, min(red + limits.all_red_s, len(lamps)))
                assert not [t for t in quiet if new_green(lamps, t)]


@settings(max_examples=50, deadline=None)
@given(cases())
def test_the_mask_is_the_same_whether_every_order_is_looked_at_or_not(case: Case) -> None:
    lock, asks, gaps = Interlock(case.stages, case.limits, 0), itertools.cycle(case.asks), itertools.cycle(case.gaps)
    while lock.now < case.seconds:
        quick = lock.mask().tolist()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Interlock, "_unhurried", lambda _: False)
            assert lock.mask().tolist() == quick
        lock.request(next(asks) or 0)
        for _ in range(next(gaps)):
            lock.tick(lock.now + 1)


def new_green(lamps: list[str], t: int) -> bool:
    return any(a not in GREEN and b in GREEN for a, b in zip(lamps[t - 1], lamps[t], strict=True))


@settings(max_examples=100, deadline=None)
@given(cases())
def test_each_stage_keeps_minimum_and_maximum_green_and_shows_its_state(case: Case) -> None:
    lock, lamps, stages = drive(case)
    starts = [t - 100 for t, _ in lock.executed] + [case.seconds]
    for (begin, end), (_, stage) in zip(itertools.pairwise(starts), lock.executed, strict=True):
        green = [t for t in range(begin, end) if stages[t] == stage]
        assert all(lamps[t] == case.stages[stage].state for t in green)
        if len(case.stages) > 1:
            assert len(green) <= case.limits.max_green_s
        if end < case.seconds:
            assert len(green) >= case.limits.min_green_s[stage]


@settings(max_examples=100, deadline=None)
@given(cases())
def test_streams_that_stay_keep_green_through_the_change(case: Case) -> None:
    lock, lamps, _ = drive(case)
    times = [t - 100 for t, _ in lock.executed] + [case.seconds]
    for ((_, old), (_, new)), (begin, end) in zip(
        itertools.pairwise(lock.executed), itertools.pairwise(times[1:]), strict=True
    ):
        both = case.stages[old].greens & case.stages[new].greens
        assert all(lamps[t][link] in GREEN for link in both for t in range(begin, end))


@settings(max_examples=200, deadline=None)
@given(cases())
def test_every_stage_is_green_again_within_the_maximum_red(case: Case) -> None:
    lock, _, stages = drive(case)
    for stage in range(len(case.stages)):
        left = [0] + [t - 100 for (_, s), (t, _) in itertools.pairwise(lock.executed) if s == stage]
        for begin in left:
            again = next((t for t in range(begin, case.seconds) if stages[t] == stage), case.seconds)
            assert again - begin <= case.limits.max_red_s


@settings(max_examples=100, deadline=None)
@given(cases())
def test_ticking_at_changes_only_shows_the_same_lamps(case: Case) -> None:
    silent = replace(case, asks=(None,))
    _, lamps, _ = drive(silent)
    lock, shown = Interlock(case.stages, case.limits, 100), {100: case.stages[0].state}
    while lock.next_change < 100 + case.seconds:
        lock.tick(int(lock.next_change))
        shown[lock.now] = lock.lamps
    now = ""
    for t, expected in enumerate(lamps, 100):
        now = shown.get(t, now)
        assert now == expected


def test_red_elapsed_counts_from_leaving() -> None:
    lock = Interlock((Stage("a", "Gr", ()), Stage("b", "rG", ())), Limits(3, 2, (5, 5)), 0)
    lock.tick(9)
    lock.request(1)
    for now in range(10, 21):
        lock.tick(now)
    assert lock.red_elapsed().tolist() == [11, 0]
    assert lock.green_elapsed() == 6
    assert lock.executed == [(0, 0), (9, 1)]


def test_transition_keeps_the_weaker_green() -> None:
    assert transition_lamps("GgGGsr", "rGgGsG") == ("yggGsr", "rggGsr")


def test_a_stage_that_only_adds_green_comes_at_once() -> None:
    lock = Interlock((Stage("a", "Gr", ()), Stage("b", "GG", ())), Limits(3, 2, (5, 5)), 0)
    lock.tick(5)
    assert lock.request(1) == 1
    assert lock.lamps == "GG"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_red_s": 19}, "max_red_s"),
        ({"max_green_s": 9}, "maximum green"),
        ({"min_green_s": (0, 10)}, "minimum green"),
        ({"yellow_s": -1}, "yellow"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    fine = {"yellow_s": 3, "all_red_s": 2, "min_green_s": (10, 10), "max_green_s": 60, "max_red_s": 20}
    Limits(**fine)  # type: ignore[arg-type]
    with pytest.raises(InfeasibleLimits, match=message):
        Limits(**{**fine, **changes})  # type: ignore[arg-type]


def test_a_minimum_green_for_each_stage_is_needed() -> None:
    with pytest.raises(InfeasibleLimits):
        Interlock((Stage("a", "Gr", ()), Stage("b", "rG", ())), Limits(3, 2, (5,)), 0)


def test_intergreen_from_geometry() -> None:
    assert yellow_s(50 / 3.6) == 3  # 1 + 13.9 / 6.1 = 3.28
    assert yellow_s(80 / 3.6) == 5  # 1 + 22.2 / 6.1 = 4.64
    assert all_red_s(30.0, 50 / 3.6) == 2  # 36.1 / 13.9 - 1 = 1.6, rounded up
    assert all_red_s(5.0, 50 / 3.6) == 1  # at least 1 s
