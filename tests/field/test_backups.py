"""What is kept comes back as it was or is refused; one process at a time writes, and what it left undone is known."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import greenband
from greenband.errors import BadInput
from greenband.field import backups
from greenband.field.backups import Records, Unfinished
from greenband.field.holding import Holding
from greenband.field.journal import Event
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(greenband.__file__).parents[1])}
HELD = Holding({"splitTime.1.2": "40", "PlanParam.3": "<Name>平峰\n</Name>", "a": ""})
HOLDER = """
import sys
from pathlib import Path
from greenband.field.backups import Records
with Records(Path(sys.argv[1])).lock("push to 3 controllers"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records.beside(tmp_path / "controllers.yaml")


@pytest.fixture
def batch(records: Records) -> str:
    return records.new_batch("push")


def keep(records: Records, batch: str, junction: str = "J06", held: Holding = HELD, **more: Any) -> Path:
    records.keep(batch, junction, "before", "ntcip", "10.1.0.6:161", held, **more)
    return records.folder / batch / f"{junction}.before.json"


def test_records_stand_beside_the_inventory_for_their_owner_alone(records: Records, tmp_path: Path) -> None:
    assert records.folder == tmp_path / "controllers.records"
    assert not records.folder.exists()
    assert (records.batches(), records.unfinished()) == ([], [])
    records.new_batch("pull")
    assert records.folder.stat().st_mode & 0o777 == 0o700


def test_what_a_folder_allows_is_left_as_it_is(records: Records) -> None:
    records.folder.mkdir()
    records.folder.chmod(0o770)
    keep(records, records.new_batch("pull"))
    assert records.folder.stat().st_mode & 0o777 == 0o770


def test_what_is_kept_comes_back(records: Records, batch: str) -> None:
    kept = records.keep(batch, "J06", "target", "gat1049", "10.0.0.5:9999/33010900000006", HELD)
    assert records.kept(batch, "J06", "target") == kept
    assert list(kept.holding.objects) == list(records.kept(batch, "J06", "target").holding.objects)
    assert (kept.batch, kept.junction, kept.protocol, kept.device) == (batch, "J06", "gat1049", kept.device)
    assert json.loads((records.folder / batch / "J06.target.json").read_text())["hash"] == HELD.hash
    assert records.has(batch, "J06", "target")
    assert not records.has(batch, "J06", "before")
    with pytest.raises(BadInput, match=r"J06\.before\.json: cannot be read: No such file"):
        records.kept(batch, "J06", "before")


def test_a_plan_is_kept_with_its_batch(records: Records) -> None:
    stage = StageTiming(stage=0, name="A", green_s=30, yellow_s=3, all_red_s=2)
    plan = TimingPlan(signal="J06", cycle_s=35, offset_s=0, stages=(stage,))
    plans = PlanSet(provenance=Provenance(subject="test", scenario="none"), plans={"AM": {"J06": plan}})
    assert records.plan(records.new_batch("push", plans)) == plans
    with pytest.raises(BadInput, match=r"plan\.json: cannot be read"):
        records.plan(records.new_batch("pull"))


def test_what_is_kept_is_not_replaced_by_something_else(records: Records, batch: str) -> None:
    path = keep(records, batch)
    before = path.read_bytes()
    keep(records, batch)
    with pytest.raises(BadInput, match=r"J06\.before\.json: holds something else, of .*Z, and is not replaced"):
        keep(records, batch, held=Holding({"a": "b"}))
    assert path.read_bytes() == before
    keep(records, batch, held=Holding({"a": "b"}), replace=True)
    assert records.kept(batch, "J06", "before").holding == Holding({"a": "b"})


def edited(**changes: object) -> Callable[[str], str]:
    """A file in which fields were changed; None takes one out."""

    def edit(text: str) -> str:
        data = {**json.loads(text), **changes}
        return json.dumps({name: value for name, value in data.items() if value is not None})

    return edit


def sealed(**changes: object) -> Callable[[str], str]:
    """As ``edited``, with the digest that belongs to it."""

    def edit(text: str) -> str:
        data = json.loads(edited(**changes, digest=None)(text))
        return json.dumps({**data, "digest": backups._digest(data)})

    return edit


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text.replace('"40"', '"41"'), "is damaged, or was altered by hand"),
        (lambda text: text.replace("10.1.0.6", "10.1.0.7"), "is damaged"),
        (lambda text: text[: len(text) // 2], "not a backup of greenband"),
        (lambda _: "", "not a backup"),
        (lambda _: "[]", "not a backup"),
        (lambda _: "[" * 100_000, "not a backup"),
        (lambda _: '{"objects": {}}', "not a backup"),
        (lambda text: text + " " * 5_000_000, "larger than 5000000 bytes"),
        (edited(objects={"a": "", "splitTime.1.2": "40", "PlanParam.3": "<Name>平峰\n</Name>"}), "is damaged"),
        (edited(digest=None), "is damaged"),
        (edited(form="greenband holding 2"), "not a backup"),
        (sealed(objects={"a": "b"}), "another hash"),
        (sealed(objects={"a": 1}), "a value that is no text"),
        (sealed(objects=["a"]), "other fields"),
        (sealed(more="x"), "other fields"),
        (sealed(device=None), "other fields"),
        (sealed(junction="J07"), "is J07.before of batch"),
        (sealed(kind="target"), "is J06.target of batch"),
        (sealed(batch="20261129-083226-pull"), "of batch 20261129-083226-pull"),
    ],
)
def test_what_is_damaged_or_of_something_else_is_refused(
    records: Records, batch: str, edit: Callable[[str], str], said: str
) -> None:
    path = keep(records, batch)
    path.write_text(edit(path.read_text()))
    with pytest.raises(BadInput) as caught:
        records.kept(batch, "J06", "before")
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_every_single_bit_counts(records: Records, batch: str) -> None:
    path = keep(records, batch)
    data = path.read_bytes()
    same = 0
    for place in range(0, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        try:
            assert records.kept(batch, "J06", "before").holding == HELD
            same += 1
        except BadInput:
            continue
    assert same <= data.count(b"\n") + data.count(b" ")  # between the fields, where it means nothing


def test_what_could_not_be_read_back_is_not_written(records: Records, batch: str) -> None:
    with pytest.raises(BadInput, match="would be larger than"):
        keep(records, batch, held=Holding({"a": "x" * 6_000_000}))
    assert not records.has(batch, "J06", "before")


@pytest.mark.parametrize("junction", ["../x", "a/b", "..", "市心路/金城路", "J 06", "%2F", "a%b", "J\\06", "市" * 60])
def test_any_name_of_a_junction_stays_in_its_folder(records: Records, batch: str, junction: str) -> None:
    records.keep(batch, junction, "before", "ntcip", "d", HELD)
    assert records.kept(batch, junction, "before").junction == junction
    assert len([*(records.folder / batch).iterdir()]) == 1


def test_names_that_cannot_be_files_are_refused(records: Records, batch: str) -> None:
    for junction in ("", "x" * 300):
        with pytest.raises(BadInput, match="cannot be the name of a file"):
            keep(records, batch, junction)
    for name in ("../other", "", "20261129-083226-push/..", "20261129"):
        with pytest.raises(BadInput, match="not the name of a batch"):
            records.kept(name, "J06", "before")


def test_batches_of_one_second_are_told_apart(records: Records) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.extend(records.new_batch("push") for _ in range(3))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(made)) == 15
    assert all(re.fullmatch(r"\d{8}-\d{6}-push(-\d+)?", name) for name in made)
    assert set(records.batches()) == set(made)


def test_batches_are_listed_from_the_newest_on(records: Records) -> None:
    names = ["20261129-083226-push", "20261129-083226-push-2", "20261129-083226-push-10", "20261130-000000-pull"]
    for name in [*names[::-1], "something else"]:
        (records.folder / name).mkdir(parents=True)
    assert records.batches() == names[::-1]


def test_the_newest_backup_is_that_of_the_last_batch_that_has_one(records: Records) -> None:
    with pytest.raises(BadInput, match="no backup of junction 'J06'"):
        records.newest("J06")
    for name in ("20261128-000000-push", "20261129-000000-pull", "20261129-000000-rollback", "20261130-000000-push"):
        (records.folder / name).mkdir(parents=True)
    keep(records, "20261128-000000-push")
    assert records.newest("J06").batch == "20261128-000000-push"
    keep(records, "20261129-000000-rollback")
    path = keep(records, "20261129-000000-pull")
    path.write_text(sealed(at="9999")(path.read_text()))
    assert records.newest("J06").batch == "20261129-000000-pull"
    path = keep(records, "20261130-000000-push")
    assert records.newest("J06").batch == "20261130-000000-push"
    path.write_text("{}")
    with pytest.raises(BadInput, match="20261130-000000-push"):
        records.newest("J06")


def test_what_came_to_no_end_is_known(records: Records) -> None:
    def told(batch: str, action: str, junction: str, *steps: str) -> None:
        with records.journal() as journal:
            for step in steps:
                journal.record(Event(batch=batch, action=action, step=step, junction=junction))  # type: ignore[arg-type]

    told("whole", "push", "J06", "planned", "begun", "ended")
    told("read", "pull", "J06", "planned", "begun")
    told("cut", "push", "J06", "planned", "begun")
    told("cut", "push", "J07", "planned")
    told("cut", "push", "J08", "planned", "begun", "ended")
    told("cut", "rollback", "J08", "begun")
    told("early", "rollback", "J06", "planned")
    assert records.unfinished() == [
        Unfinished("cut", "push", ("J06",), ("J07",)),
        Unfinished("cut", "rollback", ("J08",), ()),
        Unfinished("early", "rollback", (), ("J06",)),
    ]
    with records.history() as history:
        assert history.fault() == ""


def test_one_process_holds_the_lock_until_it_dies(records: Records) -> None:
    command = [sys.executable, "-c", HOLDER, str(records.folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(BadInput) as caught, records.lock("rollback"):
            pytest.fail("two hold it")
        said = str(caught.value)
        assert said.startswith(
            f"{records.folder / 'lock'}: only one batch at a time may write to controllers; held by "
        )
        assert re.search(rf"\S+@\S+, process {child.pid}, since \S+Z: push to 3 controllers$", said)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=30)
    again = pytest.raises(BadInput, match=f"process {os.getpid()}, .*: rollback")
    with records.lock("rollback"), again, records.lock("again"):
        pytest.fail("two hold it")
    with records.lock("and again"):
        pass


def test_an_error_under_the_lock_is_passed_on_and_frees_it(records: Records) -> None:
    with pytest.raises(OSError, match="of the body"), records.lock("push"):
        raise OSError("of the body")
    with records.lock("push"):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written: Not a directory"):
        Records(tmp_path / "file" / "records").new_batch("push")
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "lock").mkdir()
    with pytest.raises(BadInput, match="lock: cannot be used: Is a directory"), Records(tmp_path / "records").lock("x"):
        pytest.fail("held")
