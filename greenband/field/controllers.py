"""One controller, as an inventory describes it: where it is, how it is spoken to, and how much it holds."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from greenband.field.address import joined, normal_host
from greenband.field.credentials import Reference, Secrets
from greenband.field.gat1049.session import Manner

__all__ = ["Controller", "Defaults", "Gat1049", "Limits", "NtcipV2c", "NtcipV3", "PlanLimits", "Platform", "Record"]

LEAST_PASSPHRASE = 8  # RFC 3414, 11.2
ENGINE_ID_OCTETS = range(5, 33)  # RFC 3411, SnmpEngineID


def _plain(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable, without space around it")
    return text


def _engine_id(text: str) -> str:
    digits = re.sub(r"^0x|[:\s]", "", text.lower())
    if not re.fullmatch(r"(?:[0-9a-f]{2})+", digits) or len(digits) // 2 not in ENGINE_ID_OCTETS:
        raise ValueError("must be 5 to 32 octets in hexadecimal digits")
    if set(digits) in ({"0"}, {"f"}):
        raise ValueError("must not be all zeros or all ones")
    return digits


def _cross_id(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Z]{14}", text):
        raise ValueError("must be 14 digits or capital letters")
    if text.startswith("000000"):
        raise ValueError("is a placeholder, which is no agency's: give the CrossID that the platform has")
    return text


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_plain)]
Host = Annotated[str, AfterValidator(normal_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Timeout = Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]
Pause = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Retries = Annotated[int, Field(ge=0, le=10)]
Count = Annotated[int, Field(ge=1, le=255)]
AuthProtocol = Literal["sha256", "sha1", "sha512", "md5"]
PrivacyProtocol = Literal["aes128", "aes256"]


class Record(BaseModel):
    """A part of an inventory, which has no other fields and shows no input in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ClassVar[str]  # for messages

    def looked_up(self, secrets: Secrets, about: str) -> dict[str, SecretStr]:
        """The secrets that fields refer to, by field.

        Raises:
            BadInput: one cannot be had; the message begins with ``about``.
        """
        found = {}
        for name in type(self).model_fields:
            if isinstance(reference := getattr(self, name), Reference):
                least = LEAST_PASSPHRASE if name in ("auth", "privacy") else 1
                found[name] = secrets.value(reference, f"{about}: {name}", least)
        return found


class PlanLimits(Record):
    """How much a device holds; None where nobody said. ``patterns`` are plans, ``events`` switches in a day plan."""

    kind: ClassVar[str] = "limits"

    patterns: Annotated[int, Field(ge=1, le=253)] | None = None
    day_plans: Count | None = None
    events: Count | None = None
    schedule_rows: Annotated[int, Field(ge=1, le=65535)] | None = None


class Limits(PlanLimits):
    """How much a controller of NTCIP holds."""

    actions: Count | None = None


class Controller(Record, ABC):
    """What controllers of every protocol have."""

    insecure: ClassVar[bool] = False  # to be spoken to only where a person asked for it
    limits_of: ClassVar[type[PlanLimits]] = PlanLimits  # which limits apply to it

    protocol: str
    junction: Name
    limits: PlanLimits = PlanLimits()

    @property
    @abstractmethod
    def device(self) -> str:
        """Where it is, as the journal names it; no two controllers share it."""


class _Ntcip(Controller):
    """Times in s."""

    limits_of: ClassVar[type[PlanLimits]] = Limits

    protocol: Literal["ntcip"] = "ntcip"
    limits: Limits = Limits()
    timeout_s: Timeout = 2.0
    retries: Retries = 3
    address: Host
    port: Port = 161
    max_objects: Annotated[int, Field(ge=1, le=100, description="varbinds in a request")] = 20
    pause_s: Pause = 0.0

    @property
    def device(self) -> str:
        """Address and port."""
        return joined(self.address, self.port)


class NtcipV3(_Ntcip):
    """A controller of NTCIP over SNMPv3 with authentication and privacy. ``engine_id``: hexadecimal, if known."""

    kind: ClassVar[str] = "ntcip, version 3"

    version: Literal["3"] = "3"
    engine_id: Annotated[str, AfterValidator(_engine_id)] | None = None
    user: Name
    auth: Reference
    privacy: Reference
    auth_protocol: AuthProtocol = "sha256"
    privacy_protocol: PrivacyProtocol = "aes128"


class NtcipV2c(_Ntcip):
    """A controller of NTCIP over SNMPv2c, whose community anyone on the way can read and use."""

    kind: ClassVar[str] = "ntcip, version 2c"
    insecure: ClassVar[bool] = True

    version: Literal["2c"]
    community: Reference


class Platform(Record, Manner):
    """A signal platform of GA/T 1049, which speaks to many controllers, and how it does."""

    kind: ClassVar[str] = "a platform"

    name: Name
    address: Host
    port: Port
    user: Name
    password: Reference

    @property
    def device(self) -> str:
        """Address and port."""
        return joined(self.address, self.port)


class Gat1049(Controller):
    """A controller behind a signal platform, which alone is connected to, so that times are the platform's."""

    kind: ClassVar[str] = "gat1049"

    protocol: Literal["gat1049"]
    platform: Platform
    cross_id: Annotated[str, AfterValidator(_cross_id)]

    @property
    def device(self) -> str:
        """The platform's address and port, and the CrossID there."""
        return f"{self.platform.device}/{self.cross_id}"


class Defaults(Record):
    """What holds for every controller that has such a field and does not give it itself."""

    kind: ClassVar[str] = "defaults"

    protocol: Literal["ntcip", "gat1049"] | None = None
    version: Literal["3", "2c"] | None = None
    limits: Limits | None = None
    timeout_s: Timeout | None = None
    retries: Retries | None = None
    port: Port | None = None
    max_objects: Annotated[int, Field(ge=1, le=100)] | None = None
    pause_s: Pause | None = None
    user: Name | None = None
    auth: Reference | None = None
    privacy: Reference | None = None
    auth_protocol: AuthProtocol | None = None
    privacy_protocol: PrivacyProtocol | None = None
    community: Reference | None = None
    platform: Name | None = None
