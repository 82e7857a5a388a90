"""The user-based security model of SNMPv3 as an authoritative engine applies it (RFC 3412, 3414, 3826, 7860).

A message must be of a known user, with the authentication and the privacy that this user has, in the time window, and
must not have come before: the standard would let a copy pass for 150 s, here it is refused.

AES keys longer than the digest are stretched as in draft-blumenthal-aes-usm-04, which net-snmp and pysnmp do as well.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import new as new_hash

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from greenband.errors import BadInput, UnknownName
from greenband.field.stand_ins.ber import (
    COUNTER,
    OCTETS,
    REPORT,
    SEQUENCE,
    Malformed,
    Pdu,
    Reader,
    integer,
    integer_content,
    oid,
    wrap,
)

__all__ = ["Engine", "Opened", "Refusal", "User"]

AUTHENTICATIONS = {  # hash and octets of the digest that are sent
    "MD5": ("md5", 12),
    "SHA-1": ("sha1", 12),
    "SHA-224": ("sha224", 16),
    "SHA-256": ("sha256", 24),
    "SHA-384": ("sha384", 32),
    "SHA-512": ("sha512", 48),
}
PRIVACIES = {"AES-128": 16, "AES-192": 24, "AES-256": 32}  # octets of the key
LEAST_PASSPHRASE = 8
PASSPHRASE_OCTETS = 1_048_576  # a passphrase is repeated to this length before it is hashed

AUTH, PRIV, REPORTABLE = 1, 2, 4  # flags
USM = 3  # the number of this security model
WINDOW_S = 150
REMEMBERED = 4096  # digests of messages that came
MAX_OCTETS = 65_507  # what a datagram can hold

UNKNOWN_CONTEXTS = "1.3.6.1.6.3.12.1.5.0"
STATISTICS = "1.3.6.1.6.3.15.1.1"
REPORTS = {  # what is counted and reported
    "unsupported security level": f"{STATISTICS}.1.0",
    "not in time window": f"{STATISTICS}.2.0",
    "unknown user": f"{STATISTICS}.3.0",
    "unknown engine id": f"{STATISTICS}.4.0",
    "discovery": f"{STATISTICS}.4.0",  # the same, of managers that ask who is there
    "wrong digest": f"{STATISTICS}.5.0",
    "cannot be decrypted": f"{STATISTICS}.6.0",
    "unknown context": UNKNOWN_CONTEXTS,
}


@dataclass(frozen=True)
class User:
    """Who may speak to a controller, always with authentication and privacy.

    Raises:
        BadInput: a passphrase below 8 characters, or an unknown protocol.
    """

    name: str
    auth_passphrase: str = field(repr=False)
    priv_passphrase: str = field(repr=False)
    auth: str = "SHA-256"
    priv: str = "AES-128"

    def __post_init__(self) -> None:
        if self.auth not in AUTHENTICATIONS:
            raise UnknownName("authentication", self.auth, AUTHENTICATIONS)
        if self.priv not in PRIVACIES:
            raise UnknownName("privacy", self.priv, PRIVACIES)
        if min(len(self.auth_passphrase), len(self.priv_passphrase)) < LEAST_PASSPHRASE:
            raise BadInput(f"SNMP user {self.name!r}: a passphrase must have at least {LEAST_PASSPHRASE} characters")


@dataclass(frozen=True)
class Keys:
    """A user's keys at one engine."""

    name: bytes
    hash: str
    digest_octets: int
    auth: bytes = field(repr=False)
    priv: bytes = field(repr=False)

    @classmethod
    def of(cls, user: User, engine_id: bytes) -> Keys:
        """Localise the passphrases."""
        name, octets = AUTHENTICATIONS[user.auth]
        auth, priv = (_localised(text, name, engine_id) for text in (user.auth_passphrase, user.priv_passphrase))
        while len(priv) < PRIVACIES[user.priv]:
            priv += new_hash(name, priv).digest()
        return cls(user.name.encode(), name, octets, auth, priv[: PRIVACIES[user.priv]])

    def digest(self, whole: bytes) -> bytes:
        """The digest of a message in which zeros stand for it."""
        return hmac.digest(self.auth, whole, self.hash)[: self.digest_octets]

    def cipher(self, boots: int, seconds: int, salt: bytes) -> Cipher[CFB]:
        """The cipher of one message."""
        start = boots.to_bytes(4, "big") + seconds.to_bytes(4, "big") + salt
        return Cipher(algorithms.AES(self.priv), CFB(start))


@lru_cache(maxsize=1024)
def _hashed(passphrase: str, name: str) -> bytes:
    octets = passphrase.encode()
    return new_hash(name, (octets * (PASSPHRASE_OCTETS // len(octets) + 1))[:PASSPHRASE_OCTETS]).digest()


def _localised(passphrase: str, name: str, engine_id: bytes) -> bytes:
    key = _hashed(passphrase, name)
    return new_hash(name, key + engine_id + key).digest()


@dataclass(frozen=True)
class Opened:
    """A request that may be answered: who sent it, and how much an answer may hold."""

    pdu: Pdu
    keys: Keys
    message: int
    max_octets: int

    @property
    def user(self) -> str:
        """The user's name."""
        return self.keys.name.decode()


class Refusal(Exception):
    """A message that is not taken: why, and the report to send if there is one."""

    def __init__(self, reason: str, report: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason, self.report = reason, report


@dataclass(frozen=True)
class _Head:
    """What an SNMPv3 message says in the clear; ``digest_at`` is where its digest lies."""

    message: int
    max_octets: int
    flags: int
    engine_id: bytes
    boots: int
    seconds: int
    user: bytes
    digest: bytes
    digest_at: int
    salt: bytes


class Engine:
    """The security of one controller, who is the authority of its clock."""

    def __init__(
        self, engine_id: bytes, users: Iterable[User], boots: int = 1, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.engine_id, self.boots = engine_id, boots
        self._keys = {user.name.encode(): Keys.of(user, engine_id) for user in users}
        self._now, self._start = now, now()
        self._salt = int.from_bytes(os.urandom(8), "big")
        self._counts = dict.fromkeys(REPORTS, 0)
        self._seen: dict[bytes, float] = {}  # digests, oldest first

    @property
    def seconds(self) -> int:
        """Since the last start."""
        return int(self._now() - self._start)

    def restart(self) -> None:
        """Power comes back."""
        self.boots += 1
        self._start = self._now()
        self._seen.clear()

    def opened(self, data: bytes) -> Opened:
        """Check and decrypt a message of version 3.

        Raises:
            Malformed: it is none.
            Refusal: it is not taken.
        """
        head, body = _read(data)
        keys = self._authentic(head, data)
        if head.boots != self.boots or abs(head.seconds - self.seconds) > WINDOW_S:
            raise self._refusal("not in time window", head, keys)
        self._remember(head.digest)
        reader = Reader(self._decrypted(head, keys, body)).inside(SEQUENCE)
        engine_id, context = reader.content(OCTETS), reader.content(OCTETS)
        if engine_id != self.engine_id or context:
            raise self._refusal("unknown context", head, keys)
        pdu = Pdu.of(reader)
        reader.finished()
        return Opened(pdu, keys, head.message, min(max(head.max_octets, 484), MAX_OCTETS))

    def sealed(self, request: Opened, pdu: bytes) -> bytes:
        """The message with an answer."""
        scoped = wrap(SEQUENCE, wrap(OCTETS, self.engine_id), wrap(OCTETS), pdu)
        return self._message(request.message, request.keys.name, request.keys, scoped, private=True)

    def overhead(self, request: Opened) -> int:
        """Octets of a message beyond the PDU, at most."""
        return 100 + 2 * len(self.engine_id) + len(request.keys.name) + request.keys.digest_octets

    def _authentic(self, head: _Head, data: bytes) -> Keys:
        if head.engine_id != self.engine_id:
            raise self._refusal("unknown engine id" if head.engine_id else "discovery", head)
        keys = self._keys.get(head.user)
        if keys is None:
            raise self._refusal("unknown user", head)
        if head.flags & (AUTH | PRIV) != AUTH | PRIV:
            raise self._refusal("unsupported security level", head)
        at, octets = head.digest_at, keys.digest_octets
        zeroed = data[:at] + bytes(octets) + data[at + octets :]
        if len(head.digest) != octets or not hmac.compare_digest(keys.digest(zeroed), head.digest):
            raise self._refusal("wrong digest", head)
        return keys

    def _remember(self, digest: bytes) -> None:
        """Of what came before there is no report: whoever sent it has his answer."""
        now = self._now()
        while self._seen and (len(self._seen) >= REMEMBERED or next(iter(self._seen.values())) < now - 2 * WINDOW_S):
            del self._seen[next(iter(self._seen))]
        if digest in self._seen:
            raise Refusal("replayed")
        self._seen[digest] = now

    def _decrypted(self, head: _Head, keys: Keys, body: Reader) -> bytes:
        if len(head.salt) != 8:
            raise self._refusal("cannot be decrypted", head, keys)
        decryptor = keys.cipher(head.boots, head.seconds, head.salt).decryptor()
        return decryptor.update(body.content(OCTETS)) + decryptor.finalize()

    def _refusal(self, reason: str, head: _Head, keys: Keys | None = None) -> Refusal:
        """With the report, which is authenticated if the request was."""
        self._counts[reason] += 1
        if not head.flags & REPORTABLE:
            return Refusal(reason)
        counted = (oid(REPORTS[reason]), COUNTER, integer_content(self._counts[reason]))
        pdu = Pdu(REPORT, 0, 0, 0, (counted,)).octets()
        scoped = wrap(SEQUENCE, wrap(OCTETS, self.engine_id), wrap(OCTETS), pdu)
        return Refusal(reason, self._message(head.message, head.user, keys, scoped, private=False))

    def _message(self, number: int, user: bytes, keys: Keys | None, scoped: bytes, *, private: bool) -> bytes:
        boots, seconds = self.boots, self.seconds
        salt = b""
        if keys and private:
            self._salt = (self._salt + 1) % 2**64
            salt = self._salt.to_bytes(8, "big")
            encryptor = keys.cipher(boots, seconds, salt).encryptor()
            scoped = wrap(OCTETS, encryptor.update(scoped) + encryptor.finalize())
        flags = (AUTH if keys else 0) | (PRIV if salt else 0)
        octets = keys.digest_octets if keys else 0
        header = wrap(SEQUENCE, integer(number), integer(MAX_OCTETS), wrap(OCTETS, bytes((flags,))), integer(USM))
        after = wrap(OCTETS, salt)
        security = wrap(
            SEQUENCE,
            wrap(OCTETS, self.engine_id),
            integer(boots),
            integer(seconds),
            wrap(OCTETS, user),
            wrap(OCTETS, bytes(octets)),
            after,
        )
        whole = wrap(SEQUENCE, integer(3), header, wrap(OCTETS, security), scoped)
        if not keys:
            return whole
        at = len(whole) - len(scoped) - len(after) - octets
        return whole[:at] + keys.digest(whole) + whole[at + octets :]


def _read(data: bytes) -> tuple[_Head, Reader]:
    """What a message says in the clear, and a reader that stands before its body."""
    outside = Reader(data)
    body = outside.inside(SEQUENCE)
    outside.finished()
    if body.integer() != 3:
        raise Malformed("not version 3")
    header = body.inside(SEQUENCE)
    message, max_octets, flags, model = header.integer(), header.integer(), header.content(OCTETS), header.integer()
    header.finished()
    security = body.inside(OCTETS).inside(SEQUENCE)
    if len(flags) != 1 or model != USM or not 0 <= message < 2**31 or max_octets < 0:
        raise Malformed("a header that makes no sense")
    engine_id, boots, seconds = security.content(OCTETS), security.integer(), security.integer()
    user = security.content(OCTETS)
    digest = security.inside(OCTETS)
    salt = security.content(OCTETS)
    security.finished()
    if not (0 <= boots < 2**31 and 0 <= seconds < 2**31):
        raise Malformed("a time that is none")
    found = data[digest.at : digest.end]
    return _Head(message, max_octets, flags[0], engine_id, boots, seconds, user, found, digest.at, salt), body
