"""``greenband field`` end to end, against stand-ins that ``greenband field simulate`` serves in another process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
import yaml

from greenband.field.backups import Records
from greenband.field.batch import Batch, Target
from greenband.field.desk import Desk
from greenband.field.download import Outcome, Prepared
from greenband.field.inventory import load
from greenband.formats import read_plan
from greenband.formats.json import write

Program = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[2]
WHOLE = ROOT / "benchmarks" / "results" / "shixin_plan.json"
CALL = "from greenband.cli import main; main()"
SOME = ["J06", "J07", "J08"]  # a part of the road, so that tests are quick


@contextmanager
def simulated(plan: Path, folder: Path, *words: str) -> Iterator[Path]:
    """Controllers of software for a plan, until the end of the block; their inventory."""
    inventory = folder / "controllers.yaml"
    command = [
        sys.executable,
        "-c",
        CALL,
        "field",
        "simulate",
        str(plan),
        "--out",
        str(folder),
        "--seconds",
        "300",
        *words,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as served:
        try:
            assert served.stderr is not None
            assert b"controllers answer on 127.0.0.1" in served.stderr.readline()
            yield inventory
        finally:
            served.terminate()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    whole = read_plan(WHOLE)
    plans = {period: {name: own[name] for name in SOME} for period, own in whole.plans.items()}
    junctions = {name: whole.junctions[name] for name in SOME}
    path = tmp_path_factory.mktemp("plans") / "plan.json"
    write(whole.model_copy(update={"plans": plans, "junctions": junctions}), path)
    return path


@pytest.fixture(scope="module")
def practice(plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with simulated(plan, tmp_path_factory.mktemp("field") / "practice") as inventory:
        yield inventory.parent


@pytest.fixture(params=["ntcip", "gat1049"], scope="module")
def either(plan: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with simulated(plan, tmp_path_factory.mktemp("field") / "practice", "--protocol", request.param) as inventory:
        yield inventory.parent


@pytest.fixture
def new(plan: Path, tmp_path: Path) -> Path:
    """The plan with every offset later by 7 s."""
    return later(plan, tmp_path / "new.json")


def later(plan: Path, path: Path) -> Path:
    """A plan with every offset later by 7 s."""
    plans = read_plan(plan)
    moved = {
        period: {
            name: one.model_copy(update={"offset_s": (one.offset_s + 7) % one.cycle_s})
            for name, one in of_period.items()
        }
        for period, of_period in plans.plans.items()
    }
    write(plans.model_copy(update={"plans": moved}), path)
    return path


def batch_of(err: str) -> str:
    [line] = [line for line in err.splitlines() if line.startswith("batch ") and ", kept in " in line]
    return line.split()[1].rstrip(",")


def answer(monkeypatch: pytest.MonkeyPatch, said: bool | None) -> list[str]:
    """What a person says to questions, which are kept; None is no answer at all."""
    asked: list[str] = []

    def confirm(question: str, **_: object) -> bool:
        asked.append(question)
        if said is None:
            raise typer.Abort
        return said

    monkeypatch.setattr(typer, "confirm", confirm)
    return asked


def held(folder: Path) -> dict[str, bytes]:
    """What the controllers keep on disk, where they have changed anything yet."""
    return {path.name: path.read_bytes() for path in (folder / "state").glob("*")}


def test_a_plan_is_downloaded_compared_and_taken_back(
    either: Path, plan: Path, new: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory, asked = either / "controllers.yaml", answer(monkeypatch, True)
    outputs = []

    def field(*words: str | Path, code: int = 0) -> str:
        found, out, err = program("field", *words, "-i", inventory)
        assert (found, out) == (code, ""), err
        assert max(map(len, err.splitlines())) <= 100 or str(either) in err
        outputs.append(err)
        return err

    pulled = batch_of(field("pull", "--like", plan))
    differs = field("verify", new, code=1)
    assert "AM offset: 0 s to 7 s" in differs
    assert "0 of 3 controllers well" in differs
    before = held(either)
    shown = field("push", new, "--dry-run")
    assert "AM offset: 0 s to 7 s" in shown
    assert held(either) == before
    assert not asked
    pushed = batch_of(field("push", new))
    assert asked == ["Download to 3 controllers?"]
    assert held(either) != before
    field("verify", new)
    assert "3 of 3 controllers well" in field("push", new, "--yes")
    after = batch_of(field("pull", "--like", new, "--only", "J06"))
    records = Records(either / "controllers.records")
    for expected, batch in ((plan, pulled), (new, after)):
        code, _, err = program("diff", expected, records.folder / batch / "J06.plan.json", "--only", "J06")
        assert (code, err) == (0, "no difference\n")
    field("rollback", pushed, "--yes", "--only", "J06")
    field("verify", plan, "--only", "J06")
    field("verify", new, "--only", "J07")
    field("rollback", pulled, "--yes")
    field("verify", plan)
    assert pushed in field("history", "--batch", pushed)
    last = field("history", "--check")
    assert "whole" in last
    head = last.split()[-1]
    field("history", "--head", head)
    field("history", "--head", "1" * 64, code=1)
    field("history", "--json", either / "history.json", "--most", "1000")
    entries = json.loads((either / "history.json").read_text(encoding="utf-8"))
    assert {one["junction"] for one in entries if one["batch"] == pushed} == set(SOME)
    secrets = yaml.safe_load((either / "secrets.yaml").read_text(encoding="utf-8"))
    kept = [path for path in records.folder.rglob("*") if path.is_file()]
    assert len(kept) > 20
    for secret in secrets.values():
        assert not any(secret in text for text in outputs)
        assert not [path for path in kept if secret.encode() in path.read_bytes()]


def test_more_junctions_than_their_platform_takes_at_once_are_read_asked_about_and_written(
    tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read before the question and what is written after it waits for turns of the same platform."""
    whole = read_plan(WHOLE)
    twice = {f"{letter}{name}": name for letter in "ab" for name in whole.junctions}
    plans = {
        period: {name: own[of].model_copy(update={"signal": name}) for name, of in twice.items()}
        for period, own in whole.plans.items()
    }
    junctions = {name: whole.junctions[of].model_copy(update={"signal": name}) for name, of in twice.items()}
    nowhere = whole.provenance.model_copy(update={"scenario": "none"})
    old = tmp_path / "old.json"
    write(whole.model_copy(update={"plans": plans, "junctions": junctions, "provenance": nowhere}), old)
    asked = answer(monkeypatch, True)
    with simulated(old, tmp_path / "practice", "--protocol", "gat1049") as inventory:
        code, _, err = program("field", "push", later(old, tmp_path / "new.json"), "-i", inventory)
    assert asked == ["Download to 22 controllers?"]
    assert "22 of 22 controllers well" in err, err
    assert code == 0


@pytest.mark.parametrize("said", [False, None])
def test_a_question_that_is_not_agreed_to_changes_nothing_and_leaves_nothing_open(
    practice: Path, new: Path, program: Program, monkeypatch: pytest.MonkeyPatch, said: bool | None
) -> None:
    before, asked, inventory = held(practice), answer(monkeypatch, said), practice / "controllers.yaml"
    code, _, err = program("field", "push", new, "-i", inventory, "--only", "J06")
    assert (code, asked) == (1, ["Download to 1 controller?"])
    assert "nobody agreed" in err
    assert "no controller here" not in err
    assert held(practice) == before
    assert Records.beside(inventory).unfinished() == []
    code, _, err = program("field", "push", "--resume", "last", "-i", inventory)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "no push was interrupted" in err


def test_a_resumed_batch_keeps_to_its_junctions_and_asks(
    practice: Path, new: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was killed at the question; nobody has agreed to it."""
    inventory, before = practice / "controllers.yaml", held(practice)

    def killed(*_: object, **__: object) -> bool:
        raise SystemExit(9)

    monkeypatch.setattr(typer, "confirm", killed)
    assert program("field", "push", new, "-i", inventory, "--only", "J06,J07")[0] == 9
    code, _, err = program("field", "push", new, "-i", inventory, "--yes")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "--resume" in err
    code, _, err = program("field", "push", "--resume", "last", "-i", inventory, "--dry-run")
    assert code == 0
    assert "0 ended well before, 2 to go" in err
    asked = answer(monkeypatch, False)
    assert program("field", "push", "--resume", "last", "-i", inventory)[0] == 1
    assert asked == ["Download to 2 controllers?"]
    assert held(practice) == before


def test_a_controller_that_fails_is_named_and_the_others_have_the_plan(
    tmp_path: Path, plan: Path, new: Path, program: Program
) -> None:
    faults = ("--fault", "J06:refuse=patternOffsetTime", "--fault", "J07:free")
    with simulated(plan, tmp_path / "faulty", *faults) as inventory:
        code, _, err = program("field", "push", new, "-i", inventory, "--yes")
        assert code == 1
        assert "1 of 3 controllers well" in err
        rows = {line.split()[0]: line for line in err.splitlines() if line.startswith("J")}
        assert "not changed" in rows["J06"]
        assert "rolled back" in rows["J07"]
        assert f"greenband field push --resume {batch_of(err)}" in err
        assert program("field", "verify", plan, "-i", inventory, "--only", "J06,J07")[0] == 0
        code, _, err = program("field", "push", "--resume", batch_of(err), "-i", inventory, "--yes")
        assert (code, "1 ended well before, 2 to go" in err) == (1, True)


def test_a_trial_tells_of_a_controller_that_was_not_reached(
    tmp_path: Path, plan: Path, new: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    with simulated(plan, tmp_path / "silent", "--fault", "J06:silent") as inventory:
        text = inventory.read_text(encoding="utf-8")
        inventory.write_text(
            text.replace("defaults:\n", "defaults:\n  timeout_s: 0.3\n  retries: 0\n"), encoding="utf-8"
        )
        asked = answer(monkeypatch, True)
        words = ("field", "push", new, "-i", inventory, "--for", "60m", "--period", "AM")
        code, _, err = program(*words)
        assert asked == ["Run plan AM for 60 min at 2 controllers?"]
        assert (code, "2 of 3 controllers well" in err) == (1, True)
        [line] = [line for line in err.splitlines() if line.startswith("J06")]
        assert "unreachable" in line
        assert "unreachable" in program("field", "history", "-i", inventory, "--junction", "J06")[2]
        assert re.search(r"J07: plan AM until about [0-9:]{5}\n  cycle [0-9]+ s, offset [0-9]+ s; greens: ", err)
        code, _, err = program("field", "verify", plan, "-i", inventory, "--only", "J07")
        assert (code, "objects differ, from what it holds to what it should" in err) == (1, True)
        assert "timebaseAscPattern." in err
        code, _, err = program("field", "push", new, "-i", inventory, "--only", "J07,J08", "--yes")
        assert (code, "2 of 2 controllers well" in err) == (0, True)
        asked = answer(monkeypatch, False)
        code, _, err = program(*words)
        assert (code, "nobody agreed" in err, len(asked)) == (1, True, 1)
        assert Records.beside(inventory).unfinished() == []


def test_who_interrupts_the_reading_is_not_asked(
    practice: Path, new: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, asked, inventory = Batch.prepare, answer(monkeypatch, True), practice / "controllers.yaml"

    async def interrupted(self: Batch, targets: list[Target]) -> dict[str, Prepared | Outcome]:
        found = await whole(self, targets)
        self.stop()
        return found

    monkeypatch.setattr(Batch, "prepare", interrupted)
    code, _, err = program("field", "push", new, "-i", inventory, "--only", "J06")
    assert (code, asked) == (1, [])
    assert "interrupted" in err
    monkeypatch.undo()
    assert program("field", "push", "--resume", batch_of(err), "-i", inventory, "--dry-run")[0] == 0


def test_a_resumed_push_closes_a_rollback_that_came_to_no_end(
    tmp_path: Path, plan: Path, new: Path, program: Program
) -> None:
    with simulated(plan, tmp_path / "practice") as inventory:
        code, _, err = program("field", "push", new, "-i", inventory, "--yes")
        assert code == 0
        pushed, desk = batch_of(err), Desk(load(inventory))
        with desk.records.journal(desk.secrets) as journal:
            keeper = desk.keeper(journal, desk.records.new_batch("rollback"), "rollback")
            for target in desk.back(journal, pushed):
                plan_back = Prepared(target.wanted, target.wanted)
                keeper.planned(target.junction, plan_back)
                if target.junction == "J06":
                    keeper.begun(target.junction, plan_back)
        code, _, err = program("field", "push", "--resume", pushed, "-i", inventory, "--yes")
        assert (code, "2 ended well before, 1 to go" in err) == (0, True)
        assert desk.records.unfinished() == []
        assert program("field", "push", new, "-i", inventory, "--yes")[0] == 0


def test_names_from_elsewhere_are_shown_as_they_are_and_lead_nowhere(
    tmp_path: Path, plan: Path, program: Program
) -> None:
    name = "../../J[/b]6"
    text = json.loads(plan.read_text(encoding="utf-8").replace('"J06"', json.dumps(name)))
    odd = tmp_path / "odd.json"
    odd.write_text(json.dumps({**text, "content_hash": ""}), encoding="utf-8")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with simulated(odd, tmp_path / "deep" / "practice") as inventory:
        code, _, err = program("field", "pull", "--like", odd, "-i", inventory, "--only", name)
        assert (code, name in err) == (0, True)
        code, _, err = program("field", "rollback", batch_of(err), "-i", inventory, "--dry-run")
        assert (code, f"{name}: nothing differs" in err) == (0, True)
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    inside = tmp_path / "deep" / "practice"
    assert all(inside in path.parents for path in made)
    kept = [path.name for path in made if path.name.endswith(".plan.json")]
    assert kept == ["%2E%2E%2F%2E%2E%2FJ%5B%2Fb%5D6.plan.json"]


def inventory_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(program: Program, *words: str | Path) -> str:
    """The one line of a mistake."""
    code, out, err = program("field", *words)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert "Traceback" not in err
    return err


def test_mistakes_are_told_in_one_line(plan: Path, tmp_path: Path, program: Program) -> None:
    one = "controllers: [{junction: J06, address: 127.0.0.1, user: me, auth: %s, privacy: {secret: p}}]\n"
    mine = inventory_of(tmp_path, "secrets: secrets.yaml\n" + one % "{secret: a}")
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text("a: a-long-passphrase\np: another-long-one\n", encoding="utf-8")
    secrets.chmod(0o600)
    where = ("-i", mine)
    assert "no such inventory" in refused(program, "push", plan)
    assert "nothere.json" in refused(program, "push", "nothere.json", *where)
    assert "name a plan" in refused(program, "push", *where)
    assert "unknown junction 'J6'" in refused(program, "pull", "--only", "J6", *where)
    assert "--only '': names no junction" in refused(program, "push", plan, "--yes", "--only", "", *where)
    assert "--parallel 0" in refused(program, "pull", "--parallel", "0", *where)
    assert "no such records" in refused(program, "history", *where)
    assert "nope: no such batch" in refused(program, "rollback", "nope", *where)
    assert "choose from cn, us" in refused(program, "push", plan, "--profile", "fr", *where)
    other = inventory_of(tmp_path, "secrets: secrets.yaml\n" + (one % "{secret: a}").replace("J06", "K06"))
    assert "unknown junction 'K06'" in (said := refused(program, "push", plan, "-i", other))
    assert "--only" in said
    without = inventory_of(tmp_path, "secrets: secrets.yaml\n" + one % "{env: GREENBAND_NOT_SET}")
    assert "GREENBAND_NOT_SET: this environment variable is not set" in refused(program, "pull", "-i", without)
    if hasattr(os, "geteuid"):
        secrets.chmod(0o644)
        mine = inventory_of(tmp_path, "secrets: secrets.yaml\n" + one % "{secret: a}")
        assert "chmod 600" in refused(program, "pull", "-i", mine)


def test_a_plan_that_breaks_a_rule_is_not_sent(practice: Path, plan: Path, tmp_path: Path, program: Program) -> None:
    text = json.loads(plan.read_text(encoding="utf-8"))
    stages = text["plans"]["AM"]["J08"]["stages"]
    taken = stages[0]["green_s"] - 1
    stages[0]["green_s"] -= taken
    stages[1]["green_s"] += taken
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({**text, "content_hash": ""}), encoding="utf-8")
    assert "min-green at J08 AM" in refused(program, "push", bad, "-i", practice / "controllers.yaml", "--yes")


def test_only_one_batch_writes_at_a_time(practice: Path, new: Path, program: Program) -> None:
    inventory = practice / "controllers.yaml"
    with Records.beside(inventory).lock("push"):
        assert "only one batch at a time" in refused(program, "push", new, "-i", inventory, "--yes")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--protocol", "ntcp"), "unknown protocol 'ntcp'"),
        (("--fault", "J06"), "write JUNCTION:FAULT"),
        (("--fault", "J66:silent"), "unknown junction 'J66'"),
        (("--fault", "J06:explode"), "unknown fault 'explode'"),
        (("--protocol", "gat1049", "--fault", "J06:explode"), "unknown fault 'explode'"),
    ],
)
def test_what_cannot_be_simulated(plan: Path, words: tuple[str, ...], said: str, program: Program) -> None:
    assert said in refused(program, "simulate", plan, "--out", "out", *words)


def test_simulation_ends_by_itself(plan: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    command = [sys.executable, "-c", CALL, "field", "simulate", str(plan), "--out", str(tmp_path), "--seconds", "0.1"]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert time.monotonic() - started < 60
