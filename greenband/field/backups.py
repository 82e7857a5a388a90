"""What is kept of every batch: the plan, and what each controller held before and should hold.

::

    controllers.records/
      journal.sqlite                  who did what, see ``greenband.field.journal``
      lock                            held while a batch writes to controllers
      20261129-083226-push/           a batch: when it was begun, UTC, and what it did
        plan.json
        J06.before.json, J06.target.json

The folder is made for its owner alone, as it shows where a city's signals are, what they do and what of them is
supervised. What is in it has ordinary rights, so that opening the folder to a group is enough for a team to share it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from greenband.errors import BadInput
from greenband.field.holding import Holding
from greenband.field.journal import Action, Journal, now, who
from greenband.field.locking import Held, only_one
from greenband.files import write_text
from greenband.formats.bounded import bounded_bytes
from greenband.formats.json import read, write
from greenband.plan.model import PlanSet

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["Backup", "Kind", "Records", "Unfinished"]

Kind = Literal["before", "target"]
WRITING: tuple[Action, ...] = ("push", "rollback", "trial")
BATCH = re.compile(r"(\d{8}-\d{6})-[a-z]+(?:-(\d+))?")
STAMP = len("20261129-083226")
FORM = "greenband holding 1"
MOST_BYTES = 5_000_000
MOST_NAME_BYTES = 200  # of 255 that file systems allow


@dataclass(frozen=True)
class Backup:
    """What a controller held, or should hold. ``device`` is its address, ``at`` UTC to the millisecond."""

    batch: str
    junction: str
    kind: Kind
    protocol: str
    device: str
    at: str
    holding: Holding


@dataclass(frozen=True)
class Unfinished:
    """A batch that came to no end: with the ``begun`` controllers nobody knows, the ``planned`` were not touched.

    Not all of the ``planned`` have been read yet.
    """

    batch: str
    action: Action
    begun: tuple[str, ...]
    planned: tuple[str, ...]


class Records:
    """The records of one inventory, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made once something is to be kept."""
        self.folder = folder

    @classmethod
    def beside(cls, inventory: Path) -> Records:
        """The records of an inventory: of ``controllers.yaml`` in ``controllers.records``."""
        return cls(inventory.with_suffix(".records"))

    def journal(self, secrets: Iterable[SecretStr] = ()) -> Journal:
        """The journal, for recording; made where there is none.

        Raises:
            BadInput: it cannot be used.
        """
        self._make()
        return Journal(self.folder / "journal.sqlite", secrets)

    def history(self) -> Journal:
        """The journal, only for reading.

        Raises:
            BadInput: there is none, or it cannot be used.
        """
        return Journal(self.folder / "journal.sqlite", read_only=True)

    @contextmanager
    def lock(self, doing: str) -> Iterator[None]:
        """Be the only one who writes to controllers; ends with the process, however it ends.

        Args:
            doing: what others are told, such as ``push``.

        Raises:
            BadInput: another does; says who.
        """
        self._make()
        path = self.folder / "lock"
        about = f"{who()}, process {os.getpid()}, since {now()}: {doing}"
        with ExitStack() as stack:
            try:
                stack.enter_context(only_one(path, about))
            except Held as error:
                raise BadInput(f"{path}: only one batch at a time may write to controllers; held by {error}") from None
            except OSError as error:
                raise BadInput(f"{path}: cannot be used: {error.strerror}") from error
            yield

    def new_batch(self, action: Action, plans: PlanSet | None = None) -> str:
        """Begin a batch and keep its plan.

        Returns:
            Its name, which no other has.

        Raises:
            BadInput: the folder cannot be written.
        """
        self._make()
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        for number in count(1):
            name = f"{stamp}-{action}" if number == 1 else f"{stamp}-{action}-{number}"
            with _writing(self.folder / name), suppress(FileExistsError):
                (self.folder / name).mkdir()
                break
        with _writing(self.folder / name):
            _to_disk(self.folder)
            if plans is not None:
                write(plans, self.folder / name / "plan.json")
                _to_disk(self.folder / name)
        return name

    def batches(self) -> list[str]:
        """All batches, the newest first."""
        if not self.folder.is_dir():
            return []
        found = ((BATCH.fullmatch(path.name), path) for path in self.folder.iterdir() if path.is_dir())
        ordered = sorted(((match[1], int(match[2] or 1), path.name) for match, path in found if match), reverse=True)
        return [name for *_, name in ordered]

    def plan(self, batch: str) -> PlanSet:
        """The plan of a batch.

        Raises:
            BadInput: it has none, or it is damaged.
        """
        return read(self._place(batch) / "plan.json")

    def keep(
        self,
        batch: str,
        junction: str,
        kind: Kind,
        protocol: str,
        device: str,
        holding: Holding,
        *,
        replace: bool = False,
    ) -> Backup:
        """Keep what a controller holds or should hold; it is on the disk when this returns.

        Args:
            batch: its name.
            junction: whose controller it is.
            kind: what the controller held before, or what it should hold.
            protocol: how it is spoken to.
            device: its address.
            holding: the objects.
            replace: whether another may be there already. Once a write was begun, what was before is only there.

        Raises:
            BadInput: it cannot be written, is too large, or there is another.
        """
        backup = Backup(batch, junction, kind, protocol, device, now(), holding)
        path = self._file(batch, junction, kind)
        if not replace and path.exists():
            earlier = self.kept(batch, junction, kind)
            if earlier.holding != holding:
                raise BadInput(f"{path}: holds something else, of {earlier.at}, and is not replaced")
            return earlier
        text = _written(backup)
        if len(text) > MOST_BYTES:
            raise BadInput(f"{path}: would be larger than {MOST_BYTES} bytes")
        with _writing(path):
            write_text(path, text)
            _to_disk(path.parent)
        return backup

    def kept(self, batch: str, junction: str, kind: Kind) -> Backup:
        """What was kept.

        Raises:
            BadInput: there is none, it is damaged, or it is of something else.
        """
        path = self._file(batch, junction, kind)
        backup = _read(path)
        if (backup.batch, backup.junction, backup.kind) != (batch, junction, kind):
            raise BadInput(f"{path}: is {backup.junction}.{backup.kind} of batch {backup.batch}")
        return backup

    def has(self, batch: str, junction: str, kind: Kind) -> bool:
        """Whether such was kept.

        Raises:
            BadInput: no batch has such a name.
        """
        return self._file(batch, junction, kind).is_file()

    def newest(self, junction: str) -> Backup:
        """The last that was read of a controller before something was done to it.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        for _, of_second in groupby(self.batches(), key=lambda batch: batch[:STAMP]):
            with_one = [batch for batch in of_second if self.has(batch, junction, "before")]
            if with_one:
                return max((self.kept(batch, junction, "before") for batch in with_one), key=lambda backup: backup.at)
        raise BadInput(f"{self.folder}: no backup of junction {junction!r}")

    def unfinished(self) -> list[Unfinished]:
        """Batches that write to controllers and came to no end, by the journal, in their order.

        Raises:
            BadInput: the journal cannot be read.
        """
        if not (self.folder / "journal.sqlite").is_file():
            return []
        with self.history() as journal:
            entries = journal.unended(WRITING)
        left: dict[tuple[str, Action], dict[bool, list[str]]] = {}
        for one in entries:
            left.setdefault((one.batch, one.action), {True: [], False: []})[one.step == "begun"].append(one.junction)
        return [Unfinished(batch, action, tuple(of[True]), tuple(of[False])) for (batch, action), of in left.items()]

    def plan_of(self, batch: str, junction: str) -> Path:
        """Where a batch keeps what a controller holds as a plan.

        Raises:
            BadInput: the junction cannot be the name of a file.
        """
        return self._place(batch) / f"{file_name(junction)}.plan.json"

    def _make(self) -> None:
        with _writing(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _place(self, batch: str) -> Path:
        """Names come from the command line too, and must not lead elsewhere."""
        if not BATCH.fullmatch(batch):
            raise BadInput(f"{batch!r}: not the name of a batch, such as 20261129-083226-push")
        return self.folder / batch

    def _file(self, batch: str, junction: str, kind: Kind) -> Path:
        return self._place(batch) / f"{file_name(junction)}.{kind}.json"


def file_name(junction: str) -> str:
    """The junction, with its code in place of every sign that is neither letter, digit, - nor _."""
    name = "".join(sign if sign.isalnum() or sign in "-_" else f"%{ord(sign):X}" for sign in junction)
    if not name or len(name.encode()) > MOST_NAME_BYTES:
        raise BadInput(f"junction {junction[:70]!r}: cannot be the name of a file")
    return name


def _written(backup: Backup) -> str:
    data = {"form": FORM, **vars(backup), "hash": backup.holding.hash}
    data["objects"] = dict(data.pop("holding").objects)
    return json.dumps({**data, "digest": _digest(data)}, indent=1) + "\n"


def _digest(data: dict[str, Any]) -> str:
    """SHA-256 of all, the order of the objects included, in which they are to be set."""
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()


def _read(path: Path) -> Backup:
    try:
        data = json.loads(bounded_bytes(path, MOST_BYTES))
        if not isinstance(data, dict) or data.get("form") != FORM:
            raise BadInput(f"{path}: not a backup of greenband")
        if data.pop("digest", None) != _digest(data):
            raise BadInput(f"{path}: is damaged, or was altered by hand")
        return _backup(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not a backup of greenband: {error}") from error


def _backup(data: dict[str, Any]) -> Backup:
    objects, names = data.get("objects"), {field.name for field in fields(Backup)} - {"holding"}
    if not isinstance(objects, dict) or data.keys() != {*names, "form", "hash", "objects"}:
        raise ValueError("other fields")
    texts = {name: data[name] for name in names}
    if not all(isinstance(text, str) for text in (*texts.values(), *objects.values())):
        raise ValueError("a value that is no text")
    backup = Backup(**texts, holding=Holding(objects))
    if backup.holding.hash != data["hash"]:
        raise ValueError("another hash")
    return backup


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error


def _to_disk(folder: Path) -> None:
    """Wait until the disk knows the names in a folder; Windows has nothing of the kind."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
