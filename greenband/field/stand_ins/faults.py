"""How a stand-in fails when it is asked to, each time in the same way."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from greenband.errors import BadInput, UnknownName
from greenband.field.stand_ins.ber import INTEGER, OCTETS, RESPONSE, Binding, Pdu
from greenband.field.stand_ins.catalog import Item
from greenband.field.stand_ins.memory import Memory
from greenband.formats.ntcip_objects import ACTION_OID, Value

__all__ = ["Faults", "Mishaps", "PowerLoss", "parsed"]

MOMENTS = ("transaction", "set", "verify", "commit", "half", "committed")
REFUSALS = ("genErr", "notWritable")
FLAGS = {"yes": True, "no": False}


@dataclass(frozen=True)
class Faults:
    """What goes wrong with one controller.

    Attributes:
        seed: of all that is left to chance.
        latency: seconds until an answer is sent.
        jitter: seconds by which the latency is longer, up to that, by chance.
        loss: share of datagrams lost, in either direction.
        refuse: objects (``splitTime.1.2``) or columns (``splitTime``) that cannot be set.
        refusal: the error of those, genErr or notWritable.
        verify: text of the error that each verification ends with; empty if none.
        stuck: a verification never ends.
        crash: when power is lost: on ``transaction``; on the n-th ``set`` of database objects (see ``sets``); in
            ``verify``; before anything of a ``commit`` is stored; with ``half`` of it stored; ``committed`` and not yet
            answered. Nothing of these is answered but the command to verify.
        sets: the SET at which ``crash=set`` happens.
        crashes: how often power is lost; ``inf`` for always.
        restart: seconds until power is back; ``inf`` for never.
        corrupt: objects or columns that store something else than was committed.
        corruptions: in how many commits; ``inf`` for all.
        free: after a commit the controller runs free until it holds again what it held before.
        alarm: likewise it has an alarm.
        silent: it never answers.
        garbage: share of answers that make no sense.

    Raises:
        BadInput: a value that is not possible.
    """

    seed: int = 0
    latency: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    refuse: tuple[str, ...] = ()
    refusal: str = "genErr"
    verify: str = ""
    stuck: bool = False
    crash: str = ""
    sets: int = 1
    crashes: float = 1.0
    restart: float = 5.0
    corrupt: tuple[str, ...] = ()
    corruptions: float = 1.0
    free: bool = False
    alarm: bool = False
    silent: bool = False
    garbage: float = 0.0

    def __post_init__(self) -> None:
        for name in ("loss", "garbage"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"fault {name}: {getattr(self, name)}, but a share is from 0 to 1")
        for name in ("latency", "jitter", "restart", "sets", "crashes", "corruptions"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"fault {name}: {getattr(self, name)} is below 0")
        if math.isinf(self.latency + self.jitter):
            raise BadInput("fault latency: it must end; 'silent' never answers")
        if self.crash and self.crash not in MOMENTS:
            raise UnknownName("moment of fault crash", self.crash, MOMENTS)
        if self.refusal not in REFUSALS:
            raise UnknownName("error of fault refusal", self.refusal, REFUSALS)

    @classmethod
    def of(cls, text: str) -> Faults:
        """Read such as ``latency=0.05,loss=0.1,refuse=splitTime.1.2+splitMode,crash=commit,free``; empty for none.

        Raises:
            BadInput: naming the fault, its value and what is allowed.
        """
        return cls(**parsed(text, {field.name: type(field.default) for field in fields(cls)}))


def parsed(text: str, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Faults by name, such as of ``loss=0.1,refuse=splitTime.1.2+splitMode,stuck``; of each the type is known.

    Raises:
        BadInput: naming the fault, its value and what is allowed.
    """
    found: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in kinds:
            raise UnknownName("fault", name, kinds)
        found[name] = _value(name, kinds[name], value)
    return found


def _value(name: str, kind: type, text: str) -> object:
    if kind is bool:
        if text and text not in FLAGS:
            raise BadInput(f"fault {name}: {text!r}, but it is yes or no")
        return FLAGS.get(text, True)
    if kind in (tuple, frozenset):
        return kind(filter(None, re.split(r"\s*\+\s*", text)))
    try:
        return kind(text)
    except ValueError as error:
        raise BadInput(f"fault {name}: {text!r} is not a {'whole ' if kind is int else ''}number") from error


class PowerLoss(Exception):
    """The controller stops amid what it does."""


class Mishaps:
    """Faults as they happen: chance, and how often each has happened."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.counts = {"crash": 0, "corrupt": 0}
        self.good = ""  # hash of what was stored before the first commit
        self._chance = random.Random(faults.seed)
        self._sets = 0

    def lost(self) -> bool:
        """Whether a datagram is lost."""
        return bool(self.faults.loss) and self._chance.random() < self.faults.loss

    def delay_s(self) -> float:
        """Until an answer is sent."""
        return self.faults.latency + self.faults.jitter * (self._chance.random() if self.faults.jitter else 0)

    def strike(self, moment: str) -> None:
        """Say that a moment has come.

        Raises:
            PowerLoss: it is the one at which power is lost.
        """
        self._sets += moment == "set"
        if moment != self.faults.crash or self.counts["crash"] >= self.faults.crashes:
            return
        if moment != "set" or self._sets == self.faults.sets:
            self.counts["crash"] += 1
            self._sets = 0
            raise PowerLoss

    def before_commit(self, memory: Memory) -> None:
        """Remember what is run without trouble."""
        if (self.faults.free or self.faults.alarm) and not self.good:
            self.good = memory.hash

    def unwell(self, memory: Memory) -> bool:
        """Whether what is stored is not what was stored before the first commit."""
        return bool(self.good) and memory.hash != self.good

    def refuses(self, item: Item) -> bool:
        """Whether an object cannot be set."""
        return item.name in self.faults.refuse or item.column.name in self.faults.refuse

    def stored(self, changes: Mapping[str, Value], items: Mapping[str, Item]) -> dict[str, Value]:
        """What is stored of what was committed."""
        struck = [name for name in changes if {name, items[name].column.name} & set(self.faults.corrupt)]
        if not struck or self.counts["corrupt"] >= self.faults.corruptions:
            return dict(changes)
        self.counts["corrupt"] += 1
        return {**changes, **{name: _other(items[name], changes[name]) for name in struck}}

    def garbled(self, answer: Pdu, octets: Callable[[Pdu], bytes]) -> bytes:
        """The datagram of an answer, which now and then makes no sense."""
        if not self.faults.garbage or self._chance.random() >= self.faults.garbage:
            return octets(answer)
        return self._chance.choice((self._noise, self._cut, self._flipped, self._mistaken))(answer, octets)

    def _noise(self, answer: Pdu, octets: Callable[[Pdu], bytes]) -> bytes:
        return self._chance.randbytes(self._chance.randint(1, 1400))

    def _cut(self, answer: Pdu, octets: Callable[[Pdu], bytes]) -> bytes:
        data = octets(answer)
        return data[: self._chance.randrange(1, len(data))]

    def _flipped(self, answer: Pdu, octets: Callable[[Pdu], bytes]) -> bytes:
        data = bytearray(octets(answer))
        data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        return bytes(data)

    def _mistaken(self, answer: Pdu, octets: Callable[[Pdu], bytes]) -> bytes:
        """An answer that is in order as a message, and wrong in what it says."""
        return octets(self._chance.choice(list(_mistakes(answer))))


def _mistakes(answer: Pdu) -> Iterator[Pdu]:
    kind, request, bindings = answer.kind, answer.request, answer.bindings
    yield Pdu(kind, request ^ 1, 0, 0, bindings)
    yield Pdu(kind, request, 0, 0, ())
    yield Pdu(kind, request, 0, 0, bindings[:-1])
    yield Pdu(kind, request, 0, 0, bindings[::-1] if len(bindings) > 1 else bindings * 2)
    yield Pdu(kind, request, 99, 77, bindings)
    yield Pdu(RESPONSE, request, 0, 0, tuple(_retyped(binding) for binding in bindings))
    yield Pdu(0xA7, request, 0, 0, bindings)  # a trap


def _retyped(binding: Binding) -> Binding:
    name, tag, _ = binding
    return (name, OCTETS, b"\xff") if tag == INTEGER else (name, INTEGER, b"\x63")


def _other(item: Item, value: Value) -> Value:
    """Another value that the object may have."""
    if isinstance(value, bytes):
        return bytes((value[0] ^ 1,)) + value[1:] if value else b"\1"
    if isinstance(value, str):
        return f"{ACTION_OID}.{2 if value == f'{ACTION_OID}.1' else 1}"
    return value + 1 if value < item.column.high else value - 1
