"""The existing plan is an honest one: it clears the AM demand, so that queues do not grow over the hour."""

from __future__ import annotations

import pytest

from greenband.agents.fixed import Existing
from greenband.control import ControlLoop
from greenband.scenario import Scenario

STEP_S = 60


@pytest.mark.parametrize("name", ["jincheng", "shixin_short", "shixin"])
def test_the_existing_plan_clears_the_demand(name: str, request: pytest.FixtureRequest) -> None:
    scenario: Scenario = request.getfixturevalue(name)
    controller, loop = Existing(), ControlLoop(scenario, "AM")
    loop.reset(10_000, begin_with=controller.reset(scenario, "AM"))
    held: list[int] = []
    try:
        while not loop.done:
            for _ in range(STEP_S):
                loop.step(controller.decide(loop.perceive(controller)), 1)
            held.append(loop.simulation.api.vehicle.getIDCount() + loop.simulation.pending())
    finally:
        loop.close()
    hour = held[-60:]
    early, late = sum(hour[5:25]) / 20, sum(hour[-20:]) / 20
    assert late <= 1.1 * early
