from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband import registry
from greenband.errors import BadInput
from greenband.plan.describe import junctions
from greenband.plan.display import junction_phases
from greenband.plan.junction import Junction, SignalGroup, StageDefinition, Walk
from greenband.plan.model import StageTiming, TimingPlan
from greenband.plan.rings import RingPlan, free_groups, greens_of_rings, greens_of_stages, to_rings
from greenband.scenario import Scenario
from greenband.signals import GREEN

N, E, S, W = 0, 90, 180, 270
FROM = {N: "s", E: "w", S: "n", W: "e"}


def group(number: int, bearing: int, turn: str = "through", on_red: bool = False) -> SignalGroup:
    return SignalGroup.model_validate(
        {
            "number": number,
            "movement": f"{FROM[bearing]}>{turn}",
            "bearing": bearing,
            "turn": turn,
            "speed_ms": 13.9,
            "crossing_m": 20,
            "on_red": on_red,
        }
    )


def crossing(number: int, bearing: int) -> SignalGroup:
    return SignalGroup(
        number=number,
        kind="pedestrian",
        movement=f"c{number}",
        bearing=bearing,
        turn="crossing",
        speed_ms=1.2,
        crossing_m=12,
    )


def stage(*green: int, permitted: Sequence[int] = (), walks: Sequence[Walk] = (), least: int = 5) -> StageDefinition:
    name = "+".join(str(number) for number in green)
    return StageDefinition(
        name=name, green=green, permitted=tuple(permitted), min_green_s=least, max_green_s=60, walks=tuple(walks)
    )


def junction(
    groups: Sequence[SignalGroup],
    stages: Sequence[StageDefinition],
    conflicts: Sequence[tuple[int, int]] = (),
    left_hand: bool = False,
) -> Junction:
    return Junction(
        signal="X",
        number=1,
        yellow_s=3,
        all_red_s=2,
        max_red_s=180,
        groups=tuple(groups),
        stages=tuple(stages),
        conflicts=tuple(conflicts),
        left_hand=left_hand,
    )


def plan(greens: Sequence[tuple[int, int]], offset_s: int = 0) -> TimingPlan:
    """Stages with their greens; each is followed by 3 s of yellow and 2 s of all-red."""
    stages = tuple(
        StageTiming(stage=number, name=str(number), green_s=green - 2, green_flash_s=2, yellow_s=3, all_red_s=2)
        for number, green in greens
    )
    cycle = sum(timing.duration_s for timing in stages)
    return TimingPlan(signal="X", name="trial", cycle_s=cycle, offset_s=offset_s, stages=stages)


def shape(made: RingPlan) -> list[tuple[int, int, int, int, tuple[int, ...], int]]:
    return [(p.number, p.ring, p.barrier, p.position, p.groups, p.split_s) for p in made.phases]


NORTH, NORTH_FAR, SOUTH, SOUTH_FAR = group(1, N), group(2, N, "far"), group(3, S), group(4, S, "far")
EAST, EAST_FAR, WEST, WEST_FAR = group(5, E), group(6, E, "far"), group(7, W), group(8, W, "far")
FOUR_LEGS = (NORTH, NORTH_FAR, SOUTH, SOUTH_FAR, EAST, EAST_FAR, WEST, WEST_FAR)
FOUR_STAGES = (stage(1, 3), stage(2, 4), stage(5, 7), stage(6, 8))
FOUR = junction(FOUR_LEGS, FOUR_STAGES)


def test_a_junction_of_four_legs_has_the_usual_phases() -> None:
    made = to_rings(FOUR, plan([(0, 30), (1, 10), (2, 20), (3, 8)], offset_s=17))
    assert (made.cycle_s, made.offset_s) == (88, 17)
    assert shape(made) == [
        (2, 1, 1, 1, (1,), 35),
        (1, 1, 1, 2, (4,), 15),
        (4, 1, 2, 1, (5,), 25),
        (3, 1, 2, 2, (8,), 13),
        (6, 2, 1, 1, (3,), 35),
        (5, 2, 1, 2, (2,), 15),
        (8, 2, 2, 1, (7,), 25),
        (7, 2, 2, 2, (6,), 13),
    ]
    assert [phase.number for phase in made.phases if phase.coordinated] == [2, 6]
    assert [(p.green_s, p.yellow_s, p.all_red_s, p.min_green_s, p.max_green_s) for p in made.ring(1)[:1]] == [
        (30, 3, 2, 5, 60)
    ]
    assert made.starts_s == {2: 17, 1: 52, 4: 67, 3: 4, 6: 17, 5: 52, 8: 67, 7: 4}


def test_leading_turns_move_the_offset_to_the_through_phases() -> None:
    made = to_rings(FOUR, plan([(3, 8), (2, 20), (1, 10), (0, 30)], offset_s=80))
    assert [[phase.number for phase in made.ring(ring)] for ring in (1, 2)] == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert [phase.barrier for phase in made.ring(1)] == [1, 1, 2, 2]
    assert made.offset_s == (80 + 13 + 25 + 15) % 88


def test_turns_that_end_the_cycle_stand_before_the_same_barrier() -> None:
    made = to_rings(FOUR, plan([(0, 30), (2, 20), (3, 8), (1, 10)]))
    assert [(phase.number, phase.barrier) for phase in made.ring(1)] == [(1, 1), (2, 1), (4, 2), (3, 2)]
    assert made.offset_s == 0


def test_no_barrier_is_left_out_where_phases_conflict() -> None:
    crossing_paths = junction(FOUR_LEGS, FOUR_STAGES, conflicts=[(1, 2)])
    made = to_rings(crossing_paths, plan([(0, 30), (1, 10), (2, 20), (3, 8)]))
    assert [(phase.number, phase.barrier) for phase in made.ring(1)] == [(2, 1), (1, 2), (4, 3), (3, 3)]


def test_roads_apart_have_barriers_of_their_own() -> None:
    made = to_rings(FOUR, plan([(0, 30), (2, 20), (1, 10), (3, 8)]))
    assert [(phase.number, phase.barrier) for phase in made.ring(1)] == [(2, 1), (4, 2), (1, 3), (3, 4)]


def test_a_through_phase_spans_the_stages_of_both_its_turns() -> None:
    late = junction(FOUR_LEGS, (stage(1, 2), stage(1, 3), stage(3, 4), stage(5, 7)))
    made = to_rings(late, plan([(0, 10), (1, 20), (2, 12), (3, 25)], offset_s=5))
    assert shape(made) == [
        (2, 1, 1, 1, (1,), 40),  # 10 + 5 + 20 of green, then 5
        (1, 1, 1, 2, (4,), 17),
        (4, 1, 2, 1, (5,), 30),
        (5, 2, 1, 1, (2,), 15),
        (6, 2, 1, 2, (3,), 42),
        (8, 2, 2, 1, (7,), 30),
    ]
    assert made.offset_s == 5
    assert (made.phases[0].min_green_s, made.phases[0].max_green_s) == (5, 125)


def test_a_t_junction_leaves_phases_out() -> None:
    three = (NORTH, SOUTH, SOUTH_FAR, group(5, W, "near"), group(6, W, "far"))
    made = to_rings(junction(three, (stage(1, 3), stage(3, 4), stage(5, 6))), plan([(0, 30), (1, 10), (2, 15)]))
    assert shape(made) == [
        (2, 1, 1, 1, (1,), 35),
        (1, 1, 1, 2, (4,), 15),
        (6, 2, 1, 1, (3,), 50),
        (8, 2, 2, 1, (5, 6), 20),
    ]


def test_an_approach_alone_has_its_turn_and_its_through_traffic_side_by_side() -> None:
    split = junction(FOUR_LEGS, (stage(1, 3), stage(5, 6), stage(7, 8)))
    made = to_rings(split, plan([(0, 30), (1, 10), (2, 15)]))
    assert shape(made) == [
        (2, 1, 1, 1, (1,), 35),
        (4, 1, 2, 1, (5,), 15),
        (3, 1, 2, 2, (8,), 20),
        (6, 2, 1, 1, (3,), 35),
        (7, 2, 2, 1, (6,), 15),
        (8, 2, 2, 2, (7,), 20),
    ]
    assert made.starts_s == {2: 0, 6: 0, 4: 35, 7: 35, 3: 50, 8: 50}


def test_only_one_ring_rests() -> None:
    made = to_rings(
        junction((NORTH, SOUTH, EAST, WEST), (stage(1, 3), stage(5), stage(7))), plan([(0, 30), (1, 10), (2, 15)])
    )
    assert shape(made) == [
        (2, 1, 1, 1, (1,), 35),
        (4, 1, 2, 1, (5,), 15),
        (3, 1, 3, 1, (7,), 20),
        (6, 2, 1, 1, (3,), 35),
    ]
    assert made.starts_s == {2: 0, 6: 0, 4: 35, 3: 50}


def test_where_approaches_are_no_cross_each_green_is_a_phase() -> None:
    five = (group(1, N), group(2, S), group(3, E), group(4, E).model_copy(update={"movement": "far_w>x"}), group(5, W))
    made = to_rings(junction(five, (stage(1, 2), stage(3, 5), stage(4))), plan([(0, 30), (1, 10), (2, 15)]))
    assert shape(made) == [(1, 1, 1, 1, (1, 2), 35), (2, 1, 2, 1, (3, 5), 15), (3, 1, 3, 1, (4,), 20)]
    assert [phase.coordinated for phase in made.phases] == [True, False, False]


def test_free_right_turns_go_with_their_approach() -> None:
    free = group(9, N, "near", on_red=True)
    always = group(10, E, "near")
    stages = [one.model_copy(update={"green": (*one.green, 10)}) for one in FOUR_STAGES]
    there = junction((*FOUR_LEGS, free, always), stages)
    timing = plan([(0, 30), (1, 10), (2, 20), (3, 8)])
    made = to_rings(there, timing)
    assert {phase.number: phase.groups for phase in made.phases if len(phase.groups) > 1} == {2: (1, 9), 4: (5, 10)}
    assert free_groups(there, timing) == {9, 10}


@pytest.mark.parametrize(("left_hand", "phase"), [(False, 6), (True, 2)])
def test_people_walk_beside_the_traffic_at_whose_near_side_they_are(left_hand: bool, phase: int) -> None:
    west_leg = crossing(9, E)  # over the approach that travels east
    stages = [stage(1, 3, 9, walks=[Walk(group=9, walk_s=7, flash_s=10)], least=15), *FOUR_STAGES[1:]]
    made = to_rings(junction((*FOUR_LEGS, west_leg), stages, left_hand=left_hand), plan([(0, 30), (1, 10), (2, 20)]))
    assert [(p.number, p.walk_s, p.clearance_s) for p in made.phases if p.walk_s] == [(phase, 7, 8)]


def test_a_stage_for_people_alone_is_a_phase() -> None:
    stages = [stage(1, 3), stage(5, 7), stage(9, walks=[Walk(group=9, walk_s=7, flash_s=10)], least=15)]
    made = to_rings(junction((*FOUR_LEGS, crossing(9, E)), stages), plan([(0, 30), (1, 20), (2, 15)]))
    assert [(p.number, p.barrier, p.groups, p.walk_s) for p in made.ring(1)] == [
        (2, 1, (1,), 0),
        (4, 2, (5,), 0),
        (1, 3, (9,), 7),
    ]


walked = [Walk(group=9, walk_s=7, flash_s=20)]
refusals = {
    "not in a row": (
        (stage(1, 3), stage(5), stage(1, 2), stage(7)),
        (),
        "signal group 1 is green in stages that do not follow",
    ),
    "three at once": ((stage(1, 3, 5), stage(3, 5), stage(5, 6), stage(7)), (), "more than two phases"),
    "no barrier": ((stage(1, 3), stage(3, 5), stage(5, 7), stage(7, 1)), (), "there is no barrier"),
    "a gap": ((stage(1, 3), stage(3), stage(5)), (), "with phases 2, 6 a ring would have none for 25 s before"),
    "overlap": ((StageDefinition.model_validate(stage(1, 3, permitted=[2, 4])), stage(2, 4)), (), "an overlap"),
    "conflict": ((stage(1, 5), stage(3, 7)), ((1, 5),), "signal groups 1 and 5 conflict, and are protected in stage"),
    "no change": ((stage(1, 3),), (), "no signal group ever changes"),
    "no walk": ((stage(1, 3, 9), stage(5, 7)), (), "signal group 9 would walk 20 s, which its stages do not have"),
    "not clear": ((stage(1, 3, 9, walks=walked), stage(5, 7)), (), "signal group 9 is not clear of pedestrians"),
    "nobody": ((stage(1, 3), stage(5, 7), stage()), (), "with phases 4, 8 a ring would have none for 20 s"),
}


@pytest.mark.parametrize("case", refusals)
def test_what_rings_cannot_show_is_refused(case: str) -> None:
    stages, conflicts, reason = refusals[case]
    there = junction((*FOUR_LEGS, crossing(9, E)), stages, conflicts=conflicts)
    with pytest.raises(BadInput, match="junction X, plan 'trial': not possible with rings and barriers: ") as caught:
        to_rings(there, plan([(number, 20) for number in range(len(stages))]))
    assert reason in str(caught.value)


def test_a_ring_holds_four_phases() -> None:
    groups = [group(number, N).model_copy(update={"movement": f"{number}>x"}) for number in range(1, 6)]
    with pytest.raises(BadInput, match="ring 1 would hold 5 phases, and it has 4"):
        to_rings(junction(groups, [stage(n) for n in range(1, 6)]), plan([(n, 10) for n in range(5)]))


@pytest.fixture(scope="module")
def known(shixin_short: Scenario, jincheng: Scenario) -> list[Junction]:
    scenarios = (shixin_short, jincheng, registry.scenario("shixin_short+people"), registry.scenario("macau_amizade"))
    return [found for scenario in scenarios for found in junctions(scenario).values()]


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_rings_show_what_the_lamps_do(known: list[Junction], data: st.DataObject) -> None:
    there = data.draw(st.sampled_from(known))
    order = data.draw(st.permutations(range(len(there.stages))))[: data.draw(st.integers(2, len(there.stages)))]
    greens = [(n, data.draw(st.integers(there.stages[n].min_green_s, 60))) for n in order]
    timing = plan(greens)
    timing = timing.model_copy(
        update={"offset_s": data.draw(st.integers(0, timing.cycle_s - 1)), "signal": there.signal}
    )
    lamps = [shown for duration, shown, _ in junction_phases(there, timing) for _ in range(duration)]
    wanted = {
        g.number: {
            (timing.offset_s + k) % timing.cycle_s for k, shown in enumerate(lamps) if shown[g.links[0]] in GREEN
        }
        for g in there.groups
    }
    assert greens_of_stages(there, timing) == wanted
    made = to_rings(there, timing)
    shown = greens_of_rings(there, made)
    driven = {n for n, seconds in wanted.items() if seconds and n not in free_groups(there, timing)}
    assert {n: shown[n] for n in driven} == {n: wanted[n] for n in driven}
    check_barriers(made)
    starts = [made.starts_s[phase.number] for phase in made.phases if phase.coordinated]
    assert made.offset_s in starts


def check_barriers(made: RingPlan) -> None:
    """Both rings end together at each barrier, or one has no phase there; barriers sum to the cycle."""
    total = 0
    for barrier in sorted({phase.barrier for phase in made.phases}):
        sums = [sum(p.split_s for p in made.ring(ring) if p.barrier == barrier) for ring in (1, 2)]
        assert len(set(sums) - {0}) == 1
        total += max(sums)
    assert total == made.cycle_s


small = [
    (1, 3), (2, 4), (1, 2), (3, 4), (5, 7), (6, 8), (5, 6), (7, 8), (1,), (3,), (5,), (7, 3), (1, 2, 3), (1, 3, 9),
]  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(
    stages=st.lists(st.sampled_from(small), min_size=1, max_size=6),
    greens=st.lists(st.integers(2, 40), min_size=6, max_size=6),
    offset=st.integers(0, 1000),
)
def test_any_stages_are_shown_or_refused(stages: list[tuple[int, ...]], greens: list[int], offset: int) -> None:
    there = junction((*FOUR_LEGS, group(9, N, "near")), [stage(*green) for green in stages])
    timing = plan(list(zip(range(len(stages)), greens, strict=False)))
    timing = timing.model_copy(update={"offset_s": offset % timing.cycle_s})
    try:
        made = to_rings(there, timing)
    except BadInput:
        return
    check_barriers(made)
    shown, free = greens_of_rings(there, made), free_groups(there, timing)
    for number, seconds in greens_of_stages(there, timing).items():
        assert number in free or shown.get(number, frozenset()) == seconds
    assert len({phase.number for phase in made.phases}) == len(made.phases)
