"""`/api/auth`: signing in and out, the first admin, one-time links, device codes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse

from underpass.core.errors import NotAuthenticated, NotFound
from underpass.core.times import iso
from underpass.hub.api.shapes import In, browser_of
from underpass.hub.auth.device import INTERVAL_S, LIFETIME_S
from underpass.hub.auth.openid import words
from underpass.hub.auth.requests import address_of, check_not_cross_site, is_https, set_cookie
from underpass.hub.auth.trusted import TrustedHeader
from underpass.hub.services import BrowserOnly, PublicUrl, Services, ServicesDep, services
from underpass.store import DeviceCodeRecord, UserRecord

router = APIRouter(prefix="/auth", tags=["auth"])


class IssuerOut(BaseModel):
    """One issuer that signs people in, at `/api/auth/openid/NAME`."""

    name: str
    label: str


class TroubleOut(BaseModel):
    """Why a sign-in by an issuer came to nothing."""

    code: str
    message: str
    hint: str


class AuthState(BaseModel):
    """What a page asks first. `trouble`: the words of the code that was asked about."""

    needs_setup: bool
    signed_in: bool
    issuers: list[IssuerOut]
    trouble: TroubleOut | None


class SignInIn(In):
    """A name and its password; `code` is the second step, once the answer asked for it."""

    name: str = Field(max_length=255)
    password: str = Field(max_length=4096)
    code: str | None = Field(None, max_length=64)


class SetupIn(In):
    """The first admin; `token` is from the link that the hub printed."""

    name: str = Field(max_length=255)
    password: str = Field(max_length=4096)
    token: str = Field(max_length=200)


class DeviceIn(In):
    """A machine that asks to be signed in, and what it says about itself."""

    purpose: Literal["session", "login"]
    name: str | None = Field(None, max_length=63)
    host: str = Field(max_length=255)
    user: str = Field(max_length=255)


class DeviceOut(BaseModel):
    """`device_code` is the machine's secret; `user_code` is what it shows."""

    device_code: str
    user_code: str
    verification_url: str
    interval_s: float = INTERVAL_S
    expires_in_s: float = LIFETIME_S


class DeviceTokenIn(In):
    """Asks whether somebody has approved."""

    device_code: str = Field(max_length=200)


class DeviceTokenOut(BaseModel):
    """`token` is a session token (`ups_`) or, for `login`, a key (`up_`)."""

    status: Literal["pending", "approved"]
    token: str | None = None
    session: dict[str, Any] | None = None
    user: str | None = None


class DeviceRequestOut(BaseModel):
    """What the person sees before approving."""

    user_code: str
    purpose: str
    name: str | None
    host: str
    user: str
    status: str
    expires_at: str | None


@router.get("/state")
async def state(
    request: Request,
    services: ServicesDep,
    trouble: Annotated[str, Query(max_length=64)] = "",
    issuer: Annotated[str, Query(max_length=64)] = "",
) -> AuthState:
    """Whether the hub needs its first admin, whether this browser is signed in, and how it can be.

    `trouble` and `issuer` are what the address of the sign-in page says after a sign-in that failed.
    """
    found = _state(services, trouble, issuer)
    try:
        await services.auth.authenticate(request.scope)
        return found.model_copy(update={"signed_in": True})
    except NotAuthenticated:
        needs_setup = await services.auth.sign_ins.needs_setup()
        return found.model_copy(update={"needs_setup": needs_setup})


@router.post("/sign-in", status_code=204)
async def sign_in(body: SignInIn, request: Request, services: ServicesDep) -> Response:
    """Sign this browser in by name and password."""
    check_not_cross_site(request.scope, services.config.public_url)
    browser = browser_of(request)
    try:
        user, cookie = await services.auth.sign_ins.by_password(
            body.name, body.password, browser, code=body.code
        )
    except NotAuthenticated as error:
        if error.code != "second_step_needed":
            await services.trail.note(
                "sign_in.failed",
                actor_id=None,
                subject=body.name,
                address=browser.address,
                code=error.code,
            )
        raise
    return await signed_in(request, services, user, cookie, by="password")


@router.post("/sign-out", status_code=204)
async def sign_out(request: Request, services: ServicesDep) -> Response:
    """End this browser's sign-in."""
    response = Response(status_code=204)
    response.headers.append("Set-Cookie", _cookie(request, "", 0))
    try:
        found = await services.auth.authenticator.credential(request.scope)
    except NotAuthenticated:
        return response
    if found.is_browser:
        await services.auth.sign_ins.end(found.id)
        await services.trail.note(
            "sign_out",
            actor_id=found.principal.user_id,
            subject=found.principal.user_name,
            address=address_of(request.scope),
        )
    return response


@router.post("/setup", status_code=204)
async def set_up(body: SetupIn, request: Request, services: ServicesDep) -> Response:
    """Make the first admin with the token of the printed link, and sign this browser in."""
    check_not_cross_site(request.scope, services.config.public_url)
    user, cookie = await services.auth.sign_ins.set_up(
        body.token, body.name, body.password, browser_of(request)
    )
    return await signed_in(request, services, user, cookie, by="setup")


@router.get("/link", status_code=303)
async def open_link(token: str, request: Request, services: ServicesDep) -> Response:
    """Sign this browser in by a one-time link, and go to the first page."""
    user, cookie = await services.auth.sign_ins.by_link(token[:200], browser_of(request))
    response = await signed_in(request, services, user, cookie, by="link")
    redirect = RedirectResponse("/", 303)
    redirect.headers.append("Set-Cookie", response.headers["Set-Cookie"])
    return redirect


@router.get("/header", status_code=303)
async def open_by_header(request: Request, services: ServicesDep) -> Response:
    """Sign this browser in as whom the site's own proxy names, and go to the first page."""
    trusted = TrustedHeader.parse(
        services.config.sign_in_header, services.config.sign_in_header_from
    )
    if trusted is None:
        raise NotFound("This hub has no sign-in by a proxy.")
    name = trusted.user_name(request.scope)
    user, cookie = await services.auth.sign_ins.by_site(name, browser_of(request))
    response = await signed_in(request, services, user, cookie, by="header")
    redirect = RedirectResponse("/", 303)
    redirect.headers.append("Set-Cookie", response.headers["Set-Cookie"])
    return redirect


# --- device codes ----------------------------------------------------------------------------


@router.post("/device", status_code=201)
async def ask_device(
    body: DeviceIn, request: Request, services: ServicesDep, url: PublicUrl
) -> DeviceOut:
    """Ask for a device code. Nobody has to be signed in for this."""
    record, secret = await services.auth.device.ask(
        body.purpose,
        name=body.name,
        host=body.host,
        user=body.user,
        address=address_of(request.scope),
    )
    return DeviceOut(
        device_code=secret,
        user_code=record.user_code,
        verification_url=f"{url}/connect?code={record.user_code}",
    )


@router.post("/device/token", responses={202: {"model": DeviceTokenOut}})
async def collect_device(
    body: DeviceTokenIn, request: Request, services: ServicesDep
) -> JSONResponse:
    """Collect what was approved: 202 while nobody has answered, 410 when it is over."""
    collected = await services.auth.device.collect(body.device_code)
    if collected is None:
        return JSONResponse({"status": "pending"}, 202)
    await services.trail.note(
        "device.signed_in",
        actor_id=collected.user.id,
        subject=(collected.session or {}).get("name") or collected.user.name,
        address=address_of(request.scope),
    )
    out = DeviceTokenOut(
        status="approved",
        token=collected.token,
        session=collected.session,
        user=collected.user.name,
    )
    return JSONResponse(out.model_dump())


@router.get("/device/{user_code}")
async def show_device(
    user_code: str, caller: BrowserOnly, services: ServicesDep
) -> DeviceRequestOut:
    """What asks under this code: shown before approving."""
    return _device_out(await services.auth.device.look(user_code))


@router.post("/device/{user_code}/approve")
async def approve_device(
    user_code: str, request: Request, caller: BrowserOnly, services: ServicesDep
) -> DeviceRequestOut:
    """Sign that machine in as me."""
    record = await services.auth.device.decide(
        user_code, caller.principal.user_id, is_approved=True
    )
    await services.trail.note(
        "device.approve",
        actor_id=caller.principal.user_id,
        subject=record.host,
        address=address_of(request.scope),
        purpose=record.purpose,
    )
    return _device_out(record)


@router.post("/device/{user_code}/deny")
async def deny_device(
    user_code: str, caller: BrowserOnly, services: ServicesDep
) -> DeviceRequestOut:
    """Refuse that machine."""
    return _device_out(
        await services.auth.device.decide(user_code, caller.principal.user_id, is_approved=False)
    )


# --- helpers ---------------------------------------------------------------------------------


def _state(services: Services, trouble: str, issuer: str) -> AuthState:
    labels = services.auth.openid.labels if services.auth.openid else {}
    shown = None
    if trouble in words.WORDS and issuer in labels:
        message, hint = words.said(trouble, labels[issuer])
        shown = TroubleOut(code=trouble, message=message, hint=hint)
    return AuthState(
        needs_setup=False,
        signed_in=False,
        issuers=[IssuerOut(name=name, label=label) for name, label in labels.items()],
        trouble=shown,
    )


async def signed_in(
    request: Request, services: Services, user: UserRecord, cookie: str, **detail: str
) -> Response:
    """The answer to a sign-in, with its cookie; `detail` says how it came about."""
    await services.trail.note(
        "sign_in", actor_id=user.id, subject=user.name, address=address_of(request.scope), **detail
    )
    response = Response(status_code=204)
    max_age_s = int(services.auth.sign_ins.lifetime_s)
    response.headers.append("Set-Cookie", _cookie(request, cookie, max_age_s))
    return response


def is_secure(request: Request) -> bool:
    """Whether the browser is at an https address, so that cookies may be for those only."""
    return is_https(request.scope, services(request).config.public_url)


def _cookie(request: Request, secret: str, max_age_s: int) -> str:
    return set_cookie(secret, max_age_s=max_age_s, is_secure=is_secure(request))


def _device_out(record: DeviceCodeRecord) -> DeviceRequestOut:
    return DeviceRequestOut(
        user_code=record.user_code,
        purpose=record.purpose,
        name=record.name,
        host=record.host,
        user=record.user,
        status=record.status.value,
        expires_at=iso(record.expires_at),
    )
