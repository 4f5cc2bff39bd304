"""One ASGI exchange with a scripted client: no socket, each message in the test's hands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

App = Callable[..., Awaitable[None]]


class Exchange:
    """Starts `app` on one request at once; `body=None` leaves the upload to `upload`."""

    def __init__(
        self,
        app: App,
        method: str,
        target: str,
        *,
        body: bytes | None = b"",
        headers: dict[str, str] | None = None,
    ) -> None:
        raw_path, _, query = target.encode().partition(b"?")
        pairs = {"host": "hub", "content-type": "application/json", "authorization": "Bearer ann"}
        pairs |= headers or {}
        if body is not None:
            pairs.setdefault("content-length", str(len(body)))
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.chunks: list[bytes] = []
        self.is_complete = False
        self.is_slow = asyncio.Event()
        """Set while the client does not take anything."""
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._can_send = asyncio.Event()
        self._can_send.set()
        self._changed = asyncio.Event()
        if body is not None:
            self.upload(body, is_last=True)
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": raw_path.decode(),
            "raw_path": raw_path,
            "query_string": query,
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in pairs.items() if v],
        }
        self.task = asyncio.ensure_future(self._run(app))

    # --- the client --------------------------------------------------------------------------

    def upload(self, body: bytes, *, is_last: bool = False) -> None:
        """Sends a part of the request's body."""
        self._inbox.put_nowait({"type": "http.request", "body": body, "more_body": not is_last})

    def disconnect(self) -> None:
        """Goes away."""
        self._inbox.put_nowait({"type": "http.disconnect"})
        self._can_send.set()

    def pause(self) -> None:
        """Stops taking what is sent."""
        self._can_send.clear()

    def resume(self) -> None:
        """Takes it again."""
        self._can_send.set()

    # --- what came ---------------------------------------------------------------------------

    @property
    def body(self) -> bytes:
        """All of it so far."""
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        """It as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The OpenAI error in it."""
        error = self.json["error"]
        assert {"message", "type", "param", "code"} <= set(error)
        assert isinstance(error, dict)
        return error

    def header(self, name: str) -> str | None:
        """The only header of that name."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1
        return found[0] if found else None

    async def until(self, is_so: Callable[[Exchange], object]) -> Exchange:
        """Waits until something is so."""
        while not is_so(self):
            self._changed.clear()
            await self._changed.wait()
        return self

    async def done(self) -> Exchange:
        """Waits for the app to return."""
        await self.task
        return self

    # --- ASGI --------------------------------------------------------------------------------

    async def _run(self, app: App) -> None:
        try:
            await app(self.scope, self._receive, self._send)
        finally:
            self._changed.set()

    async def _receive(self) -> MutableMapping[str, Any]:
        return await self._inbox.get()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await self._can_send.wait()
        if message["type"] == "http.response.start":
            assert not self.status, "the head was sent twice"
            self.status = message["status"]
            self.headers = [(k.decode(), v.decode("latin-1")) for k, v in message["headers"]]
        else:
            assert self.status, "a body before its head"
            assert not self.is_complete, "a body after its end"
            self.chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                self.is_complete = True
                self._inbox.put_nowait({"type": "http.disconnect"})
        self._changed.set()
