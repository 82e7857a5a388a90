"""What a sensing configuration refuses."""

from __future__ import annotations

from typing import Any

import pytest

from greenband import registry
from greenband.errors import BadInput, UnknownName
from greenband.sensing import SensingConfig


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"range_m": 0.0}, "range_m must be above 0, not 0.0"),
        ({"range_m": -5.0}, "range_m must be above 0, not -5.0"),
        ({"range_m": float("nan")}, "range_m must be above 0, not nan"),
        ({"range_m": "far"}, "range_m must be a number, not 'far'"),
        ({"loop_m": 0}, "loop_m must be above 0, not 0"),
        ({"count_passed": 1}, "count_passed must be true or false, not 1"),
        ({"miss_rate": -0.1}, "miss_rate must be 0 to 1, not -0.1"),
        ({"miss_rate": 1.1}, "miss_rate must be 0 to 1, not 1.1"),
        ({"miss_rate": True}, "miss_rate must be a number, not True"),
        ({"noise": -1}, "noise must be at least 0 and finite, not -1"),
        ({"noise": float("inf")}, "noise must be at least 0 and finite, not inf"),
        ({"hold_s": None}, "hold_s must be a number, not None"),
        ({"hold_s": -1}, "hold_s must be at least 0 and finite, not -1"),
        ({"dropout_per_h": 1.0}, "dropout_per_h and dropout_s must both be above 0, or both 0"),
        ({"junction_dropout_s": 5}, "junction_dropout_per_h and junction_dropout_s must both be above 0, or both 0"),
        ({"dropout_per_h": float("nan"), "dropout_s": 1}, "dropout_per_h must be at least 0 and finite, not nan"),
    ],
)
def test_what_a_configuration_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=f"^sensing {message}$"):
        SensingConfig(**change)


def test_an_unknown_kind_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r"unknown kind of sensing 'loop'.*did you mean 'loops'"):
        SensingConfig(kind="loop")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "faultless", "drops_out"),
    [
        (SensingConfig(), True, False),
        (SensingConfig(20.0, "loops", count_passed=True), True, False),
        (SensingConfig(miss_rate=0.1), False, False),
        (SensingConfig(noise=0.1), False, False),
        (SensingConfig(dropout_per_h=1, dropout_s=1), False, True),
        (SensingConfig(junction_dropout_per_h=1, junction_dropout_s=1), False, True),
    ],
)
def test_which_configurations_have_faults(config: SensingConfig, faultless: bool, drops_out: bool) -> None:
    assert (config.faultless, config.drops_out) == (faultless, drops_out)


def test_the_shipped_options() -> None:
    made = {name: registry.make("sensing", name) for name in registry.names("sensing")}
    assert set(made) == {"camera", "field", "loops", "outage", "perfect"}
    assert made["camera"] == SensingConfig()
    assert [made[name].kind for name in ("camera", "field", "loops", "perfect")] == ["camera"] * 2 + [
        "loops",
        "camera",
    ]
    assert {name for name, config in made.items() if not config.faultless} == {"field", "outage"}
    assert made["field"].drops_out
