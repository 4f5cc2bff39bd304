"""The few REST calls that sign a session in: with a key, or with a code approved in a browser."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from underpass.core.errors import (
    AppError,
    CallerError,
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooMany,
)
from underpass.tunnel.dial import Way
from underpass.tunnel.dial_errors import DialError, Refused

ANSWER_TIMEOUT_S = 20.0
MAX_ANSWER_BYTES = 1024 * 1024
_ERRORS: dict[int, type[CallerError]] = {
    400: InvalidRequest,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    422: InvalidRequest,
    429: TooMany,
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A session that this process may now be the agent of."""

    token: str
    session_id: str
    session_name: str
    user: str


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What to show, and what to ask with while the user approves it in a browser."""

    device_code: str
    user_code: str
    url: str
    interval_s: float
    expires_in_s: float


class SignInDenied(NotAllowed):
    """The code was denied in the browser, or nobody approved it in time."""

    code = "sign_in_denied"


class HubApi:
    """Calls to one hub, on the way that the link will take too."""

    def __init__(self, way: Way) -> None:
        self._way = way

    async def attach(self, key: str, *, name: str | None, host: str, replace: bool) -> Grant:
        """Open an attached session with a key of the user's.

        Raises NotAuthenticated, Conflict (the name is in use), DialError and other AppErrors.
        """
        body = {"attach": True, "host": host, "replace": replace}
        if name is not None:
            body["name"] = name
        _status, answer = await self._call("/api/sessions", body, key=key)
        session = _table(answer, "session")
        owner = session.get("owner")
        user = str(owner.get("name", "")) if isinstance(owner, dict) else ""
        return Grant(_text(answer, "token"), _text(session, "id"), _text(session, "name"), user)

    async def start_device(self, *, name: str | None, host: str, user: str) -> DeviceCode:
        """Ask for a code that a signed-in browser can approve."""
        body = {"purpose": "session", "host": host, "user": user}
        if name is not None:
            body["name"] = name
        _status, answer = await self._call("/api/auth/device", body)
        code = _text(answer, "user_code")
        return DeviceCode(
            device_code=_text(answer, "device_code"),
            user_code=code,
            url=str(
                answer.get("verification_url") or self._way.address.url(f"/connect?code={code}")
            ),
            interval_s=_number(answer, "interval_s", 2.0),
            expires_in_s=_number(answer, "expires_in_s", 600.0),
        )

    async def wait_for_approval(self, device: DeviceCode) -> Grant:
        """Ask until somebody approved. Raises SignInDenied.

        A hub that is away for a moment does not end the waiting; the code's own expiry does.
        """
        try:
            async with asyncio.timeout(device.expires_in_s + 5):
                while True:
                    grant = await self._ask_once(device)
                    if grant is not None:
                        return grant
                    await asyncio.sleep(device.interval_s)
        except TimeoutError:
            raise _not_approved() from None

    async def _ask_once(self, device: DeviceCode) -> Grant | None:
        try:
            status, answer = await self._call(
                "/api/auth/device/token", {"device_code": device.device_code}
            )
        except DialError:
            return None
        except TooMany as error:
            await asyncio.sleep(error.retry_after_s or device.interval_s)
            return None
        if status != 200:
            return None
        session = _table(answer, "session")
        user = answer.get("user")
        user_name = user.get("name", "") if isinstance(user, dict) else user
        return Grant(
            _text(answer, "token"),
            _text(session, "id"),
            _text(session, "name"),
            str(user_name or ""),
        )

    async def _call(
        self, path: str, body: dict[str, Any], *, key: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """POST JSON; (status, answer) of a 2xx. Raises AppErrors for everything else."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            async with (
                asyncio.timeout(ANSWER_TIMEOUT_S),
                self._way.session() as session,
                session.post(
                    self._way.address.url(path),
                    json=body,
                    headers=headers,
                    allow_redirects=False,
                ) as answer,
            ):
                raw = await answer.content.read(MAX_ANSWER_BYTES)
                while more := await answer.content.readany():
                    raw += more
                    if len(raw) > MAX_ANSWER_BYTES:
                        break
                status, got = answer.status, answer.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise await self._way.explain(error) from error
        document = _json(raw)
        if 200 <= status < 300 and document:
            return status, document
        if document.get("code") and status in _ERRORS | {410: None}:
            raise _problem(status, document, got.get("Retry-After"))
        raise await self._way.explain(Refused(status, got, raw))


def _problem(status: int, document: dict[str, Any], retry_after: str | None) -> AppError:
    if status == 410:
        return _not_approved()
    kind = _ERRORS[status]
    message = str(document.get("detail") or document.get("title") or "The hub refuses.")
    hint = document.get("hint")
    return kind(
        message,
        code=str(document["code"]),
        hint=str(hint) if hint else None,
        retry_after_s=float(retry_after) if retry_after and retry_after.isdigit() else None,
    )


def _not_approved() -> SignInDenied:
    return SignInDenied(
        "The code was denied or has expired.", hint="Run the command again for a new one."
    )


def _json(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _table(answer: dict[str, Any], name: str) -> dict[str, Any]:
    value = answer.get(name)
    return value if isinstance(value, dict) else {}


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if isinstance(value, str) and value:
        return value
    raise DialError(
        f"The hub's answer lacks '{name}'.",
        code="not_a_hub",
        hint="Its version may not fit this one: install the Underpass version that the hub has.",
    )


def _number(answer: dict[str, Any], name: str, otherwise: float) -> float:
    value = answer.get(name)
    return float(value) if isinstance(value, int | float) and value > 0 else otherwise
