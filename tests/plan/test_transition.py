from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband import registry
from greenband.errors import BadInput
from greenband.plan.describe import junctions
from greenband.plan.junction import Junction
from greenband.plan.model import TimingPlan
from greenband.plan.splits import build_plan
from greenband.plan.transition import bridge

SCENARIO = registry.scenario("jincheng+people")
(SIGNAL,) = SCENARIO.network.signals.values()
LIMITS = SIGNAL.limits(SCENARIO.timing)
(JUNCTION,) = junctions(SCENARIO).values()


def plan(
    cycle: int, offset: int = 0, order: tuple[int, ...] = (0, 1, 2, 3), weights: tuple[int, ...] = (3, 1, 2, 1)
) -> TimingPlan:
    return build_plan(SIGNAL, LIMITS, cycle, weights, offset, f"{cycle} s", order)


def test_plans_in_step_follow_at_once() -> None:
    (step,) = bridge(JUNCTION, plan(110, 20), plan(120, 20 + 110 * 5), 500)  # 110 x 5 + 20 = 570 is in both
    assert (step.start_s, step.between, step.plan) == (570, False, plan(120, 570))


def test_a_gap_is_closed_the_short_way() -> None:
    """The old plan ends at 550; the new one begins at 0 modulo 120, so 10 s sooner or 50 s later: twice 5 s less."""
    one, *rest = bridge(JUNCTION, plan(110), plan(120, 60), 500)
    assert one.start_s == 550
    assert one.between
    assert sum(step.plan.cycle_s for step in (one, *rest[:-1])) in (110, 230, 350, 470, 590, 710)
    assert rest[-1].start_s % 120 == 60
    assert not rest[-1].between


def test_another_first_stage_is_begun_with_the_old_one() -> None:
    steps = bridge(JUNCTION, plan(110), plan(120, 33, (2, 3, 0, 1)), 500)
    assert all(step.plan.stages[0].stage == 0 for step in steps)
    last = steps[-1].plan
    assert [stage.stage for stage in last.stages] == [0, 1, 2, 3]
    before_s = sum(stage.duration_s for stage in plan(120, 33, (2, 3, 0, 1)).stages[:2])
    assert last.offset_s == (33 + before_s) % 120


@settings(max_examples=150, deadline=None)
@given(
    cycles=st.tuples(st.integers(100, 170), st.integers(100, 170)),
    offsets=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    at_s=st.integers(0, 86_000),
    order=st.permutations(range(4)),
)
def test_steps_join_without_a_break_within_limits(
    cycles: tuple[int, int], offsets: tuple[int, int], at_s: int, order: list[int]
) -> None:
    old, new = plan(cycles[0], offsets[0]), plan(cycles[1], offsets[1], tuple(order))
    steps = bridge(JUNCTION, old, new, at_s)
    assert at_s <= steps[0].start_s < at_s + old.cycle_s
    assert (steps[0].start_s - old.offset_s) % old.cycle_s == 0
    for step, after in pairwise(steps):
        assert step.start_s + step.plan.cycle_s == after.start_s
    for step in steps:
        assert (step.start_s - step.plan.offset_s) % step.plan.cycle_s == 0
        for stage in step.plan.stages:
            known = JUNCTION.stages[stage.stage]
            assert known.min_green_s <= stage.go_s <= known.max_green_s
            assert step.plan.cycle_s - stage.go_s <= JUNCTION.max_red_s
    shown, wanted = steps[-1].plan, new
    for second in range(0, wanted.cycle_s, 7):
        assert shown.stage_at(second) == wanted.stage_at(second)


def test_what_cannot_be_bridged_says_so() -> None:
    tight = JUNCTION.model_copy(
        update={
            "stages": tuple(
                stage.model_copy(update={"min_green_s": timing.go_s, "max_green_s": timing.go_s})
                for stage, timing in zip(JUNCTION.stages, plan(120).stages, strict=True)
            )
        }
    )
    assert isinstance(tight, Junction)
    with pytest.raises(BadInput, match=r"no 6 cycles within its limits lead from '110 s' to '120 s'"):
        bridge(tight, plan(110), plan(120, 60), 500)
