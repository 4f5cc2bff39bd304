"""Providers that come of tunnels: which status one has, and putting it where all see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from underpass.core.errors import StorageError
from underpass.core.ids import new_id
from underpass.core.states import PROVIDER_MOVES, ProviderStatus, TunnelStatus, move
from underpass.registry.views import ModelView, ProviderType, ProviderView
from underpass.sessions import views
from underpass.sessions.room import Live, Readiness, Room, log
from underpass.store import ProviderRecord, TunnelRecord
from underpass.store import ProviderType as StoredType

_P = ProviderStatus
_T = TunnelStatus

MAX_MODELS = 2000
MAX_MODEL_ID_CHARS = 512
MAX_REASON_CHARS = 500
MAX_WINDOW = 1 << 53
"""In tokens; beyond it a browser counts wrong, and far beyond it JSON writers fail."""

# What the table has no move for, said as the nearest that it has: an agent that dialled in anew
# may find a server that fails, and for this hub it has not run yet.
_NEAREST = {
    (_P.STOPPED, _P.UNREACHABLE): _P.STARTING,
    (_P.STARTING, _P.UNREACHABLE): _P.STARTING,
    (_P.LOADING, _P.UNREACHABLE): _P.STARTING,
    (_P.RUNNING, _P.STARTING): _P.UNREACHABLE,
    (_P.UNREACHABLE, _P.STARTING): _P.UNREACHABLE,
}


def next_status(
    old: ProviderStatus, tunnel: TunnelStatus, readiness: Readiness | None
) -> ProviderStatus:
    """The provider's status from its tunnel's and from what the agent last said of the server."""
    if tunnel in (_T.STOPPED, _T.CONNECTING):
        return move(PROVIDER_MOVES, old, _P.STOPPED)
    if tunnel is _T.RECONNECTING:
        # What ran cannot answer just now; what was not ready yet stays so.
        wanted: ProviderStatus = _P.UNREACHABLE if old is _P.RUNNING else old
    elif readiness is None:
        wanted = _P.STARTING
    else:
        wanted = _P(readiness.state)
    return move(PROVIDER_MOVES, old, _NEAREST.get((old, wanted), wanted))


def status_reason(
    tunnel: TunnelStatus, readiness: Readiness | None, host: str | None, end_message: str | None
) -> str:
    """One sentence beside the status; empty while all is well."""
    if tunnel is _T.RECONNECTING:
        return f"The tunnel from {host or 'the session'} dropped; reconnecting."
    if tunnel is _T.CONNECTING:
        return "The session is starting; its tunnel opens by itself."
    if tunnel is _T.STOPPED:
        return end_message or "The tunnel is stopped; start it, or restart its session."
    if readiness is None:
        return "The tunnel is up; looking at the server behind it."
    return "" if readiness.state == _P.RUNNING else readiness.reason[:MAX_REASON_CHARS]


def read_readiness(message: dict[str, Any]) -> Readiness:
    """What an agent's `tunnel.readiness` says, cut to sane sizes; ValueError for a strange state."""
    state = _P(str(message.get("state")))
    server = message.get("server")
    listed = message.get("models")
    taken = listed[:MAX_MODELS] if isinstance(listed, list) else ()
    models = [_model(one) for one in taken if isinstance(one, dict)]
    return Readiness(
        state=state,
        reason=str(message.get("reason") or "")[:MAX_REASON_CHARS],
        server=_server(server) if isinstance(server, dict) and server.get("kind") else None,
        models=tuple(model for model in models if model["id"]),
    )


class Providers:
    """Puts providers into the store, the registry and the feed, the same one everywhere."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def refresh(self, tunnel: TunnelRecord, live: Live) -> None:
        """Brings the provider of a tunnel in line with the tunnel: made, changed, or taken away."""
        record = await self._room.store.providers.of_tunnel(tunnel.id)
        if not tunnel.openai:
            if record is not None:
                await self.drop(record)
            return
        readiness = live.readiness.get(tunnel.id)
        if record is None:
            record = await self._make(tunnel)
        changes = self._changes(record, tunnel, readiness, live)
        if _differs(record, changes):
            record = await self._room.store.providers.update(record.id, **changes)
        await self.put(record, tunnel, live)

    async def put(self, record: ProviderRecord, tunnel: TunnelRecord, live: Live) -> None:
        """The provider as it is now, into the registry and to the owner's open pages."""
        view = await self._view(record, tunnel, live)
        self._room.registry.put_provider(view)
        self._room.feed.publish(
            record.owner_id, "provider", "upsert", self.shape(view, tunnel.status, live)
        )

    async def take_up(self, tunnels: Sequence[tuple[TunnelRecord, Live]]) -> None:
        """Brings the providers of these tunnels in line with them, all at once, as the hub starts.

        Where nothing can be written they are shown as they are stored.
        """
        stored = self._room.store.providers
        records = {record.tunnel_id: record for record in await stored.all()}
        known = [(*one, records[one[0].id]) for one in tunnels if one[0].id in records]
        changed = {
            record.id: changes
            for tunnel, live, record in known
            if tunnel.openai
            and _differs(record, changes := self._changes(record, tunnel, None, live))
        }
        try:
            await stored.update_all(changed)
        except StorageError as error:
            log.warning("providers are as they were: %s", error.message)
            changed = {}
        for tunnel, live, record in known:
            if tunnel.openai:
                await self.put(replace(record, **changed.get(record.id, {})), tunnel, live)
        for tunnel, live in tunnels:
            if tunnel.openai is not (tunnel.id in records):
                with suppress(StorageError):  # made, or taken away, at the next change
                    await self.refresh(tunnel, live)

    async def drop(self, record: ProviderRecord) -> None:
        """Takes a provider away everywhere."""
        self._room.registry.drop_provider(record.id)
        await self._room.store.providers.remove(record.id)
        self._room.feed.publish(record.owner_id, "provider", "delete", {"id": record.id})

    def shape(
        self,
        view: ProviderView,
        tunnel_status: TunnelStatus | None,
        live: Live | None,
        prefix: str | None = None,
    ) -> dict[str, Any]:
        """The API's shape."""
        status = None if live is None else live.record.status
        found = views.provider(view, session_status=status, prefix=prefix)
        return views.with_tunnel_status(found, tunnel_status)

    async def _make(self, tunnel: TunnelRecord) -> ProviderRecord:
        return await self._room.store.providers.add(
            ProviderRecord(
                id=new_id("prv"),
                type=StoredType.OPENAI_TUNNEL,
                owner_id=tunnel.owner_id,
                name=tunnel.name,
                tunnel_id=tunnel.id,
                updated_at=self._room.clock.now(),
            )
        )

    def _changes(
        self,
        record: ProviderRecord,
        tunnel: TunnelRecord,
        readiness: Readiness | None,
        live: Live,
    ) -> dict[str, Any]:
        host, end = live.record.host, live.record.end_message
        status = next_status(record.status, tunnel.status, readiness)
        reason = status_reason(tunnel.status, readiness, host, end)
        is_up = tunnel.status is _T.RUNNING
        if live.progress is not None and is_up and status in (_P.STARTING, _P.LOADING):
            reason = f"{live.progress.words()}."
        changes: dict[str, Any] = {
            "name": tunnel.name,
            "status": status,
            "status_reason": reason,
            "updated_at": self._room.clock.now(),
        }
        if readiness is not None and readiness.models:
            changes["models"] = list(readiness.models)
        if readiness is not None and readiness.server is not None:
            changes["server"] = readiness.server
        return changes

    async def _view(self, record: ProviderRecord, tunnel: TunnelRecord, live: Live) -> ProviderView:
        session = live.record
        cluster = self._room.cluster_shape(session.cluster_id)
        server = record.server or {}
        return ProviderView(
            id=record.id,
            name=record.name,
            type=ProviderType.TUNNEL,
            owner_id=record.owner_id,
            owner_name=await self._room.user_name(record.owner_id),
            status=record.status,
            status_reason=record.status_reason,
            models=tuple(_model_view(model) for model in record.models),
            server_kind=server.get("kind"),
            server_version=server.get("version"),
            tunnel_id=tunnel.id,
            session_id=session.id,
            session_name=session.name,
            host=session.host,
            gpus=live.gpus,
            target=tunnel.target,
            cluster=None if cluster is None else cluster["name"],
            wall_time_ends_at=session.wall_time_ends_at,
            updated_at=record.updated_at,
        )


def _differs(record: ProviderRecord, changes: Mapping[str, Any]) -> bool:
    """Whether anything but the time of the change is new."""
    return any(
        getattr(record, name) != value for name, value in changes.items() if name != "updated_at"
    )


def _model_view(model: dict[str, Any]) -> ModelView:
    modalities = model.get("modalities")
    return ModelView(
        id=str(model["id"]),
        max_model_len=model.get("max_model_len"),
        owned_by=model.get("owned_by"),
        modalities=None if modalities is None else tuple(modalities),
    )


def _model(said: dict[str, Any]) -> dict[str, Any]:
    window, modalities = said.get("max_model_len"), said.get("modalities")
    owned_by = said.get("owned_by")
    return {
        "id": str(said.get("id") or "")[:MAX_MODEL_ID_CHARS],
        "max_model_len": window if type(window) is int and 0 < window <= MAX_WINDOW else None,
        "owned_by": str(owned_by)[:100] if owned_by else None,
        "modalities": [str(m)[:40] for m in modalities[:20]]
        if isinstance(modalities, list)
        else None,
    }


def _server(said: dict[str, Any]) -> dict[str, Any]:
    version = said.get("version")
    return {
        "kind": str(said["kind"])[:60],
        "version": None if version is None else str(version)[:60],
    }
