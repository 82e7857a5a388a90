from __future__ import annotations

import asyncio
import itertools
import json
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.field.stand_ins.gat1049 import Faults, PlatformStandIn

ID = "33010900000001"
USER, PASSWORD = "operator", "s3cret-password"
PLAN = (
    "<PlanParam><CrossID>33010900000001</CrossID><PlanNo>{no}</PlanNo><PlanName>am</PlanName><CycleLen>{cycle}</CycleLen>"
    "<StageTimingList><StageTiming><StageNo>1</StageNo><Green>30</Green><Yellow>3</Yellow><AllRed>2</AllRed></StageTiming>"
    "<StageTiming><StageNo>2</StageNo><Green>20</Green><Yellow>3</Yellow><AllRed>2</AllRed></StageTiming></StageTimingList>"
    "</PlanParam>"
)
DAY = (
    "<DayPlanParam><CrossID>33010900000001</CrossID><DayPlanNo>{no}</DayPlanNo><PeriodList><Period><StartTime>00:00</StartTime>"
    "<PlanNo>{plan}</PlanNo><CtrlMode>21</CtrlMode></Period></PeriodList></DayPlanParam>"
)
ROW = (
    "<ScheduleParam><CrossID>33010900000001</CrossID><ScheduleNo>{no}</ScheduleNo><Type>3</Type><StartDay>01-01</StartDay>"
    "<EndDay>12-31</EndDay><WeekDay>1</WeekDay><DayPlanNo>{day}</DayPlanNo></ScheduleParam>"
)
SEQS = itertools.count(1)


def seq() -> str:
    return f"20260101000000{next(SEQS):06d}"


def request(name: str, body: str, token: str = "", number: str = "", kind: str = "REQUEST") -> bytes:
    return (
        f"<Message><Version>2.0</Version><Token>{token}</Token><From><Address><Sys>TICP</Sys><SubSys/><Instance/></Address>"
        f"</From><To><Address><Sys>UTCS</Sys><SubSys/><Instance/></Address></To><Type>{kind}</Type>"
        f'<Seq>{number or seq()}</Seq><Body><Operation order="1" name="{name}">{body}</Operation></Body></Message>'
    ).encode()


def login(user: str = USER, password: str = PASSWORD) -> bytes:
    return request("Login", f"<SDO_User><UserName>{user}</UserName><Pwd>{password}</Pwd></SDO_User>")


def plan(no: int = 1, cycle: int = 60, oper: int = 1) -> str:
    return f"<SetPlanParam><Oper>{oper}</Oper>{PLAN.format(no=no, cycle=cycle)}</SetPlanParam>"


def day(no: int = 1, plan: int = 1, oper: int = 1) -> str:
    return f"<SetDayPlanParam><Oper>{oper}</Oper>{DAY.format(no=no, plan=plan)}</SetDayPlanParam>"


def row(no: int = 1, day: int = 1, oper: int = 1) -> str:
    return f"<SetScheduleParam><Oper>{oper}</Oper>{ROW.format(no=no, day=day)}</SetScheduleParam>"


class Caller:
    """A client written by hand, without the package's own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.token = reader, writer, ""

    @classmethod
    async def of(cls, stand_in: PlatformStandIn) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", stand_in.port))

    async def call(self, data: bytes) -> ET.Element:
        self.writer.write(struct.pack(">I", len(data)) + data)
        async with asyncio.timeout(5):
            (length,) = struct.unpack(">I", await self.reader.readexactly(4))
            return ET.fromstring(await self.reader.readexactly(length))

    async def log_in(self) -> Caller:
        self.token = (await self.call(login())).findtext("Token", "")
        return self

    async def set(self, command: str) -> str:
        """The number of what was set, or the error type."""
        found = await self.call(request("Set", command, self.token))
        if found.findtext("Type") == "ERROR":
            return found.findtext(".//ErrType", "")
        number = next((part.text for part in found.iter() if part.tag in ("PlanNo", "DayPlanNo", "ScheduleNo")), None)
        return number or ""

    async def get(self, kind: str, no: str = "0", cross_id: str = ID) -> ET.Element:
        body = f"<TSCCmd><ObjName>{kind}</ObjName><ID>{cross_id}</ID><No>{no}</No></TSCCmd>"
        return await self.call(request("Get", body, self.token))


def run(work: Callable[[PlatformStandIn, Caller], Awaitable[None]], **options: Any) -> PlatformStandIn:
    async def main() -> PlatformStandIn:
        async with PlatformStandIn([ID], USER, PASSWORD, **options) as stand_in:
            caller = await Caller.of(stand_in)
            try:
                async with asyncio.timeout(10):
                    await work(stand_in, caller)
            finally:
                caller.writer.transport.abort()
            return stand_in

    return asyncio.run(main())


def error_type(found: ET.Element) -> str:
    return f"{found.findtext('Type')} {found.findtext('.//ErrType')}"


def test_only_who_logs_in_is_served() -> None:
    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        assert error_type(await caller.call(login("nobody"))) == "ERROR SDE_UserName"
        assert error_type(await caller.call(login(password="wrong"))) == "ERROR SDE_Pwd"
        assert await caller.set(plan()) == "SDE_Token"
        await caller.log_in()
        assert len(caller.token) == 32
        assert error_type(await caller.call(request("Set", plan(), "f" * 32))) == "ERROR SDE_Token"
        other = await Caller.of(stand_in)
        assert error_type(await other.call(request("Set", plan(), caller.token))) == "ERROR SDE_Token"
        other.writer.transport.abort()
        assert stand_in.held(ID) == {}
        assert await caller.set(plan()) == "1"
        bye = await caller.call(request("Logout", f"<SDO_User><UserName>{USER}</UserName></SDO_User>", caller.token))
        assert bye.findtext("Type") == "RESPONSE"
        assert await caller.set(plan(2)) == "SDE_Token"

    stand_in = run(work)
    assert list(stand_in.held(ID)) == ["PlanParam.1"]
    assert len(stand_in.refusals) == 6
    assert not any(PASSWORD in refusal for refusal in stand_in.refusals)


def test_a_replayed_request_is_refused() -> None:
    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        await caller.log_in()
        sent = request("Set", plan(), caller.token)
        await caller.call(sent)
        await caller.set(plan(oper=3))
        assert error_type(await caller.call(sent)) == "ERROR SDE_Failure"
        assert stand_in.held(ID) == {}

    run(work)


def test_objects_are_held_against_schema_sums_and_references() -> None:
    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        await caller.log_in()
        for command, answer in [
            (plan(1, 61), "SDE_Failure"),  # stages sum to 60
            (plan(1, 20), "SDE_Failure"),  # below what the schema allows
            (day(1, 1), "SDE_Failure"),  # there is no such plan
            (plan(1, oper=2), "1002"),
            (plan(1, oper=3), "1002"),
            (plan(0), "1"),
            (plan(0), "2"),
            (plan(2), "SDE_Failure"),  # it is there already
            (row(1, 1), "SDE_Failure"),
            (day(1, 1), "1"),
            (row(1, 1), "1"),
            (day(1, 1, oper=3), "SDE_Failure"),  # the row calls for it
            (plan(1, oper=3), "SDE_Failure"),  # the day plan does
            (plan(2, oper=3), ""),
            (row(1, 1, oper=3), ""),
            (plan(1, oper=2).replace(ID, "X" * 14), "SDE_Failure"),
            ("<SetStageParam/>", "SDE_Failure"),
            ("", "SDE_OperName"),
        ]:
            assert await caller.set(command) == answer, command
        assert list(stand_in.held(ID)) == ["PlanParam.1", "DayPlanParam.1"]

    run(work)


def test_objects_are_told_all_or_one() -> None:
    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        await caller.log_in()
        for number in (1, 2):
            await caller.set(plan(number))
        for no, numbers in (("0", ["1", "2"]), ("", ["1", "2"]), ("2", ["2"])):
            found = await caller.get("PlanParam", no)
            assert [part.text for part in found.iterfind("Body/Operation/PlanParam/PlanNo")] == numbers
        assert (await caller.get("DayPlanParam")).find("Body/Operation/*") is None
        assert error_type(await caller.get("PlanParam", "3")) == "ERROR 1002"
        assert error_type(await caller.get("PlanParam", cross_id="X" * 14)) == "ERROR SDE_Failure"
        assert error_type(await caller.get("Nonsense")) == "ERROR SDE_Failure"

    run(work)


def test_a_trial_ends_by_the_clock() -> None:
    now = 5.0

    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        nonlocal now
        await caller.log_in()
        about = "<ControlMode>31</ControlMode><MaxRunTime>2</MaxRunTime>"
        trial = f"<CenterPlan>{about}{PLAN.format(no=0, cycle=60)}</CenterPlan>"
        assert await caller.set(trial) == ""
        for later_s, mode in ((0, "31"), (119, "31"), (1, "21")):
            now += later_s
            assert (await caller.get("CrossModePlan")).findtext(".//ControlMode") == mode
        assert await caller.set(trial.replace("<MaxRunTime>2", "<MaxRunTime>1441")) == "SDE_Failure"

    run(work, clock=lambda: now)


def test_what_is_held_outlives_it(tmp_path: Path) -> None:
    state = tmp_path / "held.json"

    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        await caller.log_in()
        await caller.set(plan())
        assert list(json.loads(state.read_text(encoding="utf-8"))[ID]) == ["PlanParam.1"]

    before = run(work, state=state).held(ID)
    assert PlatformStandIn([ID], USER, PASSWORD, state=state).held(ID) == before != {}


def test_who_is_silent_is_dropped_unless_the_heart_beats() -> None:
    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        await caller.log_in()
        for _ in range(6):
            beat = request("Notify", "<SDO_HeartBeat/>", caller.token, kind="PUSH")
            caller.writer.write(struct.pack(">I", len(beat)) + beat)
            await asyncio.sleep(0.2)
        assert stand_in.heartbeats == 6
        assert await caller.reader.read() == b""

    run(work, idle_s=0.6)


@pytest.mark.parametrize("head", [b"\xff\xff\xff\xff", struct.pack(">I", 16_000_001)])
def test_what_is_endless_ends_the_connection(head: bytes) -> None:
    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        caller.writer.write(head + b"x" * 1000)
        with pytest.raises((EOFError, OSError)):
            await caller.reader.readexactly(1)
        other = await (await Caller.of(stand_in)).log_in()
        assert other.token
        other.writer.transport.abort()

    run(work)


GOOD = request("Set", plan(), "token")


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.tuples(st.integers(0, len(GOOD)), st.integers(0, 30), st.binary(max_size=10)).map(
                lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[0] + cut[1] :]
            ),
            st.sampled_from(["Get", "Set", "Login", "Notify"]).flatmap(
                lambda name: st.sampled_from(
                    ["", "<a/>", "<TSCCmd/>", "<SDO_User/>", "<CenterPlan/>", plan(), "<a>" * 1000 + "</a>" * 1000]
                ).map(lambda body: request(name, body))
            ),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_hostile_requests_make_no_crash_and_change_nothing(parts: list[bytes], counted: bool) -> None:
    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        for part in parts:
            caller.writer.write((struct.pack(">I", len(part)) if counted else b"") + part)
        other = await (await Caller.of(stand_in)).log_in()
        assert await other.set(plan(7)) == "7"
        other.writer.transport.abort()
        assert list(stand_in.held(ID)) == ["PlanParam.7"]

    run(work)


def test_faults_are_as_told() -> None:
    async def work(stand_in: PlatformStandIn, caller: Caller) -> None:
        await caller.log_in()
        assert await caller.set(plan(1)) == "SDE_NotAllow"
        stand_in.faults[ID] = Faults(renumber=True)
        assert await caller.set(plan(1)) == "500"
        stand_in.faults.clear()
        assert await caller.set(plan(1)) == "1"

    stand_in = run(work, faults={ID: Faults(refuse=frozenset({"PlanParam.1"}))})
    assert list(stand_in.held(ID)) == ["PlanParam.500", "PlanParam.1"]
