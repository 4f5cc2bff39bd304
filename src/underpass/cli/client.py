"""A hub's REST API for commands: where it is, who asks, and errors as one line.

    async with connect(hub=hub) as client:
        for session in await client.items("/api/sessions"): ...

`run` is the bridge from a plain command function.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import aiohttp

from underpass import __version__
from underpass.config import AgentConfig, environment
from underpass.core.errors import AppError, ConfigError
from underpass.core.sse import SseDecoder, SseEvent
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import Way, refuse_all_but_upgrade
from underpass.tunnel.dial_errors import Refused

TIMEOUT_S = 60.0

T = TypeVar("T")


class HubError(AppError):
    """The hub answered with an error; `status` is HTTP's, `code` the problem document's."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.status = status


class HubClient:
    """One hub, as one user. Made by `connect`."""

    def __init__(self, way: Way, session: aiohttp.ClientSession, key: str | None) -> None:
        self.way = way
        self.address = way.address
        self._session = session
        self._key = key

    @property
    def is_signed_in(self) -> bool:
        """Whether there is a key to send."""
        return self._key is not None

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON answer to a GET; parameters that are None are left out."""
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: Any = None) -> Any:
        """The JSON answer to a POST, None for an empty one."""
        return await self.call("POST", path, body=body)

    async def put(self, path: str, body: Any) -> Any:
        """The JSON answer to a PUT."""
        return await self.call("PUT", path, body=body)

    async def patch(self, path: str, body: Any) -> Any:
        """The JSON answer to a PATCH."""
        return await self.call("PATCH", path, body=body)

    async def delete(self, path: str, **query: Any) -> Any:
        """DELETE."""
        return await self.call("DELETE", path, query=query)

    async def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All items of a list, over all its parts."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            part = await self.get(path, **query, **({"after": after} if after else {}))
            found += part["items"]
            after = part.get("next")
            if not after:
                return found

    async def call(
        self, method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None
    ) -> Any:
        """One request. Raises HubError (the hub said no), DialError (it was not reached)."""
        async with self.send(method, path, query=query, body=body) as answer:
            data = await answer.read()
        if not data:
            return None
        try:
            return json.loads(data)
        except ValueError:
            raise HubError(
                answer.status,
                f"{self.address} answers, but not as an Underpass hub.",
                code="not_a_hub",
                hint="Check the address.",
            ) from None

    async def upload(self, path: str, file: IO[bytes], **query: Any) -> Any:
        """The JSON answer to a POST whose body is a file, read as it goes. Raises as `call`."""
        headers = {"Content-Type": "application/octet-stream"}
        sending = self.send("POST", path, query=query, data=file, headers=headers)
        async with sending as answer:
            return json.loads(await answer.read())

    async def download(self, path: str, file: IO[bytes], **query: Any) -> None:
        """Write the answer to a GET into a file, as it comes. Raises as `call`."""
        async with self.send("GET", path, query=query, has_time_limit=False) as answer:
            async for chunk in answer.content.iter_any():
                file.write(chunk)

    async def events(
        self, path: str, *, last_event_id: str | None = None, **query: Any
    ) -> AsyncIterator[SseEvent]:
        """Server-sent events until the hub ends them. Raises as `call`."""
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        decoder = SseDecoder()
        async with self.send(
            "GET", path, query=query, headers=headers, has_time_limit=False
        ) as answer:
            async for chunk in answer.content.iter_any():
                for event in decoder.feed(chunk):
                    yield event

    @asynccontextmanager
    async def websocket(self, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket of binary messages. Raises as `call`, also when the hub refuses it."""
        headers = {} if self._key is None else {"Authorization": f"Bearer {self._key}"}
        async with self.way.session(middlewares=(refuse_all_but_upgrade,)) as session:
            try:
                socket = await session.ws_connect(
                    self.address.url(path), headers=headers, compress=0
                )
            except Refused as error:
                raise error_of(error.status, error.body, self.address) from error
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise await self.way.explain(error) from error
            async with socket:
                yield socket

    @asynccontextmanager
    async def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        data: IO[bytes] | None = None,
        headers: dict[str, str] | None = None,
        has_time_limit: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request and its answer, still open; its body is JSON or a file. Raises as `call`."""
        sent = dict(headers or {})
        if self._key is not None:
            sent["Authorization"] = f"Bearer {self._key}"
        timeout = aiohttp.ClientTimeout(
            total=TIMEOUT_S if has_time_limit else None, sock_connect=10.0
        )
        params = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        try:
            async with self._session.request(
                method,
                self.address.url(path),
                params=params or None,
                json=body,
                data=data,
                headers=sent,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                if answer.status >= 300:
                    raise error_of(answer.status, await answer.read(), self.address)
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise await self.way.explain(error) from error


@asynccontextmanager
async def connect(
    *,
    hub: str | None = None,
    key: str | None = None,
    ca_file: Path | None = None,
    insecure_http: bool = False,
    needs_key: bool = True,
) -> AsyncIterator[HubClient]:
    """The hub of this user: flags, then `UNDERPASS_…`, then what `underpass login` stored.

    Raises ConfigError when there is no hub, or no key where one is needed.
    """
    config = AgentConfig.of_this_user(hub=hub, key=key, ca_file=ca_file)
    if config.hub is None:
        raise ConfigError(
            "No hub is named.",
            hint="Sign in with `underpass login HUB_URL`, or set UNDERPASS_HUB.",
        )
    address = HubAddress.parse(config.hub, insecure_http=insecure_http)
    if needs_key and config.key is None:
        raise ConfigError(
            f"You are not signed in at {config.hub}.",
            hint=f"Sign in with `underpass login {config.hub}`, or set UNDERPASS_KEY.",
        )
    way = Way(
        address,
        environ=environment(),
        ca_file=config.ca_file,
        user_agent=f"underpass/{__version__}",
    )
    secret = config.key.get_secret_value() if config.key is not None else None
    async with way.session() as session:
        yield HubClient(way, session, secret)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine to its end."""
    return asyncio.run(work)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def error_of(status: int, body: bytes, address: HubAddress) -> HubError:
    """The error that an answer carries: a problem document, or whatever a proxy wrote."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "code" not in document:
        return HubError(
            status,
            f"{address} answered {status}, and not as an Underpass hub does.",
            code="not_a_hub",
            hint="Check the address, and what stands between here and there.",
        )
    known = {"type", "title", "status", "detail", "code", "hint", "request_id"}
    return HubError(
        status,
        str(document.get("detail") or document.get("title") or "The hub refused."),
        code=str(document["code"]),
        hint=document.get("hint"),
        **{name: value for name, value in document.items() if name not in known},
    )
