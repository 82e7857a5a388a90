"""From a controller of the inventory to a driver that speaks to it, and to what a plan asks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from pydantic import SecretStr, ValidationError

from greenband.errors import BadInput
from greenband.field import gat1049, ntcip
from greenband.field.controllers import Controller, Gat1049, Limits, NtcipV2c, NtcipV3, Platform
from greenband.field.credentials import Secrets
from greenband.field.driver import Driver
from greenband.field.gat1049 import Gat1049Driver
from greenband.field.gat1049.session import Gat1049Session, Manner
from greenband.field.gat1049.session import Platform as Speech
from greenband.field.holding import Holding
from greenband.field.inventory import Inventory
from greenband.field.ntcip import NtcipDriver
from greenband.field.snmp import Access
from greenband.plan.model import PlanSet

__all__ = ["Connections", "wanted"]

LIMITS = {  # as NTCIP calls them
    "patterns": "maxPatterns",
    "day_plans": "maxDayPlans",
    "events": "maxDayPlanEvents",
    "schedule_rows": "maxTimeBaseScheduleEntries",
    "actions": "maxTimebaseAscActions",
}


def wanted(plans: PlanSet, controller: Controller) -> Holding:
    """What a plan set asks of a controller.

    Raises:
        BadInput: its protocol cannot express it.
    """
    if isinstance(controller, Gat1049):
        return gat1049.wanted(plans, controller.junction, controller.cross_id)
    return ntcip.wanted(plans, controller.junction)


class Connections:
    """Makes drivers. Controllers behind one platform share its session."""

    def __init__(self, inventory: Inventory, secrets: Secrets, *, insecure: bool = False) -> None:
        """Look up every secret, so that what is missing is known before anything is done.

        Args:
            inventory: the controllers.
            secrets: where their secrets are.
            insecure: speak to controllers without encryption too.

        Raises:
            BadInput: a secret cannot be had or used, or a controller is insecure and nobody asked for it.
        """
        self._sessions: dict[str, Gat1049Session] = {}
        self._makers: dict[str, Callable[[], Driver]] = {}
        for one in inventory.controllers:
            if one.insecure and not insecure:
                raise BadInput(
                    f"{inventory.path}: controller {one.junction}: SNMPv2c sends its community and all tables"
                    " unencrypted; --insecure-v2c allows it"
                )
            self._makers[one.junction] = self._maker(inventory, one, secrets)

    def maker(self, junction: str) -> Callable[[], Driver]:
        """What makes a driver for the controller of a junction."""
        return self._makers[junction]

    def _maker(self, inventory: Inventory, one: Controller, secrets: Secrets) -> Callable[[], Driver]:
        found = inventory.secrets_of(one, secrets)
        if isinstance(one, Gat1049):
            place = one.platform
            if place.name not in self._sessions:
                speech = _speech(place, found["password"], f"{inventory.path}: platform {place.name}")
                self._sessions[place.name] = Gat1049Session(speech)
            limits = one.limits.model_dump(exclude_none=True)
            return partial(Gat1049Driver, self._sessions[place.name], one.cross_id, limits)
        assert isinstance(one, NtcipV3 | NtcipV2c)
        access = _access(one, found) if isinstance(one, NtcipV3) else _unencrypted(one, found)
        return partial(NtcipDriver, access, _limits(one.limits))


def _speech(place: Platform, password: SecretStr, about: str) -> Speech:
    manner = place.model_dump(include=set(Manner.model_fields))
    try:
        return Speech(host=place.address, port=place.port, user=SecretStr(place.user), password=password, **manner)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    said = first["msg"].removeprefix("Value error, ")
    raise BadInput(f"{about}: {first['loc'][0]}: {said}")  # outside of the handler, as the error holds the secret


def _access(one: NtcipV3, found: Mapping[str, SecretStr]) -> Access:
    return Access(
        host=one.address,
        port=one.port,
        user=one.user,
        auth=found["auth"],
        private=found["privacy"],
        auth_protocol=one.auth_protocol,
        privacy=one.privacy_protocol,
        engine=bytes.fromhex(one.engine_id) if one.engine_id else None,
        timeout_s=one.timeout_s,
        retries=one.retries,
        per_message=one.max_objects,
        pause_s=one.pause_s,
    )


def _unencrypted(one: NtcipV2c, found: Mapping[str, SecretStr]) -> Access:
    return Access(
        host=one.address,
        port=one.port,
        version="2c",
        community=found["community"],
        timeout_s=one.timeout_s,
        retries=one.retries,
        per_message=one.max_objects,
        pause_s=one.pause_s,
    )


def _limits(limits: Limits) -> dict[str, int]:
    return {LIMITS[name]: value for name, value in limits.model_dump().items() if value is not None}
