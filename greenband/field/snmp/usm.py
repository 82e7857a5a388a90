"""The user-based security of SNMPv3 from the manager's side: keys, authentication, privacy and the window of time.

Every message is signed with a key that is made of the password and the identity of the controller's SNMP engine, and
encrypted. What does not come from this engine and user, is not signed rightly, or is older than the window, is no
answer. Nothing is learnt from a message before its signature has been checked.

Source: RFC 3414 (model), RFC 7860 (SHA-2), RFC 3826 (AES-128); AES-256 as in draft-blumenthal-aes-usm-04, only with
SHA-2, where all drafts agree on the keys.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from cryptography.hazmat.decrepit.ciphers.modes import CFB  # RFC 3826 asks for it
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from greenband.field.snmp import ber
from greenband.field.snmp.ber import Tag

__all__ = ["ENCRYPTED", "SIGNED", "AuthProtocol", "NotGenuine", "Parameters", "PrivacyProtocol", "Security"]

AuthProtocol = Literal["md5", "sha1", "sha256", "sha512"]
PrivacyProtocol = Literal["aes128", "aes256"]
MAC_BYTES = {"md5": 12, "sha1": 12, "sha256": 24, "sha512": 48}
KEY_BYTES = {"aes128": 16, "aes256": 32}
PASSWORD_BYTES = 2**20
WINDOW_S = 150
MAX_CLOCK = 2**31 - 1
SALT_BYTES = 8
SIGNED, ENCRYPTED = 1, 2  # bits of msgFlags
PARAMETERS = (Tag.OCTETS, Tag.INTEGER, Tag.INTEGER, Tag.OCTETS, Tag.OCTETS, Tag.OCTETS)


class NotGenuine(ValueError):
    """A message that is not from the engine and user it should be from, or was changed or replayed."""


@lru_cache(maxsize=1024)
def _hashed(password: str, digest: str) -> bytes:
    secret = password.encode()
    return hashlib.new(digest, (secret * (PASSWORD_BYTES // len(secret) + 1))[:PASSWORD_BYTES]).digest()


def _localised(password: str, digest: str, engine: bytes) -> bytes:
    key = _hashed(password, digest)
    return hashlib.new(digest, key + engine + key).digest()


@dataclass(frozen=True)
class Parameters:
    """The security parameters of a message; ``mac_at`` is where in the message the signature stands."""

    engine: bytes
    boots: int
    time_s: int
    user: bytes
    mac: bytes
    salt: bytes
    mac_at: int = 0

    @property
    def content(self) -> bytes:
        """As they stand in a message."""
        octets = (ber.element(Tag.OCTETS, part) for part in (self.user, self.mac, self.salt))
        numbers = (ber.integer(part) for part in (self.boots, self.time_s))
        return ber.element(Tag.SEQUENCE, b"".join((ber.element(Tag.OCTETS, self.engine), *numbers, *octets)))

    @classmethod
    def of(cls, message: bytes, start: int, end: int) -> Parameters:
        """Read them from where they stand.

        Raises:
            ValueError: they are malformed.
        """
        ((tag, *inner),) = ber.spans(message, start, end)
        found = list(ber.spans(message, *inner))
        if tag != Tag.SEQUENCE or tuple(tag for tag, _, _ in found) != PARAMETERS:
            raise ValueError("security parameters that are none")
        engine, boots, time_s, user, mac, salt = (message[start:end] for _, start, end in found)
        clock = ber.number(boots), ber.number(time_s)
        if not all(0 <= part <= MAX_CLOCK for part in clock):
            raise ValueError("a clock that is none")
        return cls(engine, *clock, user, mac, salt, found[4][1])


class Clock:
    """The clock of a controller's SNMP engine: how often it has started, and since when it runs."""

    def __init__(self) -> None:
        self.boots = 0  # 0 until a genuine message has told it
        self._latest_s = 0
        self._told = 0, 0, time.monotonic()

    def hint(self, boots: int, time_s: int) -> None:
        """What a message without a signature told: to ask with, not to judge answers by."""
        if not self.boots:
            self._told = boots, time_s, time.monotonic()

    def now(self) -> tuple[int, int]:
        """Starts, and seconds since the last one."""
        boots, time_s, at = self._told
        return boots, min(MAX_CLOCK, time_s + int(time.monotonic() - at)) if boots else 0

    def learn(self, boots: int, time_s: int) -> None:
        """Judge and take over what a rightly signed message tells: RFC 3414, 3.2, 7b.

        Raises:
            NotGenuine: it is older than the last start or than the window.
        """
        if boots < self.boots or boots == MAX_CLOCK:
            raise NotGenuine("older than the last start of the controller")
        if boots > self.boots or time_s > self._latest_s:
            self.boots, self._latest_s, self._told = boots, time_s, (boots, time_s, time.monotonic())
        elif time_s < self.now()[1] - WINDOW_S:
            raise NotGenuine("older than the window of time")


class Security:
    """What protects the messages of one user to one engine; its keys are in no text of it."""

    def __init__(
        self, user: str, engine: bytes, auth: tuple[AuthProtocol, str], privacy: tuple[PrivacyProtocol, str]
    ) -> None:
        self.engine, self.clock = engine, Clock()
        self._user, self._digest = user.encode(), auth[0]
        self._auth_key = _localised(auth[1], self._digest, engine)
        self._private_key = _localised(privacy[1], self._digest, engine)[: KEY_BYTES[privacy[0]]]
        self._salt = secrets.randbits(64)

    def sealed(self, header: bytes, scoped: bytes) -> bytes:
        """A whole message: encrypted what it carries, and signed."""
        self._salt = (self._salt + 1) % 2**64
        blank = bytes(MAC_BYTES[self._digest])
        parameters = Parameters(self.engine, *self.clock.now(), self._user, blank, self._salt.to_bytes(8, "big"))
        carried = ber.element(Tag.OCTETS, self._crypt(scoped, parameters, decrypt=False))
        whole = ber.element(Tag.SEQUENCE, header + ber.element(Tag.OCTETS, parameters.content) + carried)
        at = len(whole) - len(carried) - len(ber.element(Tag.OCTETS, parameters.salt)) - len(blank)
        return whole[:at] + self._mac(whole) + whole[at + len(blank) :]

    def opened(self, message: bytes, parameters: Parameters, carried: bytes, flags: int) -> bytes:
        """What a genuine message carries, decrypted if it is encrypted.

        Raises:
            NotGenuine: it is from another, changed, replayed or too old.
        """
        if parameters.engine != self.engine or parameters.user != self._user or not flags & SIGNED:
            raise NotGenuine("from another engine or user")
        at, end = parameters.mac_at, parameters.mac_at + len(parameters.mac)
        right = self._mac(message[:at] + bytes(end - at) + message[end:])
        if not hmac.compare_digest(right, parameters.mac):
            raise NotGenuine("a wrong signature")
        self.clock.learn(parameters.boots, parameters.time_s)
        if not flags & ENCRYPTED:
            return carried
        if len(parameters.salt) != SALT_BYTES:
            raise NotGenuine("a salt of a wrong length")
        return self._crypt(carried, parameters, decrypt=True)

    def _mac(self, message: bytes) -> bytes:
        return hmac.digest(self._auth_key, message, self._digest)[: MAC_BYTES[self._digest]]

    def _crypt(self, data: bytes, parameters: Parameters, *, decrypt: bool) -> bytes:
        vector = parameters.boots.to_bytes(4, "big") + parameters.time_s.to_bytes(4, "big") + parameters.salt
        cipher = Cipher(algorithms.AES(self._private_key), CFB(vector))
        context = cipher.decryptor() if decrypt else cipher.encryptor()
        return context.update(data) + context.finalize()
