"""Who is calling, and how far their credential reaches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from underpass.core.errors import NotAllowed


class Scope(StrEnum):
    """What a key may be used for. A signed-in browser has all of its user's."""

    GATEWAY = "gateway"
    """Use models through `/v1`."""
    READ = "read"
    """See one's own sessions, tunnels, providers and chats."""
    SESSIONS = "sessions"
    """Start, attach, stop and remove sessions; open and stop tunnels; write chats."""
    ADMIN = "admin"
    """What an admin may do, if the user is one."""


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a key or a user may ask of models; None: as much as they like."""

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None


NO_LIMITS = Limits()
"""The one object that says "none": compared by identity where it must cost nothing."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request, as authentication found them."""

    user_id: str
    user_name: str
    is_admin: bool = False
    key_id: str | None = None
    """The key that was used; None for a browser session."""
    scopes: frozenset[str] = ALL_SCOPES
    model_allow: tuple[str, ...] | None = None
    """Model ids that the key is limited to; None for no limit."""
    group_ids: frozenset[str] = frozenset()
    key_limits: Limits = NO_LIMITS
    user_limits: Limits = NO_LIMITS

    def require(self, scope: Scope) -> None:
        """Raises NotAllowed (403 `scope_missing`) when the credential lacks `scope`."""
        if scope not in self.scopes:
            raise NotAllowed(
                f"This key does not have the scope '{scope}'.",
                code="scope_missing",
                hint="Make a key with that scope under Settings, Keys.",
            )

    @property
    def acts_as_admin(self) -> bool:
        """Whether this request may use an admin's rights."""
        return self.is_admin and Scope.ADMIN in self.scopes
