"""The one way to a model: checks the limits, picks the provider, makes a Call.

Programs come through `/v1`, our own chat comes through the same door: there is no private route.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import HubStopping, NotFound
from underpass.core.principal import Principal
from underpass.core.routes import ModelPlace, Route, match
from underpass.gateway import errors, headers
from underpass.gateway.body import Body, scanner_for
from underpass.gateway.call import Call, DoorAnswer, Errand
from underpass.gateway.limits import GatewayLimits
from underpass.gateway.models import require_allowed
from underpass.gateway.quota import Quotas
from underpass.gateway.responses import ResponseHolders
from underpass.gateway.usage import UsageBook
from underpass.gateway.visits import Visits
from underpass.registry.live import LinkLike, Registry
from underpass.registry.pick import Pick, check_ready, pick, pick_listed, provider_name

__all__ = ["Door", "DoorAnswer", "DoorRequest"]

STOPPING_RETRY_AFTER_S = 2.0
"""About what a hub takes to start."""


@dataclass(frozen=True, slots=True)
class DoorRequest:
    """A request as it comes in: `path` is the raw target with its query."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: AsyncIterator[bytes] | bytes
    request_id: str
    durable: bool = False
    """The agent keeps the whole answer until the hub has stored it."""


class Door:
    """Shared by everything that sends requests to models.

    State: who has which calls under way, which provider holds which response, the counts of use.
    """

    def __init__(
        self,
        registry: Registry,
        limits: GatewayLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.registry = registry
        self.limits = limits or GatewayLimits()
        self.usage = UsageBook()
        self.quotas = Quotas(clock or SystemClock())
        self._clock = clock or SystemClock()
        self.visits = Visits(self.limits.calls_per_user)
        self._holders = ResponseHolders(self.limits.responses_per_user)
        self._is_stopping = False

    def __repr__(self) -> str:
        return f"Door(calls={len(self.visits)})"

    @property
    def calls_under_way(self) -> int:
        """How many calls have begun and not ended, over all users."""
        return len(self.visits)

    def begin_stop(self) -> None:
        """From now on new requests are sent away; what is under way goes on. The runs of chats
        wait by themselves for the tunnel that the stopping hub closes."""
        self._is_stopping = True

    def end_calls(self) -> None:
        """Ends what is under way, the runs of chats aside: its callers are told, and the model
        servers are freed while there still is a way to them."""
        self.visits.fail_all(_stopping(" The answer is incomplete."))

    async def call(self, principal: Principal, request: DoorRequest) -> DoorAnswer:
        """Sends the request and waits for the answer's head.

        Every AppError comes before the answer's first byte. Cancelling the wait, or
        `DoorAnswer.cancel`, closes the upstream connection; reading the answer to its end or to
        an error frees everything too.
        """
        call = await self.prepare(principal, request)
        return await call.send()

    async def prepare(self, principal: Principal, request: DoorRequest) -> Call:
        """Reads the body as far as its model and picks the provider; sends nothing yet.

        The caller sends the Call, and closes it in any case. Raises the errors of the registry's
        `pick`, InvalidRequest, TooLarge, TooMany, NotFound, NotAllowed.
        """
        path, _, query = request.path.partition("?")
        route = match(request.method, path)
        if route is None or route.name in ("models", "model"):
            raise route_not_found(path)
        if self._is_stopping and not request.durable:
            raise _stopping()
        await self.quotas.take(principal)
        visit = self.visits.enter(principal, is_durable=request.durable)
        body: Body | None = None
        try:
            if route.model_place is ModelPlace.NONE:
                picked, query = self._pick_response(principal, route, path, query)
            else:
                body = self._body(request, route)
                await body.read_ahead()
                picked = self._pick(principal, body.model)
            link = self._link(picked)
        except BaseException:
            if body is not None:
                body.close()
            visit.leave()
            raise
        errand = Errand(
            request=request,
            route=route,
            path=f"{path}?{query}" if query else path,
            principal=principal,
            pick=picked,
            link=link,
            body=body,
            usage=self.usage.of(
                principal.user_id,
                picked.provider.id,
                principal.key_id or "",
                picked.upstream_model,
                picked.provider.session_id or "",
            ),
            holders=self._holders,
            spend=lambda used: self.quotas.spend(principal, used),
        )
        return visit.admit(Call(errand, self._clock, visit.leave))

    # --- choosing ----------------------------------------------------------------------------

    def _pick(self, principal: Principal, model: str) -> Pick:
        name, caller = provider_name(model), principal.user_name
        named = self.registry.providers_named(name, principal) if name else []
        found = pick_listed(model, named, caller_name=caller) or pick(
            model, self.registry.providers_visible_to(principal), caller_name=caller
        )
        require_allowed(principal, found.provider, found.upstream_model)
        return found

    def _pick_response(
        self, principal: Principal, route: Route, path: str, query: str
    ) -> tuple[Pick, str]:
        """The provider that holds the response, by `?model=` or from memory; and the query left."""
        parts = query.split("&") if query else []
        models = [unquote_plus(part[6:]) for part in parts if part.startswith("model=")]
        left = "&".join(part for part in parts if not part.startswith("model="))
        if models:
            return self._pick(principal, models[-1]), left
        found = route.pattern.fullmatch(path)
        response_id = found["id"] if found else ""
        holder = self._holders.find(principal.user_id, response_id)
        if holder is None:
            raise NotFound(
                f"No response '{response_id}' of yours is known here.",
                hint="Add ?model=PROVIDER/MODEL to say which model gave it.",
                code="response_not_found",
            )
        provider = self.registry.provider(holder.provider_id, principal)
        picked = Pick(provider, holder.upstream_model)
        require_allowed(principal, provider, picked.upstream_model)
        check_ready(picked)
        return picked, left

    def _link(self, picked: Pick) -> LinkLike:
        link = self.registry.link_of(picked.provider.way_id)
        if link is None:
            raise errors.stopped(picked.provider)
        return link

    def _body(self, request: DoorRequest, route: Route) -> Body:
        scanner = scanner_for(route.model_place, headers.value_of(request.headers, "content-type"))
        if isinstance(request.body, bytes):
            return Body(_once(request.body), scanner, self.limits, len(request.body))
        declared = headers.value_of(request.headers, "content-length")
        length = int(declared) if declared.isdecimal() else None
        return Body(request.body, scanner, self.limits, length)


def _stopping(part: str = "") -> HubStopping:
    return HubStopping(
        f"The hub is being restarted.{part}",
        hint="Try again in a few seconds.",
        retry_after_s=STOPPING_RETRY_AFTER_S,
    )


def route_not_found(path: str) -> NotFound:
    """The error for everything that is not in SPEC §5's list."""
    return NotFound(
        f"There is no route '{path[:120]}' here.",
        hint="Only a model server's OpenAI-compatible routes are reachable, such as "
        "POST /v1/chat/completions; GET /v1/models lists the models.",
        code="route_not_found",
    )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data
