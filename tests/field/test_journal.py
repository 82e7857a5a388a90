"""The journal keeps what was recorded, whatever happens to the program, and shows what was done to it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

import greenband
from greenband.errors import BadInput
from greenband.field.journal import MOST_CHARACTERS, Event, Journal, redacted

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(greenband.__file__).parents[1])}
APPENDERS = """
import itertools, os, sys
from pathlib import Path
from greenband.field.journal import Event, Journal

folder, processes, entries = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for process in range(processes):
    if os.fork():
        continue
    with Journal(folder / "journal.sqlite") as journal, (folder / f"{os.getpid()}.told").open("w") as told:
        for number in itertools.islice(itertools.count(), entries or None):
            event = Event(batch=str(process), action="push", step="begun", detail="x" * (number % 900))
            entry = journal.record(event)
            print(entry.id, entry.digest, file=told, flush=True)
    os._exit(0)
for process in range(processes):
    os.wait()
"""


READER = """
import os, sys
from pathlib import Path
from greenband.field.journal import Journal

if os.geteuid() == 0:  # who may do anything
    os.setuid(65534)
journal = Journal(Path(sys.argv[1]), read_only=True)
print(len(journal.entries()), journal.fault())
try:
    open(sys.argv[1], "r+b")
except PermissionError:
    print("denied")
"""


def event(junction: str = "J06", **more: str) -> Event:
    return replace(Event(batch="b", action="push", step="begun", junction=junction), **more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


def appenders(folder: Path, processes: int, entries: int = 0) -> subprocess.Popen[bytes]:
    """Processes that record at once, without end if no number is given, and tell in ``PID.told`` what was recorded."""
    command = [sys.executable, "-c", APPENDERS, str(folder), str(processes), str(entries)]
    return subprocess.Popen(command, env=ENVIRONMENT)


def told(folder: Path) -> set[str]:
    lines = (line for file in folder.glob("*.told") for line in file.read_text().splitlines(keepends=True))
    return {line for line in lines if line.endswith("\n")}


def test_an_entry_says_who_did_what_when(journal: Journal) -> None:
    made = journal.record(event(device="10.1.0.6:161", plan_hash="p", before_hash="b", after_hash="a", result="done"))
    [found] = journal.entries()
    assert found == made
    assert (found.id, found.junction, found.device, found.result) == (1, "J06", "10.1.0.6:161", "done")
    assert (found.plan_hash, found.before_hash, found.after_hash) == ("p", "b", "a")
    assert abs(time.time() - datetime.fromisoformat(found.at).timestamp()) < 10
    assert found.at.endswith("Z")
    assert "@" in found.who
    assert found.program == greenband.__version__
    assert found.previous == "0" * 64
    assert found.digest == found.due_digest == journal.head


def test_it_is_written_ahead_and_waits_for_the_disk(journal: Journal) -> None:
    journal.record(event())
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_each_entry_depends_on_all_before(path: Path) -> None:
    with Journal(path) as first, Journal(path.with_name("other")) as second:
        for book, junction in ((first, "J06"), (second, "J07")):
            book.record(event(junction))
            book.record(event("J08"))
        assert first.head != second.head
        assert first.holds(first.head)
        assert not first.holds(second.head)


def test_anyone_can_hold_the_chain_against_its_description(path: Path, journal: Journal) -> None:
    journal.record_all([event("市心路"), event(detail='"')])
    journal.close()
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    previous = "0" * 64
    for row in connection.execute("SELECT * FROM entries ORDER BY id").fetchall():
        content = {name: row[name] for name in row.keys() if name not in ("previous", "digest")}  # noqa: SIM118
        text = previous + json.dumps(content, sort_keys=True, separators=(",", ":"))
        assert (row["previous"], row["digest"]) == (previous, hashlib.sha256(text.encode()).hexdigest())
        previous = row["digest"]
    connection.close()


def test_entries_are_found_by_batch_and_junction(journal: Journal) -> None:
    journal.record_all(event(name, batch=batch) for batch in "ab" for name in ("J06", "J07"))
    assert [one.id for one in journal.entries()] == [1, 2, 3, 4]
    assert [one.id for one in journal.entries(batch="b")] == [3, 4]
    assert [one.id for one in journal.entries(junction="J07", newest_first=True)] == [4, 2]
    assert [one.id for one in journal.entries(batch="a", junction="J07")] == [2]
    assert [one.id for one in journal.entries(newest_first=True, most=1)] == [4]
    assert journal.entries(batch="' OR 1 --") == []


def test_many_are_recorded_or_none(journal: Journal) -> None:
    def broken() -> Iterator[Event]:
        yield event()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        journal.record_all(broken())
    assert journal.entries() == []
    assert journal.record_all([]) == []
    assert journal.fault() == ""


def test_what_has_not_ended_is_open(journal: Journal) -> None:
    steps = {
        "done": ["planned", "begun", "ended"],
        "planned": ["planned"],
        "begun": ["planned", "begun"],
        "planned again": ["planned", "begun", "planned"],
        "again": ["planned", "begun", "ended", "begun"],
        "later": ["planned", "begun", "ended", "planned"],
    }
    for junction, of in steps.items():
        journal.record_all(event(junction, step=step) for step in of)
    journal.record(event("read", action="pull"))
    found = {one.junction: one.step for one in journal.unended(["push", "rollback"])}
    assert found == {
        "planned": "planned",
        "begun": "begun",
        "planned again": "begun",
        "again": "begun",
        "later": "planned",
    }


def test_a_detail_is_without_secrets_without_signs_that_steer_and_not_endless(path: Path) -> None:
    secrets = [SecretStr("hunter2"), SecretStr("hunter2 and more"), SecretStr("p&ss'w\u00f6rd\n")]
    with Journal(path, secrets) as journal:
        told = journal.record(event(detail="no hunter2, no hunter2 and more, \x1b[2J \ud800 市心路\n")).detail
        assert told == "no ***, no ***, \\x1b[2J \\ud800 市心路\\n"
        assert len(journal.record(event(detail="x" * 10_000_000)).detail) == MOST_CHARACTERS
        assert "hunter2" not in journal.record(event(detail="x" * (MOST_CHARACTERS - 4) + "hunter2")).detail
        secrets.append(SecretStr("found later"))
        assert journal.record(event(detail="found later")).detail == "***"
        assert journal.fault() == ""
    assert b"hunter2" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize(
    "spell", [str, repr, ascii, lambda text: repr(text.encode()), lambda text: text.replace("&", "&amp;")]
)
def test_a_secret_is_known_in_other_spellings(spell: Callable[[str], str]) -> None:
    secret = "p&ss'w\u00f6rd\n"
    text = redacted(f"<a>{spell(secret)}</a>", [SecretStr(secret)])
    assert "ss" not in text
    assert "***" in text
    assert redacted("as it was", []) == "as it was"


def test_who_is_not_what_variables_say(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = journal.record(event()).who
    monkeypatch.setenv("LOGNAME", "mallory")
    monkeypatch.setenv("USER", "mallory")
    assert journal.record(event()).who == before


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.sqlite"
    text.write_text("not SQLite at all, but long enough to be looked at" * 100)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE entries (id)")
    connection.close()
    for path in (text, other):
        before = path.read_bytes()
        for read_only in (False, True):
            with pytest.raises(BadInput, match="not a journal"):
                Journal(path, read_only=read_only)
        assert path.read_bytes() == before
    with pytest.raises(BadInput, match="cannot be opened: Is a directory"):
        Journal(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(BadInput, match="not a journal"):
        Journal(tmp_path / "empty", read_only=True)
    with pytest.raises(BadInput, match="no such file"):
        Journal(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()


def test_a_newer_journal_is_refused(path: Path, journal: Journal) -> None:
    journal.close()
    tampered(path, "PRAGMA user_version = 2")
    for read_only in (False, True):
        with pytest.raises(BadInput, match="schema 2, made by a newer greenband"):
            Journal(path, read_only=read_only)


def test_entries_can_neither_be_changed_nor_deleted_nor_replaced(path: Path, journal: Journal) -> None:
    journal.record_all([event(), event()])
    columns = ", ".join("'x'" for _ in range(15))
    for sql in (
        "UPDATE entries SET detail = 'x'",
        "DELETE FROM entries",
        f"REPLACE INTO entries VALUES (1, {columns})",
        f"INSERT INTO entries VALUES (NULL, {columns})",
        f"INSERT INTO entries VALUES (7, {columns})",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="entries of the journal"):
            tampered(path, sql)
    assert journal.fault() == ""
    assert len(journal.entries()) == 2


TRIGGERS = ("no_update", "no_delete", "in_order")


def tampered(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    try:
        for sql in statements:
            connection.execute(sql)
        connection.commit()
    finally:
        connection.close()


def behind_its_back(path: Path, *statements: str) -> None:
    """Do what the triggers forbid, and leave no sign of that."""
    connection = sqlite3.connect(path)
    made = [
        sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rootpage")
    ]
    connection.close()
    assert len(made) == len(TRIGGERS)
    tampered(path, *(f"DROP TRIGGER {name}" for name in TRIGGERS), *statements, *made)


COPY = "INSERT INTO entries SELECT {id}, {rest} FROM entries WHERE id = {source}"


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        *(([f"UPDATE entries SET {column} = 'x' WHERE id = 3"], "entry 3: changed") for column in (
            "at", "who", "batch", "action", "step", "junction", "device", "plan_hash", "before_hash", "after_hash",
            "result", "detail", "program", "previous", "digest",
        )),
        (["UPDATE entries SET detail = x'00ff' WHERE id = 3"], "entry 3: changed"),
        (["UPDATE entries SET id = 9 WHERE id = 3"], "entry 3: missing"),
        (["DELETE FROM entries WHERE id = 3"], "entry 3: missing"),
        (["DELETE FROM entries WHERE id = 1"], "entry 1: missing"),
        (["DELETE FROM entries WHERE id = 3", "UPDATE entries SET id = id - 1 WHERE id > 3"], "entry 3: changed"),
        ([COPY], "entry 6: changed"),
        (["UPDATE entries SET id = -id WHERE id > 2", "UPDATE entries SET id = 1 - id WHERE id < 0",
          COPY.replace("{id}", "3")], "entry 3: changed"),
        (["UPDATE entries SET id = 99 WHERE id = 2", "UPDATE entries SET id = 2 WHERE id = 3",
          "UPDATE entries SET id = 3 WHERE id = 99"], "entry 2: changed"),
        (["DROP TRIGGER no_update"], "trigger no_update: removed"),
        (["DROP TRIGGER no_delete"], "trigger no_delete: removed"),
        (["DROP TRIGGER in_order"], "trigger in_order: removed"),
        (["DROP TABLE entries"], "table entries: removed"),
        (["ALTER TABLE entries ADD COLUMN more"], "table entries: changed"),
        (["CREATE TRIGGER more AFTER INSERT ON entries BEGIN SELECT 1; END"], "more: has no place in a journal"),
    ],
)  # fmt: skip
def test_what_was_done_to_it_is_found(path: Path, journal: Journal, statements: list[str], fault: str) -> None:
    journal.record_all(event(f"J{number:02d}") for number in range(5))
    columns = [name for (name,) in journal._connection.execute("SELECT name FROM pragma_table_info('entries')")]
    rest = ", ".join(columns[1:])
    sqls = [sql.format(id=6, rest=rest, source=2) if sql.startswith("INSERT") else sql for sql in statements]
    assert journal.fault() == ""
    if "DROP" in sqls[0] or "TABLE" in sqls[0] or "CREATE" in sqls[0]:
        tampered(path, *sqls)
    else:
        behind_its_back(path, *sqls)
    assert journal.fault() == fault
    with Journal(path, read_only=True) as again:
        assert again.fault() == fault


def test_an_entry_that_is_right_by_itself_but_follows_another_is_found(path: Path, journal: Journal) -> None:
    journal.record_all(event(f"J{number:02d}") for number in range(5))
    forged = replace(journal.entries()[2], detail="forged")
    behind_its_back(path, f"UPDATE entries SET detail = 'forged', digest = '{forged.due_digest}' WHERE id = 3")
    assert journal.fault() == "entry 4: does not follow the one before it"


def test_an_end_that_was_cut_off_is_found_by_a_head_that_was_noted_down(path: Path, journal: Journal) -> None:
    assert journal.holds(journal.head)
    heads = [journal.record(event(f"J{number:02d}")).digest for number in range(5)]
    assert journal.head == heads[-1]
    assert all(journal.holds(head) for head in heads)
    behind_its_back(path, "DELETE FROM entries WHERE id > 3")
    assert journal.fault() == ""
    assert [journal.holds(head) for head in heads] == [True, True, True, False, False]
    assert journal.holds(heads[0][:16].upper() + " ")
    assert not journal.holds(heads[4][:16])
    for no_head in (heads[0][:15], "x" * 64, heads[0] + "0", ""):
        with pytest.raises(BadInput, match="a head is 16 to 64 hexadecimal digits"):
            journal.holds(no_head)


def test_a_damaged_file_is_said_to_be_so(path: Path, journal: Journal) -> None:
    journal.record_all(event(detail="x" * 900) for _ in range(200))
    journal.close()
    data = bytearray(path.read_bytes())
    data[8192:40960] = os.urandom(32768)
    path.write_bytes(data)
    with Journal(path, read_only=True) as damaged:
        assert damaged.fault()
        with pytest.raises(BadInput, match=r"journal\.sqlite"):
            damaged.entries()


def test_a_reader_needs_no_right_to_write(journal: Journal) -> None:
    journal.record_all([event(), event()])
    folder = Path(tempfile.mkdtemp())
    command = [sys.executable, "-c", READER, str(folder / journal.path.name)]
    try:
        for closed in (False, True):
            if closed:
                journal.close()
            for file in folder.iterdir():
                file.unlink()
            for file in journal.path.parent.iterdir():
                shutil.copy(file, folder)
                (folder / file.name).chmod(0o444)
            assert len([*folder.iterdir()]) == (1 if closed else 3)
            folder.chmod(0o555)
            done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
            folder.chmod(0o755)
            assert done.stdout == "2 \ndenied\n", done.stderr
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_reader_writes_nothing(path: Path, journal: Journal) -> None:
    journal.record(event())
    with Journal(path, read_only=True) as reader, pytest.raises(BadInput, match="readonly"):
        reader.record(event())
    assert len(journal.entries()) == 1


def test_a_group_may_share_it(tmp_path: Path) -> None:
    before = os.umask(0o007)
    try:
        with Journal(tmp_path / "journal.sqlite") as journal:
            journal.record(event())
            assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o660}
    finally:
        os.umask(before)


def test_threads_may_record_at_once(journal: Journal) -> None:
    threads = [
        threading.Thread(target=lambda: [journal.record(event()) for _ in range(10)], daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [one.id for one in journal.entries()] == [*range(1, 81)]
    assert journal.fault() == ""


def test_processes_may_make_and_fill_it_at_once(path: Path) -> None:
    assert appenders(path.parent, 6, 20).wait(60) == 0
    with Journal(path, read_only=True) as journal:
        entries = journal.entries()
        assert journal.fault() == ""
    assert [one.id for one in entries] == [*range(1, 121)]
    assert {f"{one.id} {one.digest}\n" for one in entries} == told(path.parent)


def test_nothing_recorded_is_lost_by_killing(path: Path) -> None:
    """30 processes, ten at a time, are killed at random moments while they record."""
    moments = random.Random(1)
    with Journal(path) as journal:
        for turn in range(3):
            mother = appenders(path.parent, 10)
            end = time.monotonic() + 30
            while len(files := [*path.parent.glob("*.told")]) < 10 * (turn + 1) and time.monotonic() < end:
                time.sleep(0.01)
            for child in sorted(int(file.stem) for file in files)[-10:]:
                time.sleep(moments.uniform(0, 0.06))
                os.kill(child, signal.SIGKILL)
                said = told(path.parent)
                assert journal.fault() == ""
                assert {f"{one.id} {one.digest}\n" for one in journal.entries()} >= said
            assert mother.wait(30) == 0
            assert len(told(path.parent)) > 10 * turn
    with Journal(path) as again:
        assert again.record(event()).id == len(again.entries())
        assert again.fault() == ""
