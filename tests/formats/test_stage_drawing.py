from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from PIL import Image

from greenband.formats.stage_drawing import COLOURS, GO, SIDE_PX, WALK, YIELD, stage_picture
from greenband.plan.junction import Junction, SignalGroup, StageDefinition

MIDDLE = SIDE_PX / 2
Marks = Sequence[tuple[int, str]]  # bearing and turn


def group(number: int, bearing: int, turn: str) -> SignalGroup:
    kind = "pedestrian" if turn == "crossing" else "vehicle"
    return SignalGroup.model_validate(
        {"number": number, "kind": kind, "movement": f"m{number}", "bearing": bearing, "turn": turn}
        | {"speed_ms": 10, "crossing_m": 20}
    )


def picture(green: Marks, permitted: Marks = (), left_hand: bool = False) -> bytes:
    """A stage of a junction with four arms."""
    arms = [(bearing, "through") for bearing in (0, 90, 180, 270)]
    groups = tuple(group(number, *mark) for number, mark in enumerate([*green, *permitted, *arms], 1))
    goes = tuple(range(1, len(green) + 1))
    waits = tuple(range(len(green) + 1, len(green) + len(permitted) + 1))
    stage = StageDefinition(name="x", green=goes, permitted=waits, min_green_s=5, max_green_s=50)
    junction = Junction(
        signal="J", number=1, left_hand=left_hand, yellow_s=3, all_red_s=2, max_red_s=99, groups=groups, stages=(stage,)
    )
    return stage_picture(junction, 0)


def pixels(png: bytes, colour: int) -> list[tuple[int, int]]:
    """Places of a colour: to the right, down."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.size == (SIDE_PX, SIDE_PX)
    colours = list(image.get_flattened_data())
    return [(k % SIDE_PX, k // SIDE_PX) for k, found in enumerate(colours) if found == COLOURS[colour]]


@pytest.mark.parametrize(("left_hand", "right_half"), [(False, True), (True, False)])
def test_northbound_traffic_keeps_to_its_side_and_points_north(left_hand: bool, right_half: bool) -> None:
    shown = pixels(picture([(0, "through")], left_hand=left_hand), GO)
    assert all((x > MIDDLE) == right_half for x, _ in shown)
    width = {y: sum(place == y for _, place in shown) for y in range(SIDE_PX)}
    assert max(width, key=lambda y: width[y]) < 0.15 * SIDE_PX  # the head is at the top
    assert width[SIDE_PX - 20] == pytest.approx(6, abs=1)


@pytest.mark.parametrize(
    ("bearing", "turn", "left_hand", "end"),
    [
        (0, "far", False, "W"),
        (0, "near", False, "E"),
        (0, "far", True, "E"),
        (0, "near", True, "W"),
        (90, "far", False, "N"),
        (180, "far", False, "E"),
        (270, "near", False, "N"),
        (180, "back", False, "N"),
        (270, "through", False, "W"),
    ],
)
def test_an_arrow_enters_from_its_arm_and_leaves_where_it_turns_to(
    bearing: int, turn: str, left_hand: bool, end: str
) -> None:
    shown = pixels(picture([(bearing, turn)], left_hand=left_hand), GO)
    edge = 0.15 * SIDE_PX
    sides = {
        "N": any(y < edge for _, y in shown),
        "S": any(y > SIDE_PX - edge for _, y in shown),
        "W": any(x < edge for x, _ in shown),
        "E": any(x > SIDE_PX - edge for x, _ in shown),
    }
    start = {0: "S", 90: "W", 180: "N", 270: "E"}[bearing]
    assert {side for side, touched in sides.items() if touched} == {start, end}


def test_turns_look_unlike_and_the_same_stage_alike() -> None:
    turns = [picture([(0, turn)]) for turn in ("through", "near", "far", "back")]
    assert len(set(turns)) == 4
    assert picture([(0, "far")]) == turns[2]


def test_those_who_give_way_are_lighter_and_dashed() -> None:
    protected, yields = picture([(0, "through")]), picture([], [(0, "through")])
    assert not pixels(protected, YIELD)
    assert not pixels(yields, GO)
    assert len(pixels(yields, YIELD)) < 0.8 * len(pixels(protected, GO))


def test_a_crossing_lies_over_the_arm_that_it_leads_across() -> None:
    shown = pixels(picture([(90, "crossing")]), WALK)  # over the arm from which eastbound traffic comes: the west
    assert all(x < 0.25 * SIDE_PX for x, _ in shown)
    assert min(y for _, y in shown) < 0.35 * SIDE_PX
    assert max(y for _, y in shown) > 0.65 * SIDE_PX


def test_a_slanted_junction_has_its_turns_on_its_arms() -> None:
    groups = (group(1, 30, "far"), group(2, 30, "through"), group(3, 140, "through"), group(4, 210, "through"))
    stage = StageDefinition(name="x", green=(1,), min_green_s=5, max_green_s=50)
    junction = Junction(signal="J", number=1, yellow_s=3, all_red_s=2, max_red_s=99, groups=groups, stages=(stage,))
    shown = pixels(stage_picture(junction, 0), GO)
    x, y = min(shown)  # a left turn from 30 degrees would leave at 300, and the arm is at 320, up and to the left
    assert x < 0.3 * SIDE_PX
    assert y < 0.3 * SIDE_PX
