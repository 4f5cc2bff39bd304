"""Sign-ins: browser sessions, the first admin's set-up link, and one-time sign-in links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from underpass.core.clock import Clock
from underpass.core.errors import Conflict, NotAuthenticated, NotFound
from underpass.core.ids import hash_secret, new_secret
from underpass.core.names import checked_name
from underpass.hub.auth.accounts import Accounts
from underpass.hub.auth.passwords import check_password_rules
from underpass.hub.auth.second_step import SecondStep
from underpass.store import (
    BrowserSessionRecord,
    LinkPurpose,
    OneTimeLinkRecord,
    Store,
    UserRecord,
)

SETUP_LINK_S = 7 * 86_400.0
SIGN_IN_LINK_S = 600.0


@dataclass(frozen=True, slots=True)
class Browser:
    """Who signs in: for the list of sign-ins and the audit trail."""

    address: str = ""
    user_agent: str = ""


class SignIns:
    """Begins and ends browser sessions. `on_end` is told the id of each session that ended."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        accounts: Accounts,
        second_step: SecondStep,
        *,
        lifetime_s: float,
        on_end: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._second_step = second_step
        self._on_end = on_end
        self.lifetime_s = lifetime_s

    async def by_password(
        self, name: str, password: str, browser: Browser, *, code: str | None = None
    ) -> tuple[UserRecord, str]:
        """The user and the new cookie; `code` is the second step's, where the user has one.

        Raises NotAuthenticated (`wrong_password`, `second_step_needed`, `wrong_code`), TooMany.
        """
        user = await self._accounts.check_password(name, password, browser.address)
        await self._second_step.check(user.id, code)
        return user, await self.begin(user.id, browser)

    async def begin(self, user_id: str, browser: Browser) -> str:
        """A new browser session; its cookie, which is stored nowhere."""
        secret, now = new_secret("upb_"), self._clock.now()
        await self._store.browser_sessions.add(
            BrowserSessionRecord(
                id=hash_secret(secret),
                user_id=user_id,
                created_at=now,
                last_seen_at=now,
                expires_at=now + self.lifetime_s,
                user_agent=browser.user_agent[:300],
                address=browser.address[:64],
            )
        )
        return secret

    async def end(self, session_id: str) -> None:
        """Sign one browser out; one that is out already is fine."""
        try:
            await self._store.browser_sessions.remove(session_id)
        except NotFound:
            pass
        self._on_end(session_id)

    # --- the first admin ---------------------------------------------------------------------

    async def needs_setup(self) -> bool:
        """Whether nobody can sign in yet."""
        return await self._store.users.is_empty()

    async def new_setup_token(self) -> str:
        """The token of a new set-up link; an older one stops working."""
        return await self._new_link(LinkPurpose.SETUP, None, SETUP_LINK_S)

    async def set_up(
        self, token: str, name: str, password: str, browser: Browser
    ) -> tuple[UserRecord, str]:
        """Make the first admin; the user and the cookie.

        Raises NotAuthenticated (`link_invalid`), InvalidRequest, Conflict (`already_set_up`).
        """
        checked_name(name.strip().lower())
        check_password_rules(password)
        if not await self.needs_setup():
            raise Conflict("This hub is set up already.", code="already_set_up", hint="Sign in.")
        await self._take_link(token, LinkPurpose.SETUP)
        user = await self._accounts.create(name, password=password, is_admin=True)
        return user, await self.begin(user.id, browser)

    # --- one-time sign-in links --------------------------------------------------------------

    async def new_sign_in_token(self, user_id: str) -> str:
        """The token of a link that signs one browser in, once, within ten minutes."""
        return await self._new_link(LinkPurpose.SIGN_IN, user_id, SIGN_IN_LINK_S)

    async def by_link(self, token: str, browser: Browser) -> tuple[UserRecord, str]:
        """The user and the new cookie. Raises NotAuthenticated (`link_invalid`)."""
        link = await self._take_link(token, LinkPurpose.SIGN_IN)
        user = await self._store.users.find(link.user_id or "")
        if user is None or user.is_disabled:
            raise _link_invalid()
        return user, await self.begin(user.id, browser)

    # --- the site's own proxy ----------------------------------------------------------------

    async def by_site(self, name: str, browser: Browser) -> tuple[UserRecord, str]:
        """The user whom a trusted proxy named, made if need be, and the new cookie.

        Raises NotAuthenticated (`user_disabled`), InvalidRequest (`name_invalid`).
        """
        user = await self._store.users.find_by_name(checked_name(name))
        if user is None:
            user = await self._accounts.create(name, password=None)
        if user.is_disabled:
            raise NotAuthenticated(
                "This user is disabled.", code="user_disabled", hint="Ask an admin of the hub."
            )
        return user, await self.begin(user.id, browser)

    async def _new_link(self, purpose: LinkPurpose, user_id: str | None, lifetime_s: float) -> str:
        token, now = new_secret(""), self._clock.now()
        link = OneTimeLinkRecord(
            id=hash_secret(token),
            purpose=purpose,
            user_id=user_id,
            created_at=now,
            expires_at=now + lifetime_s,
        )
        await self._store.one_time_links.replace(link)
        return token

    async def _take_link(self, token: str, purpose: LinkPurpose) -> OneTimeLinkRecord:
        try:
            return await self._store.one_time_links.take(
                hash_secret(token), purpose, self._clock.now()
            )
        except NotFound as error:
            raise _link_invalid() from error


def _link_invalid() -> NotAuthenticated:
    return NotAuthenticated(
        "This link was used already, or is too old.",
        code="link_invalid",
        hint="Start the hub anew for a new one, or sign in.",
    )
