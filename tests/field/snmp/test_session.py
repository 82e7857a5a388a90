"""Sessions with an agent made of pysnmp, with a line between that loses and forges, and with net-snmp looking on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from pydantic import SecretStr
from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto.api import v2c
from pysnmp.smi import error as smi
from pysnmp.smi import instrum

from greenband.errors import BadInput
from greenband.field.driver import Refused, Unreachable
from greenband.field.snmp import Access, NotWritable, Restarted, SnmpSession
from greenband.field.snmp.ber import Unsigned, Value

AUTH, PRIVATE, COMMUNITY = "a-secret-to-sign", "a-secret-to-hide", "a-secret-to-share"
BASE = "1.3.6.1.4.1.1206.4.2.1.4.9.1.3"
NUMBER, TEXT, NAME, WORD, FIXED, LIMITED, NOWHERE = (f"{BASE}.{number}.1" for number in range(1, 8))
OBJECTS = [f"{BASE}.9.{number}" for number in range(1, 54)]
PROTOCOLS = {
    "sha256": config.USM_AUTH_HMAC192_SHA256,
    "sha512": config.USM_AUTH_HMAC384_SHA512,
    "sha1": config.USM_AUTH_HMAC96_SHA,
    "md5": config.USM_AUTH_HMAC96_MD5,
    "aes128": config.USM_PRIV_CFB128_AES,
    "aes256": config.USM_PRIV_CFB256_AES,
}
USERS = {"u": ("sha256", "aes128"), "v": ("sha512", "aes256"), "w": ("sha1", "aes128"), "x": ("md5", "aes128")}
USERS["y"] = ("sha256", "aes256")


class Memory(instrum.AbstractMibInstrumController):  # type: ignore[misc]
    """Objects of an agent; at most ``most`` of them go into an answer."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {
            NUMBER: v2c.Integer32(-5),
            TEXT: v2c.OctetString(bytes(range(200))),
            NAME: v2c.ObjectIdentifier("0.0"),
            WORD: v2c.Gauge32(2**32 - 2),
            FIXED: v2c.Integer32(1),
            LIMITED: v2c.Integer32(1),
            **{name: v2c.Integer32(number) for number, name in enumerate(OBJECTS)},
        }
        self.most = 100
        self.largest = 0

    def read_variables(self, *variables: Any, **_: Any) -> list[Any]:
        self._count(variables)
        return [(name, self.held.get(str(name), v2c.NoSuchInstance(""))) for name, _ in variables]

    def write_variables(self, *variables: Any, **_: Any) -> list[Any]:
        self._count(variables)
        for index, (name, value) in enumerate(variables):
            if str(name) == FIXED:
                raise smi.NotWritableError(name=name, idx=index)
            if str(name) == LIMITED and value != 1:
                raise smi.WrongValueError(name=name, idx=index)
        self.held.update({str(name): value for name, value in variables})
        return list(variables)

    def _count(self, variables: Any) -> None:
        self.largest = max(self.largest, len(variables))
        if len(variables) > self.most:
            raise smi.TooBigError


class Agent:
    """An agent in a thread of its own."""

    def __init__(self) -> None:
        self.memory, self.port, self._ready = Memory(), 0, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self.engine = engine.SnmpEngine()
        self.id = bytes(self.engine.snmpEngineID)
        transport = udp.UdpAsyncioTransport().open_server_mode(("127.0.0.1", 0))
        config.add_transport(self.engine, udp.DOMAIN_NAME, transport)
        for user, (auth, privacy) in USERS.items():
            config.add_v3_user(self.engine, user, PROTOCOLS[auth], AUTH, PROTOCOLS[privacy], PRIVATE)
            config.add_vacm_user(self.engine, 3, user, "authPriv", (1,), (1,))
        config.add_v1_system(self.engine, "area", COMMUNITY)
        config.add_vacm_user(self.engine, 2, "area", "noAuthNoPriv", (1,), (1,))
        names = context.SnmpContext(self.engine)
        names.unregister_context_name(b"")
        names.register_context_name(b"", self.memory)
        cmdrsp.GetCommandResponder(self.engine, names)
        cmdrsp.SetCommandResponder(self.engine, names)
        await transport._lport
        self.port = transport.transport.get_extra_info("sockname")[1]
        self._ready.set()
        await self._end.wait()
        self.engine.close_dispatcher()
        await asyncio.sleep(0.01)

    def restart(self) -> None:
        """As if it had started anew."""
        (boots,) = self.engine.get_mib_builder().import_symbols("__SNMP-FRAMEWORK-MIB", "snmpEngineBoots")
        boots.syntax += 1

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


@pytest.fixture(scope="module")
def running() -> Iterator[Agent]:
    made = Agent()
    yield made
    made.close()


@pytest.fixture
def agent(running: Agent) -> Agent:
    running.memory.__init__()  # type: ignore[misc]
    return running


def access(port: int, **more: Any) -> Access:
    user: dict[str, Any] = {"user": "u", "auth": SecretStr(AUTH), "private": SecretStr(PRIVATE)}
    return Access("127.0.0.1", port, **(user | {"timeout_s": 0.3, "retries": 2} | more))


def open_access(port: int) -> Access:
    return access(port, version="2c", community=SecretStr(COMMUNITY))


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(15):
            return await work()

    return asyncio.run(bounded(), debug=False)


def get(to: Access, *names: str, **more: Any) -> list[Value]:
    async def work() -> list[Value]:
        async with SnmpSession(to) as session:
            return await session.get(names, **more)

    return cast(list[Value], run(work))


def put(to: Access, *pairs: tuple[str, Value]) -> None:
    async def work() -> None:
        async with SnmpSession(to) as session:
            await session.set(pairs)

    run(work)


class Line(asyncio.DatagramProtocol):
    """Stands between a session and an agent; ``bend`` makes of a datagram, and whether it is an answer, what passes."""

    def __init__(self, agent: int, bend: Callable[[bytes, bool], list[bytes]]) -> None:
        self.agent, self.bend, self.client = ("127.0.0.1", agent), bend, ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if answer := addr == self.agent:
            to = self.client
        else:
            self.client, to = addr, self.agent
        for part in self.bend(data, answer):
            self.transport.sendto(part, to)


async def through(
    to: Access, bend: Callable[[bytes, bool], list[bytes]], work: Callable[[SnmpSession], Awaitable[Any]]
) -> Any:
    loop = asyncio.get_running_loop()
    line, _ = await loop.create_datagram_endpoint(lambda: Line(to.port, bend), local_addr=("127.0.0.1", 0))
    try:
        async with SnmpSession(replace(to, port=line.get_extra_info("sockname")[1])) as session:
            return await work(session)
    finally:
        line.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize("user", USERS)
def test_values_of_all_kinds_are_read_and_set_with_all_protocols(agent: Agent, user: str) -> None:
    auth, privacy = USERS[user]
    to = access(agent.port, user=user, auth_protocol=auth, privacy=privacy)
    assert get(to, NUMBER, TEXT, NAME, WORD) == [-5, bytes(range(200)), "0.0", Unsigned(2**32 - 2)]
    put(to, (NUMBER, -(2**31)), (TEXT, b""), (NAME, f"{BASE}.300.70000"), (WORD, Unsigned(2**31)))
    assert get(to, NUMBER, TEXT, NAME, WORD) == [-(2**31), b"", f"{BASE}.300.70000", 2**31]


def test_version_2c(agent: Agent) -> None:
    put(open_access(agent.port), (NUMBER, 7), (TEXT, b"\x00\xff"))
    assert get(open_access(agent.port), NUMBER, TEXT) == [7, b"\x00\xff"]


@pytest.mark.skipif(not (shutil.which("snmpget") or os.environ.get("CI")), reason="net-snmp's snmpget is not installed")
def test_net_snmp_sees_what_was_set(agent: Agent) -> None:
    put(access(agent.port), (NUMBER, -77), (NAME, f"{BASE}.1"))
    user = ["-v3", "-lauthPriv", "-uu", "-aSHA-256", f"-A{AUTH}", "-xAES", f"-X{PRIVATE}", "-On", "-Oe"]
    command = ["snmpget", *user, f"127.0.0.1:{agent.port}", NUMBER, NAME]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    assert seen == [f".{NUMBER} = INTEGER: -77", f".{NAME} = OID: .{BASE}.1"]


def test_many_objects_go_in_messages_of_a_size_that_the_agent_takes(agent: Agent) -> None:
    to = access(agent.port)
    assert get(to, *OBJECTS) == list(range(len(OBJECTS)))
    assert agent.memory.largest == to.per_message
    agent.memory.most = 7
    assert get(to, *OBJECTS) == list(range(len(OBJECTS)))
    put(to, *((name, 3) for name in OBJECTS))
    assert {int(agent.memory.held[name]) for name in OBJECTS} == {3}
    agent.memory.most = 0
    with pytest.raises(Refused, match="tooBig"):
        get(to, NUMBER)


def test_what_is_missing_or_not_allowed_is_named(agent: Agent) -> None:
    to = access(agent.port)
    with pytest.raises(Refused, match=f"{NOWHERE}: the controller has no such row"):
        get(to, NUMBER, NOWHERE)
    assert get(to, NUMBER, NOWHERE, optional=True) == [-5, None]
    with pytest.raises(NotWritable, match=f"{FIXED}: it may not be written"):
        put(to, (FIXED, 1))
    with pytest.raises(Refused, match=f"{LIMITED}: the value is not allowed"):
        put(to, (LIMITED, 2))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"user": "nobody"}, "the user is not known there"),
        ({"auth": SecretStr("something else")}, "the authentication password or protocol is wrong"),
        ({"private": SecretStr("something else")}, "the privacy password or protocol is wrong"),
        ({"auth_protocol": "sha512"}, "the authentication password or protocol is wrong"),
        ({"privacy": "aes256"}, "the privacy password or protocol is wrong"),
        ({"engine": b"another"}, "not the controller of the inventory: its engine id is 80.*, not 616e6f74686572"),
    ],
)
def test_wrong_credentials_and_engines_are_refused(agent: Agent, more: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text) as caught:
        get(access(agent.port, **more), NUMBER)
    assert "secret" not in str(caught.value)
    assert "something" not in str(caught.value)


def test_the_engine_of_the_inventory_is_asked_at_once(agent: Agent) -> None:
    assert get(access(agent.port, engine=agent.id), NUMBER) == [-5]


def test_secrets_are_in_no_text(agent: Agent) -> None:
    to = access(agent.port, community=SecretStr(COMMUNITY))
    assert "secret" not in repr(to) + str(to) + repr(SnmpSession(to)) + repr(vars(SnmpSession(to)))
    with pytest.raises(BadInput, match="auth: a password of at least 8") as caught:
        access(1, auth=SecretStr("secret"))
    assert "'secret'" not in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [
        {"version": "2c"},
        {"user": ""},
        {"auth": None},
        {"private": SecretStr("short")},
        {"privacy": "aes256", "auth_protocol": "sha1"},
        {"engine": b"1"},
        {"timeout_s": 0.0},
        {"retries": -1},
        {"per_message": 0},
    ],
)
def test_access_that_cannot_be_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"access to 127.0.0.1:1: "):
        access(1, **more)


def test_nobody_there() -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"127.0.0.1:1: no answer in 2 tries over 0.[23] s"):
        get(access(1, timeout_s=0.1, retries=1), NUMBER)
    assert time.monotonic() - started >= 0.3  # twice the patience for the second try
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid"):
        get(replace(access(1), host="no-such-host.invalid"), NUMBER)


def test_patience_of_the_inventory_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What further tries wait at most does not hold for the first one, and they do not wait less than it."""
    monkeypatch.setattr("greenband.field.snmp.session.MAX_WAIT_S", 0.05)
    with pytest.raises(Unreachable, match=r"no answer in 2 tries over 0.[4567] s"):
        get(access(1, timeout_s=0.2, retries=1), NUMBER)
    with pytest.raises(Unreachable, match=r"no answer in 4 tries over 0.[12] s"):
        get(access(1, timeout_s=0.02, retries=3), NUMBER)


def test_reading_is_repeated_and_setting_is_not(agent: Agent) -> None:
    lost = {"answers": 0}

    def every_other(data: bytes, answer: bool) -> list[bytes]:
        lost["answers"] += answer
        return [] if answer and lost["answers"] % 2 else [data]

    async def work(session: SnmpSession) -> None:
        assert await session.get(OBJECTS) == list(range(len(OBJECTS)))
        lost["answers"] = 0
        with pytest.raises(Unreachable, match=r"no answer in 1 tries .*, the last was"):
            await session.set([(NUMBER, 8)])
        assert int(agent.memory.held[NUMBER]) == 8
        lost["answers"] = 0
        await session.set([(NUMBER, 9)], tries=3)

    run(lambda: through(access(agent.port, timeout_s=0.1), every_other, work))


def test_a_restart_is_seen_and_nothing_is_set_after_it(agent: Agent) -> None:
    async def work() -> None:
        async with SnmpSession(access(agent.port)) as session:
            await session.get([NUMBER])
            session.pin()
            await session.set([(NUMBER, 1)])
            agent.restart()
            with pytest.raises(Restarted):
                await session.set([(NUMBER, 2)])
            assert await session.get([NUMBER]) == [1]
            with pytest.raises(Restarted):
                await session.set([(NUMBER, 2)])
            session.pin()
            await session.set([(NUMBER, 3)])
            agent.restart()
            assert await session.get([NUMBER]) == [3]

    run(work)


def test_old_answers_are_dropped(agent: Agent) -> None:
    """Each answer is followed by all before it, and each request is answered by an older answer first."""
    kept: list[bytes] = []

    def replay(data: bytes, answer: bool) -> list[bytes]:
        if not answer:
            return [data]
        kept.append(data)
        return [*kept[:-1], data, *kept]

    async def work(session: SnmpSession) -> None:
        for number in range(5):
            await session.set([(NUMBER, number)])
            assert await session.get([NUMBER]) == [number]

    run(lambda: through(access(agent.port), replay, work))
    kept.clear()
    run(lambda: through(open_access(agent.port), replay, work))


def test_answers_from_elsewhere_are_dropped(agent: Agent) -> None:
    """The system hands on only what comes from the agent's address."""
    heard: list[bytes] = []

    async def work() -> list[Value]:
        loop = asyncio.get_running_loop()
        async with SnmpSession(access(agent.port)) as session:
            line = session._line
            assert line is not None
            assert line._transport is not None
            here, take = line._transport.get_extra_info("sockname"), line._take

            def hear(data: bytes) -> None:
                heard.append(data)
                take(data)

            line._take = hear
            other, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
            other.sendto(b"forged", here)
            found = await session.get([NUMBER])
            other.close()
            return found

    assert run(work) == [-5]
    assert heard
    assert b"forged" not in heard


def _bits(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]


FORGERIES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "random": lambda data, chance: chance.randbytes(chance.randrange(200)),
    "cut off": lambda data, chance: data[: chance.randrange(len(data))],
    "longer": lambda data, chance: data + chance.randbytes(chance.randrange(1, 20)),
    "one bit": _bits,
    "many bits": lambda data, chance: _bits(_bits(_bits(data, chance), chance), chance),
    "a piece": lambda data, chance: data[: (at := chance.randrange(len(data)))] + chance.randbytes(4) + data[at + 4 :],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_answers_change_nothing_that_is_read(agent: Agent, forgery: str) -> None:
    """Before each right answer come 40 forged ones."""
    chance = random.Random(forgery)

    def bend(data: bytes, answer: bool) -> list[bytes]:
        forged = (FORGERIES[forgery](data, chance) for _ in range(40)) if answer else ()
        return [*(part for part in forged if part != data), data]

    async def work(session: SnmpSession) -> None:
        for _ in range(6):
            assert await session.get([NUMBER, TEXT]) == [-5, bytes(range(200))]

    # a report without a signature may end a session, but not lie
    with contextlib.suppress(Refused):
        run(lambda: through(access(agent.port, engine=agent.id), bend, work))


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("version", ["3", "2c"])
def test_nothing_but_forged_answers_is_refused_in_time(agent: Agent, forgery: str, version: str) -> None:
    chance = random.Random(forgery)

    def bend(data: bytes, answer: bool) -> list[bytes]:
        return [FORGERIES[forgery](data, chance) for _ in range(20)] if answer else [data]

    async def work(session: SnmpSession) -> list[Value]:
        return await session.get([NUMBER, TEXT])

    to = access(agent.port) if version == "3" else open_access(agent.port)
    for _ in range(5):
        found: list[Value] | None = None
        with contextlib.suppress(Refused, Unreachable):
            found = run(lambda: through(replace(to, timeout_s=0.02, retries=1), bend, work))
        assert found is None or version == "2c" or found == [-5, bytes(range(200))]


def test_answers_that_fit_but_are_about_something_else_are_refused(agent: Agent) -> None:
    def bend(data: bytes, answer: bool) -> list[bytes]:
        return [data.replace(b"\x09\x01\x03\x01\x01", b"\x09\x01\x03\x02\x01")] if answer else [data]

    with pytest.raises(Refused, match="for other objects than it was asked for"):
        run(lambda: through(open_access(agent.port), bend, lambda session: session.get([NUMBER])))


def test_a_community_that_is_another_is_no_answer(agent: Agent) -> None:
    def bend(data: bytes, answer: bool) -> list[bytes]:
        return [data.replace(COMMUNITY.encode(), b"b" * len(COMMUNITY))] if answer else [data]

    to = replace(open_access(agent.port), timeout_s=0.05, retries=0)
    with pytest.raises(Refused, match="answered 1 times, but with another version or community") as caught:
        run(lambda: through(to, bend, lambda session: session.get([NUMBER])))
    assert "secret" not in str(caught.value)


def test_many_sessions_at_once_leave_nothing_behind(agent: Agent) -> None:
    async def one() -> list[Value]:
        async with SnmpSession(access(agent.port, timeout_s=5.0)) as session:
            return await session.get([NUMBER])

    async def work() -> None:
        assert await asyncio.gather(*(one() for _ in range(60))) == [[-5]] * 60
        assert len(asyncio.all_tasks()) == 1

    run(work)
    gc.collect()


def test_a_pause_is_kept_between_requests(agent: Agent) -> None:
    started = time.monotonic()
    get(access(agent.port, pause_s=0.05, engine=agent.id, per_message=1), *OBJECTS[:5])
    assert time.monotonic() - started >= 0.2
