"""The NTCIP driver against a controller in memory, with every request and answer lost, refused or fatal in turn."""

from __future__ import annotations

import asyncio
import datetime
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import pytest
from pydantic import SecretStr

from greenband.errors import BadInput
from greenband.field.download import Patience, Prepared, Result, applied, resumed
from greenband.field.driver import FieldError, Refused, Unclear, Unreachable
from greenband.field.holding import Holding
from greenband.field.ntcip import NtcipDriver
from greenband.field.ntcip import driver as ntcip
from greenband.field.ntcip.limits import LIMITS, MOST_OBJECTS, MOST_ROWS
from greenband.field.ntcip.status import STATUS
from greenband.field.ntcip.transaction import DATABASE, VERIFY_ERROR, VERIFY_STATUS, Waits
from greenband.field.snmp import Access, NotWritable, Restarted
from greenband.field.snmp.ber import Unsigned, Value
from greenband.formats.ntcip_objects import ASC, Action, Event, ScheduleRow, objects_of
from greenband.formats.ntcip_rings import UNIT
from greenband.formats.ntcip_rings import UNUSED as PHASE
from greenband.formats.ntcip_tables import object_of

ACCESS = Access("127.0.0.1", user="u", auth=SecretStr("authauth"), private=SecretStr("privpriv"))
QUICK = Waits(verify_s=0.2, settle_s=0.2, tries=3)
NORMAL, TRANSACTION, VERIFY, DONE = 1, 2, 3, 6
TYPE, FREE, LOCAL_TIME = f"{ASC}.4.6.0", STATUS["localFreeStatus"], "1.3.6.1.4.1.1206.4.2.6.3.6.0"
SEQUENCE, DATES = "sequenceData.1.1", "timeBaseScheduleDate.1"
FAULTS = ["request lost", "answer lost", "dead after", "restart before", "restart after", "genErr", "late duplicate"]


class Controller:
    """Objects in memory behind the transactions of NTCIP 1201, as an ``SnmpSession`` shows them.

    ``fault`` says what becomes of the request of a number, counted from 0.
    """

    per_message = 3

    def __init__(self, held: dict[str, Value], fault: dict[int, str] | None = None, *, v3: bool = True) -> None:
        self.memory, self.buffer = dict(held), dict[str, Value]()
        self.state, self.status, self.complaint = NORMAL, 1, b""
        self.verifies = 1  # polls until it is done
        self.notices_restarts, self.fault = v3, fault or {}
        self.requests, self.boots, self.pinned, self.known = 0, 1, 0, 1
        self.dead, self.fixed, self.late = False, "", list[Callable[[], None]]()
        self.busy = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        return

    def pin(self) -> None:
        self.pinned = self.known

    async def get(self, oids: Sequence[str], *, optional: bool = False) -> list[Value]:
        def answer() -> list[Value]:
            if self.state == VERIFY:
                self.verifies -= 1
                if self.verifies <= 0:
                    self.state, self.status = DONE, 2 if self.complaint else 3
            return [self._held(oid, optional) for oid in oids]

        found: list[Value] = []
        for attempt in range(4):
            try:
                found = self._act(answer)
                break
            except Unreachable:
                if attempt == 3:
                    raise
        self.known = self.boots
        return found

    async def set(self, pairs: Sequence[tuple[str, Value]], *, tries: int = 1) -> None:
        for start in range(0, len(pairs), self.per_message):
            chunk = pairs[start : start + self.per_message]
            for attempt in range(tries):
                try:
                    self._act(partial(self._set, chunk), sets=True)
                    break
                except Unreachable:
                    if attempt == tries - 1:
                        raise

    def _act(self, answer: Callable[[], Any], *, sets: bool = False) -> Any:
        fault, self.requests = self.fault.get(self.requests, ""), self.requests + 1
        if fault.startswith("restart before"):
            self._restart()
        if self.dead or fault == "request lost":
            raise Unreachable("no answer")
        if fault == "late duplicate" and sets:
            self.late.append(answer)
            raise Unreachable("no answer")
        if fault == "genErr":
            raise Refused("genErr")
        if sets and self.notices_restarts and self.pinned and self.boots != self.pinned:
            self.known = self.boots
            raise Restarted("started anew")
        found = answer()
        if fault == "restart after":
            self._restart()
        self.dead = fault == "dead after"
        if fault in ("answer lost", "dead after"):
            raise Unreachable("no answer")
        return found

    def _restart(self) -> None:
        self.state, self.buffer, self.boots = NORMAL, {}, self.boots + 1

    def _held(self, oid: str, optional: bool) -> Value:
        own: dict[str, Value] = {DATABASE: self.state, VERIFY_STATUS: self.status, VERIFY_ERROR: self.complaint}
        if oid in own:
            return own[oid]
        if oid == FREE and self.busy:
            self.busy -= 1
            return 4
        if oid not in self.memory and not optional:
            raise Refused(f"{oid}: no such object")
        return self.memory.get(oid)

    def _set(self, pairs: Sequence[tuple[str, Value]]) -> None:
        if pairs[0][0] == DATABASE:
            self._command(pairs[0][1])
        elif self.fixed in dict(pairs):
            raise NotWritable("patternSplitNumber.1: it may not be written")
        elif self.state == NORMAL:
            self.memory.update(pairs)
        elif self.state == TRANSACTION:
            self.buffer.update(pairs)
        else:
            raise Refused("genErr")

    def _command(self, target: Value) -> None:
        allowed = {
            NORMAL: (TRANSACTION,),
            TRANSACTION: (VERIFY, NORMAL),
            VERIFY: (),
            DONE: (NORMAL, TRANSACTION),
        }
        if target not in allowed[self.state]:
            raise Refused("wrongValue")
        if self.state == DONE and target == NORMAL and self.status == 3:
            self.memory.update(self.buffer)
        if target == NORMAL or self.state == NORMAL:
            self.buffer = {}
        if target == VERIFY:
            self.status = 1
        assert isinstance(target, int)
        self.state = target


def oids(texts: dict[str, str]) -> dict[str, Value]:
    return {object_of(name, text).oid: object_of(name, text).value for name, text in texts.items()}


OLD = {f"phaseWalk.{number}": "5" for number in range(1, 9)} | {SEQUENCE: "01 02", DATES: "2"}
NEW = {f"phaseWalk.{number}": "7" for number in range(1, 9)} | {SEQUENCE: "02 01", DATES: "4294967294"}
STATE = {FREE: 2, STATUS["coordPatternStatus"]: 1}
MAXIMA: dict[str, Value] = dict(zip(LIMITS.values(), (8, 3, 3, 5, 2, 1, 4, 2, 3), strict=True))
UNUSED = {f"timeBaseScheduleDayPlan.{row}": "0" for row in (1, 2, 3, 4)}


def driver(controller: Controller, monkeypatch: pytest.MonkeyPatch, **limits: int) -> NtcipDriver:
    monkeypatch.setattr(ntcip, "SnmpSession", lambda access, name_of: controller)
    return NtcipDriver(ACCESS, limits, QUICK)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(10):
            return await work()

    return asyncio.run(bounded())


def holds(controller: Controller, texts: dict[str, str]) -> bool:
    return all(controller.memory[oid] in (value, _signed(value)) for oid, value in oids(texts).items())


def _signed(value: Value) -> Value:
    return value - 2**32 if isinstance(value, int) and value >= 2**31 else value


def test_a_download_is_buffered_verified_and_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD))
    run(lambda: driver(controller, monkeypatch).write(Holding(NEW)))
    assert holds(controller, NEW)
    assert controller.state == NORMAL
    assert controller.memory[object_of(DATES, "0").oid] == -2  # INTEGER has a sign in SNMP
    read = run(lambda: driver(controller, monkeypatch).read(Holding(dict.fromkeys(OLD, "?"))))
    assert dict(read.objects) == NEW


def test_words_without_a_sign_are_set_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD) | {object_of(DATES, "0").oid: Unsigned(2)})
    run(lambda: driver(controller, monkeypatch).write(Holding(NEW)))
    assert controller.memory[object_of(DATES, "0").oid] == Unsigned(4294967294)
    assert isinstance(controller.memory[object_of(DATES, "0").oid], Unsigned)


def test_what_the_controller_finds_inconsistent_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD))
    controller.complaint = b"PATTERN 1 SPLIT SUM\r\n"
    with pytest.raises(Refused, match=r"inconsistent: PATTERN 1 SPLIT SUM; discarded, it holds what it held"):
        run(lambda: driver(controller, monkeypatch).write(Holding(NEW)))
    assert holds(controller, OLD)
    assert controller.state == NORMAL


def test_a_split_number_that_is_fixed_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD | {"patternSplitNumber.1": "4"}))
    controller.fixed = object_of("patternSplitNumber.1", "1").oid
    with pytest.raises(Refused, match="it fixes which split a pattern has"):
        run(lambda: driver(controller, monkeypatch).write(Holding(NEW | {"patternSplitNumber.1": "1"})))
    assert holds(controller, OLD)


def test_a_verification_without_end_is_unclear(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD))
    controller.verifies = 10**6
    with pytest.raises(Unclear, match="not done after"):
        run(lambda: driver(controller, monkeypatch).write(Holding(NEW)))
    assert holds(controller, OLD)


def test_somebody_elses_transaction_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD))
    controller.state = TRANSACTION
    with pytest.raises(Refused, match="open already"):
        run(lambda: driver(controller, monkeypatch).write(Holding(NEW)))
    assert controller.state == TRANSACTION


HASTY = Patience(total_s=0.05, first_s=0.001)


def test_a_download_leaves_somebody_elses_transaction_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD))
    controller.state, controller.buffer = TRANSACTION, oids({SEQUENCE: "03"})
    plan = Prepared(Holding(OLD), Holding(NEW))
    outcome = run(lambda: applied(driver(controller, monkeypatch), plan, HASTY))
    assert (outcome.result, outcome.detail) == (Result.UNCHANGED, "a transaction is open already (state transaction)")
    assert (controller.state, controller.buffer) == (TRANSACTION, oids({SEQUENCE: "03"}))


@pytest.mark.parametrize("done", [True, False])
def test_a_transaction_opened_after_our_download_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, done: bool) -> None:
    controller = Controller(oids(OLD))
    controller.complaint = b"" if done else b"no"

    async def work() -> None:
        made = driver(controller, monkeypatch)
        try:
            await made.write(Holding(NEW))
        except Refused:
            assert not done
        assert controller.state == NORMAL
        controller.state = TRANSACTION
        await made.release()

    run(work)
    assert controller.state == TRANSACTION


def test_one_opened_in_the_moment_before_ours_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD))
    original = controller._set

    def overtaken(pairs: Sequence[tuple[str, Value]]) -> None:
        controller.state = TRANSACTION
        original(pairs)

    monkeypatch.setattr(controller, "_set", overtaken)
    plan = Prepared(Holding(OLD), Holding(NEW))
    assert run(lambda: applied(driver(controller, monkeypatch), plan, HASTY)).result is Result.UNCHANGED
    assert controller.state == TRANSACTION


def test_what_an_interrupted_download_left_open_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller({**oids(OLD), **MAXIMA, **STATE})
    controller.state, controller.buffer = DONE, oids({SEQUENCE: "03"})
    plan = Prepared(Holding(OLD), Holding(NEW))
    assert run(lambda: resumed(driver(controller, monkeypatch), plan, HASTY)).result is Result.DONE
    assert holds(controller, NEW)


async def _written(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> str:
    """What write says; then the controller is well again, and what was left open is released."""
    made = driver(controller, monkeypatch)
    try:
        await made.write(Holding(NEW))
        said = "done"
    except FieldError as error:
        said = type(error).__name__
    if said == "done":
        assert holds(controller, NEW)
        assert controller.state == NORMAL
    elif said in ("Refused", "Unreachable"):
        assert holds(controller, OLD)
        assert controller.state == NORMAL
    controller.dead, controller.fault = False, {}
    await made.release()
    assert controller.state == NORMAL
    return said


@pytest.mark.parametrize("v3", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_at_any_request_is_told_rightly(monkeypatch: pytest.MonkeyPatch, fault: str, v3: bool) -> None:
    said = set()
    for number in range(25):
        controller = Controller(oids(OLD), {number: fault}, v3=v3)
        outcome = run(partial(_written, controller, monkeypatch))
        said.add(outcome)
        if v3 or not fault.startswith("restart"):  # SNMPv2c cannot tell it, so that some may be set at once
            assert holds(controller, OLD) or holds(controller, NEW), (number, fault)
        else:
            assert holds(controller, OLD) or holds(controller, NEW) or outcome == "Unclear"
    assert "done" in said
    if fault in ("request lost", "answer lost", "late duplicate"):
        assert said == {"done"}


@pytest.mark.parametrize("faults", list(itertools.product(FAULTS[:5], FAULTS[:2])))
def test_two_faults_are_told_rightly(monkeypatch: pytest.MonkeyPatch, faults: tuple[str, str]) -> None:
    for one, other in itertools.combinations(range(16), 2):
        controller = Controller(oids(OLD), {one: faults[0], other: faults[1]})
        run(partial(_written, controller, monkeypatch))
        assert holds(controller, OLD) or holds(controller, NEW), (one, other)


def test_silence_is_unreachable_before_and_unclear_once_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    well = Controller(oids(OLD))
    run(lambda: driver(well, monkeypatch).write(Holding(NEW)))
    for number in range(well.requests):
        controller = Controller(oids(OLD), dict.fromkeys(range(number, 100), "request lost"))
        said = run(partial(_written, controller, monkeypatch))
        assert said == ("Unreachable" if number < 2 else "Unclear")  # a word and the state are read before


def test_a_command_that_comes_late_does_not_half_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """The duplicate of each command is heard after all, at each later request."""
    for number in range(2, 12):
        for later in range(number + 1, 14):
            controller = Controller(oids(OLD), {number: "late duplicate"})
            original = controller._act

            def act(
                answer: Any, *, sets: bool = False, of: Any = controller, real: Any = original, at: int = later
            ) -> Any:
                if of.requests == at:
                    for late in of.late:
                        try:
                            late()
                        except Refused:
                            continue
                return real(answer, sets=sets)

            monkeypatch.setattr(controller, "_act", act)
            run(partial(_written, controller, monkeypatch))
            assert holds(controller, OLD) or holds(controller, NEW), (number, later)


@pytest.mark.parametrize("state", [TRANSACTION, VERIFY, DONE])
@pytest.mark.parametrize("complaint", [b"", b"no"])
def test_release_discards_and_never_takes_over(monkeypatch: pytest.MonkeyPatch, state: int, complaint: bytes) -> None:
    controller = Controller(oids(OLD))
    controller.state, controller.buffer, controller.complaint = state, oids(NEW), complaint
    controller.status = 2 if complaint else 3
    run(lambda: driver(controller, monkeypatch).release())
    assert controller.state == NORMAL
    assert holds(controller, OLD)


def test_release_does_nothing_in_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(oids(OLD))
    run(lambda: driver(controller, monkeypatch).release())
    assert controller.requests == 1


PLAN = {
    **{f"{column}.{number}": "1" for number in range(1, 9) for column in ("phaseRing", "phaseOptions")},
    "dayPlanHour.1.1": "6",
    "dayPlanMinute.1.1": "30",
    "dayPlanActionNumberOID.1.1": f"{ASC}.5.3.1.1.1",
    "timeBaseScheduleMonth.1": "8190",
    "timeBaseScheduleDay.1": "254",
    "timeBaseScheduleDate.1": "4294967294",
    "timeBaseScheduleDayPlan.1": "1",
}
ROW_2 = {"timeBaseScheduleMonth.2": "2", "timeBaseScheduleDay.2": "4", "timeBaseScheduleDate.2": "8"}
ROW_3 = {"timeBaseScheduleMonth.3": "0", "timeBaseScheduleDay.3": "4", "timeBaseScheduleDate.3": "8"}
OTHERS = {
    **ROW_2,
    **ROW_3,
    "timeBaseScheduleDayPlan.2": "2",
    "timeBaseScheduleDayPlan.3": "2",
    "timeBaseScheduleDayPlan.4": "0",
    "dayPlanHour.1.2": "9",
    "dayPlanMinute.1.2": "45",
    "dayPlanActionNumberOID.1.2": f"{ASC}.5.3.1.1.2",
    "dayPlanActionNumberOID.1.3": "0.0",
    "dayPlanActionNumberOID.2.1": f"{ASC}.5.3.1.1.2",
}


def full(**more: Value) -> Controller:
    held = oids(PLAN | OTHERS) | {object_of(DATES, "0").oid: -2} | MAXIMA | {TYPE: 2} | STATE
    return Controller(held | more)


def test_what_stands_in_the_way_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    before, target = run(lambda: driver(full(), monkeypatch).prepared(Holding(PLAN)))
    cleared = dict.fromkeys((*ROW_2, "timeBaseScheduleDayPlan.2"), "0") | {"dayPlanActionNumberOID.1.2": "0.0"}
    assert dict(target.objects) == PLAN | cleared | {"dayPlanHour.1.2": "9", "dayPlanMinute.1.2": "45"}
    assert list(target.objects)[: len(PLAN)] == list(PLAN)
    assert dict(target.changed_from(before).objects) == cleared
    assert before.objects["timeBaseScheduleDayPlan.2"] == "2"
    assert before.objects["dayPlanActionNumberOID.1.2"] == f"{ASC}.5.3.1.1.2"


def test_a_backup_is_wanted_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = full()

    async def there_and_back() -> None:
        made = driver(controller, monkeypatch)
        before, target = await made.prepared(Holding(PLAN))
        await made.write(target.changed_from(before))
        assert await made.read(target) == target
        held, back = await made.prepared(before)
        assert (held, back) == (target, before)
        await made.write(back.changed_from(held))
        assert await made.read(before) == before

    run(there_and_back)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("phaseWalk.9", "maxPhases is 8"),
        ("patternCycleTime.4", "maxPatterns is 3"),
        ("splitTime.4.1", "maxSplits is 3"),
        ("splitTime.1.9", "maxPhases is 8"),
        ("timebaseAscPattern.6", "maxTimebaseAscActions is 5"),
        ("sequenceData.2.1", "maxSequences is 1"),
        ("sequenceData.1.3", "maxRings is 2"),
        ("timeBaseScheduleDay.5", "maxTimeBaseScheduleEntries is 4"),
        ("dayPlanHour.3.1", "maxDayPlans is 2"),
        ("dayPlanHour.1.4", "maxDayPlanEvents is 3"),
    ],
)
def test_rows_that_the_controller_lacks_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    value = "01" if name.startswith("sequence") else "1"
    with pytest.raises(Refused, match=f"{name}: there is no such row, {text}"):
        run(lambda: driver(full(), monkeypatch).prepared(Holding(PLAN | {name: value})))


def test_limits_of_the_inventory_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="maxPatterns is 2"):
        run(lambda: driver(full(), monkeypatch, maxPatterns=2).prepared(Holding({"patternCycleTime.3": "80"})))
    lacking = full()
    del lacking.memory[LIMITS["maxDayPlanEvents"]]
    with pytest.raises(Refused, match="maxDayPlanEvents: the controller does not say"):
        run(lambda: driver(lacking, monkeypatch).prepared(Holding(PLAN)))
    run(lambda: driver(lacking, monkeypatch, maxDayPlanEvents=3).prepared(Holding(PLAN)))
    with pytest.raises(BadInput, match="did you mean 'maxPatterns'"):
        driver(full(), monkeypatch, maxPattern=2)
    with pytest.raises(BadInput, match="at least 1"):
        driver(full(), monkeypatch, maxPatterns=0)
    with pytest.raises(BadInput, match="at most 255"):
        driver(full(), monkeypatch, maxDayPlans=256)


@pytest.mark.parametrize("name", list(LIMITS))
def test_a_limit_that_no_controller_has_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for value in (2**31 - 1, MOST_ROWS[name] + 1, 0, -1):
        controller = full(**{LIMITS[name]: value})
        for work in (
            lambda of=controller: driver(of, monkeypatch).prepared(Holding(PLAN)),
            lambda of=controller: driver(of, monkeypatch).everything(),
        ):
            with pytest.raises(Refused, match=f"{name}: the controller says {value}, and there can be 1 to "):
                run(work)
        assert controller.requests == 2
    run(lambda: driver(full(**{LIMITS["maxPatterns"]: 2**31}), monkeypatch, maxPatterns=3).prepared(Holding(PLAN)))


def test_tables_that_would_take_hours_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    most = {LIMITS[name]: rows for name, rows in MOST_ROWS.items()}
    controller = full(**most)
    with pytest.raises(Refused, match=f"more than {MOST_OBJECTS} objects to read"):
        run(lambda: driver(controller, monkeypatch).everything())
    run(lambda: driver(full(**(most | {LIMITS["maxDayPlans"]: 8})), monkeypatch).prepared(Holding(PLAN)))


def test_a_controller_too_slow_to_be_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = full()
    made = driver(controller, monkeypatch)
    original = controller.get

    async def slow(oids: Sequence[str], *, optional: bool = False) -> list[Value]:
        await asyncio.sleep(0.05)
        return await original(oids, optional=optional)

    monkeypatch.setattr(controller, "get", slow)
    made._waits = Waits(read_s=0.1)
    for work in (made.everything, lambda: made.prepared(Holding(PLAN))):
        with pytest.raises(Unreachable, match=r"not read after 0\.1 s"):
            run(work)


def test_phases_that_the_plan_does_not_know_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    more = oids({"phaseRing.9": "1", "phaseOptions.9": "0", "phaseRing.10": "1", "phaseOptions.10": "1"})
    controller = full(**{LIMITS["maxPhases"]: 10}, **more)
    with pytest.raises(Refused, match="phases 10 are in use there"):
        run(lambda: driver(controller, monkeypatch).prepared(Holding(PLAN)))


def test_an_open_transaction_and_grouped_patterns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = full()
    controller.state = TRANSACTION
    with pytest.raises(Refused, match="a transaction is open, of somebody else"):
        run(lambda: driver(controller, monkeypatch).prepared(Holding(PLAN)))
    with pytest.raises(Refused, match="go together by 3"):
        run(lambda: driver(full(**{TYPE: 3}), monkeypatch).prepared(Holding(PLAN)))


@pytest.mark.parametrize("value", ["text", b"bytes", None, -1])
def test_answers_of_another_kind_are_refused(monkeypatch: pytest.MonkeyPatch, value: Value) -> None:
    controller = Controller(oids(OLD) | {object_of("phaseWalk.1", "0").oid: value})
    with pytest.raises(Refused, match=r"phaseWalk.1: answered .*, which is no integer"):
        run(lambda: driver(controller, monkeypatch).read(Holding(OLD)))


def test_a_name_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="no object of a timing plan"):
        run(lambda: driver(Controller({}), monkeypatch).read(Holding({"sysDescr.0": "1"})))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("localFreeStatus", 7, "badPlan"),
        ("localFreeStatus", 4, "transitionFree"),
        ("coordPatternStatus", 254, "runs free"),
        ("coordPatternStatus", 255, "flashes"),
        ("unitFlashStatus", 6, "mmu"),
        ("unitControlStatus", 5, "by hand"),
        ("unitAlarmStatus1", 0b0000_0010, "coord fault"),
        ("unitAlarmStatus1", 0b1000_0001, "cycle fault"),
        ("unitAlarmStatus2", 0b0001_0000, "stop time"),
        ("shortAlarmStatus", 0b1000_0000, "critical alarm"),
    ],
)
def test_troubles_are_told_in_words(monkeypatch: pytest.MonkeyPatch, name: str, value: int, text: str) -> None:
    (found,) = run(lambda: driver(full(**{STATUS[name]: value}), monkeypatch).troubles())
    assert text in found


def test_no_troubles(monkeypatch: pytest.MonkeyPatch) -> None:
    well = {"unitAlarmStatus1": 0b1000_0000, "unitAlarmStatus2": 0b0010_0011, "shortAlarmStatus": 0b0110_0101}
    more = {STATUS[name]: value for name, value in well.items()} | {STATUS["unitFlashStatus"]: 2}
    assert run(lambda: driver(full(**more), monkeypatch).troubles()) == []
    controller = full()
    controller.busy = 2  # on the way to coordination
    assert run(lambda: driver(controller, monkeypatch).troubles()) == []
    del controller.memory[FREE]
    with pytest.raises(Refused, match="localFreeStatus: the controller does not say"):
        run(lambda: driver(controller, monkeypatch).troubles())


def test_the_clock_is_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime(2026, 7, 1, 3, 30)
    seconds = int((now - datetime.datetime(1970, 1, 1)).total_seconds())
    assert run(lambda: driver(full(**{LOCAL_TIME: Unsigned(seconds)}), monkeypatch).clock()) == now
    base = LOCAL_TIME.removesuffix(".6.0")
    parts = {f"{base}.1.0": Unsigned(seconds - 8 * 3600), f"{base}.5.0": 8 * 3600, f"{base}.2.0": 2}
    assert run(lambda: driver(full(**parts), monkeypatch).clock()) == now
    with pytest.raises(Refused, match="what time it is"):
        run(lambda: driver(full(**(parts | {f"{base}.2.0": 4})), monkeypatch).clock())


SIGN = "1.3.6.1.4.1.1206.4.2.3.8.1.1.1.2"  # an action of a device of another kind
EVENTS = {(1, 1): Event(6, 30, f"{ASC}.5.3.1.1.1"), (1, 2): Event(22, 0, f"{ASC}.5.3.1.1.3"), (1, 3): Event(7, 0, SIGN)}
UNCALLED = {(2, 1): Event(8, 0, f"{ASC}.5.3.1.1.4")}
ACTIONS = {1: Action(254, 0, 0), 2: Action(0, 0, 0), 3: Action(0, 0, 1), 4: Action(0, 0, 0), 5: Action(9, 0, 0)}


def with_functions() -> Controller:
    """It has events that no plan shows."""
    phases = [item for n in range(1, 9) for item in objects_of((n,), replace(PHASE, ring=1, options=1))]
    rows = [*objects_of((0,), UNIT), *phases, *objects_of((4,), ScheduleRow(0, 0, 0, 0))]
    rows += [item for index, event in (EVENTS | UNCALLED).items() for item in objects_of(index, event)]
    rows += [item for number, action in ACTIONS.items() for item in objects_of((number,), action)]
    return full(**{item.oid: item.value for item in rows})


@pytest.mark.parametrize("without", ["", "maxDayPlans"])
def test_everything_has_events_and_actions_that_no_plan_shows(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    controller = with_functions()
    controller.memory.pop(LIMITS.get(without, ""), None)
    held = run(lambda: driver(controller, monkeypatch).everything()).objects
    for index, event in EVENTS.items():
        assert {item.name: item.text for item in objects_of(index, event)}.items() <= held.items()
    uncalled = {name for name in held if name.startswith("dayPlanActionNumberOID.2.")}
    assert uncalled == {"dayPlanActionNumberOID.2.1"}, "row 2 of the schedule calls for it"
    actions = {name for name in held if name.startswith("timebaseAscPattern.")}
    assert actions == {f"timebaseAscPattern.{number}" for number in (1, 3, 4)}


def test_what_was_pulled_stands_in_nobodys_way_when_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = with_functions()

    async def there_and_back() -> None:
        made = driver(controller, monkeypatch)
        held = await made.everything()
        before, target = await made.prepared(held)
        assert not target.changed_from(before)
        before, target = await made.prepared(Holding(PLAN))
        cleared = {"dayPlanActionNumberOID.1.2": "0.0", "dayPlanActionNumberOID.1.3": "0.0"}
        changes = target.changed_from(before).objects
        assert cleared.items() <= changes.items()
        assert changes.keys() <= before.objects.keys(), "all of it is in the backup"
        await made.write(target.changed_from(before))
        before, target = await made.prepared(held)
        await made.write(target.changed_from(before))
        assert await made.everything() == held

    run(there_and_back)
