"""The journal: who did what to which controller, when, and how it ended; entries are only ever added.

An SQLite file in WAL mode whose every commit waits for the disk, so that an entry that was recorded stays, whatever
happens to the program. It must lie on a disk of this machine: WAL does not work over a network.

Each entry holds the digest of the one before and, as its own, the SHA-256 of that and of all its fields, so that
nothing can be changed, taken out, put in or moved without breaking the chain. What the chain cannot show by itself is
that its end was cut off, or that somebody made all of it anew: for that a person notes down ``head`` elsewhere.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import platform
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from greenband import __version__
from greenband.errors import BadInput
from greenband.field.redaction import redacted

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["Action", "Entry", "Event", "Journal", "Step", "now", "redacted", "who"]

Action = Literal["push", "pull", "rollback", "verify", "trial"]
Step = Literal["listed", "planned", "begun", "ended"]
Result = TypeVar("Result")

APPLICATION, SCHEMA = 0x67626A6C, 1  # "gbjl"; written into the file's header
BUSY_S = 30.0
BEFORE_FIRST = "0" * 64
LEAST_DIGITS = 16  # of a head that was noted down
MOST_CHARACTERS = 2000
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, kw_only=True)
class Event:
    """What is to be recorded. ``device`` is an address; hashes are those of plan sets and holdings, empty if none."""

    batch: str
    action: Action
    step: Step
    junction: str = ""
    device: str = ""
    plan_hash: str = ""
    before_hash: str = ""
    after_hash: str = ""
    result: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry(Event):
    """What was recorded. ``at`` is UTC to the millisecond, ``who`` a login name and host, ``program`` a version."""

    id: int
    at: str
    who: str
    program: str
    previous: str
    digest: str = ""

    @property
    def due_digest(self) -> str:
        """What ``digest`` must be."""
        content = {name: value for name, value in vars(self).items() if name not in ("previous", "digest")}
        return hashlib.sha256((self.previous + CANONICAL(content)).encode()).hexdigest()


# Another column, or another order of the canonical form, is another SCHEMA: journals of this one must stay readable.
COLUMNS = ("id", *sorted({field.name for field in fields(Entry)} - {"id"}))
LIST = ", ".join(COLUMNS)
TYPED = ", ".join(("id INTEGER PRIMARY KEY", *(f"{name} TEXT NOT NULL" for name in COLUMNS[1:])))
OBJECTS = {
    "entries": f"CREATE TABLE entries ({TYPED})",
    "by_batch": "CREATE INDEX by_batch ON entries (batch, action, junction)",
    "by_junction": "CREATE INDEX by_junction ON entries (junction)",
    "no_update": """CREATE TRIGGER no_update BEFORE UPDATE ON entries
        BEGIN SELECT RAISE(ABORT, 'entries of the journal are not changed'); END""",
    "no_delete": """CREATE TRIGGER no_delete BEFORE DELETE ON entries
        BEGIN SELECT RAISE(ABORT, 'entries of the journal are not deleted'); END""",
    # REPLACE deletes without asking the trigger above
    "in_order": """CREATE TRIGGER in_order BEFORE INSERT ON entries
        WHEN NEW.id != (SELECT coalesce(max(id), 0) + 1 FROM entries)
        BEGIN SELECT RAISE(ABORT, 'entries of the journal follow each other'); END""",
}


class Journal:
    """A journal file, used as ``with Journal(path) as journal:``.

    Several processes and threads may record at once.
    """

    def __init__(self, path: Path, secrets: Iterable[SecretStr] = (), *, read_only: bool = False) -> None:
        """Open the file.

        Args:
            path: the file; made where there is none, unless it is only to be read.
            secrets: what must never get into it, looked through anew for each entry.
            read_only: needs no right to write the file or its folder.

        Raises:
            BadInput: it is no journal, or one of a newer program.
        """
        self.path = path
        self._secrets = secrets
        self._lock = threading.Lock()
        with self._faults():
            self._connection = _for_reading(path) if read_only else _for_writing(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def record(self, event: Event) -> Entry:
        """Add an entry; it is on the disk when this returns.

        Raises:
            BadInput: it cannot be written. Nothing was.
        """
        return self.record_all([event])[0]

    def record_all(self, events: Iterable[Event]) -> list[Entry]:
        """Add entries one after the other: all of them, or none if it does not come to an end.

        Raises:
            BadInput: as ``record``.
        """
        texts = [self._texts(event) for event in events]
        with self._lock, self._faults(), _transaction(self._connection):
            head = self._connection.execute("SELECT id, digest FROM entries ORDER BY id DESC LIMIT 1").fetchone()
            number, previous = head or (0, BEFORE_FIRST)
            entries, rest = [], {"at": now(), "who": who(), "program": __version__}
            for text in texts:
                number += 1
                draft = Entry(**text, **rest, id=number, previous=previous)  # type: ignore[arg-type]
                previous = draft.due_digest
                entries.append(replace(draft, digest=previous))
            marks = ", ".join("?" for _ in COLUMNS)
            rows = [[getattr(entry, name) for name in COLUMNS] for entry in entries]
            self._connection.executemany(f"INSERT INTO entries ({LIST}) VALUES ({marks})", rows)
        return entries

    def entries(
        self, batch: str | None = None, junction: str | None = None, newest_first: bool = False, most: int = -1
    ) -> list[Entry]:
        """Entries, of one batch or junction if asked, in their order or from the newest on; no more than ``most``.

        Raises:
            BadInput: the file cannot be read.
        """
        wanted = {name: value for name, value in (("batch", batch), ("junction", junction)) if value is not None}
        where = " AND ".join(f"{name} = ?" for name in wanted) or "1"
        order = "DESC" if newest_first else "ASC"
        return self._select(f"WHERE {where} ORDER BY id {order} LIMIT ?", (*wanted.values(), most))

    def unended(self, actions: Collection[Action]) -> list[Entry]:
        """For each batch, action and junction that has not ended since: that it was begun, or else the last entry.

        Raises:
            BadInput: the file cannot be read.
        """
        marks = ", ".join("?" for _ in actions)
        groups = f"""SELECT max(id) AS latest, max(iif(step = 'ended', id, 0)) AS ended,
            max(iif(step = 'begun', id, 0)) AS begun
            FROM entries WHERE action IN ({marks}) GROUP BY batch, action, junction"""
        open_ = f"SELECT iif(begun > ended, begun, latest) FROM ({groups}) WHERE latest > ended"
        return self._select(f"WHERE id IN ({open_}) ORDER BY id", tuple(actions))

    @property
    def head(self) -> str:
        """The digest of the last entry, for noting down; zeros where there is none.

        Raises:
            BadInput: the file cannot be read.
        """
        last = self.entries(newest_first=True, most=1)
        return last[0].digest if last else BEFORE_FIRST

    def holds(self, head: str) -> bool:
        """Whether an entry has this digest, of which its first 16 digits suffice.

        Where ``fault`` finds none, all up to that entry is then as it was when the head was noted down.

        Raises:
            BadInput: it is no digest, or the file cannot be read.
        """
        digits = head.strip().lower()
        if not re.fullmatch(f"[0-9a-f]{{{LEAST_DIGITS},64}}", digits):
            raise BadInput(f"{head[:70]!r}: a head is 16 to 64 hexadecimal digits")
        known = self._select("WHERE substr(digest, 1, ?) = ? LIMIT 1", (len(digits), digits))
        return bool(known) or BEFORE_FIRST.startswith(digits)

    def fault(self) -> str:
        """The first thing that shows that somebody tampered with the journal; empty if nothing does."""
        try:
            with self._lock, _snapshot(self._connection):
                return self._structure_fault() or self._chain_fault()
        except sqlite3.DatabaseError as error:
            return f"the file cannot be read: {error}"

    def _structure_fault(self) -> str:
        there = dict(self._connection.execute("SELECT name, sql FROM sqlite_master"))
        for name, sql in OBJECTS.items():
            if there.get(name) != sql:
                return f"{sql.split()[1].lower()} {name}: {'changed' if name in there else 'removed'}"
        more = sorted(there.keys() - OBJECTS.keys())
        return f"{more[0]}: has no place in a journal" if more else ""

    def _chain_fault(self) -> str:
        previous = BEFORE_FIRST
        for number, row in enumerate(self._connection.execute(f"SELECT {LIST} FROM entries ORDER BY id"), 1):
            entry = Entry(**dict(zip(COLUMNS, row, strict=True)))
            if entry.id != number:
                return f"entry {number}: missing"
            if not all(isinstance(value, str) for value in row[1:]) or entry.digest != entry.due_digest:
                return f"entry {number}: changed"
            if entry.previous != previous:
                return f"entry {number}: does not follow the one before it"
            previous = entry.digest
        return ""

    def _select(self, rest: str, values: tuple[object, ...]) -> list[Entry]:
        with self._lock, self._faults():
            rows = self._connection.execute(f"SELECT {LIST} FROM entries {rest}", values).fetchall()
        return [Entry(**dict(zip(COLUMNS, row, strict=True))) for row in rows]

    def _texts(self, event: Event) -> dict[str, str]:
        """Only the detail is other people's text; names and hashes must stay what they are."""
        return {name: _kept(text) for name, text in vars(event).items()} | {
            "detail": _kept(redacted(event.detail, self._secrets))
        }

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BadInput(f"{self.path}: {error}") from error
        except OSError as error:
            raise BadInput(f"{self.path}: cannot be opened: {error.strerror}") from error
        except _NotThis as error:
            raise BadInput(f"{self.path}: {error}") from None


def _kept(text: str) -> str:
    """A text without what could steer a terminal, and not endless: devices send anything."""
    shown = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text[: MOST_CHARACTERS + 1])
    return shown if len(shown) <= MOST_CHARACTERS else shown[: MOST_CHARACTERS - 1] + "…"


class _NotThis(Exception):
    """A file is not a journal that this program can use."""


def _for_writing(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o666))  # SQLite itself would not let a group write
    connection = _connected(f"{path.absolute().as_uri()}?mode=rw")
    try:
        if not _patiently(lambda: _is_journal(connection)):
            _patiently(lambda: _make(connection))
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _for_reading(path: Path) -> sqlite3.Connection:
    """Without write access SQLite needs to be told that nobody else is at the file, when that is so."""
    if not path.is_file():
        raise _NotThis("no such file")
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = _connected(uri)
    try:
        _is_journal(connection)
    except sqlite3.OperationalError:
        connection.close()
        waiting = path.with_name(f"{path.name}-wal")
        if waiting.exists() and waiting.stat().st_size:
            raise
        connection = _connected(f"{uri}&immutable=1")
    try:
        if not _is_journal(connection):
            raise _NotThis("not a journal")
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(uri: str) -> sqlite3.Connection:
    """A connection on which transactions are begun by hand."""
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def _is_journal(connection: sqlite3.Connection) -> bool:
    """Whether it is one; not if it is still empty."""
    try:
        with _snapshot(connection):
            [application], [schema] = (
                connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
            )
            empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise _NotThis(f"not a journal: {error}") from error
    if application == APPLICATION:
        if schema > SCHEMA:
            raise _NotThis(f"a journal of schema {schema}, made by a newer greenband; this one knows {SCHEMA}")
        return True
    if application or schema or not empty:
        raise _NotThis("not a journal, but another SQLite file")
    return False


def _make(connection: sqlite3.Connection) -> None:
    [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise _NotThis("a journal must lie on a disk of this machine, which allows SQLite's WAL mode")
    connection.execute("PRAGMA synchronous = FULL")
    with _transaction(connection):
        if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            return  # another process was first
        for sql in OBJECTS.values():
            connection.execute(sql)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _patiently(action: Callable[[], Result]) -> Result:
    """Repeat what SQLite refuses at once, without waiting, while another process changes the file's mode."""
    end = time.monotonic() + BUSY_S
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _snapshot(connection: sqlite3.Connection) -> contextlib.AbstractContextManager[None]:
    """All reads within it see the same entries."""
    return _transaction(connection, "DEFERRED")


def now() -> str:
    """The time, UTC to the millisecond, such as ``2026-11-29T08:32:26.123Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def who() -> str:
    """Login name and host; the name by the process's user, as variables can say anything."""
    try:
        import pwd

        name = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        try:
            name = getpass.getuser()
        except (ImportError, KeyError, OSError):
            name = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return f"{name}@{platform.node() or 'unknown'}"
