"""A hub as an agent sees it: a real `Link` behind a real WebSocket, and the few REST calls.

It accepts tunnels and opens streams; it has no store, no users and no pages. `answer_link_with`
and `answers` steer what it says where a test needs a refusal.
"""

import asyncio
import itertools
import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import WSMsgType, web

from tests.rig.waiting import eventually_async
from underpass.tunnel.link import (
    CarrierClosed,
    Head,
    Link,
    LinkState,
    OpenHead,
    Stream,
    StreamKind,
    receive_hello,
    refuse,
)
from underpass.tunnel.protocol.hub import HubLink

TOKEN = "ups_test-token"


class ServerCarrier:
    """aiohttp's server WebSocket as a carrier."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket

    async def send(self, data: bytes) -> None:
        try:
            await self.socket.send_bytes(data)
        except (ConnectionError, RuntimeError) as error:
            raise CarrierClosed(str(error)) from error

    async def receive(self) -> bytes:
        message = await self.socket.receive()
        if message.type is not WSMsgType.BINARY:
            raise CarrierClosed(code=self.socket.close_code or 1006)
        data: bytes = message.data
        return data

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.socket.close(code=code, message=reason.encode())


@dataclass
class Answer:
    """What a stream brought back, whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Refusal:
    """An HTTP answer instead of the WebSocket."""

    status: int
    problem: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeHub:
    """Use as `async with FakeHub() as hub:`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.links: list[Link] = []
        self.control: list[dict[str, Any]] = []
        self.handshakes: list[Mapping[str, str]] = []
        self.link_refusal: Refusal | None = None
        self.close_code: tuple[str, str] | None = None
        self.tunnel_refusal: dict[str, Any] | None = None
        self.requests: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []
        self.answers: dict[str, list[Refusal]] = {}
        self._tls = tls
        self._sockets: set[web.WebSocketResponse] = set()
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def link(self) -> Link:
        return self.links[-1]

    async def __aenter__(self) -> "FakeHub":
        app = web.Application()
        app.router.add_get("/link", self._link)
        app.router.add_get("/healthz", self._health)
        app.router.add_post("/api/{path:.*}", self._api)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.listen()
        return self

    async def listen(self) -> None:
        assert self._runner is not None
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop_listening(self) -> None:
        """As a hub that goes away: no port, no connections."""
        assert self._runner is not None
        for site in list(self._runner.sites):
            await site.stop()
        self.cut()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        assert self._runner is not None
        await self._runner.cleanup()

    def cut(self) -> None:
        """Every connection is reset, in mid-air."""
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    # -- what a test asks for

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.control if message["type"] == kind]

    async def wait_said(self, kind: str, within_s: float = 10.0, **fields: Any) -> dict[str, Any]:
        """The newest control message of this kind with these fields, once it is there."""

        def is_meant(message: dict[str, Any]) -> bool:
            return all(message.get(name) == value for name, value in fields.items())

        def found() -> dict[str, Any] | None:
            return next(filter(is_meant, reversed(self.said(kind))), None)

        what = f"{kind} {fields} among {self.control}"
        message: dict[str, Any] | None = await eventually_async(found, within_s, what)
        assert message is not None
        return message

    async def tunnel_id(self, ref: str | None = None) -> str:
        """The id of the tunnel that was offered (last), once it is."""
        fields: dict[str, Any] = {} if ref is None else {"ref": ref}
        offer = await self.wait_said("tunnel.offer", **fields)
        return f"tun_{offer['ref']}"

    async def open(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        *,
        tunnel: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        kind: StreamKind = StreamKind.HTTP,
    ) -> Stream:
        """A stream to the agent; the body is the caller's to write."""
        tunnel_id = tunnel or await self.tunnel_id()
        number = next(self._numbers)
        head = OpenHead(kind, tunnel_id, f"req_{number}", method, path, headers)
        return await self.link.open(head)

    async def request(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        body: Any = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        tunnel: str | None = None,
    ) -> Answer:
        """One whole request and its answer."""
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        if raw:
            headers = (
                *headers,
                ("content-type", "application/json"),
                ("content-length", str(len(raw))),
            )
        stream = await self.open(method, path, headers=headers, tunnel=tunnel)
        if raw:
            await stream.write(raw)
        await stream.write_end()
        return await whole(stream)

    # -- routes

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _link(self, request: web.Request) -> web.StreamResponse:
        self.handshakes.append(request.headers)
        if self.link_refusal is not None:
            return _refused(self.link_refusal)
        socket = web.WebSocketResponse(protocols=("underpass.v1",), compress=False)
        await socket.prepare(request)
        carrier = ServerCarrier(socket)
        if self.close_code is not None:
            await refuse(carrier, *self.close_code)
            return socket
        self._sockets.add(socket)
        try:
            hello = await receive_hello(carrier)
            link = next((one for one in self.links if one.link_id == hello.link_id), None)
            if link is None or link.is_closed:
                link = self._new_link()
            await link.serve(carrier, hello=hello, owner="ses_1")
        except CarrierClosed:
            pass
        finally:
            self._sockets.discard(socket)
        return socket

    def _new_link(self) -> Link:
        link = Link(
            HubLink(f"lnk_{secrets.token_hex(4)}", "ses_1"),
            on_control=self._on_control,
            on_state=lambda _state: None,
        )
        self.links.append(link)
        return link

    def _on_control(self, message: dict[str, Any]) -> None:
        self.control.append(message)
        if message["type"] != "tunnel.offer":
            return
        if self.tunnel_refusal is not None:
            refusal = {"type": "tunnel.refused", "ref": message["ref"], **self.tunnel_refusal}
            self.link.send_control(refusal)
            return
        name = message["name"] or "box"
        self.link.send_control(
            {
                "type": "tunnel.accepted",
                "ref": message["ref"],
                "tunnel_id": f"tun_{message['ref']}",
                "name": name,
                "chat_url": f"{self.url}/?provider={name}",
            }
        )

    async def _api(self, request: web.Request) -> web.Response:
        path = request.path
        body = await request.json()
        self.requests.append((path, request.headers, body))
        queue = self.answers.get(path)
        if queue:
            return _refused(queue.pop(0) if len(queue) > 1 else queue[0])
        session = {"id": "ses_1", "name": body.get("name") or "box", "owner": {"name": "alice"}}
        if path == "/api/sessions":
            return web.json_response({"session": session, "token": TOKEN}, status=201)
        if path == "/api/auth/device":
            return web.json_response(
                {
                    "device_code": "device-1",
                    "user_code": "ABCD-EFGH",
                    "verification_url": f"{self.url}/connect?code=ABCD-EFGH",
                    "interval_s": 0.02,
                    "expires_in_s": 600,
                }
            )
        if path == "/api/auth/device/token":
            return web.json_response(
                {"status": "approved", "token": TOKEN, "session": session, "user": "alice"}
            )
        return web.json_response({"code": "not_found"}, status=404)


async def whole(stream: Stream) -> Answer:
    """The rest of a stream, from its head on."""
    head: Head = await stream.response()
    chunks = []
    while chunk := await stream.read():
        chunks.append(chunk)
    return Answer(head.status, head.headers, b"".join(chunks))


async def wait_up(hub: FakeHub, within_s: float = 10.0) -> Link:
    """Until an agent's link is up."""
    await eventually_async(
        lambda: bool(hub.links) and hub.link.state is LinkState.UP, within_s, "link up"
    )
    return hub.link


def _refused(refusal: Refusal) -> web.Response:
    return web.Response(
        status=refusal.status,
        body=json.dumps(refusal.problem).encode() if refusal.problem else b"",
        headers=refusal.headers,
        content_type="application/problem+json",
    )


async def soon(task: "asyncio.Task[Any]", within_s: float = 5.0) -> Any:
    """The result of a task that must end by itself."""
    async with asyncio.timeout(within_s):
        return await asyncio.shield(task)
