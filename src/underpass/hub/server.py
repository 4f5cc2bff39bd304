"""One port, one process: binds, opens the hub, serves until told to stop, and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from underpass.config import HubConfig
from underpass.core.errors import ConfigError, StorageError
from underpass.hub.agent_socket import MAX_MESSAGE_BYTES, AgentSocket
from underpass.hub.app import Hub
from underpass.hub.auth.trusted import PEER, TrustedHeader
from underpass.hub.wire import BoundedHttp

BACKLOG = 2048
KEEP_ALIVE_S = 75
"""Longer than proxies keep idle connections (nginx: 60), so that the proxy is who closes."""
LAST_WORDS_S = 2
"""What answers that are under way get after the drain, before they are cut off."""

Ready = Callable[[Hub, str], Awaitable[None]]
"""Told when the hub answers: the hub and its address."""

_log = structlog.get_logger("underpass.hub")


async def serve(config: HubConfig, on_ready: Ready, *, stop: asyncio.Event | None = None) -> None:
    """Run a hub until SIGTERM, SIGINT or `stop`.

    Raises ConfigError (address or data folder in use, a bad certificate), StorageError (it cannot
    even read).
    """
    if config.tls_certificate is not None and config.tls_key is not None:
        check_tls(config.tls_certificate, config.tls_key)
    TrustedHeader.parse(config.sign_in_header, config.sign_in_header_from)
    _make_data_dir(config)
    listener = _bind(config)
    try:
        with _only_hub_of(config):
            url = _address(config, listener)
            hub = await Hub.open(config, url)
            try:
                await _run(config, hub, listener, url, on_ready, stop or asyncio.Event())
            finally:
                await hub.close()
    finally:
        listener.close()


async def _run(
    config: HubConfig,
    hub: Hub,
    listener: socket.socket,
    url: str,
    on_ready: Ready,
    stop: asyncio.Event,
) -> None:
    server = _Server(_settings(config, hub))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await server.until_started(serving)
        await on_ready(hub, url)
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        _log.info("hub stops")
        hub.begin_stop()
        await hub.drained()
        await hub.end_calls()
    finally:
        stopping.cancel()
        server.should_exit = True
        # The carriers are closed before uvicorn closes what is left, so that agents hear it from us.
        await hub.services.links.stop()
        await asyncio.gather(serving, stopping, return_exceptions=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the hub stops in its own order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Nothing: `_run` listens."""
        yield

    async def until_started(self, serving: asyncio.Task[None]) -> None:
        """Returns when the port answers. Raises what kept uvicorn from starting."""
        while not self.started:
            if serving.done():
                serving.result()
                raise ConfigError("The HTTP server did not start; see the log.")
            await asyncio.sleep(0.005)


class _Peer:
    """Notes where a connection really comes from, before a proxy's headers say otherwise."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope[PEER] = scope.get("client")
        await self._inner(scope, receive, send)


def _settings(config: HubConfig, hub: Hub) -> uvicorn.Config:
    app: Any = hub.app  # uvicorn writes ASGI's types out in full, Starlette as plain mappings
    return uvicorn.Config(
        _Peer(ProxyHeadersMiddleware(app, trusted_hosts=config.trusted_proxies)),
        http=BoundedHttp,
        loop="none",
        ws=AgentSocket,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # the tunnel's protocol has its own liveness
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # done above, after the connection's own address was noted
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=LAST_WORDS_S,
        backlog=BACKLOG,
        ssl_certfile=config.tls_certificate,
        ssl_keyfile=config.tls_key,
    )


def _bind(config: HubConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"The hub cannot listen on {config.host} port {config.port}: {os.strerror(error.errno or 0)}.",
            hint="Choose another --port, or stop the program that holds it.",
        ) from error
    listener.setblocking(False)
    return listener


def _address(config: HubConfig, listener: socket.socket) -> str:
    """Where this process is reached from this machine."""
    port = int(listener.getsockname()[1])
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(config.host, config.host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{'https' if config.tls_certificate else 'http'}://{host}:{port}"


def _make_data_dir(config: HubConfig) -> None:
    folder = config.data_dir.expanduser()
    if folder.is_dir():
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if config.database_url is not None:
            return  # the data is elsewhere; only sessions on this machine need the folder
        raise StorageError(
            f"The data folder {folder} cannot be made: {os.strerror(error.errno or 0)}.",
            hint="Name one that this user can write with --data-dir.",
        ) from error


@contextlib.contextmanager
def _only_hub_of(config: HubConfig) -> Generator[None]:
    """Holds the data folder while the block runs. Raises ConfigError when another hub does.

    Two hubs over one SQLite file would each end what the other has started. With PostgreSQL
    several are meant to be. The lock goes with the process, however that ends.
    """
    if not config.database.startswith("sqlite"):
        yield
        return
    held = None
    try:
        with contextlib.suppress(OSError):  # it is not there, or its file system has no locks
            held = os.open(config.data_dir.expanduser(), os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"Another hub runs with the data folder {config.data_dir}.",
                    hint="Stop it first, or give this one another --data-dir.",
                ) from None
        yield
    finally:
        if held is not None:
            os.close(held)


def check_tls(certificate: Path, key: Path) -> None:
    """Raises ConfigError when the two files do not make a certificate."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"The certificate {certificate} and its key cannot be used: {type(error).__name__}.",
            hint="Check tls_certificate and tls_key: PEM files that belong together.",
        ) from error
