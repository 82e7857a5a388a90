"""A session of GA/T 1049 with a signal platform over TCP: login, heartbeats, requests and their answers, logout.

One platform serves many junctions, so many drivers share a session; the first to enter logs in and the last to leave
logs out. Several requests may be under way at once. An answer is told from others by its Seq alone: pushed messages,
answers that nobody waits for (any more) and requests of the platform are dropped. A broken connection is made anew at
the next request.

UNOFFICIAL, as the standard's part 1 is not public, are: who connects to whom (here greenband, as ``TICP``, to the
platform, as ``UTCS``), the framing, that heartbeats are pushed and not answered, the way to ask for all objects, and
the error types. They follow the reference code MartinMeng001/ga-t1049-parent, and ``Platform`` has settings for those
in which other public implementations differ. GA/T 1049 has no encryption: the password crosses the network in clear, so
the network must be a closed one.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import Annotated, Literal, Self
from xml.etree import ElementTree as ET

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from greenband.field.driver import FieldError, Refused, Unreachable
from greenband.field.gat1049.wire import (
    MAX_BYTES,
    Framing,
    Garbled,
    Lost,
    Message,
    Operation,
    framed,
    read_frame,
)
from greenband.formats.gat1049_message import MAX_CHARACTERS, NO_XML, node

__all__ = ["Gat1049Session", "Manner", "Platform"]

LOGOUT_S = 2.0
BACK_OFF_S = (0.05, 0.1, 0.2, 0.4, 0.8)
TRIES = 3  # of what is the junction's own: no answer, or one without sense
MAX_SECRET = 500
EXPIRED = "SDE_Token"
LOG = logging.getLogger(__name__)


class Broken(Unreachable):
    """The connection that all share broke, perhaps through no fault of this junction."""


class Manner(BaseModel):
    """How a signal platform speaks; the settings with choices are unofficial.

    Times are seconds. The defaults of the choices are the reference code's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    timeout_s: float = Field(
        default=10, gt=0, le=600, allow_inf_nan=False, description="for connecting, and for each answer"
    )
    heartbeat_s: float = Field(
        default=30, gt=0, le=3600, allow_inf_nan=False, description="of silence before a heartbeat is pushed"
    )
    at_once: int = Field(default=16, ge=1, le=1000, description="requests under way; 1 for a platform that takes turns")
    framing: Framing = Field(default="length", description="four bytes of length before a message, or bare XML")
    all_numbers: Literal["0", "none"] = Field(
        default="0", description="No of a TSCCmd that asks for all objects; none leaves it empty"
    )
    mode_object: Literal["CrossModePlan", "CrossCtrlInfo"] = Field(
        default="CrossModePlan", description="what to ask for to learn how a junction runs"
    )
    add_number: Literal["own", "0"] = Field(
        default="own", description="what to add goes with the number it is to have, or with 0; either is checked"
    )
    absent: tuple[Annotated[str, Field(min_length=1, max_length=50)], ...] = Field(
        default=("1002",), description="error types that mean: there is no such object"
    )


class Platform(Manner):
    """Where a signal platform is, as whom it is spoken to, and how it speaks."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=9999, ge=1, le=65535)
    user: SecretStr
    password: SecretStr

    @field_validator("user", "password")
    @classmethod
    def _fits_xml(cls, secret: SecretStr) -> SecretStr:
        if not secret or NO_XML.search(secret.get_secret_value()) or len(secret) > MAX_SECRET:
            raise ValueError(f"it must have 1 to {MAX_SECRET} characters, none of them a control character")
        return secret


class Gat1049Session:
    """A session, entered by each of its users (``async with session``); see the module.

    All that belongs to an event loop is made when the first user enters and dropped when the last one leaves, so that
    the session may be entered again in another loop.

    Raises, on entering:
        Unreachable: no answer, or not in time.
        Refused: the platform does not accept the login, or answers what makes no sense.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._users = 0
        self._room: asyncio.Semaphore | None = None  # of the loop that runs; None while nobody is in
        self._link: _Link | None = None
        self._joining: asyncio.Task[_Link] | None = None
        # A random start, so that what was recorded in another session answers nothing in this one.
        self._numbers = itertools.count(secrets.randbelow(1_000_000))

    async def __aenter__(self) -> Self:
        if self._room is None:
            self._room = asyncio.Semaphore(self.platform.at_once)
        self._users += 1
        try:
            await self._linked()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._leave()

    async def get(self, kind: str, cross_id: str) -> tuple[ET.Element, ...]:
        """All objects of a kind that the platform holds for a junction; asked again where no answer comes.

        What is answered is not held against the schema yet; nor is it by ``set``.

        Raises:
            Unreachable: no answer.
            Refused: the platform refuses, or answers what makes no sense.
        """
        number = "" if self.platform.all_numbers == "none" else self.platform.all_numbers
        wanted = node("TSCCmd", node("ObjName", kind), node("ID", cross_id), node("No", number))
        about, tries = f"{kind} of {cross_id}", 0
        for pause_s in BACK_OFF_S:
            try:
                return await self._ask("Get", wanted, about)
            except (Unreachable, Garbled) as error:
                tries += not isinstance(error, Broken)
                if tries == TRIES:
                    raise
                LOG.info("asking again: %s", error)
            await asyncio.sleep(pause_s)
        return await self._ask("Get", wanted, about)

    async def set(self, command: ET.Element, about: str) -> tuple[ET.Element, ...]:
        """Carry out a command, once.

        Returns:
            What the platform answers; the object as it now is, or nothing.

        Raises:
            Unreachable: no answer; it may have been carried out.
            Garbled: it answered what makes no sense; it may have been carried out.
            Refused: the platform refuses.
        """
        return await self._ask("Set", command, about)

    def said(self, text: str) -> str:
        """A text that the platform had a part in, as one short line without our secrets, should it repeat them."""
        token = self._link.token if self._link is not None else ""
        for secret in (self.platform.password.get_secret_value(), self.platform.user.get_secret_value(), token):
            if secret:
                text = text.replace(secret, "***")
        return " ".join(NO_XML.sub(" ", text).split())[:300]

    async def _ask(self, name: Literal["Get", "Set"], content: ET.Element, about: str) -> tuple[ET.Element, ...]:
        async with self._opened():
            link = await self._linked()
            answer = await self._request(link, name, content, about)
            if _error_type(answer) == EXPIRED:  # nothing was carried out, so it may be sent again
                link.close("the platform ended the session")
                answer = await self._request(await self._linked(), name, content, about)
        error_type = _error_type(answer)
        if name == "Get" and error_type in self.platform.absent:
            return ()
        if error_type is not None:
            raise Refused(self.said(f"{about}: the platform refuses: {_complaint(answer)}"))
        return self._objects(answer, name, about)

    def _objects(self, answer: Message, name: str, about: str) -> tuple[ET.Element, ...]:
        """What an answer to this operation holds."""
        if not answer.operations or any(operation.name != name for operation in answer.operations):
            raise Garbled(self.said(f"{about}: the platform answers something else than {name}"))
        return tuple(thing for operation in answer.operations for thing in operation.objects)

    async def _request(self, link: _Link, name: str, content: ET.Element, about: str) -> Message:
        message = Message("REQUEST", self._seq(), (Operation(name, (content,)),), link.token)
        try:
            return await link.request(message, self.platform.timeout_s)
        except (Unreachable, Garbled) as error:
            raise type(error)(self.said(f"{about}: {error}")) from None

    def _opened(self) -> asyncio.Semaphore:
        if self._room is None:
            raise Unreachable(f"platform {self.platform.host} port {self.platform.port}: the session is not open")
        return self._room

    async def _linked(self) -> _Link:
        """The connection; where it is broken, one attempt to make it anew serves all who wait."""
        self._opened()
        if self._link is not None and self._link.closed is None:
            return self._link
        if self._joining is None or self._joining.done():
            self._joining = asyncio.create_task(self._login())
            self._joining.add_done_callback(_heard)
        self._link = await asyncio.shield(self._joining)
        return self._link

    async def _login(self) -> _Link:
        to = self.platform
        place = f"platform {to.host} port {to.port}"
        try:
            async with asyncio.timeout(to.timeout_s):
                reader, writer = await asyncio.open_connection(to.host, to.port, limit=MAX_BYTES)
        except TimeoutError:
            raise Unreachable(f"{place}: no connection within {to.timeout_s:g} s") from None
        except OSError as error:
            raise Unreachable(f"{place}: no connection: {error.strerror or 'it failed'}") from None
        link = _Link(reader, writer, to, self._seq)
        try:
            user = node("SDO_User", *self._named_user(), node("Pwd", to.password.get_secret_value()))
            answer = await self._request(link, "Login", user, place)
            if _error_type(answer) is not None:
                raise Refused(self.said(f"{place}: login refused: {_complaint(answer)}"))
            self._objects(answer, "Login", f"{place}, login")
            if not answer.token or len(answer.token) > 1000 or NO_XML.search(answer.token):
                raise Refused(f"{place}: login without a usable token")
        except BaseException:
            link.close("login failed")
            raise
        link.token = answer.token
        link.keep_alive()
        return link

    def _named_user(self) -> tuple[ET.Element]:
        return (node("UserName", self.platform.user.get_secret_value()),)

    async def _leave(self) -> None:
        self._users -= 1
        if self._users:
            return
        link, joining = self._link, self._joining
        self._link = self._joining = self._room = None
        if joining is not None and not joining.done():
            joining.cancel()
        elif joining is not None and not joining.cancelled() and joining.exception() is None:
            link = joining.result()  # who waited for it may have gone
        if link is None or link.closed is not None:
            return
        logout = Operation("Logout", (node("SDO_User", *self._named_user()),))
        try:
            bye = Message("REQUEST", self._seq(), (logout,), link.token)
            await link.request(bye, min(LOGOUT_S, self.platform.timeout_s))
        except (Unreachable, Garbled) as error:
            LOG.info("logout: %s", self.said(str(error)))
        finally:
            link.close("logged out")
            await link.gone()

    def _seq(self) -> str:
        return f"{datetime.datetime.now():%Y%m%d%H%M%S}{next(self._numbers) % 1_000_000:06d}"


class _Link:
    """One connection: messages go out, and answers to those who wait for their Seq."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, platform: Platform, seq: Callable[[], str]
    ) -> None:
        self.token = ""
        self.closed: str | None = None
        self._reader, self._writer, self._platform, self._seq = reader, writer, platform, seq
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._heard_s = self._sent_s = self._now()
        self._tasks = [asyncio.create_task(self._listen())]

    def keep_alive(self) -> None:
        """Push heartbeats from now on."""
        self._tasks.append(asyncio.create_task(self._beat()))

    async def request(self, message: Message, timeout_s: float) -> Message:
        """Send a request and wait for its answer; Unreachable or Garbled where there is none."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[message.seq] = answer
        begun_s = self._now()
        try:
            async with asyncio.timeout(timeout_s):
                await self._send(message)
                return await answer
        except TimeoutError:
            if self._heard_s < begun_s:  # not a word, even to others
                self.close("it fell silent")
            raise Unreachable(f"no answer within {timeout_s:g} s") from None
        finally:
            self._waiting.pop(message.seq, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, even where sending failed first

    async def _send(self, message: Message) -> None:
        if self.closed is not None:
            raise Broken(f"the connection broke: {self.closed}")
        data = message.packed("TICP", "UTCS")
        if len(data.decode()) > MAX_CHARACTERS:
            raise Refused(f"a message of {len(data)} bytes; GA/T 1049 takes {MAX_CHARACTERS} characters")
        self._sent_s = self._now()
        try:
            self._writer.write(framed(data, self._platform.framing))
            await self._writer.drain()
        except OSError as error:
            self.close(error.strerror or "it was reset")
            raise Broken(f"the connection broke: {self.closed}") from None

    async def _listen(self) -> None:
        why: FieldError = Broken("the connection ended")
        try:
            while True:
                try:
                    data = await read_frame(self._reader, self._platform.framing)
                    self._heard_s = self._now()
                    self._take(Message.unpacked(data))
                except Lost:
                    raise
                except Garbled as error:
                    self._spoil(error)
        except EOFError:
            pass
        except OSError as error:
            why = Broken(f"the connection broke: {error.strerror or 'it was reset'}")
        except Lost as error:
            LOG.warning("connection given up: %s", error)
            why = error
        finally:
            self.close(str(why), why)

    def _take(self, message: Message) -> None:
        answer = self._waiting.get(message.seq) if message.kind in ("RESPONSE", "ERROR") else None
        if answer is None:
            LOG.debug("dropped a %s that nobody waits for", message.kind)
        elif not answer.done():
            answer.set_result(message)

    def _spoil(self, error: Garbled) -> None:
        """Tell whose answer it was to be: whom it names, or the only one who waits. Others do not suffer from it."""
        LOG.warning("dropped what is no message: %s", error)
        if error.seq in self._waiting:
            _fail(self._waiting[error.seq], error)
        elif error.seq is None and len(self._waiting) == 1:
            _fail(next(iter(self._waiting.values())), error)

    async def _beat(self) -> None:
        every_s = self._platform.heartbeat_s
        while self.closed is None:
            left_s = self._sent_s + every_s - self._now()
            if left_s > 0:
                await asyncio.sleep(left_s)
                continue
            try:
                beat = Message("PUSH", self._seq(), (Operation("Notify", (node("SDO_HeartBeat"),)),), self.token)
                async with asyncio.timeout(self._platform.timeout_s):
                    await self._send(beat)
            except (Unreachable, TimeoutError):
                self.close("heartbeats do not get through")

    def close(self, reason: str, error: Exception | None = None) -> None:
        """End the connection; who waits for an answer learns that none comes."""
        if self.closed is not None:
            return
        self.closed = reason
        for answer in self._waiting.values():
            _fail(answer, error or Broken(f"the connection broke: {reason}"))
        self._writer.transport.abort()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def gone(self) -> None:
        """Wait until nothing of the connection is left."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _fail(answer: asyncio.Future[Message], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _heard(joining: asyncio.Task[_Link]) -> None:
    """Take note of an attempt whose waiters have all gone."""
    if not joining.cancelled():
        joining.exception()


def _error(answer: Message) -> ET.Element | None:
    found = (thing for operation in answer.operations for thing in operation.objects if thing.tag == "SDO_Error")
    return next(found, None)


def _error_type(answer: Message) -> str | None:
    """The type of the error that an answer is; None where it is none."""
    error = _error(answer)
    if error is None:
        return "unnamed" if answer.kind == "ERROR" else None
    return (error.findtext("ErrType") or "unnamed").strip()


def _complaint(answer: Message) -> str:
    error = _error(answer)
    parts = [] if error is None else [error.findtext(tag, "").strip() for tag in ("ErrObj", "ErrType", "ErrDesc")]
    return " ".join(part for part in parts if part) or "without a reason"
