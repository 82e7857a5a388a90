"""The database, the transaction and SNMP's rules for SET and GET, without a network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from greenband.errors import BadInput
from greenband.field.stand_ins import ber
from greenband.field.stand_ins.ber import Pdu
from greenband.field.stand_ins.catalog import Catalog, Maxima, catalog
from greenband.field.stand_ins.faults import Faults, Mishaps, PowerLoss
from greenband.field.stand_ins.memory import Memory
from greenband.field.stand_ins.ntcip_agent import Agent
from greenband.field.stand_ins.running import Clock, Running
from greenband.field.stand_ins.transaction import Transaction
from greenband.formats.ntcip_objects import NtcipObject

ASC, GLOBAL = "1.3.6.1.4.1.1206.4.2.1", "1.3.6.1.4.1.1206.4.2.6"
COMMAND, VERDICT, ERROR = f"{GLOBAL}.2.1.0", f"{GLOBAL}.2.6.0", f"{GLOBAL}.2.7.0"
NORMAL, TRANSACTION, VERIFY, DONE = 1, 2, 3, 6
TOO_BIG, GEN_ERR, WRONG_TYPE, WRONG_VALUE, NO_CREATION, NOT_WRITABLE = 1, 5, 7, 10, 11, 17
FINE = (0, 0)
SPLIT, CYCLE = f"{ASC}.4.9.1.3.1.2", f"{ASC}.4.7.1.2.1"
MAX_PHASES = f"{ASC}.1.1.0"

Value = int | bytes | str


def coded(value: Value) -> tuple[int, bytes]:
    if isinstance(value, int):
        return ber.INTEGER, ber.integer_content(value)
    return (ber.OCTETS, value) if isinstance(value, bytes) else (ber.OID, ber.oid(value))


class Desk:
    """A manager beside the controller."""

    def __init__(self, objects: Iterable[NtcipObject] = (), faults: str = "", verify_s: float = 0.0, **more: Any):
        self.now = 0.0
        made = (more.pop(name, value) for name, value in [("split_is_fixed", False), ("signed_words", False)])
        self.memory = Memory(catalog(more.pop("maxima", Maxima()), *made), objects)
        mishaps = Mishaps(Faults.of(faults))
        self.transaction = Transaction(self.memory, mishaps, verify_s, lambda: self.now)
        self.agent = Agent(self.memory, self.transaction, Running(self.memory, Clock(), mishaps), mishaps, **more)
        self.room = 60_000

    def ask(self, kind: int, names: Iterable[str], status: int = 0, index: int = 0) -> Pdu:
        bindings = tuple((ber.oid(name), ber.NULL, b"") for name in names)
        return self.agent.answered(Pdu(kind, 1, status, index, bindings), "me", self.room)

    def get(self, name: str) -> Value:
        ((_, tag, content),) = self.ask(ber.GET, [name]).bindings
        if tag == ber.OID:
            return ber.oid_of(content)
        return content if tag in (ber.OCTETS, ber.NO_SUCH_OBJECT, ber.NO_SUCH_INSTANCE) else ber.integer_of(content)

    def tag(self, name: str) -> int:
        return self.ask(ber.GET, [name]).bindings[0][1]

    def set(self, *bindings: tuple[str, Value], owner: str = "me") -> tuple[int, int]:
        return self.send(*((name, *coded(value)) for name, value in bindings), owner=owner)

    def send(self, *bindings: tuple[str, int, bytes], owner: str = "me") -> tuple[int, int]:
        sent = tuple((ber.oid(name), tag, content) for name, tag, content in bindings)
        answer = self.agent.answered(Pdu(ber.SET, 1, 0, 0, sent), owner, self.room)
        return answer.status, answer.index

    def in_state(self, state: int) -> Desk:
        for command in {NORMAL: (), TRANSACTION: (2,), VERIFY: (2, 3), DONE: (2, 3)}[state]:
            assert self.set((COMMAND, command)) == FINE
        if state == DONE:
            self.now += 10
        assert self.get(COMMAND) == state
        return self


def values(objects: Iterable[NtcipObject]) -> list[tuple[str, Value]]:
    return [(made.oid, made.value) for made in objects]


def held(desk: Desk) -> Mapping[str, Value]:
    return dict(desk.memory.values)


# ------------------------------------------------------------------ the transaction


@pytest.mark.parametrize(
    ("state", "command", "after"),
    [
        (NORMAL, NORMAL, None),
        (NORMAL, TRANSACTION, TRANSACTION),
        (NORMAL, VERIFY, None),
        (NORMAL, DONE, None),
        (TRANSACTION, NORMAL, NORMAL),
        (TRANSACTION, TRANSACTION, None),
        (TRANSACTION, VERIFY, VERIFY),
        (TRANSACTION, DONE, None),
        (VERIFY, NORMAL, None),
        (VERIFY, TRANSACTION, None),
        (VERIFY, VERIFY, None),
        (VERIFY, DONE, None),
        (DONE, NORMAL, NORMAL),
        (DONE, TRANSACTION, TRANSACTION),
        (DONE, VERIFY, None),
        (DONE, DONE, None),
        (NORMAL, 0, None),
        (TRANSACTION, 4, None),
        (DONE, -1, None),
    ],
)
def test_a_state_takes_only_its_commands(state: int, command: int, after: int | None) -> None:
    desk = Desk(verify_s=5.0).in_state(state)
    assert desk.set((COMMAND, command)) == (FINE if after else (WRONG_VALUE, 1))
    assert desk.get(COMMAND) == (after or state)


@pytest.mark.parametrize(("state", "error"), [(NORMAL, (5, 1)), (TRANSACTION, FINE), (VERIFY, (5, 0)), (DONE, (5, 0))])
def test_database_objects_are_set_in_a_transaction_only(state: int, error: tuple[int, int]) -> None:
    desk = Desk(verify_s=5.0).in_state(state)
    before = held(desk)
    assert desk.set((SPLIT, 30)) == error
    assert held(desk) == before  # of a transaction it is not seen before it ends


@pytest.mark.parametrize("state", [TRANSACTION, DONE])
def test_another_manager_is_kept_out(state: int) -> None:
    desk = Desk(verify_s=5.0).in_state(state)
    for command in (NORMAL, TRANSACTION, VERIFY):
        assert desk.set((COMMAND, command), owner="another") == (GEN_ERR, 0)
    assert desk.set((SPLIT, 30), owner="another") == (GEN_ERR, 0)
    assert desk.get(COMMAND) == state


def test_a_consistent_plan_is_stored_as_a_whole_at_the_end(plan: Any) -> None:
    desk = Desk(plan().objects(), verify_s=5.0)
    before, wanted = held(desk), values(plan(90, 20, 50).objects())
    assert desk.set((COMMAND, TRANSACTION)) == FINE
    for start in range(0, len(wanted), 20):
        assert desk.set(*wanted[start : start + 20]) == FINE
    assert desk.set((COMMAND, VERIFY)) == FINE
    assert desk.get(VERDICT) == 1
    desk.now += 4.9
    assert desk.get(COMMAND) == VERIFY
    desk.now += 0.2
    assert (desk.get(COMMAND), desk.get(VERDICT), desk.get(ERROR)) == (DONE, 3, b"")
    assert held(desk) == before
    assert desk.set((COMMAND, NORMAL)) == FINE
    assert [(name, desk.get(name)) for name, _ in wanted] == wanted


def test_an_inconsistent_plan_is_discarded_and_the_reason_told(plan: Any) -> None:
    desk = Desk(plan().objects()).in_state(TRANSACTION)
    before = held(desk)
    assert desk.set((SPLIT, 40)) == FINE
    assert desk.set((COMMAND, VERIFY)) == FINE
    assert (desk.get(COMMAND), desk.get(VERDICT)) == (DONE, 2)
    assert desk.get(ERROR) == b"pattern 1, ring 1: splits and rests sum to 65 s, but the cycle is 60 s"
    assert desk.set((COMMAND, NORMAL)) == FINE
    assert held(desk) == before


def test_from_done_a_transaction_goes_on_with_its_buffer(plan: Any) -> None:
    desk = Desk(plan().objects()).in_state(TRANSACTION)
    assert desk.set((SPLIT, 40)) == FINE
    assert desk.set((COMMAND, VERIFY)) == FINE
    assert desk.set((COMMAND, TRANSACTION)) == FINE
    others = (f"{ASC}.4.9.1.3.1.{phase}" for phase in (4, 6, 8))
    assert desk.set(*zip(others, (20, 40, 20), strict=True), (COMMAND, VERIFY)) == FINE
    assert desk.get(VERDICT) == 3
    assert desk.set((COMMAND, NORMAL)) == FINE
    assert desk.get(SPLIT) == 40


def test_what_is_discarded_does_not_come_back(plan: Any) -> None:
    desk = Desk(plan().objects()).in_state(TRANSACTION)
    before = held(desk)
    desk.set((f"{ASC}.4.7.1.3.1", 30))
    desk.set((COMMAND, NORMAL))
    desk.in_state(DONE)
    assert desk.set((COMMAND, NORMAL)) == FINE
    assert held(desk) == before


def test_sets_outside_a_transaction_may_be_stored_at_once() -> None:
    desk = Desk(direct=True)
    assert desk.set((SPLIT, 30)) == FINE
    assert desk.get(SPLIT) == 30
    assert desk.in_state(TRANSACTION).set((SPLIT, 31)) == FINE
    assert desk.get(SPLIT) == 30


# ------------------------------------------------------------------ SET and GET


@pytest.mark.parametrize(
    ("binding", "error"),
    [
        ((SPLIT, *coded(256)), WRONG_VALUE),
        ((SPLIT, *coded(-1)), WRONG_VALUE),
        ((SPLIT, ber.INTEGER, b""), WRONG_TYPE),
        ((SPLIT, ber.INTEGER, bytes(10)), WRONG_TYPE),
        ((SPLIT, ber.OCTETS, b"\x01"), WRONG_TYPE),
        ((SPLIT, ber.UNSIGNED, b"\x01"), WRONG_TYPE),
        ((SPLIT, ber.NULL, b""), WRONG_TYPE),
        ((f"{ASC}.7.3.1.3.1.1", *coded(7)), WRONG_TYPE),
        ((f"{ASC}.7.3.1.3.1.1", *coded(bytes(256))), WRONG_VALUE),
        ((f"{GLOBAL}.3.3.5.1.5.1.1", *coded(f"{ASC}.5.3.1.1.17")), WRONG_VALUE),
        ((f"{GLOBAL}.3.3.5.1.5.1.1", *coded(SPLIT)), WRONG_VALUE),
        ((f"{GLOBAL}.3.3.5.1.5.1.1", ber.OID, b"\x2b\x86"), WRONG_TYPE),
        ((f"{ASC}.5.3.1.3.1", *coded(16)), WRONG_VALUE),
        ((f"{ASC}.4.7.1.5.1", *coded(5)), WRONG_VALUE),
        ((f"{ASC}.4.9.1.3.17.2", *coded(30)), NO_CREATION),
        ((f"{ASC}.4.9.1.3.1.9", *coded(30)), NO_CREATION),
        ((f"{ASC}.99.0", *coded(30)), NOT_WRITABLE),
        ((MAX_PHASES, *coded(16)), NOT_WRITABLE),
        ((f"{ASC}.4.7.1.1.1", *coded(1)), NOT_WRITABLE),
        ((COMMAND, ber.OCTETS, b"\x02"), WRONG_TYPE),
    ],
)
def test_one_wrong_variable_spoils_the_whole_set(binding: tuple[str, int, bytes], error: int) -> None:
    desk = Desk().in_state(TRANSACTION)
    before = held(desk)
    good = (f"{ASC}.4.9.1.3.2.2", *coded(33))
    assert desk.send(good, binding, good) == (error, 2)
    desk.set((COMMAND, VERIFY))
    assert desk.get(VERDICT) == 3
    desk.set((COMMAND, NORMAL))
    assert held(desk) == before


def test_a_plain_setting_is_not_made_when_another_variable_is_wrong() -> None:
    desk = Desk()
    assert desk.set((f"{GLOBAL}.3.5.0", 3600), (MAX_PHASES, 1)) == (NOT_WRITABLE, 2)
    assert desk.get(f"{GLOBAL}.3.5.0") == 0
    assert desk.set((f"{GLOBAL}.3.5.0", 3600)) == FINE
    assert desk.get(f"{GLOBAL}.3.5.0") == 3600


@pytest.mark.parametrize(("signed", "tag", "number"), [(False, ber.UNSIGNED, 0xFFFFFFFE), (True, ber.INTEGER, -2)])
def test_dates_have_more_bits_than_the_integers_of_snmp(signed: bool, tag: int, number: int) -> None:
    name = f"{GLOBAL}.3.3.2.1.4.1"
    ways = [(ber.UNSIGNED, b"\x00\xff\xff\xff\xfe"), (ber.INTEGER, b"\x00\xff\xff\xff\xfe"), (ber.INTEGER, b"\xfe")]
    for way in ways:
        desk = Desk(direct=True, signed_words=signed)
        assert desk.tag(name) == tag
        assert desk.send((name, *way)) == FINE
        assert (desk.get(name), desk.tag(name)) == (number, tag)
        assert held(desk)["timeBaseScheduleDate.1"] == 0xFFFFFFFE
    assert desk.send((name, ber.UNSIGNED, b"\x01\x00\x00\x00\x00")) == (WRONG_VALUE, 1)
    assert desk.send((name, ber.INTEGER, b"\xff\x7f\xff\xff\xff")) == (WRONG_VALUE, 1)
    assert desk.set((name, 6)) == FINE
    assert (desk.get(name), desk.tag(name)) == (6, tag)


def test_what_is_not_there_is_told_apart() -> None:
    desk = Desk()
    assert desk.tag(f"{ASC}.99.0") == ber.NO_SUCH_OBJECT
    assert desk.tag(f"{ASC}.4.9.1.3.17.2") == ber.NO_SUCH_INSTANCE
    assert desk.tag(f"{ASC}.4.9.1.3.1") == ber.NO_SUCH_INSTANCE
    assert desk.tag(f"{ASC}.1.1.1") == ber.NO_SUCH_INSTANCE


def test_maxima_are_settings_and_told() -> None:
    desk = Desk(maxima=Maxima(phases=4, patterns=3, splits=2, sequences=1, rings=1, actions=5, schedule=7))
    told = [desk.get(f"{ASC}.{name}.0") for name in ("1.1", "4.5", "4.6", "4.8", "5.2", "7.1", "7.2")]
    assert told == [4, 3, 2, 2, 5, 1, 1]
    assert [desk.get(f"{GLOBAL}.3.3.{name}.0") for name in (1, 3, 4)] == [7, 8, 12]
    assert desk.tag(f"{ASC}.4.7.1.2.3") == ber.INTEGER
    assert desk.tag(f"{ASC}.4.7.1.2.4") == ber.NO_SUCH_INSTANCE


def test_the_split_of_a_pattern_may_be_fixed() -> None:
    name = f"{ASC}.4.7.1.4.3"
    assert Desk(direct=True).set((name, 4)) == FINE
    fixed = Desk(direct=True, split_is_fixed=True)
    assert fixed.set((name, 4)) == (NOT_WRITABLE, 1)
    assert fixed.get(name) == 3


def everything(desk: Desk) -> list[bytes]:
    names: list[bytes] = []
    name = "1.3"
    while True:
        ((found, tag, _),) = desk.ask(ber.GET_NEXT, [name]).bindings
        if tag == ber.END_OF_VIEW:
            return names
        names.append(found)
        name = ber.oid_of(found)


def test_a_walk_meets_every_object_once_in_order() -> None:
    desk = Desk()
    names = everything(desk)
    paths = [ber.path_of(name) for name in names]
    assert paths == sorted(set(paths))
    assert set(desk.memory.catalog.by_oid) <= set(names)
    assert ber.oid(f"{ASC}.5.3.1.1.16") in names


def test_bulk_requests_go_as_far_as_there_is_room() -> None:
    desk = Desk()
    answer = desk.ask(ber.GET_BULK, ["1.3.6.1.2", ASC], status=1, index=5)
    assert [name for name, _, _ in answer.bindings] == [ber.oid("1.3.6.1.2.1.1.1.0"), *ordered_below(desk, ASC)[:5]]
    desk.room = 200
    few = desk.ask(ber.GET_BULK, [ASC], index=1000)
    assert 2 < len(few.bindings) < 12
    assert len(few.octets()) <= 200
    desk.room = 60_000
    rest = desk.ask(ber.GET_BULK, [f"{GLOBAL}.3.5"], index=1000)
    assert len(rest.bindings) == 3  # time zone, local time, the end
    assert desk.ask(ber.GET_BULK, [ASC], status=-3, index=-3).bindings == ()


def ordered_below(desk: Desk, prefix: str) -> list[bytes]:
    return [name for name in everything(desk) if name.startswith(ber.oid(prefix))]


def test_an_answer_without_room_is_too_big() -> None:
    desk = Desk()
    desk.room = 300
    names = [SPLIT] * 40
    answer = desk.ask(ber.GET, names)
    assert (answer.status, answer.bindings) == (TOO_BIG, ())
    desk.room = 30 * 40
    assert desk.ask(ber.GET, names).status == 0


@pytest.mark.parametrize("kind", [ber.RESPONSE, ber.REPORT, 0xA4, 0xA6, 0xA7, 0x30])
def test_what_is_no_request_gets_no_answer(kind: int) -> None:
    with pytest.raises(ber.Malformed, match="no request"):
        Desk().ask(kind, [SPLIT])


# ------------------------------------------------------------------ faults


def committed(desk: Desk, *bindings: tuple[str, Value]) -> Desk:
    assert desk.set((COMMAND, TRANSACTION)) == FINE
    for binding in bindings:
        assert desk.set(binding) == FINE
    assert desk.set((COMMAND, VERIFY)) == FINE
    assert (desk.get(COMMAND), desk.get(VERDICT)) == (DONE, 3)
    assert desk.set((COMMAND, NORMAL)) == FINE
    return desk


A, B = (f"{ASC}.4.1.0", 1), (f"{ASC}.4.2.0", 2)  # objects that contradict nothing


@pytest.mark.parametrize("refused", ["splitTime", "splitTime.1.2"])
@pytest.mark.parametrize(("refusal", "error"), [("genErr", GEN_ERR), ("notWritable", NOT_WRITABLE)])
def test_objects_can_be_refused(refused: str, refusal: str, error: int) -> None:
    desk = Desk(faults=f"refuse={refused},refusal={refusal}").in_state(TRANSACTION)
    assert desk.set(A, (SPLIT, 30)) == (error, 2)
    assert desk.set(A, (f"{ASC}.4.9.1.4.1.2", 2)) == FINE


def test_a_verification_can_fail_or_never_end(plan: Any) -> None:
    desk = Desk(plan().objects(), "verify=split sum").in_state(DONE)
    assert (desk.get(VERDICT), desk.get(ERROR)) == (2, b"split sum")
    desk = Desk(plan().objects(), "stuck").in_state(VERIFY)
    desk.now += 1e9
    assert desk.get(COMMAND) == VERIFY


def test_an_object_can_store_something_else_once_or_always() -> None:
    for times, second in (("1", 1), ("inf", 2)):
        desk = Desk(faults=f"corrupt=coordOperationalMode+nothing,corruptions={times}")
        assert committed(desk, A, B).get(A[0]) == 2
        assert desk.get(B[0]) == 2
        assert committed(desk, A).get(A[0]) == second


def test_octets_and_actions_can_be_stored_as_something_else(plan: Any) -> None:
    data, action = f"{ASC}.7.3.1.3.2.1", f"{GLOBAL}.3.3.5.1.5.2.1"
    desk = Desk(plan().objects(), "corrupt=sequenceData+dayPlanActionNumberOID")
    committed(desk, (data, bytes([2, 4])), (action, f"{ASC}.5.3.1.1.1"))
    assert (desk.get(data), desk.get(action)) == (bytes([3, 4]), f"{ASC}.5.3.1.1.2")


@pytest.mark.parametrize(
    ("moment", "answered", "stored"),
    [("transaction", 0, 0), ("set", 1, 0), ("set,sets=2", 2, 0), ("commit", 4, 0), ("half", 4, 1), ("committed", 4, 2)],
)
def test_power_is_lost_at_its_moment_and_the_buffer_with_it(moment: str, answered: int, stored: int) -> None:
    desk = Desk(faults=f"crash={moment}")
    steps: list[tuple[str, Value]] = [(COMMAND, TRANSACTION), A, B, (COMMAND, VERIFY), (COMMAND, NORMAL)]
    for step in steps[:answered]:
        assert desk.set(step) == FINE
    with pytest.raises(PowerLoss):
        desk.set(steps[answered])
    desk.transaction.lose()
    assert desk.get(COMMAND) == NORMAL
    assert [desk.get(A[0]), desk.get(B[0])] == [[0, 3], [1, 3], [1, 2]][stored]
    committed(desk, A, B)  # it happens once


def test_power_is_lost_while_verifying() -> None:
    desk = Desk(faults="crash=verify").in_state(TRANSACTION)
    assert desk.set((COMMAND, VERIFY)) == FINE
    with pytest.raises(PowerLoss):
        desk.get(COMMAND)


@pytest.mark.parametrize(
    ("fault", "name", "well", "ill"),
    [("free", "4.11", 2, 11), ("free", "4.10", 1, 254), ("alarm", "3.8", 0x80, 0x81), ("alarm", "4.11", 2, 2)],
)
def test_a_commit_can_make_it_unwell_until_the_old_data_are_back(
    plan: Any, fault: str, name: str, well: int, ill: int
) -> None:
    desk = Desk(plan().objects(), fault)
    status, offset = f"{ASC}.{name}.0", f"{ASC}.4.7.1.3.1"
    assert desk.get(status) == well
    assert committed(desk, (offset, 20)).get(status) == ill
    assert committed(desk, (offset, 30)).get(status) == ill
    assert committed(desk, (offset, 10)).get(status) == well


def test_faults_are_read_from_text() -> None:
    text = "latency=0.05, loss=0.1,refuse=splitTime.1.2+splitMode,crash=commit,restart=inf,free,silent=no,seed=7"
    assert Faults.of(text) == Faults(
        seed=7,
        latency=0.05,
        loss=0.1,
        refuse=("splitTime.1.2", "splitMode"),
        crash="commit",
        restart=float("inf"),
        free=True,
    )
    assert Faults.of("") == Faults()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("los=0.1", "unknown fault 'los': .* did you mean 'loss'"),
        ("loss=1.1", "fault loss: 1.1, but a share is from 0 to 1"),
        ("loss=nan", "fault loss: nan"),
        ("loss=much", "fault loss: 'much' is not a number"),
        ("sets=1.5", "fault sets: '1.5' is not a whole number"),
        ("latency=-1", "fault latency: -1.0 is below 0"),
        ("latency=inf", "fault latency: it must end"),
        ("free=maybe", "fault free: 'maybe', but it is yes or no"),
        ("crash=comit", "unknown moment of fault crash 'comit': .* did you mean 'commit'"),
        ("refusal=no", "unknown error of fault refusal 'no'"),
    ],
)
def test_a_fault_that_is_none_is_named(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Faults.of(text)


def test_what_does_not_fit_at_first_is_named(plan: Any) -> None:
    small: Catalog = catalog(Maxima(splits=1, phases=4))
    with pytest.raises(BadInput, match=re.escape("the stand-in has no object phaseRing.5")):
        Memory(small, plan().objects())
    with pytest.raises(BadInput, match="254 patterns: 1 to 253 are possible"):
        Maxima(patterns=254)
