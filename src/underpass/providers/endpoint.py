"""The way to one custom endpoint: opens a stream for each request, as a tunnel's link does.

An Endpoint has connections of its own (nothing is shared with another provider: not a key, not
a CA). Each socket is judged when it is about to connect, by the address that it really goes to.
Redirects are not followed, no cookie is kept, and no proxy is asked.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp

from underpass.core.errors import ConfigError, InvalidRequest, StreamReset, TunnelError
from underpass.providers import faults
from underpass.providers.base_url import BaseUrl
from underpass.providers.faults import AddressRefused, EndpointFault, Fault, PlainHttpRefused
from underpass.providers.networks import Networks
from underpass.providers.sealing import NO_SECRETS, EndpointSecrets
from underpass.tunnel.link import Head, Headers, OpenHead, Sink
from underpass.tunnel.trust import ssl_context

if TYPE_CHECKING:
    import ssl

    from aiohttp.connector import Connection

CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 4.0
"""Idle connections are closed before servers do it (uvicorn: 5 s): a request that meets a closing
connection fails, and a POST must not be sent twice."""
MAX_WAITING_PIECES = 4
"""Of a body; more of it waits at the client."""

# What the owner of a provider may not say with a header of their own.
RESERVED_HEADERS = frozenset(
    {
        *("host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade"),
        *("te", "trailer", "expect", "keep-alive", "proxy-authorization", "proxy-connection"),
        *("accept-encoding", "x-request-id"),
    }
)
_OWN_WORDS = "x-underpass-"

_stream_of_request: ContextVar[EndpointStream] = ContextVar("stream_of_request")


class Endpoint:
    """One endpoint, open for as long as its provider is there. Close it in the end."""

    is_up = True

    def __init__(
        self,
        base: BaseUrl,
        networks: Networks,
        *,
        secrets: EndpointSecrets = NO_SECRETS,
        ca_pem: str | None = None,
        on_fault: Callable[[Fault], None] = lambda fault: None,
    ) -> None:
        """Raises InvalidRequest (`ca_invalid`)."""
        self.base = base
        self.on_fault = on_fault
        self._networks = networks
        self._headers = _own_headers(secrets)
        self._tls = _trust(ca_pem) if not base.is_plain_http else None
        self._session: aiohttp.ClientSession | None = None
        self._streams: set[EndpointStream] = set()

    def __repr__(self) -> str:
        return f"Endpoint({self.base}, streams={len(self._streams)})"

    async def open(self, head: OpenHead) -> EndpointStream:
        """A stream for one request; its body and its end are the caller's to write."""
        stream = EndpointStream(self, head)
        self._streams.add(stream)
        return stream

    async def close(self, reason: str = "provider_removed") -> None:
        """Ends every request and connection."""
        for stream in list(self._streams):
            stream.cancel(reason)
        if self._session is not None:
            await self._session.close()

    # --- for its streams ---------------------------------------------------------------------

    @property
    def session(self) -> aiohttp.ClientSession:
        """The client, made when it is needed first."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self._tls or False,
                limit=0,  # the gateway has its own limit per user
                keepalive_timeout=KEEPALIVE_S,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                response_class=_Response,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            )
        return self._session

    def headers(self, asked: Headers) -> list[tuple[str, str]]:
        """A request's headers with the provider's own in the place of those of the same name."""
        own = {name.lower() for name, _ in self._headers}
        kept = [(name, value) for name, value in asked if name.lower() not in own]
        return [*kept, *self._headers]

    def ended(self, stream: EndpointStream) -> None:
        """A stream needs nothing any more."""
        self._streams.discard(stream)

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        target = str(address[0])
        if not self._networks.allows(target):
            raise AddressRefused("The address is not allowed.")
        if self.base.is_plain_http and not self._networks.names(target):
            raise PlainHttpRefused("Plain http to a public address.")
        return socket.socket(family, kind, protocol)


class EndpointStream:
    """One request and its answer; the same verbs as a tunnel's `Stream`."""

    def __init__(self, endpoint: Endpoint, opening: OpenHead) -> None:
        self.opening = opening
        self.transport: asyncio.BaseTransport | None = None
        self._endpoint = endpoint
        self._pieces: deque[bytes] = deque()
        self._is_complete = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._error: TunnelError | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._asking = asyncio.create_task(self._ask())

    def __repr__(self) -> str:
        state = "failed" if self._error else "answered" if self._response else "asking"
        return f"EndpointStream({self.opening.request_id}, {state})"

    async def write(self, data: bytes) -> None:
        """Takes a piece of the body; waits while the endpoint does not take what there is.

        Raises StreamReset.
        """
        while len(self._pieces) >= MAX_WAITING_PIECES and self._error is None:
            self._room.clear()
            await self._room.wait()
        if self._error is not None:
            raise self._error
        self._pieces.append(data)
        self._news.set()

    async def write_end(self) -> None:
        """The body is complete."""
        self._is_complete = True
        self._news.set()

    async def response(self) -> Head:
        """The answer's head. Raises EndpointFault, StreamReset."""
        await asyncio.wait([self._asking])
        if self._error is not None:
            raise self._error
        assert self._response is not None
        pairs = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in self._response.raw_headers
        )
        # These words are the agent's; from a stranger's server they mean nothing.
        return Head(
            self._response.status,
            tuple(pair for pair in pairs if not pair[0].startswith(_OWN_WORDS)),
        )

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises EndpointFault, StreamReset.

        What is not read stays unread on the socket, so a slow reader slows the endpoint.
        """
        if self._error is not None:
            raise self._error
        assert self._response is not None
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # A cancel closes the connection under a reader, and the reason is the cancel's.
            raise self._failed(faults.of(error)) from error
        if self._error is not None:
            raise self._error
        if not data:
            self._endpoint.ended(self)
        return data

    async def pour(self, sink: Sink) -> None:
        """The whole answer into `sink`. Raises as `read` does."""
        while data := await self.read():
            if not sink.take(data):
                await sink.ready()

    def cancel(self, reason: str) -> None:
        """Closes the connection now, if the answer is not complete; may be called twice."""
        if self._error is None:
            self._error = StreamReset(reason)
        self._drop()

    def release(self) -> None:
        """Nobody keeps an answer there: nothing to do."""

    # --- inside ------------------------------------------------------------------------------

    async def _ask(self) -> None:
        _stream_of_request.set(self)
        head = self.opening
        try:
            response = await self._endpoint.session.request(
                head.method,
                self._endpoint.base.target(head.path),
                headers=self._endpoint.headers(head.headers),
                data=self._body() if _has_body(head) else None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RuntimeError) as error:
            self._failed(faults.of(error))
            return
        self._response = response
        if 300 <= response.status < 400:
            self._failed(faults.REDIRECTED)

    async def _body(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._room.set()
                yield piece
            if self._is_complete:
                return
            self._news.clear()
            await self._news.wait()

    def _failed(self, fault: Fault) -> TunnelError:
        if self._error is None:
            self._error = EndpointFault(fault)
            self._endpoint.on_fault(fault)
        self._drop()
        return self._error

    def _drop(self) -> None:
        """Gives up: closed with a reset, so that nothing that waits to be sent holds it open."""
        is_over = self._response is not None and self._response.content.is_eof()
        if self.transport is not None and not is_over:
            self.transport.abort()  # type: ignore[attr-defined]
        if self._response is not None:
            self._response.close()
        self._asking.cancel()
        self._room.set()
        self._endpoint.ended(self)


class _Response(aiohttp.ClientResponse):
    """Tells its stream of the connection before the head is there: a cancel needs it then."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        _stream_of_request.get().transport = connection.transport
        return await super().start(connection)


def _has_body(head: OpenHead) -> bool:
    length = next((value for name, value in head.headers if name == "content-length"), None)
    return length != "0" if length is not None else head.method not in ("GET", "HEAD")


def _own_headers(secrets: EndpointSecrets) -> list[tuple[str, str]]:
    own = list(secrets.headers)
    has_authorization = any(name.lower() == "authorization" for name, _ in own)
    if secrets.key is not None and not has_authorization:
        own.append(("authorization", f"Bearer {secrets.key}"))
    return own


def _trust(ca_pem: str | None) -> ssl.SSLContext:
    try:
        context = ssl_context()
        if ca_pem:
            context.load_verify_locations(cadata=ca_pem)
    except (ConfigError, ValueError, OSError) as error:
        raise InvalidRequest(
            "The CA file holds no certificate in PEM form.",
            code="ca_invalid",
            hint="It begins with -----BEGIN CERTIFICATE-----.",
        ) from error
    return context
