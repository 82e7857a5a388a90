"""Loss from tabulation, by hand."""

from __future__ import annotations

import pytest

from greenband.evaluation.results import Result, SubjectResult
from greenband.evaluation.tabulation import losses


def subject(name: str, *delays: float) -> SubjectResult:
    return SubjectResult(name, {"delay_s": list(delays)}, 0, 0, 0)


def test_the_loss_is_paired_with_the_policy_not_the_first_subject() -> None:
    subjects = (
        subject("existing", 50, 60),
        subject("policy", 30, 50),
        subject("plan", 33, 51),
        subject("more", 20, 40),
    )
    plan, more = losses(Result("road", "AM", (0, 1), subjects), "policy", ["plan", "more"])
    assert plan.delay_s == 2.0
    assert plan.relative == pytest.approx(0.05)
    assert plan.ci95 == (1.0, 3.0)  # of two differences, 1 and 3
    assert str(plan) == "loss from tabulation, plan against policy: delay +2.0 s (+5.0 %), 95 % +1.00 to +3.00"
    assert more.delay_s == -10.0
    assert more.relative == pytest.approx(-0.25)


def test_one_seed_has_no_interval() -> None:
    (plan,) = losses(Result("road", "AM", (0,), (subject("policy", 40), subject("plan", 41))), "policy", ["plan"])
    assert str(plan) == "loss from tabulation, plan against policy: delay +1.0 s (+2.5 %)"
