"""Who is at the door: how many requests each user has under way, and which end with a right that ends.

A visit begins before the body is read and ends with its call. Who is let in no more (a key that is
revoked, a user who is disabled) has what they began ended at once, a body that still comes included.
"""

from __future__ import annotations

from underpass.core.errors import AppError, NotAuthenticated, TooMany
from underpass.core.principal import Principal
from underpass.gateway.call import Call

BUSY_RETRY_AFTER_S = 1.0


class Visit:
    """One request from its first byte to its end."""

    __slots__ = ("_book", "_call", "_fault", "is_durable", "principal")

    def __init__(self, book: Visits, principal: Principal, *, is_durable: bool) -> None:
        self.principal = principal
        self.is_durable = is_durable
        self._book = book
        self._call: Call | None = None
        self._fault: AppError | None = None

    def admit(self, call: Call) -> Call:
        """The request is understood. Raises what ended it meanwhile."""
        if self._fault is not None:
            call.close("signed_out", is_error=True)
            raise self._fault
        self._call = call
        return call

    def end(self, reason: str) -> None:
        """Ends the request, however far it has come: its caller has no right to it any more."""
        self._fault = NotAuthenticated(
            "You were signed out.", hint="Sign in again, or use a new key."
        )
        if self._call is not None:
            self._call.close(reason, is_error=True)

    def fail(self, fault: AppError) -> None:
        """Ends the request; its caller is told `fault`."""
        self._fault = fault
        if self._call is not None:
            self._call.fail(fault)

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

    def fail_all(self, fault: AppError) -> None:
        """Ends everything but the runs of chats, which go on at the next hub."""
        for visit in self._ordinary():
            visit.fail(fault)

    @property
    def ordinary(self) -> int:
        """How many there are, the runs of chats aside."""
        return len(self._ordinary())

    def end_of_key(self, key_id: str, reason: str) -> None:
        """Ends what was asked for with a key. A run of a chat is not: it belongs to the hub, and
        whoever signs in again finds it."""
        for visit in self._ordinary():
            if visit.principal.key_id == key_id:
                visit.end(reason)

    def _ordinary(self) -> list[Visit]:
        everyone = [one for mine in self._by_user.values() for one in mine]
        return [one for one in everyone if not one.is_durable]
