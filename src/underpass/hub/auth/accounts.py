"""Accounts: making users, changing what they may do, and the passwords they sign in with."""

from __future__ import annotations

from collections.abc import Callable

from underpass.core.clock import Clock
from underpass.core.errors import Conflict, InvalidRequest, NotAuthenticated
from underpass.core.ids import new_id
from underpass.core.names import checked_name
from underpass.hub.auth.passwords import Passwords
from underpass.hub.auth.throttle import SignInThrottle
from underpass.store import Store, UserRecord

MAX_DISPLAY_NAME_CHARS = 100
MAX_EMAIL_CHARS = 254


def _nobody_listens(user_id: str) -> None:
    del user_id


def checked_email(text: str | None) -> str | None:
    """An address as it is stored and compared: lower-case ASCII. Raises InvalidRequest."""
    email = (text or "").strip().lower()
    if not email:
        return None
    name, _, domain = email.partition("@")
    is_plain = email.isascii() and email.isprintable() and " " not in email
    if not is_plain or len(email) > MAX_EMAIL_CHARS or not name or not domain or "@" in domain:
        raise InvalidRequest(
            "That is not an e-mail address.",
            code="email_invalid",
            hint="Write it like alice@example.org, with plain letters only.",
        )
    return email


def _email_taken() -> Conflict:
    return Conflict(
        "Another user has this address.", code="email_taken", hint="Each user has one of their own."
    )


class Accounts:
    """The users of a hub. `on_change` is told a user's id when what they may do has changed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        throttle: SignInThrottle,
        on_change: Callable[[str], None] = _nobody_listens,
    ) -> None:
        self._store = store
        self._clock = clock
        self._throttle = throttle
        self._passwords = Passwords()
        self._on_change = on_change

    async def create(
        self,
        name: str,
        *,
        password: str | None,
        display_name: str | None = None,
        is_admin: bool = False,
        email: str | None = None,
    ) -> UserRecord:
        """A new user. Raises InvalidRequest, Conflict (`name_taken`, `email_taken`)."""
        name = checked_name(name.strip().lower())
        hashed = None if password is None else await self._passwords.hash(password)
        user = UserRecord(
            id=new_id("usr"),
            name=name,
            display_name=(display_name or "").strip()[:MAX_DISPLAY_NAME_CHARS] or name,
            created_at=self._clock.now(),
            password_hash=hashed,
            is_admin=is_admin,
            email=checked_email(email),
        )
        try:
            return await self._store.users.add(user)
        except Conflict as error:
            if await self._store.users.find_by_name(name) is None:
                raise _email_taken() from error
            raise Conflict(
                f"There is a user '{name}' already.", code="name_taken", hint="Choose another name."
            ) from error

    async def check_password(self, name: str, password: str, address: str) -> UserRecord:
        """Who has this name and password. Raises NotAuthenticated (`wrong_password`), TooMany."""
        name = name.strip().lower()[:255]
        self._throttle.check(name, address)
        user = await self._store.users.find_by_name(name)
        stored = user.password_hash if user is not None and not user.is_disabled else None
        is_right = await self._passwords.verify(stored, password)
        if user is None or stored is None or not is_right:
            self._throttle.failed(name, address)
            # One answer for an unknown name, a wrong password and a disabled user: the page is
            # no way to find out who has an account.
            raise NotAuthenticated(
                "That name and password do not belong together.",
                code="wrong_password",
                hint="Try again, or ask an admin for a new password.",
            )
        self._throttle.succeeded(name, address)
        if self._passwords.is_outdated(stored):
            hashed = await self._passwords.hash(password)
            await self._store.users.update(user.id, password_hash=hashed)
        return user

    async def set_password(self, user_id: str, password: str, *, keep: str | None = None) -> None:
        """A new password; signs the user out everywhere but in the browser session `keep`."""
        hashed = await self._passwords.hash(password)
        await self._store.users.update(user_id, password_hash=hashed)
        await self.sign_out_elsewhere(user_id, keep=keep)

    async def sign_out_elsewhere(self, user_id: str, *, keep: str | None = None) -> None:
        """End a user's browser sessions, at once, but for `keep`."""
        await self._store.browser_sessions.remove_of_user(user_id, but=keep)
        self._on_change(user_id)

    async def change(
        self,
        user_id: str,
        *,
        display_name: str | None = None,
        is_admin: bool | None = None,
        is_disabled: bool | None = None,
        email: str | None = None,
    ) -> UserRecord:
        """Change what is given; an `email` of "" takes it away.

        Raises NotFound, InvalidRequest (`email_invalid`), Conflict (`last_admin`, `email_taken`).
        """
        if is_admin is False or is_disabled:
            await self._keep_an_admin(user_id)
        wanted = {
            "display_name": display_name and display_name.strip()[:MAX_DISPLAY_NAME_CHARS],
            "is_admin": is_admin,
            "is_disabled": is_disabled,
        }
        changes: dict[str, object] = {
            name: value for name, value in wanted.items() if value not in (None, "")
        }
        if email is not None:
            changes["email"] = checked_email(email)
        try:
            user = await self._store.users.update(user_id, **changes)
        except Conflict as error:
            raise _email_taken() from error
        if user.is_disabled:
            await self._store.browser_sessions.remove_of_user(user_id)
        self._on_change(user_id)
        return user

    async def remove(self, user_id: str) -> None:
        """Delete a user with all they have. Raises NotFound, Conflict (`last_admin`)."""
        await self._keep_an_admin(user_id)
        await self._store.users.remove(user_id)
        self._on_change(user_id)

    async def _keep_an_admin(self, user_id: str) -> None:
        user = await self._store.users.get(user_id)
        if user.is_admin and not user.is_disabled and await self._store.users.count_admins() == 1:
            raise Conflict(
                "This is the only admin.", code="last_admin", hint="Make another admin first."
            )
