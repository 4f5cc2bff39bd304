"""Everything of a user's as one ZIP: before they are removed, for whoever has to keep it.

    account.json   who it is, without any secret          usage.csv    what was used, by day and model
    chats.json     as `/api/chats/export` writes them     audit.jsonl  what they did

Written as it is read: a user may have more than fits into memory.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator

from underpass.core.principal import Principal
from underpass.core.times import iso
from underpass.hub.api import audit, usage
from underpass.hub.services import Services
from underpass.store import UserRecord


class _Pipe:
    """A file that is only written to, and emptied as it goes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


async def export(services: Services, user: UserRecord) -> AsyncIterator[bytes]:
    """The ZIP, piece by piece."""
    pipe = _Pipe()
    owner = Principal(user_id=user.id, user_name=user.name)
    parts = {
        "account.json": _account(services, user),
        "chats.json": services.chats.transfer.export_all(owner),
        "usage.csv": _usage(services, user),
        "audit.jsonl": _audit(services, user),
    }
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, pieces in parts.items():
            with archive.open(name, "w", force_zip64=True) as file:
                async for piece in pieces:
                    file.write(piece)
                    yield pipe.take()
            yield pipe.take()
    yield pipe.take()


async def _account(services: Services, user: UserRecord) -> AsyncIterator[bytes]:
    groups = [
        (await services.store.groups.get(group_id)).name
        for group_id in await services.store.groups.of_user(user.id)
    ]
    account = {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "email": user.email,
        "is_admin": user.is_admin,
        "created_at": iso(user.created_at),
        "groups": sorted(groups),
        "preferences": await services.store.preferences.of_user(user.id),
    }
    yield json.dumps(account, ensure_ascii=False, indent=1).encode("utf-8", "replace")


async def _usage(services: Services, user: UserRecord) -> AsyncIterator[bytes]:
    yield (await usage.everything_as_csv(services, user.id)).encode("utf-8", "replace")


async def _audit(services: Services, user: UserRecord) -> AsyncIterator[bytes]:
    async for text in audit.lines(services, {"actor_id": user.id}):
        yield text.encode("utf-8", "replace")
