"""Begins a sign-in at an issuer and ends it: with a user, or with a clear word."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from underpass.config.openid import OpenIdIssuer
from underpass.core.clock import Clock
from underpass.core.errors import NotFound, TooMany
from underpass.hub.auth.accounts import Accounts
from underpass.hub.auth.openid.flow import LIFETIME_S, Answer, FlowSecrets, safe_next
from underpass.hub.auth.openid.issuer import Issuer
from underpass.hub.auth.openid.people import Arrival, People
from underpass.hub.auth.openid.person import person_of
from underpass.hub.auth.openid.words import SignInRefused, refused
from underpass.hub.auth.throttle import Throttle, network_of
from underpass.store import OpenIdFlowRecord, Store

MAX_WAITING = 10_000
MAX_PER_MINUTE = 120
"""From one address, which may be a whole institution's."""


class OpenId:
    """The issuers of one hub process. Close it in the end."""

    def __init__(
        self,
        issuers: Mapping[str, OpenIdIssuer],
        store: Store,
        clock: Clock,
        accounts: Accounts,
        on_change: Callable[[str], None],
    ) -> None:
        """Raises ConfigError."""
        self._issuers = {name: Issuer(name, one, clock) for name, one in issuers.items()}
        self._store = store
        self._clock = clock
        linking = frozenset(one.issuer for one in issuers.values() if one.link_by_address)
        self._people = People(store, clock, accounts, on_change, linking=linking)
        self._begun = Throttle(clock, limit=MAX_PER_MINUTE, window_s=60)

    async def close(self) -> None:
        """Ends the connections to the issuers."""
        for issuer in self._issuers.values():
            await issuer.close()

    @property
    def labels(self) -> dict[str, str]:
        """What each issuer's button says, by its name, in the settings' order."""
        return {name: issuer.label for name, issuer in self._issuers.items()}

    async def begin(
        self, name: str, *, next_page: str, redirect_uri: str, address: str
    ) -> tuple[str, FlowSecrets]:
        """Where the browser goes, and what its cookie is. Raises NotFound, TooMany, IssuerTrouble."""
        issuer = self._issuer(name)
        self._begun.check(network_of(address), "sign-ins begun")
        self._begun.note(network_of(address))
        secrets, now = FlowSecrets.new(), self._clock.now()
        url = await issuer.authorization_url(secrets, redirect_uri)
        if await self._store.openid_flows.count() >= MAX_WAITING:
            await self._store.openid_flows.remove_expired(now)
            if await self._store.openid_flows.count() >= MAX_WAITING:
                raise TooMany(
                    "Too many sign-ins are under way.", retry_after_s=60, code="throttled"
                )
        flow = OpenIdFlowRecord(
            id=secrets.id, issuer=name, next=safe_next(next_page), expires_at=now + LIFETIME_S
        )
        await self._store.openid_flows.add(flow)
        return url, secrets

    async def finish(self, name: str, answer: Answer, redirect_uri: str) -> tuple[Arrival, str]:
        """Who it was, and the page to go to. Raises NotFound, SignInRefused, IssuerTrouble."""
        issuer = self._issuer(name)
        secrets = FlowSecrets(answer.cookie)
        if not answer.cookie or not secrets.is_state(answer.state):
            cause = "state and cookie do not belong together"
            raise SignInRefused("openid_state", issuer.label, cause, is_noted=False)
        try:
            flow = await self._store.openid_flows.take(secrets.id, self._clock.now())
        except NotFound:
            # Anybody can make a cookie and the state that goes with it.
            cause = "used, too old or made up"
            raise SignInRefused("openid_state", issuer.label, cause, is_noted=False) from None
        if flow.issuer != name:
            raise refused("openid_other_issuer", issuer.label, "another issuer's way back")
        await issuer.check_sender(answer.iss)
        if answer.error or not answer.code:
            raise refused("openid_refused", issuer.label, _word(answer.error) or "no code")
        claims = await issuer.claims(answer.code, secrets, redirect_uri)
        person = person_of(claims, issuer.settings, issuer.label)
        return await self._people.arrive(person, issuer.settings, issuer.label), flow.next

    def _issuer(self, name: str) -> Issuer:
        issuer = self._issuers.get(name)
        if issuer is None:
            raise NotFound("This hub has no issuer of that name.")
        return issuer


def _word(error: str) -> str:
    """An OAuth error code, fit for a log: whoever calls the way back can write anything."""
    return "".join(char for char in error if char.isascii() and (char.isalnum() or char == "_"))[
        :40
    ]
