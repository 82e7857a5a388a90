"""The stand-in over UDP, with net-snmp and pysnmp as managers, and with what no manager should send."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pysnmp.hlapi.v3arch import asyncio as hlapi

from greenband.errors import BadInput
from greenband.field.stand_ins import ber, usm
from greenband.field.stand_ins.ber import Pdu
from greenband.field.stand_ins.ntcip import Faults, Maxima, Settings, StandIn, User, held_in, serve_many
from greenband.field.stand_ins.usm import PRIV, Engine
from greenband.formats.ntcip_objects import NtcipObject
from greenband.formats.ntcip_tables import NtcipTables

Plan = Callable[..., NtcipTables]

ASC, GLOBAL = "1.3.6.1.4.1.1206.4.2.1", "1.3.6.1.4.1.1206.4.2.6"
COMMAND, VERDICT = f"{GLOBAL}.2.1.0", f"{GLOBAL}.2.6.0"
OFFSET, OFFSET_NAME = f"{ASC}.4.7.1.3.1", "patternOffsetTime.1"
RESTART_ALARM = f"{ASC}.3.7.0"
AUTH, PRIVACY, COMMUNITY = "auth-secret-1", "priv-secret-1", "community-secret"
OPERATOR = User("operator", AUTH, PRIVACY)
SENDER = ("127.0.0.1", 9)


def stand_in(tables: NtcipTables | None = None, faults: str = "", **more: Any) -> StandIn:
    times = {name: more.pop(name) for name in ("now", "utc") if name in more}
    settings = Settings(**{"users": (OPERATOR,), "faults": Faults.of(faults), **more})
    return StandIn(settings, tables.objects() if tables else (), **times)


def served(one: StandIn, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work while the stand-in answers; an error in one of its callbacks is an error."""
    troubles: list[dict[str, Any]] = []

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
        async with serve_many([one]):
            await asyncio.wait_for(work(), 15)

    asyncio.run(whole())
    assert troubles == []


# ------------------------------------------------------------------ net-snmp


@pytest.fixture
def net_snmp() -> None:
    if not shutil.which("snmpset"):
        assert not os.environ.get("CI"), "net-snmp's snmpset is not installed"
        pytest.skip("net-snmp's snmpset is not installed")


V3 = ["-v3", "-l", "authPriv", "-u", "operator", "-a", "SHA-256", "-A", AUTH, "-x", "AES", "-X", PRIVACY]


async def tool(name: str, one: StandIn, *more: str, options: Sequence[str] = V3) -> str:
    """Output of one of net-snmp's tools: values in numbers."""
    command = [name, *options, "-t", "0.4", "-r", "0", "-OnQ", f"127.0.0.1:{one.port}", *more]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout + done.stderr


def net_snmp_value(made: NtcipObject) -> list[str]:
    if made.syntax == "octets":
        return [made.oid, "x", made.text.replace(" ", "")]
    wide = isinstance(made.value, int) and made.value > 2**31 - 1
    return [made.oid, "o" if made.syntax == "oid" else "u" if wide else "i", made.text]


@pytest.mark.usefixtures("net_snmp")
def test_net_snmp_downloads_a_plan_and_reads_it_back(plan: Plan) -> None:
    one, wanted = stand_in(plan()), list(plan(90, 20, 50).objects())

    async def work() -> None:
        assert "genError" in await tool("snmpset", one, OFFSET, "i", "20")
        assert "= 2" in await tool("snmpset", one, COMMAND, "i", "2")
        for start in range(0, len(wanted), 40):
            values = [word for made in wanted[start : start + 40] for word in net_snmp_value(made)]
            assert "Error" not in await tool("snmpset", one, *values)
        assert "= 3" in await tool("snmpset", one, COMMAND, "i", "3")
        assert "= 6" in await tool("snmpget", one, COMMAND)
        assert "= 3" in await tool("snmpget", one, VERDICT)
        assert one.held()[OFFSET_NAME] == "10"
        assert "= 1" in await tool("snmpset", one, COMMAND, "i", "1")
        assert "= 20" in await tool("snmpget", one, OFFSET)
        assert "= 2" in await tool("snmpget", one, f"{ASC}.4.11.0")

    served(one, work)
    held = one.held()
    assert {made.name: held[made.name] for made in wanted} == {made.name: made.text for made in wanted}


@pytest.mark.usefixtures("net_snmp")
def test_net_snmp_walks_over_all_objects(plan: Plan) -> None:
    one = stand_in(plan(), community=COMMUNITY, largest=1472)

    async def work() -> None:
        walked = [
            await tool("snmpbulkwalk", one, "-Cr25", "1.3"),
            await tool("snmpbulkwalk", one, "1.3", options=["-v2c", "-c", COMMUNITY]),
        ]
        for lines in (output.splitlines() for output in walked):
            assert len(lines) > len(one.held()) + 400
            assert f".{OFFSET} = 10" in lines
            assert sum("No more variables" in line for line in lines) == 1

    served(one, work)


@pytest.mark.usefixtures("net_snmp")
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"-u": "stranger"}, "unknown user"),
        ({"-A": "another-secret"}, "wrong digest"),
        ({"-a": "SHA-512"}, "wrong digest"),
        ({"-X": "another-secret"}, "malformed"),
        ({"-l": "authNoPriv"}, "unsupported security level"),
        ({"-l": "noAuthNoPriv"}, "unsupported security level"),
        ({"-e": "0x8000000001020304"}, "unknown engine id"),
        ({"-n": "elsewhere"}, "unknown context"),
        ({"-v3": "-v2c", "-c": "public"}, "version 2c, which is off"),
        ({"-v3": "-v1", "-c": "public"}, "malformed"),
    ],
)
def test_others_are_refused_and_counted(
    plan: Plan, changed: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = stand_in(plan())
    caplog.set_level(logging.DEBUG)
    options = dict(zip(V3[1::2], V3[2::2], strict=True)) | changed
    version = options.pop("-v3", "-v3")
    words = [version, *(word for pair in options.items() for word in pair)]

    async def work() -> None:
        assert " = " not in await tool("snmpset", one, COMMAND, "i", "2", options=words)

    before = state_of(one)
    served(one, work)
    assert one.counts[reason] >= 1
    assert one.counts["answered"] == 0
    assert state_of(one) == before
    assert reason in caplog.text
    for secret in (*words[1:], AUTH, PRIVACY):
        assert "secret" not in secret or secret not in caplog.text


# ------------------------------------------------------------------ pysnmp


class Manager:
    """pysnmp's view of a stand-in."""

    def __init__(self, one: StandIn, **user: Any) -> None:
        protocols = {"authProtocol": hlapi.usmHMAC192SHA256AuthProtocol, "privProtocol": hlapi.usmAesCfb128Protocol}
        self._auth = hlapi.UsmUserData("operator", AUTH, PRIVACY, **(protocols | user))
        self._engine, self._port = hlapi.SnmpEngine(), one.port

    async def _asked(self, ask: Callable[..., Any], bindings: Iterable[Any], timeout_s: float) -> tuple[str, list[Any]]:
        target = await hlapi.UdpTransportTarget.create(("127.0.0.1", self._port), timeout=timeout_s, retries=0)
        asked = await ask(self._engine, self._auth, target, hlapi.ContextData(), *bindings, lookupMib=False)
        indication, status, _, found = asked
        return str(indication or status or ""), [value for _, value in found]

    async def get(self, *names: str, timeout_s: float = 1.0) -> list[Any]:
        bindings = [hlapi.ObjectType(hlapi.ObjectIdentity(name)) for name in names]
        error, found = await self._asked(hlapi.get_cmd, bindings, timeout_s)
        return [int(value) for value in found] if not error else [error]

    async def set(self, name: str, number: int, timeout_s: float = 1.0) -> str:
        binding = hlapi.ObjectType(hlapi.ObjectIdentity(name), hlapi.Integer32(number))
        return (await self._asked(hlapi.set_cmd, [binding], timeout_s))[0]

    def close(self) -> None:
        self._engine.close_dispatcher()


@asynccontextmanager
async def managing(one: StandIn, **user: Any) -> AsyncIterator[Manager]:
    manager = Manager(one, **user)
    try:
        yield manager
    finally:
        manager.close()


async def download(manager: Manager, offset_s: int, timeout_s: float = 1.0) -> list[str]:
    """The error of each step, the last only if one before it had none."""
    steps = [(COMMAND, 2), (OFFSET, offset_s), (COMMAND, 3), (None, 0), (COMMAND, 1)]
    found: list[str] = []
    for name, number in steps:
        if name is None:
            done = await manager.get(COMMAND, timeout_s=timeout_s)
            found.append("" if done == [6] else str(done[0]))
        else:
            found.append(await manager.set(name, number, timeout_s))
        if found[-1]:
            break
    return found


@pytest.mark.parametrize(
    ("auth", "priv", "theirs"),
    [
        ("MD5", "AES-128", (hlapi.usmHMACMD5AuthProtocol, hlapi.usmAesCfb128Protocol)),
        ("SHA-1", "AES-256", (hlapi.usmHMACSHAAuthProtocol, hlapi.usmAesBlumenthalCfb256Protocol)),
        ("SHA-224", "AES-192", (hlapi.usmHMAC128SHA224AuthProtocol, hlapi.usmAesBlumenthalCfb192Protocol)),
        ("SHA-384", "AES-128", (hlapi.usmHMAC256SHA384AuthProtocol, hlapi.usmAesCfb128Protocol)),
        ("SHA-512", "AES-256", (hlapi.usmHMAC384SHA512AuthProtocol, hlapi.usmAesCfb256Protocol)),
    ],
)
def test_other_protocols_can_be_chosen(auth: str, priv: str, theirs: tuple[Any, Any]) -> None:
    one = stand_in(users=(User("operator", AUTH, PRIVACY, auth, priv),))

    async def work() -> None:
        async with managing(one, authProtocol=theirs[0], privProtocol=theirs[1]) as manager:
            assert await manager.get(COMMAND, f"{ASC}.1.1.0") == [1, 8]

    served(one, work)


MOMENTS = [("transaction", 0, 10), ("set", 1, 10), ("verify", 3, 10), ("commit", 3, 10), ("committed", 3, 20)]


@pytest.mark.parametrize(("moment", "answered", "offset_s"), MOMENTS)
def test_power_comes_back_with_what_was_stored(plan: Plan, moment: str, answered: int, offset_s: int) -> None:
    now = [0.0]
    one = stand_in(plan(), f"crash={moment},restart=3", now=lambda: now[0])
    sent, steps = deaf(one), [(COMMAND, 2), (OFFSET, 20), (COMMAND, 3), (COMMAND, 1)]
    attacker = Attacker(one)
    for step in steps:
        one.received(attacker.request(setting(*step)), SENDER)
    assert (len(sent), one.counts["power lost"]) == (answered, 1)
    now[0] += 2.9
    one.received(attacker.request(setting(COMMAND, 2)), SENDER)
    assert len(sent) == answered
    now[0] += 0.2
    one.received(attacker.request(setting(COMMAND, 2)), SENDER)
    assert (one.boots, one.counts["not in time window"], one._transaction.state) == (2, 1, 1)
    assert one.held()[OFFSET_NAME] == str(offset_s)
    attacker = Attacker(one)
    for step in [(COMMAND, 2), (OFFSET, 30), (COMMAND, 3), (COMMAND, 1)]:
        one.received(attacker.request(setting(*step)), SENDER)
    assert one.held()[OFFSET_NAME] == "30"


def test_managers_go_on_after_a_power_loss(plan: Plan) -> None:
    one = stand_in(plan(), "crash=committed,restart=0.1")

    async def work() -> None:
        async with managing(one) as manager:
            errors = await download(manager, 20, timeout_s=0.2)
            assert errors[:-1] == [""] * 4
            assert "No SNMP response" in errors[-1]
            assert await manager.get(COMMAND, OFFSET, RESTART_ALARM) == [1, 20, 1]
            assert await manager.get(RESTART_ALARM) == [0]
            assert await download(manager, 30) == [""] * 5

    served(one, work)
    assert one.held()[OFFSET_NAME] == "30"


def test_power_can_stay_away() -> None:
    now = [0.0]
    one = stand_in(faults="crash=transaction,restart=inf", now=lambda: now[0])
    sent, attacker = deaf(one), Attacker(one)
    for _ in range(3):
        one.received(attacker.request(setting(COMMAND, 2)), SENDER)
        now[0] += 1e9
    assert sent == []
    assert dict(one.counts) == {"power lost": 1, "lost": 2}


def test_answers_can_be_late(plan: Plan) -> None:
    one = stand_in(plan(), "latency=0.05,jitter=0.02")

    async def work() -> None:
        async with managing(one) as manager:
            for _ in range(4):
                started = time.monotonic()
                assert await manager.get(COMMAND) == [1]
                assert time.monotonic() - started >= 0.05

    served(one, work)


def test_silence_and_loss(plan: Plan) -> None:
    def answered(faults: str) -> int:
        one = stand_in(plan(), faults)
        sent, attacker = deaf(one), Attacker(one)
        for _ in range(400):
            one.received(attacker.request(setting(COMMAND, 9)), SENDER)
        assert one.counts["lost"] == 400 - len(sent)
        return len(sent)

    assert answered("") == 400
    assert answered("silent") == 0
    assert 170 < answered("loss=0.3") < 220  # 0.7 of 0.7
    assert answered("loss=0.3") == answered("loss=0.3,seed=0") != answered("loss=0.3,seed=1")


def test_garbage_comes_in_many_kinds(plan: Plan) -> None:
    one = stand_in(plan(), "garbage=1", community=COMMUNITY)
    sent: list[bytes] = []
    one._send_now = lambda data, receiver: sent.append(data)  # type: ignore[method-assign]
    request = v2c_message(Pdu(ber.GET, 7, 0, 0, ((ber.oid(COMMAND), ber.NULL, b""), (ber.oid(OFFSET), ber.NULL, b""))))
    for _ in range(300):
        one.received(request, SENDER)
    good = stand_in(plan(), community=COMMUNITY)
    good._send_now = lambda data, receiver: right.append(data)  # type: ignore[method-assign]
    right: list[bytes] = []
    good.received(request, SENDER)
    assert len(set(sent)) > 100
    assert right[0] not in sent
    assert sum(right[0].startswith(data) for data in sent) > 20
    assert sum(len(data) == len(right[0]) for data in sent) > 40


# ------------------------------------------------------------------ what no manager should send


def v2c_message(pdu: Pdu, community: str = COMMUNITY) -> bytes:
    return ber.wrap(ber.SEQUENCE, ber.integer(1), ber.wrap(ber.OCTETS, community.encode()), pdu.octets())


class Attacker:
    """Somebody who hears what a manager sends, or even knows the keys."""

    def __init__(self, one: StandIn, keys_of: User = OPERATOR) -> None:
        self._engine = Engine(one.engine_id, (keys_of,), boots=one.boots)
        self._number = 0

    def signed(self, scoped: bytes) -> bytes:
        """A message in order, with any content."""
        self._number += 1
        (keys,) = self._engine._keys.values()
        return self._engine._message(self._number, keys.name, keys, scoped, private=True)

    def request(self, pdu: bytes) -> bytes:
        return self.signed(self.scoped(pdu))

    def scoped(self, pdu: bytes) -> bytes:
        return ber.wrap(ber.SEQUENCE, ber.wrap(ber.OCTETS, self._engine.engine_id), ber.wrap(ber.OCTETS, b""), pdu)


def setting(name: str, number: int) -> bytes:
    return Pdu(ber.SET, 5, 0, 0, ((ber.oid(name), ber.INTEGER, ber.integer_content(number)),)).octets()


def deaf(one: StandIn) -> list[bytes]:
    """Start without a network; returns what it sends."""
    sent: list[bytes] = []
    one._send_now = lambda data, receiver: sent.append(data)  # type: ignore[method-assign]
    one._engine.restart()
    return sent


def state_of(one: StandIn) -> tuple[dict[str, str], int]:
    return one.held(), one._transaction.state


def test_random_octets_change_nothing(plan: Plan) -> None:
    one, chance = stand_in(plan(), community=COMMUNITY), random.Random(1)
    sent = deaf(one)
    before = state_of(one)
    for _ in range(3000):
        one.received(chance.randbytes(chance.randrange(300)), SENDER)
        one.received(b"\x30" + chance.randbytes(chance.randrange(300)), SENDER)
    assert state_of(one) == before
    assert sent == []
    assert one.counts["malformed"] == 6000


def mutated(data: bytes, chance: random.Random) -> bytes:
    kind = chance.randrange(4)
    if kind == 0:
        return data[: chance.randrange(len(data))]
    if kind == 1:
        return data + chance.randbytes(chance.randrange(1, 20))
    found = bytearray(data)
    for _ in range(chance.randrange(1, 4) if kind == 2 else 1):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    if kind == 3:
        at = chance.randrange(len(found))
        found[at : at + chance.randrange(5)] = chance.randbytes(chance.randrange(5))
    return bytes(found)


def test_changed_messages_of_version_3_change_nothing(plan: Plan) -> None:
    one, chance = stand_in(plan()), random.Random(2)
    deaf(one)
    attacker, before = Attacker(one), state_of(one)
    valid = attacker.request(setting(COMMAND, 2))
    for _ in range(3000):
        if (data := mutated(valid, chance)) != valid:
            one.received(data, SENDER)
    assert state_of(one) == before
    assert one.counts["answered"] == 0
    refused = {"malformed", "wrong digest", "unknown engine id", "unknown user", "unsupported security level"}
    assert refused <= set(one.counts)
    one.received(valid, SENDER)
    assert one.counts["answered"] == 1


def test_nonsense_of_a_user_is_refused_or_answered_with_an_error(plan: Plan) -> None:
    one, chance = stand_in(plan()), random.Random(3)
    sent = deaf(one)
    attacker = Attacker(one)
    valid = attacker.scoped(setting(OFFSET, 20))
    for _ in range(1500):
        one.received(attacker.signed(mutated(valid, chance)), SENDER)
        one.received(attacker.signed(chance.randbytes(chance.randrange(100))), SENDER)
    assert one.held() == stand_in(plan()).held()
    assert one.counts["malformed"] > 1000
    assert one.counts["answered"] > 10
    assert len(sent) >= one.counts["answered"]


def test_changed_messages_of_version_2c_never_stop_it(plan: Plan) -> None:
    one, chance = stand_in(plan(), community=COMMUNITY), random.Random(4)
    deaf(one)
    requests = [Pdu(kind, 1, 0, 9, ((ber.oid(OFFSET), ber.NULL, b""),) * 3) for kind in (0xA0, 0xA1, 0xA3, 0xA5)]
    for _ in range(1000):
        for request in requests:
            one.received(mutated(v2c_message(request), chance), SENDER)
    assert one.held() == stand_in(plan()).held()
    assert {"malformed", "wrong community", "answered"} <= set(one.counts)
    one.received(v2c_message(requests[0]), SENDER)
    one.received(v2c_message(requests[0], COMMUNITY + "x"), SENDER)
    one.received(v2c_message(requests[0], ""), SENDER)


def test_a_message_that_came_before_is_refused(plan: Plan) -> None:
    now = [1000.0]
    one = stand_in(plan(), now=lambda: now[0])
    sent = deaf(one)
    attacker = Attacker(one)
    heard = [attacker.request(setting(*step)) for step in [(COMMAND, 2), (OFFSET, 20), (COMMAND, 3), (COMMAND, 1)]]
    for data in heard:
        one.received(data, SENDER)
        one._transaction.state  # verifying ends  # noqa: B018
    assert one.held()[OFFSET_NAME] == "20"
    one._memory.store({OFFSET_NAME: 10})
    before, answers = state_of(one), len(sent)
    for later_s in (0, 149, 149, 149, 10_000):
        now[0] += later_s
        for data in heard:
            one.received(data, SENDER)
        assert state_of(one) == before
    assert one.counts["replayed"] == 4 * 2
    assert one.counts["not in time window"] == 4 * 3
    assert len(sent) == answers
    one._engine.restart()
    for data in heard:
        one.received(data, SENDER)
    assert one.counts["not in time window"] == 4 * 4
    assert state_of(one) == before


def test_messages_from_the_future_are_refused(plan: Plan) -> None:
    one = stand_in(plan())
    deaf(one)
    attacker = Attacker(one)
    attacker._engine._start -= 200
    one.received(attacker.request(setting(COMMAND, 2)), SENDER)
    attacker._engine._start += 200
    attacker._engine.boots += 1
    one.received(attacker.request(setting(COMMAND, 2)), SENDER)
    assert one.counts["not in time window"] == 2


def test_what_is_remembered_is_bounded(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usm, "REMEMBERED", 50)
    one = stand_in(plan())
    deaf(one)
    attacker = Attacker(one)
    for _ in range(80):
        one.received(attacker.request(setting(COMMAND, 9)), SENDER)
    assert len(one._engine._seen) == 50


def test_privacy_cannot_be_left_out(plan: Plan) -> None:
    """Signed, but in the clear."""
    one = stand_in(plan())
    deaf(one)
    attacker = Attacker(one)
    (keys,) = attacker._engine._keys.values()
    clear = attacker._engine._message(1, keys.name, keys, attacker.scoped(setting(COMMAND, 2)), private=False)
    one.received(clear, SENDER)
    flags = clear.index(b"\x04\x01\x01") + 2
    forged = clear[:flags] + bytes([clear[flags] | PRIV]) + clear[flags + 1 :]
    one.received(forged, SENDER)
    assert dict(one.counts) == {"unsupported security level": 1, "wrong digest": 1}


def test_floods_over_the_network_do_not_stop_it(plan: Plan) -> None:
    one, chance = stand_in(plan()), random.Random(5)
    before = one.held()

    async def work() -> None:
        attacker = Attacker(one)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(300):
                sender.sendto(chance.randbytes(chance.randrange(1, 1400)), ("127.0.0.1", one.port))
                sender.sendto(mutated(attacker.request(setting(COMMAND, 2)), chance), ("127.0.0.1", one.port))
                await asyncio.sleep(0)
        async with managing(one) as manager:
            assert await manager.get(COMMAND, OFFSET) == [1, 10]

    served(one, work)
    assert one.held() == before
    assert sum(one.counts.values()) > 300  # the others did not fit into the socket's buffer, or were no longer waiting


# ------------------------------------------------------------------ processes


def test_stored_data_outlive_the_process(plan: Plan, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    one = stand_in(plan(), "crash=half,restart=inf,free", state=state)
    deaf(one)
    attacker = Attacker(one)
    names = (f"{ASC}.4.1.0", f"{ASC}.4.2.0", f"{ASC}.4.3.0")
    steps = [(COMMAND, 2), *((name, 2) for name in names), (COMMAND, 3)]
    for step in steps:
        one.received(attacker.request(setting(*step)), SENDER)
        one._transaction.state  # noqa: B018
    one.received(attacker.request(setting(COMMAND, 1)), SENDER)
    half = {"coordOperationalMode.0": "2", "coordCorrectionMode.0": "3", "coordMaximumMode.0": "4"}
    assert {name: held_in(state)[name] for name in half} == half
    again = stand_in(plan(), "crash=half,restart=inf,free", state=state)
    assert again.held() == one.held() == held_in(state)
    assert again.held() != stand_in(plan()).held()
    assert again._running.free == 11
    assert again.boots == one.boots == 1
    deaf(again)
    attacker = Attacker(again)
    for step in [*steps, (COMMAND, 1)]:
        again.received(attacker.request(setting(*step)), SENDER)
        again._transaction.state  # noqa: B018
    assert again.held()["coordMaximumMode.0"] == "2"  # power was lost already, once


PROCESS = """
import asyncio, sys
from pathlib import Path
from greenband.field.stand_ins.ntcip import Settings, StandIn, User, serve_many

async def serve():
    users = (User("operator", sys.argv[2], sys.argv[3]),)
    async with serve_many([StandIn(Settings(users, direct=True, state=Path(sys.argv[1])))]) as (one,):
        print(one.port, flush=True)
        await asyncio.sleep(30)

asyncio.run(serve())
"""


def test_a_killed_process_comes_back_with_its_data(tmp_path: Path) -> None:
    state = tmp_path / "state.json"

    async def work() -> None:
        words = [sys.executable, "-c", PROCESS, str(state), AUTH, PRIVACY]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                one = stand_in(port=int(process.stdout.readline()))
                async with managing(one) as manager:
                    assert await manager.set(OFFSET, 20) == ""
            finally:
                process.send_signal(signal.SIGKILL)

    asyncio.run(asyncio.wait_for(work(), 15))
    assert held_in(state)[OFFSET_NAME] == "20"
    again = stand_in(state=state)
    deaf(again)
    assert (again.held()[OFFSET_NAME], again.boots) == ("20", 2)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"boots":1,"counts":{},"good":"","objects":{"splitTime.1.2":"999"}}', "\xff"]
)
def test_a_state_file_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match=str(state)):
        stand_in(state=state)


def test_two_hundred_start_at_once_and_each_is_its_own(plan: Plan) -> None:
    tables = list(plan().objects())
    started = time.monotonic()
    many = [StandIn(Settings((OPERATOR,), name=f"junction {number}"), tables) for number in range(200)]

    async def work() -> None:
        async with serve_many(many):
            assert time.monotonic() - started < 5
            assert len({one.port for one in many}) == 200
            async with managing(many[7]) as manager:
                assert await manager.set(COMMAND, 2) == ""
            async with managing(many[8]) as manager:
                assert await manager.get(COMMAND) == [1]

    asyncio.run(asyncio.wait_for(work(), 15))
    assert {one.engine_id for one in many if one.counts["answered"]} == {many[7].engine_id, many[8].engine_id}


def test_what_cannot_be_served_is_named(plan: Plan) -> None:
    async def twice() -> None:
        async with serve_many([stand_in(name="a")]) as (one,), serve_many([stand_in(name="b", port=one.port)]):
            pass

    async def alike() -> None:
        async with serve_many([stand_in(), stand_in()]):
            pass

    with pytest.raises(BadInput, match=r"stand-in b: UDP port \d+: Address already in use"):
        asyncio.run(twice())
    with pytest.raises(BadInput, match="two have the same engine id"):
        asyncio.run(alike())
    with pytest.raises(BadInput, match="neither a user nor a community"):
        stand_in(users=())
    with pytest.raises(BadInput, match="engine id of 4 octets; 5 to 32"):
        stand_in(engine_id=b"1234")
    with pytest.raises(BadInput, match="answers of 100 octets; 484 to 65507"):
        stand_in(largest=100)
    with pytest.raises(BadInput, match="the stand-in has no object phaseRing"):
        stand_in(plan(), maxima=Maxima(phases=4))


def test_settings_show_no_secrets() -> None:
    shown = repr(Settings((OPERATOR,), community=COMMUNITY))
    assert "operator" in shown
    assert "secret" not in shown
