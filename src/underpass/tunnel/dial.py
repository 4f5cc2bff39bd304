"""The agent's side of the carrier: one outbound WebSocket, through proxies, with the right trust.

`Way` is how this machine gets to a hub (address, proxy, CA); `dial` opens one WebSocket on it.
Nothing here retries: `tunnel.backoff` says when to come again, `agent.run` does it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
from multidict import CIMultiDict

from underpass.core.clock import Clock, SystemClock
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial_errors import Circumstances, DialError, Refused, explain, hub_time
from underpass.tunnel.link import CarrierClosed
from underpass.tunnel.proxy import Proxy, proxy_for
from underpass.tunnel.trust import ssl_context

SUBPROTOCOL = "underpass.v1"
LINK_PATH = "/link"

CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
HANDSHAKE_TIMEOUT_S = 20.0
# Bytes that may wait in this process and in the kernel: more only delays a CANCEL behind them.
WRITE_HIGH_BYTES = 64 * 1024
WRITE_LOW_BYTES = 16 * 1024
NOTSENT_LOWAT_BYTES = 16 * 1024
# Unacknowledged for this long, a connection counts as dead even while we only send.
USER_TIMEOUT_MS = 20_000
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_REFUSAL_BYTES = 64 * 1024
# Linux's number; Python has no name for it.
_TCP_NOTSENT_LOWAT = 25


class Way:
    """How this machine reaches one hub. Made once; every attempt resolves names anew."""

    def __init__(
        self,
        address: HubAddress,
        *,
        environ: Mapping[str, str],
        ca_file: str | Path | None = None,
        user_agent: str = "underpass",
        clock: Clock | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        """`environ` holds the proxy variables; `proxy` goes before them. Raises ConfigError for a bad
        proxy or CA file."""
        self.address = address
        self.proxy: Proxy | None = proxy or proxy_for(
            address.scheme, address.host, address.port, environ
        )
        self._user_agent = user_agent
        self._clock = clock or SystemClock()
        # Reading the system's store takes time and memory: not for a hub on this machine. An
        # https proxy is verified by the same rules, and a CA file is checked in any case.
        has_tls = address.is_tls or (self.proxy is not None and self.proxy.scheme == "https")
        self._ssl = ssl_context(ca_file) if has_tls or ca_file is not None else None

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What is trusted, where TLS is spoken."""
        return self._ssl

    def through(self, proxy: Proxy | None, ca_file: str | Path | None) -> Way:
        """The same hub through this proxy, or through none."""
        return Way(
            self.address,
            environ={},
            ca_file=ca_file,
            user_agent=self._user_agent,
            clock=self._clock,
            proxy=proxy,
        )

    def session(
        self,
        connector: aiohttp.BaseConnector | None = None,
        middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
    ) -> aiohttp.ClientSession:
        """A client that goes this way; the caller closes it."""
        return aiohttp.ClientSession(
            connector=connector or self.connector(),
            proxy=self.proxy.url if self.proxy else None,
            trust_env=False,
            middlewares=middlewares,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        )

    def connector(self, context: ssl.SSLContext | None = None) -> _Connector:
        """Fresh connections only: nothing of an earlier attempt is remembered."""
        return _Connector(context or self._ssl or True, self.proxy)

    async def explain(
        self, error: BaseException, headers: Mapping[str, str] | None = None
    ) -> Exception:
        """The typed error for what an attempt raised (DialError or LinkRefused)."""
        if isinstance(error, Refused):
            headers = error.headers
        hub_now = hub_time(headers) if headers is not None else None
        if hub_now is None and _is_about_time(error):
            hub_now = await self._hub_clock()
        return explain(error, Circumstances(self.address, self.proxy, self._clock.now(), hub_now))

    async def _hub_clock(self) -> float | None:
        """The hub's Date, asked for without trust and without credentials, for a message only."""
        unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        try:
            async with (
                asyncio.timeout(5),
                self.session(self.connector(unverified)) as session,
                session.head(self.address.url("/healthz"), allow_redirects=False) as answer,
            ):
                return hub_time(answer.headers)
        except (OSError, TimeoutError, aiohttp.ClientError):
            return None


class WebSocketCarrier:
    """A WebSocket as the link's carrier: whole messages, and real back-pressure."""

    def __init__(
        self,
        socket_: aiohttp.ClientWebSocketResponse,
        session: aiohttp.ClientSession,
        connection: aiohttp.connector.Connection,
    ) -> None:
        self._socket = socket_
        self._session = session
        self.messages_sent = 0
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise CarrierClosed("closed during the handshake")
        self._protocol = protocol
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES, low=WRITE_LOW_BYTES)
        _tune(transport.get_extra_info("socket"))

    async def send(self, data: bytes) -> None:
        """Send one message; waits while more than a little is unsent. Raises CarrierClosed."""
        try:
            await self._socket.send_bytes(data)
            self.messages_sent += 1
            if self._protocol.writing_paused:
                # aiohttp itself only waits after each 64 KiB; here every message does.
                await self._protocol._drain_helper()
        except (OSError, aiohttp.ClientError) as error:
            raise CarrierClosed(f"the connection broke: {type(error).__name__}") from error

    async def receive(self) -> bytes:
        """The next message. Raises CarrierClosed at the end, whatever ended it."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.TEXT:
            await self.close(1003, "binary only")
            raise CarrierClosed("the hub sent text", 1003)
        raise CarrierClosed(code=self._socket.close_code or 1006)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close without waiting long for a peer that may be gone; twice does no harm."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close(code=code, message=reason.encode()[:120])
        except (OSError, TimeoutError, aiohttp.ClientError):
            pass  # it is closed one way or the other, which is all that was asked
        finally:
            self._transport.abort()
            await self._session.close()


async def dial(way: Way, token: str) -> WebSocketCarrier:
    """Open one WebSocket to the hub. Raises DialError (try again later) or LinkRefused (stop)."""
    connector = way.connector()
    session = way.session(connector, (refuse_all_but_upgrade,))
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            websocket = await session.ws_connect(
                way.address.url(LINK_PATH),
                protocols=(SUBPROTOCOL,),
                headers={"Authorization": f"Bearer {token}"},
                compress=0,
                max_msg_size=MAX_MESSAGE_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
            )
        if websocket.protocol != SUBPROTOCOL:
            raise DialError(
                f"{way.address} answers, but not as an Underpass hub (no {SUBPROTOCOL}).",
                code="not_a_hub",
                hint="Check the address.",
            )
        if connector.latest is None:
            raise CarrierClosed("closed during the handshake")
        return WebSocketCarrier(websocket, session, connector.latest)
    except (OSError, TimeoutError, aiohttp.ClientError, CarrierClosed, DialError) as error:
        await session.close()
        raise await way.explain(error) from error
    except BaseException:
        await session.close()
        raise


async def open_stream(way: Way) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A plain connection to the hub's port, through the way's proxy where it has one; for a relay, which
    passes on what is none of its business. Raises OSError, TimeoutError."""
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        address, proxy = way.address, way.proxy
        if proxy is None:
            return await asyncio.open_connection(address.host, address.port)
        context = way.tls if proxy.scheme == "https" else None
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port, ssl=context)
        goal = f"{address.host}:{address.port}"
        lines = [f"CONNECT {goal} HTTP/1.1", f"Host: {goal}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            writer.close()
            raise OSError("the proxy gave no answer") from error
        if head.split(b" ", 2)[1:2] != [b"200"]:
            writer.close()
            raise OSError("the proxy refuses")
        return reader, writer


async def refuse_all_but_upgrade(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Client middleware: an answer that is no upgrade is read (a little) and raised, not followed."""
    response = await handler(request)
    if response.status == 101:
        return response
    body = await response.content.read(_REFUSAL_BYTES)
    response.close()
    raise Refused(response.status, response.headers, body)


class _Connector(aiohttp.TCPConnector):
    """Gives the proxy its password; remembers the connection, whose transport is needed."""

    def __init__(self, context: ssl.SSLContext | bool, proxy: Proxy | None) -> None:
        super().__init__(ssl=context, use_dns_cache=False, force_close=True, limit=0)
        self.latest: aiohttp.connector.Connection | None = None
        self._proxy_secret = proxy.authorization if proxy else None

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.connector.Connection:
        if req.proxy is not None and self._proxy_secret is not None:
            req.proxy_headers = CIMultiDict({"Proxy-Authorization": self._proxy_secret})
        self.latest = await super().connect(req, traces, timeout)
        return self.latest


def _is_about_time(error: BaseException) -> bool:
    cause = getattr(error, "certificate_error", error)
    return getattr(cause, "verify_code", None) in (9, 10)


def _tune(sock: socket.socket | None) -> None:
    """Small kernel queues and a quick end of dead connections, where the system can."""
    if sock is None:
        return
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        options.append((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1))
        if sys.platform == "linux":
            options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS))
            options.append((socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES))
    for level, name, value in options:
        try:
            sock.setsockopt(level, name, value)
        except OSError:
            # A kernel without the option works too, only less promptly.
            continue
