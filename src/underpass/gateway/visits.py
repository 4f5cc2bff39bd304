"""Who is at the door: how many requests each user has under way, and which end with a right that ends.

A visit begins before the body is read and ends with its call. Who is let in no more (a key that is
revoked, a user who is disabled) has what they began ended at once, a body that still comes included.
"""

from __future__ import annotations

from underpass.core.errors import NotAuthenticated, TooMany
from underpass.core.principal import Principal
from underpass.gateway.call import Call

BUSY_RETRY_AFTER_S = 1.0


class Visit:
    """One request from its first byte to its end."""

    __slots__ = ("_book", "_call", "_is_ended", "is_durable", "principal")

    def __init__(self, book: Visits, principal: Principal, *, is_durable: bool) -> None:
        self.principal = principal
        self.is_durable = is_durable
        self._book = book
        self._call: Call | None = None
        self._is_ended = False

    def admit(self, call: Call) -> Call:
        """The request is understood. Raises NotAuthenticated if its right ended meanwhile."""
        if self._is_ended:
            call.close("signed_out", is_error=True)
            raise NotAuthenticated("You were signed out.", hint="Sign in again, or use a new key.")
        self._call = call
        return call

    def end(self, reason: str) -> None:
        """Ends the request, however far it has come."""
        self._is_ended = True
        if self._call is not None:
            self._call.close(reason, is_error=True)

    def leave(self) -> None:
        """It is over; once."""
        self._book.left(self)


class Visits:
    """All visits of a hub process. State: each user's, in the order of their coming."""

    def __init__(self, most_per_user: int) -> None:
        self._most_per_user = most_per_user
        self._by_user: dict[str, dict[Visit, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_user.values()))

    def enter(self, principal: Principal, *, is_durable: bool) -> Visit:
        """A new visit; whoever gets it leaves it. Raises TooMany."""
        mine = self._by_user.setdefault(principal.user_id, {})
        if len(mine) >= self._most_per_user:
            raise TooMany(
                f"You have {len(mine)} requests under way, which is the limit.",
                hint="Wait for one to finish.",
                retry_after_s=BUSY_RETRY_AFTER_S,
            )
        visit = Visit(self, principal, is_durable=is_durable)
        mine[visit] = None
        return visit

    def left(self, visit: Visit) -> None:
        """Takes a visit off the list."""
        user_id = visit.principal.user_id
        mine = self._by_user[user_id]
        del mine[visit]
        if not mine:
            del self._by_user[user_id]

    def end_of_user(self, user_id: str, reason: str) -> None:
        """Ends everything of a user, the runs of their chats too."""
        for visit in list(self._by_user.get(user_id, ())):
            visit.end(reason)

    def end_of_key(self, key_id: str, reason: str) -> None:
        """Ends what was asked for with a key. A run of a chat is not: it belongs to the hub, and
        whoever signs in again finds it."""
        for visit in [one for mine in self._by_user.values() for one in mine]:
            if visit.principal.key_id == key_id and not visit.is_durable:
                visit.end(reason)
