"""What must not happen: something is changed for somebody without the right keys, or a secret gets out."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenband.cli import main
from greenband.errors import BadInput
from greenband.field.batch import Batch
from greenband.field.connections import Connections
from greenband.field.credentials import Secrets
from greenband.field.desk import Desk
from greenband.field.download import Outcome, Result
from greenband.field.gat1049.session import Gat1049Session
from greenband.field.inventory import load
from greenband.field.journal import Entry
from greenband.field.ntcip import NtcipDriver
from greenband.field.stand_ins.gat1049 import PlatformStandIn
from greenband.formats import json
from greenband.plan.model import PlanSet

City = Callable[..., PlanSet]
Fleet = Callable[..., Any]

AUTH, PRIVACY = "auth-secret-Xq7", "privacy-secret-Zw9"
PASSWORD, COMMUNITY = "platform-secret-Kv3", "community-secret-Jy5"
SECRETS = (AUTH, PRIVACY, PASSWORD, COMMUNITY)
CROSS = "33010900000001"


def leaks(data: bytes | str) -> list[str]:
    """The secrets that are in some data, as they are or as hexadecimal digits."""
    found = data if isinstance(data, bytes) else data.encode()
    return [secret for secret in SECRETS if secret.encode() in found or secret.encode().hex().encode() in found.lower()]


def push(desk: Desk, plans: PlanSet) -> tuple[dict[str, Outcome], list[Entry]]:
    """What a push came to, and what is on record of it."""

    async def work(runner: Batch) -> dict[str, Outcome]:
        return await asyncio.wait_for(runner.push(desk.of(plans)), 30)

    with desk.records.lock("push"), desk.records.journal(desk.secrets) as journal:
        batch = desk.records.new_batch("push", plans)
        outcomes = asyncio.run(work(Batch(desk.keeper(journal, batch, "push", plans.content_hash))))
        assert journal.fault() == ""
        return outcomes, journal.entries(batch=batch)


WRONG = {  # what is wrong in the inventory or the secrets; what is said of it, and counted by the stand-in
    "auth": (Result.UNCHANGED, "authentication password", "wrong digest"),
    "privacy": (Result.UNREACHABLE, "the privacy password or protocol may be wrong", "malformed"),
    "user": (Result.UNCHANGED, "user is not known", "unknown user"),
    "engine_id": (Result.UNCHANGED, "not the controller of the inventory", "unknown engine id"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_who_has_not_the_right_keys_is_refused_and_on_record_and_changes_nothing(
    city: City, fleet: Fleet, wrong: str
) -> None:
    controllers = fleet(city(1))
    one = controllers.stand_ins["X001"]
    before = one.held()
    with controllers.in_a_thread():
        inventory, secrets = controllers.inventory, controllers.folder / "secrets.yaml"
        if wrong in ("auth", "privacy"):
            secrets.write_text(secrets.read_text().replace(f"{wrong}-secret", "another-secret"))
        elif wrong == "user":
            inventory.write_text(inventory.read_text().replace("operator", "stranger"))
        else:
            inventory.write_text(inventory.read_text().replace(one.engine_id.hex(), "800004b6040a0b0c0d"))
        outcomes, entries = push(Desk(load(inventory)), city(1, more_s=3))
    result, said, counted = WRONG[wrong]
    assert outcomes["X001"].result is result
    assert said in outcomes["X001"].detail
    assert [(one.step, one.result) for one in entries] == [("ended", result.value)]
    assert said in entries[0].detail
    assert (one.held(), one.stores, one.in_transaction) == (before, 0, False)
    assert one.counts["answered"] == 0, one.counts
    assert one.counts[counted], one.counts


def test_nothing_is_sent_unencrypted_unless_somebody_asks_for_it(
    city: City, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    controllers = fleet(city(1), version="2c", community={"env": "FIELD_COMMUNITY"})
    monkeypatch.setenv("FIELD_COMMUNITY", COMMUNITY)
    one = controllers.stand_ins["X001"]
    with controllers.in_a_thread():
        path = controllers.inventory
        rows = [line for line in path.read_text().splitlines() if "engine_id" not in line]
        path.write_text("\n".join(rows))
        with pytest.raises(BadInput, match="--insecure-v2c"):
            Desk(load(path))
        assert not one.counts
        outcomes, _ = push(Desk(load(path), insecure=True), city(1, more_s=3))
    assert outcomes["X001"].result is Result.UNREACHABLE, "the controller has no community"
    assert one.stores == 0
    assert one.counts["version 2c, which is off"]


def test_a_wrong_password_of_a_platform_changes_nothing(city: City, tmp_path: Path) -> None:
    plans = city(1)

    async def work() -> tuple[Desk, Outcome, PlatformStandIn]:
        async with PlatformStandIn([CROSS], "greenband", "another") as platform:
            desk = platform_desk(tmp_path, platform.port)
            with desk.records.journal(desk.secrets) as journal:
                keeper = desk.keeper(journal, desk.records.new_batch("push", plans), "push")
                outcomes = await asyncio.wait_for(Batch(keeper).push(desk.of(plans)), 30)
            return desk, outcomes["X001"], platform

    desk, outcome, platform = asyncio.run(work())
    assert outcome.result is Result.UNCHANGED
    assert "login refused" in outcome.detail
    assert (platform.held(CROSS), platform.sets.total()) == ({}, 0)
    with desk.records.history() as journal:
        assert [one.result for one in journal.entries()] == ["not changed"]
    check_folder(desk.records.folder)


def platform_desk(folder: Path, port: int) -> Desk:
    (folder / "controllers.yaml").write_text(
        f"""secrets: secrets.yaml
platforms:
  p: {{address: "127.0.0.1:{port}", user: greenband, password: {{secret: password}}}}
controllers:
  - {{junction: X001, protocol: gat1049, platform: p, cross_id: "{CROSS}"}}
"""
    )
    secrets = folder / "secrets.yaml"
    secrets.touch(mode=0o600)
    secrets.write_text(f"password: {PASSWORD}\n")
    return Desk(load(folder / "controllers.yaml"))


def check_folder(folder: Path) -> None:
    """No file has a secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert leaks(path.read_bytes()) == [], path


def call(*words: str) -> int:
    """The program's exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["field", *words])
    return int(ended.value.code or 0)


def test_no_secret_gets_out_whatever_goes_wrong(
    city: City,
    fleet: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    new = city(6, more_s=3)
    json.write(new, tmp_path / "plan.json")
    faults = {
        "X001": "garbage=0.05",
        "X002": f"verify=it says {AUTH}",
        "X003": "refuse=splitTime",
        "X004": "free",
        "X005": "silent",
    }
    controllers = fleet(city(6), faults, timeout_s=0.1, retries=2)
    write = NtcipDriver.write

    async def fails(self: NtcipDriver, objects: Any) -> None:
        if "X006" in broken:
            raise RuntimeError(f"an error of the program with {PRIVACY} in it: {vars(self)}")
        await write(self, objects)

    broken: list[str] = []
    monkeypatch.setattr(NtcipDriver, "write", fails)
    options = ("-i", str(controllers.inventory), "--records", str(tmp_path / "records"))
    with controllers.in_a_thread(), caplog.at_level(logging.DEBUG):
        assert call("push", str(tmp_path / "plan.json"), *options, "--only", "X001,X002,X003,X004,X005", "--yes") == 1
        broken.append("X006")
        assert call("push", str(tmp_path / "plan.json"), *options, "--only", "X006", "--yes") == 1
        assert call("verify", str(tmp_path / "plan.json"), *options) == 1
        assert call("history", *options, "--check", "--json", str(tmp_path / "records" / "history.json")) == 0
        told = capfd.readouterr()
        check_folder(tmp_path / "records")
        desk = Desk(load(controllers.inventory))
        things = [desk, desk.inventory, desk.secrets, *desk.controllers.values(), *vars(desk).values()]
        for target in desk.everything():
            driver = target.connect()
            things += [target, driver, *vars(driver).values(), vars(driver)]
            assert isinstance(driver, NtcipDriver)
            things += [vars(driver._session), driver._session.access, driver._session._security]
    assert "RuntimeError" in told.err
    assert "it says ***" in told.err
    for text in (told.out, told.err, caplog.text, *map(repr, things), *map(str, things)):
        assert leaks(text) == []


def test_no_secret_is_in_an_object_of_a_platform(tmp_path: Path) -> None:
    desk = platform_desk(tmp_path, 9999)
    made = Connections(desk.inventory, desk.secrets)
    session = made._sessions["p"]
    things = [desk, made, vars(made), session, vars(session), session.platform, *vars(desk).values(), desk.everything()]
    assert isinstance(session, Gat1049Session)
    for thing in things:
        assert leaks(f"{thing} {thing!r}") == []


def test_errors_about_secrets_do_not_repeat_them(tmp_path: Path) -> None:
    """Where they stand in the wrong place, or are no good."""
    (tmp_path / "controllers.yaml").write_text(
        f"controllers: [{{junction: X001, address: 10.0.0.1, user: u, auth: {AUTH}, privacy: {{env: P}}}}]"
    )
    with pytest.raises(BadInput) as error:
        load(tmp_path / "controllers.yaml")
    assert leaks(f"{error.value!r} {error.getrepr(showlocals=False)}") == []
    assert leaks(repr(Secrets(tmp_path / "secrets.yaml", {"A": AUTH}))) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_no_secret_is_in_the_command_line_or_environment_of_the_program(
    city: City, fleet: Fleet, tmp_path: Path
) -> None:
    json.write(city(1, more_s=3), tmp_path / "plan.json")
    controllers = fleet(city(1), {"X001": "latency=0.1"})
    with controllers.in_a_thread():
        words = ["field", "push", str(tmp_path / "plan.json"), "-i", str(controllers.inventory), "--yes"]
        command = [sys.executable, "-c", "from greenband.cli import main; main()", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ})
        ends = time.monotonic() + 60
        while controllers.stand_ins["X001"].counts["answered"] < 5 and process.poll() is None:
            assert time.monotonic() < ends
            time.sleep(0.01)
        place = Path(f"/proc/{process.pid}")
        seen = {name: (place / name).read_bytes() for name in ("cmdline", "environ", "comm")}
        tasks = [path.read_bytes() for path in place.glob("task/*/comm")]
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert b"push" in seen["cmdline"]
    for data in (*seen.values(), *tasks, told):
        assert leaks(data) == []


def test_a_plan_that_breaks_a_rule_is_not_sent(
    city: City, fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = city(3, more_s=3)
    lawless = {name: one.model_copy(update={"conflicts": ()}) for name, one in plans.junctions.items()}
    json.write(plans.model_copy(update={"junctions": lawless}), tmp_path / "plan.json")
    controllers = fleet(city(3))
    with controllers.in_a_thread():
        assert call("push", str(tmp_path / "plan.json"), "-i", str(controllers.inventory), "--yes") == 2
    assert "breaks 3 rules of profile cn, such as conflicts at X001" in capsys.readouterr().err
    assert [dict(one.counts) for one in controllers.stand_ins.values()] == [{}] * 3
    assert not (controllers.folder / "controllers.records").exists()


@pytest.mark.parametrize("words", [("push", "plan.json"), ("pull",)])
def test_a_dry_run_writes_nothing_anywhere(
    city: City, fleet: Fleet, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    json.write(city(2, more_s=3), tmp_path / "plan.json")
    controllers = fleet(city(2))
    before = [one.held() for one in controllers.stand_ins.values()]
    monkeypatch.chdir(tmp_path)
    with controllers.in_a_thread():
        there = sorted(tmp_path.rglob("*"))
        assert call(*words, "-i", str(controllers.inventory), "--dry-run") == 0
        assert sorted(tmp_path.rglob("*")) == there
    for one, held in zip(controllers.stand_ins.values(), before, strict=True):
        assert one.counts["answered"] > 5
        assert (one.held(), one.stores, one.in_transaction) == (held, 0, False)
