"""Taking a user away: everything of theirs stops, then everything of theirs goes.

Keys, cookies, requests, runs, custom providers and agents stop at once. Sessions are asked to end, and what
is stored goes when they have: a row that is gone could not stop its job any more.
"""

from __future__ import annotations

import asyncio

from underpass.core.errors import Conflict
from underpass.core.principal import Principal
from underpass.hub.services import Services
from underpass.store import UserRecord

WAIT_S = 15.0
"""For sessions to end. A job that takes longer is still ended; the removal is then asked for again."""
GONE_WAIT_S = 5.0


async def end_all(services: Services, user_id: str, code: str) -> None:
    """What runs by this user's right ends now: links, runs of the chat, requests, providers."""
    await services.links.close_of_user(user_id, code)
    await _end_uses(services, user_id, code)


async def remove(services: Services, user: UserRecord) -> None:
    """Removes a user with all they have; disabled from the first moment on.

    Raises Conflict (`last_admin`, or `sessions_ending`: some have not ended yet).
    """
    services.leaving.add(user.id)
    try:
        await _remove(services, user)
    finally:
        services.leaving.discard(user.id)


async def _remove(services: Services, user: UserRecord) -> None:
    await services.auth.accounts.change(user.id, is_disabled=True)
    await _end_uses(services, user.id, "user_removed")
    await services.sessions.end_of_user(user.id)
    # A joined machine's link stays until its sessions have ended: it is how their jobs are ended.
    await services.links.close_of_user(user.id, "user_removed", but_clusters=True)
    if not await _have_ended(services, user.id, WAIT_S):
        await _forget_clusters(services, user, are_online=False)
    if not await _have_ended(services, user.id, GONE_WAIT_S):
        raise Conflict(
            f"Sessions of {user.name} have not ended yet.",
            code="sessions_ending",
            hint=f"{user.name} is disabled and they are being ended; remove again in a moment.",
        )
    await services.links.close_of_user(user.id, "user_removed")
    await services.sessions.remove_of_user(user.id)
    await _forget_clusters(services, user, are_online=True)
    for view in services.registry.all_providers():
        if view.owner_id == user.id:
            services.registry.drop_provider(view.id)
    # What is still to be counted of them would bring the user's id back.
    await services.usage.flush()
    await services.auth.accounts.remove(user.id)


async def _end_uses(services: Services, user_id: str, code: str) -> None:
    await services.chats.runs.stop_of_user(user_id)
    services.door.visits.end_of_user(user_id, code)
    await services.providers.let_go_of_user(user_id)


async def _have_ended(services: Services, user_id: str, within_s: float) -> bool:
    deadline = services.clock.monotonic() + within_s
    while not await services.sessions.have_ended(user_id):
        if services.clock.monotonic() >= deadline:
            return False
        await asyncio.sleep(0.1)
    return True


async def _forget_clusters(services: Services, user: UserRecord, *, are_online: bool) -> None:
    """The machines that joined for this user: those that are away, or all."""
    places, owner = services.sessions.places, Principal(user_id=user.id, user_name=user.name)
    for cluster in await services.store.clusters.of_owner(user.id):
        if are_online or not places.is_online(cluster.id):
            await places.remove(owner, cluster.id)
