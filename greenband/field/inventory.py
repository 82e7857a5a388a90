"""Which controllers there are: a YAML file that people keep.

::

    secrets: secrets.yaml            # relative to this file; a text by each name, mode 600
    defaults: {user: operator, auth: {env: GREENBAND_AUTH}, privacy: {secret: privacy}, timeout_s: 2}
    platforms:                       # signal platforms of GA/T 1049 by name
      hangzhou: {address: "10.0.0.5:9999", user: greenband, password: {env: PLATFORM_PASSWORD}}
    controllers:
      - {junction: J06, address: 10.1.0.6, limits: {patterns: 48}}
      - {junction: J07, protocol: gat1049, platform: hangzhou, cross_id: 33010900000007}

Secrets are never in it, see ``greenband.field.credentials``. A default holds for every controller that has such a
field and does not give it itself; of limits, each for itself. Platforms have no defaults.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import Field, SecretStr, ValidationError

from greenband.errors import BadInput, UnknownName
from greenband.field.address import split_port
from greenband.field.controllers import Controller, Defaults, Gat1049, Limits, NtcipV2c, NtcipV3, Platform, Record
from greenband.field.credentials import Secrets
from greenband.field.texts import mapping
from greenband.formats.bounded import bounded_bytes
from greenband.plan.model import PlanSet

__all__ = ["Controller", "Gat1049", "Inventory", "Limits", "NtcipV2c", "NtcipV3", "Platform", "load"]

MOST_BYTES = 1_000_000
SHOWN_CHARACTERS = 60
Model = TypeVar("Model", bound=Record)


class _File(Record):
    kind: ClassVar[str] = "the inventory"

    secrets: str | None = None
    defaults: dict[str, Any] = Field(default_factory=dict)
    platforms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    controllers: Annotated[list[dict[str, Any]], Field(min_length=1)]


@dataclass(frozen=True)
class Inventory:
    """Controllers in the order of the file, no two for a junction and none twice."""

    path: Path
    secrets_file: Path | None
    controllers: tuple[Controller, ...]

    def __getitem__(self, junction: str) -> Controller:
        """The controller of a junction.

        Raises:
            BadInput: it has none here.
        """
        return self._by_junction([junction])[junction]

    def only(self, junctions: Sequence[str]) -> Inventory:
        """Of these junctions alone, in the order of the file.

        Raises:
            BadInput: one has no controller here.
        """
        wanted = self._by_junction(junctions)
        return replace(self, controllers=tuple(one for one in self.controllers if one.junction in wanted))

    def _by_junction(self, junctions: Sequence[str]) -> dict[str, Controller]:
        known = {one.junction: one for one in self.controllers}
        for name in junctions:
            if name not in known:
                raise _unknown(f"{self.path}: controllers", "junction", name, known)
        return {name: known[name] for name in junctions}

    def checked(self, plans: PlanSet) -> tuple[str, ...]:
        """The junctions of a plan set that have no controller here, in its order.

        Raises:
            BadInput: a controller is of a junction for which the set has no plan.
        """
        planned = dict.fromkeys(plan.signal for _, plan in plans)
        for number, one in enumerate(self.controllers):
            if one.junction not in planned:
                known = f"{_unknown(f'{self.path}: controllers.{number}', 'junction', one.junction, planned)}"
                raise BadInput(f"{known}; --only leaves out controllers that the plan is not for")
        return tuple(name for name in planned if name not in {one.junction for one in self.controllers})

    def secrets(self, environment: Mapping[str, str] = os.environ) -> Secrets:
        """Where to look up what its references name."""
        return Secrets(self.secrets_file, environment)

    def secrets_of(self, controller: Controller, secrets: Secrets) -> dict[str, SecretStr]:
        """The secrets of a controller or its platform, by field: auth and privacy, or community, or password.

        Raises:
            BadInput: one cannot be had; names controller and field.
        """
        if isinstance(controller, Gat1049):
            return controller.platform.looked_up(secrets, f"{self.path}: platform {controller.platform.name}")
        return controller.looked_up(secrets, f"{self.path}: controller {controller.junction}")


def load(path: Path) -> Inventory:
    """Read an inventory. Nothing is asked of the network, and no secret is looked up.

    Raises:
        BadInput: it cannot be used; one line names file, field, value and what is allowed.
    """
    file = _validated(_File, mapping(bounded_bytes(path, MOST_BYTES), path), f"{path}")
    _validated(Defaults, file.defaults, f"{path}: defaults")
    platforms = {name: _platform(name, row, f"{path}: platforms.{name}") for name, row in file.platforms.items()}
    controllers = tuple(
        _controller(row, file.defaults, platforms, f"{path}: controllers.{number}{_called(row)}")
        for number, row in enumerate(file.controllers)
    )
    _each_once(path, "platforms", "address", ((one.name, one.device) for one in platforms.values()))
    _each_once(path, "controllers", "junction", ((one.junction, one.junction.casefold()) for one in controllers))
    _each_once(path, "controllers", "device", ((one.junction, one.device) for one in controllers))
    engines = ((one.junction, one.engine_id) for one in controllers if isinstance(one, NtcipV3) and one.engine_id)
    _each_once(path, "controllers", "engine_id", engines)
    return Inventory(path, _beside(path, file.secrets) if file.secrets else None, controllers)


def _beside(path: Path, name: str) -> Path:
    try:
        return path.parent / Path(name).expanduser()
    except RuntimeError as error:  # ~nobody
        raise BadInput(f"{path}: secrets: {_shown(name)}: {error}") from None


def _called(row: Mapping[str, Any]) -> str:
    return f" ({_shown(row['junction'])})" if "junction" in row else ""


def _platform(name: str, row: Mapping[str, Any], where: str) -> Platform:
    return _validated(Platform, {**_with_port(row, where), "name": name}, where)


def _controller(
    row: Mapping[str, Any], defaults: Mapping[str, Any], platforms: Mapping[str, Platform], where: str
) -> Controller:
    own = _with_port(row, where)
    kind = _kind({**defaults, **own}, where)
    fields = {**{name: value for name, value in defaults.items() if name in kind.model_fields}, **own}
    if isinstance(limits := own.get("limits", {}), dict):
        known = kind.limits_of.model_fields
        fields["limits"] = {**{name: n for name, n in defaults.get("limits", {}).items() if name in known}, **limits}
    if kind is Gat1049 and "platform" in fields:
        fields["platform"] = platforms[_choice(fields["platform"], [*platforms], where, "platform")]
    return _validated(kind, fields, where)


def _kind(fields: Mapping[str, Any], where: str) -> type[Controller]:
    protocol = _choice(fields.get("protocol", "ntcip"), ("ntcip", "gat1049"), where, "protocol")
    if protocol == "gat1049":
        return Gat1049
    return NtcipV3 if _choice(fields.get("version", "3"), ("3", "2c"), where, "version") == "3" else NtcipV2c


def _choice(value: object, allowed: Sequence[str], where: str, field: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _unknown(where, field, value if isinstance(value, str) else _shown(value), allowed)
    return value


def _unknown(where: str, kind: str, value: str, options: Iterable[str]) -> BadInput:
    return BadInput(f"{where}: {UnknownName(kind, value, options)}")


def _with_port(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields with host and port apart where the address has both."""
    if not isinstance(address := row.get("address"), str):
        return dict(row)
    try:
        host, port = split_port(address)
    except ValueError as error:
        raise BadInput(f"{where}: address: {_shown(address)}: {error}") from None
    if port is None:
        return {**row, "address": host}
    if row.get("port", port) != port:
        raise BadInput(f"{where}: port: {_shown(row['port'])}: the address says {_shown(port)}")
    return {**row, "address": host, "port": port}


def _each_once(path: Path, table: str, field: str, named: Iterable[tuple[str, Hashable]]) -> None:
    first: dict[Hashable, str] = {}
    for name, value in named:
        if value in first:
            both = f"{first[value]} and {name}" if first[value] != name else f"{name}, twice"
            raise BadInput(f"{path}: {table}: {field}: {value}: of {both}; each must have its own")
        first[value] = name


def _validated(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = _fault(model, error)
    raise BadInput(f"{where}: {fault}")  # outside of the handler, as the error holds what was given, secrets among it


def _fault(model: type[Record], error: ValidationError) -> str:
    """The first fault in one line."""
    first = error.errors(include_url=False)[0]
    *above, name = (str(part) for part in first["loc"])
    field, kind, value = ".".join((*above, name)), first["type"], first["input"]
    if kind == "missing":
        return f"{field}: is missing"
    if kind == "reference":
        return f"{field}: {first['msg']}"
    if kind == "extra_forbidden":
        known = getattr(model, "limits_of", Limits) if above else model
        return str(UnknownName(f"field of {known.kind}", name, known.model_fields))
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", first["ctx"]["expected"])
        return str(UnknownName(field, value if isinstance(value, str) else _shown(value), options))
    said = first["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
    return f"{field}: {_shown(value)}: {said[0].lower()}{said[1:]}"


def _shown(value: object) -> str:
    """A value in a message; not where it may hold a password, as in user:password@host."""
    if not isinstance(value, str):
        return "a mapping" if isinstance(value, dict) else "a list"
    if "@" in value:
        return "this text"
    return repr(value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…")
