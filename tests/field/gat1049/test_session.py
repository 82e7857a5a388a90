from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import struct
from collections.abc import Awaitable, Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from greenband.field.driver import FieldError, Refused, Unreachable
from greenband.field.gat1049 import session as gat1049_session
from greenband.field.gat1049.session import Gat1049Session, Platform
from greenband.field.gat1049.wire import MAX_BYTES, Garbled, Message, Operation, framed, read_frame

ID = "33010900000001"
USER, PASSWORD, TOKEN = "greenband-user", "s3cret-password", "the-token-of-the-day"
Reply = Callable[[ET.Element], "list[bytes]"]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gat1049_session, "BACK_OFF_S", (0.01, 0.01))
    monkeypatch.setattr(gat1049_session, "TRIES", 2)


def answer(request: ET.Element, body: str = "", kind: str = "RESPONSE", seq: str = "", token: str = TOKEN) -> bytes:
    """Written by hand, as another platform would."""
    name = request.find("Body/Operation").attrib["name"]  # type: ignore[union-attr]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<Message>\r\n <Version>2.0</Version>'
        f"<Token>{token}</Token><From><Address><Sys>UTCS</Sys><SubSys/><Instance/></Address></From>"
        "<To><Address><Sys>TICP</Sys><SubSys/><Instance/></Address></To>"
        f"<Type>{kind}</Type><Seq>{seq or request.findtext('Seq')}</Seq>"
        f'<Body><Operation order="1" name="{name}">{body}</Operation></Body></Message>'
    ).encode()


def complaint(request: ET.Element, kind: str, text: str = "") -> bytes:
    body = f"<SDO_Error><ErrObj>x</ErrObj><ErrType>{kind}</ErrType><ErrDesc>{text}</ErrDesc></SDO_Error>"
    return answer(request, body, "ERROR")


class ByHand:
    """A platform that answers login and logout, and everything else as it is told to."""

    def __init__(
        self, reply: Reply = lambda request: [answer(request)], framing: str = "length", token: str = TOKEN
    ) -> None:
        self.reply, self.framing, self.token = reply, framing, token
        self.got: list[ET.Element] = []
        self.connections = 0
        self.serving: list[tuple[asyncio.Task[Any], asyncio.StreamWriter]] = []

    async def __aenter__(self) -> ByHand:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1_000_000)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.server.close()
        for task, writer in self.serving:
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*(task for task, _ in self.serving), return_exceptions=True)
        self.serving.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.append((task, writer))
        self.connections += 1
        with contextlib.suppress(EOFError, OSError):
            while True:
                if self.framing == "length":
                    data = await reader.readexactly(struct.unpack(">I", await reader.readexactly(4))[0])
                else:
                    data = await reader.readuntil(b"</Message>")
                request = ET.fromstring(data.decode().strip())
                self.got.append(request)
                name = request.find("Body/Operation").attrib["name"]  # type: ignore[union-attr]
                if request.findtext("Type") == "PUSH":
                    continue
                known = {"Login": f"<SDO_User><UserName>{USER}</UserName></SDO_User>", "Logout": ""}
                for part in [answer(request, known[name], token=self.token)] if name in known else self.reply(request):
                    head = struct.pack(">I", len(part)) if self.framing == "length" and part else b""
                    writer.write(head + part)
                await writer.drain()
        writer.close()

    def named(self, name: str) -> list[ET.Element]:
        return [request for request in self.got if request.find(f"Body/Operation[@name='{name}']") is not None]


def talk(server: ByHand, work: Callable[[Gat1049Session], Awaitable[Any]], **values: Any) -> Any:
    async def main() -> Any:
        async with server:
            session = Gat1049Session(platform(server.port, **values))
            return await asyncio.wait_for(work(session), 10)

    return asyncio.run(main())


def platform(port: int, **values: Any) -> Platform:
    return Platform(**{"host": "127.0.0.1", "port": port, "user": USER, "password": PASSWORD, "timeout_s": 2, **values})


async def get(session: Gat1049Session) -> Any:
    async with session:
        return await session.get("PlanParam", ID)


@pytest.mark.parametrize("framing", ["length", "xml"])
def test_what_goes_over_the_wire(framing: str) -> None:
    server = ByHand(framing=framing)

    async def work(session: Gat1049Session) -> None:
        async with session:
            assert await session.get("PlanParam", ID) == ()
            await asyncio.sleep(0.2)

    talk(server, work, framing=framing, heartbeat_s=0.05)
    login, first, *beats, logout = server.got
    assert login.findtext("Body/Operation[@name='Login']/SDO_User/UserName") == USER
    assert login.findtext("Body/Operation/SDO_User/Pwd") == PASSWORD
    assert not login.findtext("Token")
    assert [part.text for part in first.iterfind("Body/Operation[@name='Get']/TSCCmd/*")] == ["PlanParam", ID, "0"]
    assert logout.find("Body/Operation[@name='Logout']/SDO_User") is not None
    assert 2 <= len(beats) <= 6
    for beat in beats:
        assert beat.findtext("Type") == "PUSH"
        assert beat.find("Body/Operation[@name='Notify']/SDO_HeartBeat") is not None
    for request in server.got:
        assert request.findtext("From/Address/Sys") == "TICP"
        assert request.findtext("To/Address/Sys") == "UTCS"
        assert request is login or request.findtext("Token") == TOKEN
    seqs = [request.findtext("Seq", "") for request in server.got]
    assert len(set(seqs)) == len(seqs)
    assert all(re.fullmatch("20[0-9]{18}", seq) for seq in seqs)


def test_many_users_share_one_login() -> None:
    server = ByHand()

    async def work(session: Gat1049Session) -> None:
        await asyncio.gather(*(get(session) for _ in range(20)))

    talk(server, work)
    assert len(server.named("Login")) == len(server.named("Logout")) == server.connections == 1
    assert len(server.named("Get")) == 20


def test_answers_find_their_requests_whatever_their_order() -> None:
    waiting: list[ET.Element] = []

    def reply(request: ET.Element) -> list[bytes]:
        waiting.append(request)
        if len(waiting) < 5:
            return []
        return [answer(one, f"<CrossID>{one.findtext('.//ID')}</CrossID>") for one in reversed(waiting)]

    async def work(session: Gat1049Session) -> None:
        async with session:
            ids = [f"3301090000000{number}" for number in range(5)]
            found = await asyncio.gather(*(session.get("PlanParam", one) for one in ids))
            assert [things[0].text for things in found] == ids

    talk(ByHand(reply), work)


def test_at_once_bounds_what_is_under_way() -> None:
    server = ByHand(lambda request: [])

    async def work(session: Gat1049Session) -> None:
        async with session:
            asking = [asyncio.create_task(session.get("PlanParam", ID)) for _ in range(6)]
            await asyncio.sleep(0.1)
            assert len(server.named("Get")) == 2
            for task in asking:
                task.cancel()

    talk(server, work, at_once=2)


def test_a_session_is_for_any_loop_that_comes_and_for_none_once_it_is_left() -> None:
    """More users than have room at once, twice, as reading and writing run in loops of their own."""
    sessions: list[Gat1049Session] = []

    async def work() -> None:
        async with ByHand() as server:
            sessions.append(session := sessions[0] if sessions else Gat1049Session(platform(server.port, at_once=1)))
            session.platform = platform(server.port, at_once=1)
            async with asyncio.timeout(10):
                assert await asyncio.gather(*(get(session) for _ in range(5))) == [()] * 5
            with pytest.raises(Unreachable, match=f"port {server.port}: the session is not open"):
                await session.get("PlanParam", ID)
            assert len(server.named("Login")) == len(server.named("Logout"))

    for _ in range(3):
        asyncio.run(work())


@pytest.mark.parametrize(("setting", "sent"), [("0", "0"), ("none", "")])
def test_how_all_objects_are_asked_for_is_a_setting(setting: str, sent: str) -> None:
    server = ByHand()
    talk(server, get, all_numbers=setting)
    assert server.named("Get")[0].findtext("Body/Operation/TSCCmd/No") == sent


def test_pushes_old_answers_and_requests_are_dropped() -> None:
    old: list[bytes] = []

    def reply(request: ET.Element) -> list[bytes]:
        right = answer(request, "<right/>")
        strange = [
            answer(request, "<CrossTrafficData><Any>1</Any></CrossTrafficData>", "PUSH"),
            answer(request, "<wrong/>", "REQUEST"),
            answer(request, "<wrong/>", seq="20200101000000000001"),
            *old,
        ]
        old.append(answer(request, "<wrong/>"))
        return [*strange, right]

    async def work(session: Gat1049Session) -> None:
        async with session:
            for _ in range(3):
                (found,) = await session.get("PlanParam", ID)
                assert found.tag == "right"

    talk(ByHand(reply), work)


def test_an_expired_token_is_renewed_once() -> None:
    for times, good in ((1, True), (9, False)):
        left = [times]

        def reply(request: ET.Element, left: list[int] = left) -> list[bytes]:
            left[0] -= 1
            return [complaint(request, "SDE_Token") if left[0] >= 0 else answer(request)]

        server = ByHand(reply)
        if good:
            talk(server, get)
        else:
            with pytest.raises(Refused, match="SDE_Token"):
                talk(server, get)
        assert len(server.named("Login")) == 2


def test_what_is_refused_is_said_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = f"no {USER} {PASSWORD} {TOKEN}\n" + "x" * 400
    with pytest.raises(Refused) as error:
        talk(ByHand(lambda request: [complaint(request, "SDE_NotAllow", text)]), get)
    assert f"PlanParam of {ID}: the platform refuses: x SDE_NotAllow no *** *** ***" in str(error.value)
    for shown in (str(error.value), caplog.text, str(error.getrepr(style="native"))):
        assert not any(secret in shown for secret in (USER, PASSWORD, TOKEN))
    assert len(str(error.value)) <= 300


def test_what_does_not_exist_is_nothing_where_the_platform_says_so() -> None:
    server = ByHand(lambda request: [complaint(request, "1002")])
    assert talk(server, get) == ()
    with pytest.raises(Refused, match="1002"):
        talk(server, get, absent=())


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (lambda request: [], Unreachable),
        (lambda request: [b"<Message>"], Garbled),
        (lambda request: [answer(request).replace(b"UTF-8", b"UTF-16")[:-1] + b"\xff"], Garbled),
        (lambda request: [answer(request).replace(b"<Body>", b"<Boddy>").replace(b"</Body>", b"</Boddy>")], Garbled),
        (lambda request: [answer(request).replace(b'name="Get"', b"")], Garbled),
        (lambda request: [answer(request).replace(b'name="Get"', b'name="Set"')], Garbled),
        (lambda request: [answer(request, "<a>" * 50 + "</a>" * 50)], Garbled),
        (lambda request: [answer(request, "<a>" * 13_000 + "</a>" * 13_000)], Garbled),
        (lambda request: [answer(request, "x" * 100_000)], Garbled),
        (lambda request: [answer(request, "x" * (MAX_BYTES + 1))], Garbled),
        (lambda request: [answer(request, "", "ERROR")], Refused),
    ],
)
def test_what_makes_no_sense_is_refused_and_silence_is_unreachable(reply: Reply, kind: type[FieldError]) -> None:
    with pytest.raises(kind) as error:
        talk(ByHand(reply), get, timeout_s=0.3)
    assert type(error.value) is kind


def test_nobody_there_and_nobody_answering() -> None:
    async def main() -> None:
        writers = []
        server = await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        session = Gat1049Session(platform(port, timeout_s=0.2))
        begun_s = asyncio.get_running_loop().time()
        results = await asyncio.gather(*(get(session) for _ in range(30)), return_exceptions=True)
        assert asyncio.get_running_loop().time() - begun_s < 2  # one attempt served all who waited
        assert all(isinstance(result, Unreachable) for result in results)
        server.close()
        for writer in writers:
            writer.transport.abort()
        with pytest.raises(Unreachable, match=f"platform 127.0.0.1 port {port}: no connection"):
            await get(session)

    asyncio.run(main())


@pytest.mark.parametrize("token", ["", "t" * 2000])
def test_a_login_needs_a_token(token: str) -> None:
    with pytest.raises(Refused, match="without a usable token"):
        talk(ByHand(token=token), get)


def test_a_broken_connection_is_made_anew() -> None:
    async def main() -> None:
        server = ByHand()
        async with server:
            session = Gat1049Session(platform(server.port))
            async with session:
                await session.get("PlanParam", ID)
                assert session._link is not None
                session._link._writer.transport.abort()
                await session.get("PlanParam", ID)
        assert len(server.named("Login")) == server.connections == 2

    asyncio.run(main())


@pytest.mark.parametrize("password", [[PASSWORD], f"{PASSWORD}\n", f"{PASSWORD}\ud800", ""])
def test_settings_show_no_secrets(password: Any) -> None:
    with pytest.raises(ValidationError, match="password") as error:
        platform(1, password=password)
    assert PASSWORD not in str(error.value)


def test_long_and_strange_frames_are_skipped_or_end_it() -> None:
    async def frames(data: bytes, framing: Any) -> list[str]:
        reader = asyncio.StreamReader(limit=MAX_BYTES)
        feeding = asyncio.create_task(feed(reader, data))
        found = []
        try:
            while True:
                try:
                    found.append((await read_frame(reader, framing)).decode().strip())
                except Garbled as error:
                    found.append(type(error).__name__)
                    if found[-1] == "Lost":
                        return found
        except EOFError:
            return found
        finally:
            feeding.cancel()

    async def feed(reader: asyncio.StreamReader, data: bytes) -> None:
        for at in range(0, len(data), 100_000):
            reader.feed_data(data[at : at + 100_000])
            await asyncio.sleep(0)
        reader.feed_eof()

    good, long = b"<Message></Message>", b"<Message>" + b"x" * (2 * MAX_BYTES) + b"</Message>"
    for framing in ("length", "xml"):
        whole = b"".join(framed(part, framing) for part in (good, long, good))
        assert asyncio.run(frames(whole, framing)) == [good.decode(), "Garbled", good.decode()]
    assert asyncio.run(frames(b"\xff\xff\xff\xffxyz", "length")) == ["Lost"]
    assert asyncio.run(frames(b"x" * (45 * MAX_BYTES), "xml")) == ["Lost"]


GOOD = answer(ET.fromstring("<m><Seq>20260101000000000001</Seq><Body><Operation name='Get'/></Body></m>"))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_random_bytes_are_garbled(data: bytes) -> None:
    with pytest.raises(Garbled):
        Message.unpacked(data)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 40),
    st.one_of(st.binary(max_size=20), st.sampled_from([GOOD, b"<", b"&a;"])),
)
def test_mutated_messages_are_messages_or_garbled(at: int, gone: int, put: bytes) -> None:
    with contextlib.suppress(Garbled):
        message = Message.unpacked(GOOD[:at] + put + GOOD[at + gone :])
        assert Message.unpacked(message.packed("UTCS", "TICP")).seq == message.seq


def test_a_message_survives() -> None:
    sent = Message("REQUEST", "2" * 20, (Operation("Set", (ET.fromstring("<a>&lt;é&amp;</a>"),)),), "t<o>k&n")
    got = Message.unpacked(sent.packed("TICP", "UTCS"))
    assert (got.kind, got.seq, got.token, got.operations[0].objects[0].text) == ("REQUEST", "2" * 20, "t<o>k&n", "<é&")
    assert "t<o>k&n" not in repr(sent)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.binary(max_size=200), st.integers(0, len(GOOD)).map(lambda at: GOOD[:at])), max_size=4),
    st.sampled_from(["length", "xml"]),
    st.booleans(),
)
def test_a_hostile_platform_makes_no_crash_and_no_hang(parts: list[bytes], framing: str, raw: bool) -> None:
    server = ByHand(lambda request: [b"".join(parts)] if raw else parts, framing)
    with pytest.raises((Refused, Unreachable)):
        talk(server, get, framing=framing, timeout_s=0.05)
