"""`/api/auth/openid`: to an OpenID Connect issuer and back, by the browser's own address bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from underpass.core.errors import NotFound
from underpass.hub.api.auth import is_secure, signed_in
from underpass.hub.api.shapes import browser_of
from underpass.hub.auth.openid import flow
from underpass.hub.auth.openid.people import Arrival
from underpass.hub.auth.openid.words import IssuerTrouble, SignInRefused
from underpass.hub.auth.requests import address_of, cookie_of, header, set_cookie
from underpass.hub.services import PublicUrl, Services, ServicesDep
from underpass.hub.static import wants_page

if TYPE_CHECKING:
    from underpass.hub.auth.openid.service import OpenId

router = APIRouter(prefix="/auth/openid", tags=["auth"])

Word = Annotated[str, Query(max_length=4096)]

_ELSEWHERE = {"cross-site", "same-site"}

_log = structlog.get_logger("underpass.auth")


@router.get("/{issuer}", status_code=303)
async def begin(
    issuer: str, request: Request, services: ServicesDep, url: PublicUrl, next: Word = "/"
) -> Response:
    """Send this browser to the issuer's sign-in; `next` is the page to come back to.

    A link on another site leads to the sign-in page instead: nobody is signed in, or in as somebody else,
    by following one.
    """
    openid = _openid(services)
    if issuer in openid.labels and header(request.scope, b"sec-fetch-site") in _ELSEWHERE:
        return RedirectResponse("/sign-in", 303)
    try:
        there, secrets = await openid.begin(
            issuer,
            next_page=next,
            redirect_uri=_way_back(url, issuer),
            address=address_of(request.scope),
        )
    except IssuerTrouble as error:
        return await _failed(request, services, issuer, error)
    answer = RedirectResponse(there, 303)
    _set_flow(answer, request, secrets.cookie, int(flow.LIFETIME_S))
    return answer


@router.get("/{issuer}/callback", status_code=303)
async def come_back(
    issuer: str,
    request: Request,
    services: ServicesDep,
    url: PublicUrl,
    state: Word = "",
    code: Word = "",
    error: Word = "",
    iss: Word | None = None,
) -> Response:
    """The way back from the issuer: sign this browser in, and go to the page it came for."""
    name, _ = flow.cookie_place(is_secure=is_secure(request))
    came = flow.Answer(state, code, error, iss, cookie_of(request.scope, name) or "")
    try:
        arrival, page = await _openid(services).finish(issuer, came, _way_back(url, issuer))
    except (SignInRefused, IssuerTrouble) as refusal:
        return await _failed(request, services, issuer, refusal)
    await _note(services, request, issuer, arrival)
    cookie = await services.auth.sign_ins.begin(arrival.user.id, browser_of(request))
    signed = await signed_in(request, services, arrival.user, cookie, by="openid", issuer=issuer)
    answer = RedirectResponse(page, 303)
    answer.headers.append("Set-Cookie", signed.headers["Set-Cookie"])
    _set_flow(answer, request, "", 0)
    return answer


def _openid(services: Services) -> OpenId:
    if services.auth.openid is None:
        raise NotFound("This hub has no issuer of that name.")
    return services.auth.openid


def _way_back(url: str, issuer: str) -> str:
    return f"{url}/api/auth/openid/{issuer}/callback"


def _set_flow(answer: Response, request: Request, secret: str, max_age_s: int) -> None:
    is_https = is_secure(request)
    name, path = flow.cookie_place(is_secure=is_https)
    cookie = set_cookie(secret, max_age_s=max_age_s, is_secure=is_https, name=name, path=path)
    answer.headers.append("Set-Cookie", cookie)


async def _failed(
    request: Request, services: Services, issuer: str, error: SignInRefused | IssuerTrouble
) -> Response:
    """A person sees the reason on the sign-in page, a program as a problem document."""
    if error.is_noted:
        _log.warning(
            "sign-in by an issuer failed", issuer=issuer, code=error.code, cause=error.cause
        )
        await services.trail.note(
            "sign_in.failed",
            actor_id=None,
            subject=issuer,
            address=address_of(request.scope),
            by="openid",
            code=error.code,
            cause=error.cause,
        )
    if not wants_page(request.scope):
        raise error
    # 303 and not the page itself: what came with the address is gone from it and from the history.
    query = urlencode({"trouble": error.code, "issuer": issuer})
    answer = RedirectResponse(f"/sign-in?{query}", 303)
    _set_flow(answer, request, "", 0)
    return answer


async def _note(services: Services, request: Request, issuer: str, arrival: Arrival) -> None:
    """What the issuer's word changed, for the trail and for the user's open pages."""
    user, address = arrival.user, address_of(request.scope)
    acts = {
        "user.create": arrival.is_new,
        "user.link": arrival.is_linked,
        "user.groups": arrival.has_new_groups,
        "user.change": arrival.has_new_rights,
    }
    for action, is_done in acts.items():
        if is_done:
            await services.trail.note(
                action,
                actor_id=user.id,
                subject=user.name,
                address=address,
                by="openid",
                issuer=issuer,
                is_admin=user.is_admin,
            )
    if arrival.has_new_groups or arrival.has_new_rights:
        services.feed.resync({user.id})
