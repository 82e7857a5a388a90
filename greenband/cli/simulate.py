"""``greenband field simulate``: controllers made of software, to practise on before any real one is spoken to."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

import yaml

from greenband.cli.common import err, read_whole
from greenband.errors import BadInput, UnknownName
from greenband.field.backups import file_name
from greenband.field.stand_ins import gat1049
from greenband.field.stand_ins.gat1049 import PlatformStandIn
from greenband.field.stand_ins.ntcip import Faults, Settings, StandIn, User, serve_many
from greenband.files import write_text
from greenband.formats import ntcip
from greenband.plan.model import PlanSet

__all__ = ["run"]

PROTOCOLS = ("ntcip", "gat1049")
NAME, SECRETS, INVENTORY = "operator", "secrets.yaml", "controllers.yaml"
PLATFORM_USER = "greenband"


def run(
    path: Path,
    out: Path,
    protocol: str,
    faults: Sequence[str],
    seconds: float | None,
    blank: bool,
    scenario: str | None,
) -> None:
    """Serve a controller for every junction of a plan until interrupted; an inventory of them is written first."""
    if protocol not in PROTOCOLS:
        raise UnknownName("protocol", protocol, PROTOCOLS)
    plans = read_whole(path, scenario)
    junctions = list(dict.fromkeys(plan.signal for _, plan in plans))
    serve = _ntcip if protocol == "ntcip" else _gat1049
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(plans, junctions, out, faults, seconds, blank))


async def _ntcip(
    plans: PlanSet, junctions: list[str], out: Path, faults: Sequence[str], seconds: float | None, blank: bool
) -> None:
    asked = _by_junction(faults, junctions)
    auth, privacy = _passphrases(out, ("auth", "privacy"))
    user = User(NAME, auth, privacy)
    made = [
        StandIn(
            Settings((user,), name=name, faults=Faults.of(asked.get(name, "")), state=_state(out, name)),
            objects=[] if blank else ntcip.objects(plans, name),
        )
        for name in junctions
    ]
    async with serve_many(made):
        controllers = [
            {"junction": name, "address": f"127.0.0.1:{one.port}", "engine_id": one.engine_id.hex()}
            for name, one in zip(junctions, made, strict=True)
        ]
        defaults = {"user": NAME, "auth": {"secret": "auth"}, "privacy": {"secret": "privacy"}}
        _inventory(out, {"defaults": defaults, "controllers": controllers})
        await _until(out, len(junctions), seconds)


async def _gat1049(
    plans: PlanSet, junctions: list[str], out: Path, faults: Sequence[str], seconds: float | None, blank: bool
) -> None:
    asked = _by_junction(faults, junctions)
    (password,) = _passphrases(out, ("password",))
    named = {name: f"9{number:013d}" for number, name in enumerate(junctions, 1)}
    from greenband.field.gat1049 import wanted

    state = out / "state" / "platform.json"
    wrong = {named[name]: gat1049.Faults.of(text) for name, text in asked.items()}
    async with PlatformStandIn(named.values(), PLATFORM_USER, password, state=state, faults=wrong) as platform:
        for name, cross_id in named.items():
            if not blank and not platform.held(cross_id):
                platform.hold(cross_id, wanted(plans, name, cross_id).objects)
        place = {"address": f"127.0.0.1:{platform.port}", "user": PLATFORM_USER, "password": {"secret": "password"}}
        controllers = [
            {"junction": name, "protocol": "gat1049", "platform": "practice", "cross_id": cross_id}
            for name, cross_id in named.items()
        ]
        _inventory(out, {"platforms": {"practice": place}, "controllers": controllers})
        await _until(out, len(junctions), seconds)


def _state(out: Path, junction: str) -> Path:
    return out / "state" / f"{file_name(junction)}.json"


def _by_junction(faults: Sequence[str], junctions: Sequence[str]) -> dict[str, str]:
    """``J06:crash=commit,restart=3`` by junction."""
    found = {}
    for text in faults:
        name, colon, fault = text.partition(":")
        if not colon:
            raise BadInput(f"--fault {text}: write JUNCTION:FAULT, such as {junctions[0]}:loss=0.1")
        if name not in junctions:
            raise UnknownName("junction", name, junctions)
        found[name] = fault
    return found


def _passphrases(out: Path, names: Sequence[str]) -> list[str]:
    """Those of an earlier run, or new ones, in a file for its owner alone."""
    file = out / SECRETS
    with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
        kept = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and all(isinstance(kept.get(name), str) for name in names):
            return [kept[name] for name in names]
    made = {name: secrets.token_urlsafe(18) for name in names}
    try:
        out.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(yaml.safe_dump(made), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{file}: cannot be written: {error.strerror}") from error
    return list(made.values())


def _inventory(out: Path, content: dict[str, object]) -> None:
    write_text(out / INVENTORY, yaml.safe_dump({"secrets": SECRETS, **content}, sort_keys=False, allow_unicode=True))


async def _until(out: Path, count: int, seconds: float | None) -> None:
    """Wait for an interrupt, or so long."""
    err.print(f"{count} controllers answer on 127.0.0.1; {out / INVENTORY} lists them; Ctrl-C ends", soft_wrap=True)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # on Windows an interrupt raises
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, over.set)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)
