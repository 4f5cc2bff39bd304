"""The door with a list of who has gone through: what lets somebody in no more ends what they began.

A chat's run is not ended with the key that asked for it: it belongs to the hub (`durable`), and
whoever signs in again finds it.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from underpass.core.clock import Clock
from underpass.core.errors import NotAuthenticated
from underpass.core.principal import Principal
from underpass.gateway.call import Call
from underpass.gateway.door import Door, DoorRequest
from underpass.gateway.limits import GatewayLimits
from underpass.registry.live import Registry

REASON = "signed_out"
"""With which the agent hears of it; the caller's answer ends as stopped."""


class WatchedDoor(Door):
    """A Door whose calls can be ended by key or by user.

    State: who asked for each call that lives, and the askings whose body is still being read.
    """

    def __init__(
        self, registry: Registry, limits: GatewayLimits | None = None, clock: Clock | None = None
    ) -> None:
        super().__init__(registry, limits, clock)
        self._asked: WeakKeyDictionary[Call, Principal] = WeakKeyDictionary()
        self._coming: set[_Coming] = set()

    async def prepare(self, principal: Principal, request: DoorRequest) -> Call:
        """As Door's. Raises NotAuthenticated too, for a key that ended while the body came."""
        if request.durable:
            return await super().prepare(principal, request)
        coming = _Coming(principal)
        self._coming.add(coming)
        try:
            call = await super().prepare(principal, request)
        finally:
            self._coming.discard(coming)
        if coming.is_ended:
            call.close(REASON)
            raise NotAuthenticated("You were signed out.", hint="Sign in again, or use a new key.")
        self._asked[call] = principal
        return call

    def end_calls(self, *, key_id: str | None = None, user_id: str | None = None) -> int:
        """Ends what was asked for with this key, or by this user; how many calls that were."""

        def is_meant(one: Principal) -> bool:
            return one.user_id == user_id or (key_id is not None and one.key_id == key_id)

        for coming in self._coming:
            coming.is_ended = coming.is_ended or is_meant(coming.principal)
        ended = [call for call, principal in self._asked.items() if is_meant(principal)]
        for call in ended:
            call.close(REASON, is_error=True)
        return len(ended)


class _Coming:
    """A request whose body is being read."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.is_ended = False
