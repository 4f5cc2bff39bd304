"""The hub: builds the rooms, puts them behind one ASGI app, starts and stops them in order.

Front ── request id, security headers, log
  └─ HubApp ── by address
       ├─ /api…               FastAPI
       ├─ /v1…, /tokenize, …  gateway.routes.GatewayApp
       ├─ /link               LinkApp (WebSocket)
       ├─ /healthz, /readyz, /metrics
       └─ everything else     the web UI
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, HTTPException

from underpass import __version__, store
from underpass.chat.files.service import Files
from underpass.chat.imports import MAX_IMPORT_BYTES
from underpass.chat.service import Chats
from underpass.clusters.local import LocalCluster
from underpass.config import HubConfig
from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import AppError, StorageError
from underpass.core.principal import Principal
from underpass.gateway.door import Door
from underpass.gateway.limits import GatewayLimits
from underpass.gateway.routes import GatewayApp
from underpass.hub import api, health, problems, removal
from underpass.hub.audit import Trail
from underpass.hub.auth import Auth
from underpass.hub.auth.elsewhere import LOOK_S
from underpass.hub.http import Front, Receive, Scope, Send
from underpass.hub.link import LinkApp
from underpass.hub.links import Links
from underpass.hub.metrics import Metrics
from underpass.hub.services import Services
from underpass.hub.static import StaticFiles, wants_page
from underpass.hub.usage import UsageWriter
from underpass.providers.networks import Networks
from underpass.providers.service import CustomProviders, ProviderSettings
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.sessions.room import SessionSettings
from underpass.sessions.service import Sessions
from underpass.store import DeviceCodeRecord, Store

TIDY_S = 30.0
LAST_ENDS_S = 1.0
"""What calls that a stopping hub ends get to leave: their cancels, and their clients' last words."""
_SLACK = 4 << 20
"""What may still come of a file after its route has said that it is too large."""

_log = structlog.get_logger("underpass.hub")


def build_api() -> FastAPI:
    """`/api` without the rooms behind it: also what the OpenAPI document is made from."""
    app = FastAPI(
        title="Underpass",
        version=__version__,
        summary="REST API of an Underpass hub",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its pages load scripts from a CDN
        redoc_url=None,
    )
    problems.install(app)
    for router in api.routers():
        app.include_router(router, prefix="/api")
    return app


class Hub:
    """One hub process: `await Hub.open(config, url)`, serve `hub.app`, `await hub.close()`."""

    def __init__(self, config: HubConfig, opened: Store, url: str, clock: Clock) -> None:
        """Builds the rooms; starts nothing. `url` is where this process itself is reached."""
        self.clock = clock
        self.metrics = Metrics()
        self.services = _build_services(config, opened, url, clock)
        self.services.door.quotas.tokens_today = self.services.usage.tokens_today
        one = self.services
        self.health = health.Health(opened, one.auth, self.metrics, clock)
        fast = build_api()
        fast.state.services = one
        self.app = Front(
            HubApp(
                fast,
                gateway=GatewayApp(one.door, one.auth.authenticate),
                link=LinkApp(
                    one.sessions, opened, one.links, clock, links_per_s=config.links_per_s
                ),
                health_app=self.health,
                static=StaticFiles(),
                max_api_body_bytes=config.max_api_body_bytes,
                max_file_bytes=config.max_file_bytes,
            ),
            clock,
            self.metrics.observe,
        )
        self.metrics.add_gauges(self._gauges)
        self._tidying: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        one.auth.on_disabled = self._ended_elsewhere

    @classmethod
    async def open(cls, config: HubConfig, url: str, *, clock: Clock | None = None) -> Hub:
        """A started hub. Raises ConfigError, StorageError (it cannot even read)."""
        opened = await store.open(config.database)
        try:
            hub = cls(config, opened, url, clock or SystemClock())
            await hub._start()
        except BaseException:
            await opened.close()
            raise
        return hub

    async def setup_token(self) -> str | None:
        """The token of the first admin's link; None once there is a user, or on a full disk."""
        sign_ins = self.services.auth.sign_ins
        try:
            return await sign_ins.new_setup_token() if await sign_ins.needs_setup() else None
        except StorageError as error:
            _log.warning("no set-up link", reason=error.sentence())
            return None

    def begin_stop(self) -> None:
        """From now on: not ready, no new agents, endless streams end, agents look elsewhere."""
        self.health.stop()
        self.services.stopping.set()
        self.services.door.begin_stop()
        self.services.links.drain(self.services.config.drain_s)
        self.services.chats.runs.let_go()

    async def drained(self) -> None:
        """Until no model call is under way, or `drain_s` is over."""
        deadline = self.clock.monotonic() + self.services.config.drain_s
        # Once in a process's life: looking 20 times a second is simpler than an event in the door.
        while self._is_answering() and self.clock.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def end_calls(self) -> None:
        """Ends the calls that are still under way, and gives their ends a moment to leave: to the
        clients the word why, to the agents the cancel that frees the model server."""
        door = self.services.door
        door.end_calls()
        deadline = self.clock.monotonic() + LAST_ENDS_S
        while door.visits.ordinary and self.clock.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.02)  # one more turn of each link's writer

    async def close(self) -> None:
        """Stops the rooms, the upper ones first. What is in memory is stored."""
        one = self.services
        for task in (self._tidying, self._looking, *self._ending):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await one.chats.close()
        await one.links.stop()
        await one.providers.close()
        await one.sessions.close()
        await one.auth.close()
        with contextlib.suppress(StorageError):
            await one.usage.flush()
            await one.auth.authenticator.note_uses()
        await one.store.close()

    # --- helpers -----------------------------------------------------------------------------

    def _is_answering(self) -> bool:
        return self.services.door.calls_under_way > 0

    async def _start(self) -> None:
        await self.services.sessions.load()
        await self.services.providers.load()
        await self.services.auth.second_step.load()
        await self.services.chats.load()
        self._tidying = asyncio.create_task(self._tidy(), name="hub-tidy")
        self._looking = asyncio.create_task(self._look_elsewhere(), name="hub-look-elsewhere")

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                await self.services.usage.flush()
                await self.services.auth.tidy()
            except AppError as error:
                _log.warning("tidying put off", reason=error.sentence())
            except Exception as error:  # noqa: BLE001 (our own bug must not end the tidying)
                _log.error("tidying failed", exc_info=error)

    async def _look_elsewhere(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            # A database that is away changes nothing; what is believed is believed a while longer.
            with contextlib.suppress(StorageError):
                await self.services.auth.look_elsewhere()

    def _ended_elsewhere(self, user_id: str) -> None:
        """Another process disabled or removed a user: what this one runs of theirs ends too."""
        self.services.door.visits.end_of_user(user_id, "user_disabled")
        if user_id in self.services.leaving:
            return  # that was this one, which ends things in an order of its own
        ending = removal.end_all(self.services, user_id, "user_disabled")
        task = asyncio.create_task(ending, name="hub-end-user")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _gauges(self) -> Mapping[str, tuple[str, float]]:
        links = self.services.links.counts()
        return {
            "underpass_links_up": ("Agents that are connected.", links["up"]),
            "underpass_links_down": ("Links in their grace.", links["down"]),
            "underpass_streams": ("Streams that are open on links.", links["streams"]),
            "underpass_window_bytes": ("Memory granted to streams.", links["window_bytes"]),
            "underpass_model_calls": (
                "Requests to models under way.",
                self.services.door.calls_under_way,
            ),
            "underpass_feed_watchers": ("Open pages.", self.services.feed.watcher_count),
        }


class HubApp:
    """The ASGI app: hands each address to whom it belongs."""

    def __init__(
        self,
        fast: FastAPI,
        *,
        gateway: GatewayApp,
        link: LinkApp,
        health_app: health.Health,
        static: StaticFiles,
        max_api_body_bytes: int,
        max_file_bytes: int,
    ) -> None:
        self._api = fast
        self._gateway = gateway
        self._link = link
        self._health = health_app
        self._static = static
        self._max_api_body_bytes = max_api_body_bytes
        self._max_file_bytes = max_file_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request or WebSocket."""
        path = str(scope["path"])
        if path == "/link":
            await self._link(scope, receive, send)
        elif path.startswith("/api/"):
            bounded = _Bounded(receive, self._most_bytes(path))
            await self._api(scope, bounded if scope["type"] == "http" else receive, send)
        elif GatewayApp.serves(path):
            await self._gateway(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif path in health.PATHS:
            await self._health(scope, receive, send)
        elif not self._static.has(path):
            if wants_page(scope):
                await self._static.not_here(scope, send)
                return
            raise problems.plain(404, "not_found", "There is nothing at this address.")
        elif scope["method"] not in ("GET", "HEAD"):
            raise problems.plain(
                405, "method_not_allowed", "This address does not take that method."
            )
        else:
            await self._static(scope, receive, send)

    def _most_bytes(self, path: str) -> int:
        """The largest body of a request; a file's own route counts by itself and says it better."""
        if path == "/api/chats/import":
            return max(MAX_IMPORT_BYTES, self._max_api_body_bytes)
        return self._max_api_body_bytes if path != "/api/files" else self._max_file_bytes + _SLACK


class _Bounded:
    """A `receive` that stops a body which is larger than any request to `/api` needs to be."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most

    async def __call__(self) -> Any:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                # The one kind of error that FastAPI lets pass from here as it is.
                raise HTTPException(413)
        return message


def _build_services(config: HubConfig, opened: Store, url: str, clock: Clock) -> Services:
    registry, feed = Registry(), Feed(first=time.time_ns() // 1000)
    sessions = _build_sessions(config, opened, url, clock, registry=registry, feed=feed)

    door = Door(
        registry,
        GatewayLimits(max_body_bytes=config.max_body_bytes, keepalive_s=config.keepalive_s),
        clock,
    )
    files = Files(
        opened,
        clock,
        max_file_bytes=config.max_file_bytes,
        max_owned_bytes=config.max_files_bytes,
    )
    chats = Chats(opened, registry, feed, door, files=files, clock=clock, wake=sessions.wake_up)
    sessions.ask_whether_wanted(chats.runs.is_waiting_for)
    return Services(
        config=config,
        clock=clock,
        store=opened,
        registry=registry,
        feed=feed,
        auth=_build_auth(config, opened, clock, sessions, door),
        sessions=sessions,
        providers=CustomProviders(opened, registry, feed, clock, _provider_settings(config)),
        door=door,
        chats=chats,
        files=files,
        links=Links(
            sessions,
            chats.runs,
            grace_s=config.link_grace_s,
            memory_bytes=config.memory_links_bytes,
        ),
        trail=Trail(opened, clock),
        usage=UsageWriter(opened, clock, door.usage),
        stopping=asyncio.Event(),
    )


def _build_auth(
    config: HubConfig, opened: Store, clock: Clock, sessions: Sessions, door: Door
) -> Auth:
    async def attach(principal: Principal, code: DeviceCodeRecord) -> tuple[dict[str, Any], str]:
        session, token = await sessions.attach(
            principal, name=code.name, host=code.host, replace=False
        )
        return {"id": session.id, "name": session.name}, token

    return Auth(
        opened,
        clock,
        attach=attach,
        key_file=config.secret_keys,
        hub_name=config.name,
        sign_in_s=config.sign_in_days * 86_400,
        sign_in_attempts=config.sign_in_attempts,
        public_url=config.public_url,
        on_end=lambda credential_id: door.visits.end_of_key(credential_id, "key_revoked"),
        issuers=config.openid,
    )


def _provider_settings(config: HubConfig) -> ProviderSettings:
    return ProviderSettings(
        networks=Networks.parse(config.allowed_networks),
        key_file=config.secret_keys,
        poll_s=config.provider_poll_s,
    )


def _build_sessions(
    config: HubConfig, opened: Store, url: str, clock: Clock, *, registry: Registry, feed: Feed
) -> Sessions:
    local = None
    if config.local_sessions != "off":
        local = LocalCluster(_made(config.data_dir / "jobs"), hub_url=url)
    return Sessions(
        opened,
        registry,
        feed,
        local=local,
        clock=clock,
        # A site's own templates, beside the shipped ones or in their place.
        templates_dir=config.data_dir.expanduser() / "templates",
        settings=SessionSettings(
            is_local_for_everyone=config.local_sessions == "everyone",
            is_local_on=local is not None,
            scheduler_poll_s=config.scheduler_poll_s,
            # Not set: each agent puts the address before it that it dialled.
            public_url=(config.public_url or "").rstrip("/"),
        ),
    )


def _made(folder: Path) -> Path:
    with contextlib.suppress(OSError):  # a read-only disk: starting a session says so
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
