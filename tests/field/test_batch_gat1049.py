"""A batch behind one signal platform of GA/T 1049: what each junction holds in the end, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from greenband.errors import BadInput
from greenband.field.batch import Batch
from greenband.field.connections import wanted
from greenband.field.desk import Desk
from greenband.field.download import Outcome, Patience, Result
from greenband.field.gat1049 import driver, session
from greenband.field.inventory import load
from greenband.field.stand_ins.gat1049 import Faults, PlatformStandIn
from greenband.plan.model import PlanSet

City = Callable[..., PlanSet]

PASSWORD = "platform-secret-Kv3"
JUNCTIONS = 30
OLD, NEW, OTHER = "old", "new", "other"
QUICK = Patience(total_s=3.0, first_s=0.1, longest_s=0.5)
FAULTS: dict[str, tuple[dict[Result, str], str]] = {  # what comes of it, what is held then, and what is said
    # What is corrupt is mended where the connection breaks for all, as then the platform is read before going on.
    "latency_s=0.05": ({Result.DONE: NEW}, ""),
    "untidy": ({Result.DONE: NEW}, ""),
    "replay": ({Result.DONE: NEW}, ""),
    "drop_at_set=2": ({Result.DONE: NEW}, ""),
    "drop_after_set=2": ({Result.DONE: NEW}, ""),
    "lose_set=2": ({Result.DONE: NEW}, ""),
    "silent": ({Result.UNREACHABLE: OLD}, "no answer"),
    "silent_from_set=2": ({Result.UNCLEAR: OTHER}, "no answer"),
    "corrupt_set=1": ({Result.ROLLED_BACK: OLD, Result.DONE: NEW}, ""),
    "refuse=PlanParam.1": ({Result.UNCHANGED: OLD}, "SDE_NotAllow"),
    "refuse=DayPlanParam.2": ({Result.ROLLED_BACK: OLD}, "all is as it was before"),
    "renumber": ({Result.ROLLED_BACK: OLD}, "all is as it was before"),
    "answer=bytes": ({Result.UNCHANGED: OLD, Result.UNREACHABLE: OLD}, ""),
    "answer=stranger": ({Result.UNCHANGED: OLD}, "the platform"),
}
FLASHING = 14  # as what number a junction flashes


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "BACK_OFF_S", (0.02, 0.05, 0.1))
    monkeypatch.setattr(driver, "UNDO_BACK_OFF_S", (0.05, 0.2))  # as often as in earnest: others break the connection
    monkeypatch.setattr(session, "TRIES", 2)


def opened(
    folder: Path, named: dict[str, str], port: int, *, password: str = PASSWORD, limits: object = None, **manner: object
) -> Desk:
    """A desk with these junctions, all with these limits, and a platform that speaks in this manner."""
    content = {
        "secrets": "secrets.yaml",
        "platforms": {
            "p": {"address": f"127.0.0.1:{port}", "user": "greenband", "password": {"secret": "password"}, **manner},
        },
        "controllers": [
            {"junction": name, "protocol": "gat1049", "platform": "p", "cross_id": cross_id, "limits": limits or {}}
            for name, cross_id in named.items()
        ],
    }
    (folder / "secrets.yaml").touch(mode=0o600)
    (folder / "secrets.yaml").write_text(yaml.safe_dump({"password": password}))
    (folder / "controllers.yaml").write_text(yaml.safe_dump(content))
    return Desk(load(folder / "controllers.yaml"))


@pytest.mark.usefixtures("hasty")
def test_of_30_junctions_behind_one_platform_the_healthy_hold_the_new_plan_and_the_faulty_the_old_one(
    city: City, tmp_path: Path
) -> None:
    old, new = city(JUNCTIONS), city(JUNCTIONS, more_s=3, night=True)
    named = {name: f"9{number:013d}" for number, name in enumerate(old.junctions, 1)}
    faulty = dict(zip(old.junctions, FAULTS, strict=False))
    flashing = list(named)[FLASHING]

    async def work() -> tuple[Desk, dict[str, Outcome], PlatformStandIn, dict[str, dict[str, str]]]:
        faults = {named[name]: Faults.of(text) for name, text in faulty.items()}
        async with PlatformStandIn(named.values(), "greenband", PASSWORD, faults=faults) as platform:
            desk = opened(tmp_path, named, platform.port, timeout_s=1)
            for name, cross_id in named.items():
                platform.hold(cross_id, wanted(old, desk.controllers[name]).objects)
            platform.run_as(named[flashing], "13")
            before = {name: platform.held(cross_id) for name, cross_id in named.items()}
            with desk.records.lock("push"), desk.records.journal(desk.secrets) as journal:
                keeper = desk.keeper(journal, desk.records.new_batch("push", new), "push", new.content_hash)
                outcomes = await asyncio.wait_for(Batch(keeper, JUNCTIONS, QUICK).push(desk.of(new)), 120)
            return desk, outcomes, platform, before

    desk, outcomes, platform, before = asyncio.run(work())
    for name, cross_id in named.items():
        results, says = FAULTS[faulty[name]] if name in faulty else ({Result.DONE: NEW}, "")
        if name == flashing:
            results, says = {Result.ROLLED_BACK: OLD}, "flashes"
        one, held = outcomes[name], platform.held(cross_id)
        about = f"{faulty.get(name)}: {one.result}: {one.detail}"
        assert one.result in results, about
        assert says in one.detail, about
        target = dict(wanted(new, desk.controllers[name]).objects)
        assert (NEW if held == target else OLD if held == before[name] else OTHER) == results[one.result], about
    with desk.records.history() as journal:
        assert journal.fault() == ""
        last = {entry.junction: entry for entry in journal.entries()}
    assert {name: (one.step, one.result) for name, one in last.items()} == {
        name: ("ended", one.result) for name, one in outcomes.items()
    }


def test_the_inventory_says_how_a_platform_speaks_and_how_much_it_holds(city: City, tmp_path: Path) -> None:
    plans, named = city(1), {"X001": f"9{1:013d}"}

    async def work() -> list[Outcome]:
        async with PlatformStandIn(named.values(), "greenband", PASSWORD, framing="xml") as platform:
            found: list[Outcome] = []
            for limits in ({"patterns": 1}, {"patterns": 2}):
                desk = opened(tmp_path, named, platform.port, limits=limits, framing="xml", absent=["1002", "x"])
                with desk.records.lock("push"), desk.records.journal(desk.secrets) as journal:
                    keeper = desk.keeper(journal, desk.records.new_batch("push", plans), "push", plans.content_hash)
                    found += (await asyncio.wait_for(Batch(keeper, 1, QUICK).push(desk.of(plans)), 60)).values()
            return found

    over, within = asyncio.run(work())
    assert (over.result, within.result) == (Result.UNCHANGED, Result.DONE)
    assert "the inventory's limit of patterns is 1" in over.detail


@pytest.mark.parametrize("password", [f"{PASSWORD}\n", f"{PASSWORD}\0", f"{PASSWORD}\t", PASSWORD * 50])
def test_a_password_that_no_message_can_hold_is_bad_input_and_not_told(tmp_path: Path, password: str) -> None:
    with pytest.raises(BadInput) as error:
        opened(tmp_path, {"X001": f"9{1:013d}"}, 1, password=password)
    said = f"{error.value}"
    assert said.startswith(f"{tmp_path / 'controllers.yaml'}: platform p: password: it must have 1 to 500 characters")
    assert "\n" not in said
    assert PASSWORD not in f"{error.getrepr(style='native')}{error.value.__context__!r}{error.value.__cause__!r}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency=1", "unknown fault 'latency'.*did you mean 'latency_s'"),
        ("lose_set=x", "fault lose_set: 'x' is not a whole number"),
        ("lose_set=-1", "fault lose_set: -1, but it must be 0 or more"),
        ("latency_s=inf", "fault latency_s: inf"),
        ("answer=words", "unknown kind of fault answer 'words': choose from bytes"),
        ("untidy=perhaps", "fault untidy: 'perhaps', but it is yes or no"),
    ],
)
def test_faults_that_there_are_not_are_bad_input(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Faults.of(text)


def test_faults_are_read_from_a_text() -> None:
    found = Faults.of(" latency_s=0.5, refuse=PlanParam.1 + DayPlanParam.2,untidy,answer=bytes,lose_set=3")
    assert found == Faults(
        0.5, lose_set=3, refuse=frozenset({"PlanParam.1", "DayPlanParam.2"}), untidy=True, answer="bytes"
    )
    assert Faults.of("") == Faults()
