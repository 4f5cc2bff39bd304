"""`/api/me/two-step`: a code besides the password; and an admin's way to turn it off for somebody."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from underpass.core.errors import Conflict, NotFound
from underpass.core.times import iso
from underpass.hub.api.shapes import In
from underpass.hub.auth import Credential
from underpass.hub.auth.requests import address_of
from underpass.hub.services import Admin, BrowserOnly, Services, ServicesDep

router = APIRouter(tags=["me"])

QR_SCALE = 4


class TwoStepOut(BaseModel):
    """Whether a code is asked for, and how many recovery codes are left.

    `is_possible`: there is a password here that it could go with.
    """

    is_on: bool
    is_possible: bool
    since: str | None
    recovery_codes_left: int


class PasswordOnlyIn(In):
    """The password one has."""

    password: str = Field(max_length=4096)


class CodeIn(In):
    """What the app shows now, or (but for `confirm`) a recovery code."""

    code: str = Field(max_length=64)


class SecretOut(BaseModel):
    """What an app needs, to type (`secret`) and to scan (`qr`, an SVG as a `data:` address)."""

    secret: str
    uri: str
    qr: str


class RecoveryCodesOut(BaseModel):
    """Each is good once; they are shown this once."""

    recovery_codes: list[str]


@router.get("/me/two-step")
async def show_two_step(caller: BrowserOnly, services: ServicesDep) -> TwoStepOut:
    """Is a code asked for when I sign in?"""
    user = await services.store.users.get(caller.principal.user_id)
    record = await services.auth.second_step.of_user(user.id)
    return TwoStepOut(
        is_on=record is not None,
        is_possible=user.password_hash is not None,
        since=iso(record.created_at) if record else None,
        recovery_codes_left=len(record.recovery) if record else 0,
    )


@router.post("/me/two-step", status_code=201)
async def begin_two_step(
    body: PasswordOnlyIn, request: Request, caller: BrowserOnly, services: ServicesDep
) -> SecretOut:
    """A new secret for an app. No code is asked for until one is confirmed."""
    import segno  # 30 ms that only this needs

    address = address_of(request.scope)
    user = await services.auth.accounts.check_password(
        caller.principal.user_name, body.password, address
    )
    secret, uri = await services.auth.second_step.begin(user)
    code = segno.make(uri, error="m", micro=False)
    qr = code.svg_data_uri(scale=QR_SCALE, dark="#000", light="#fff")
    return SecretOut(secret=secret, uri=uri, qr=qr)


@router.post("/me/two-step/confirm")
async def confirm_two_step(
    body: CodeIn, request: Request, caller: BrowserOnly, services: ServicesDep
) -> RecoveryCodesOut:
    """From now on a code is asked for; every other browser is signed out."""
    user_id = caller.principal.user_id
    codes = await services.auth.second_step.confirm(user_id, body.code)
    await services.auth.accounts.sign_out_elsewhere(user_id, keep=caller.id)
    await _note(services, request, caller, "two_step.on")
    return RecoveryCodesOut(recovery_codes=codes)


@router.post("/me/two-step/recovery-codes")
async def new_recovery_codes(
    body: CodeIn, request: Request, caller: BrowserOnly, services: ServicesDep
) -> RecoveryCodesOut:
    """Ten new recovery codes in place of the old ones."""
    codes = await services.auth.second_step.new_recovery_codes(caller.principal.user_id, body.code)
    await _note(services, request, caller, "two_step.recovery_codes")
    return RecoveryCodesOut(recovery_codes=codes)


@router.post("/me/two-step/off", status_code=204)
async def turn_two_step_off(
    body: CodeIn, request: Request, caller: BrowserOnly, services: ServicesDep
) -> Response:
    """The password alone again."""
    await services.auth.second_step.turn_off(caller.principal.user_id, body.code)
    await _note(services, request, caller, "two_step.off")
    return Response(status_code=204)


@router.delete("/users/{user_id}/two-step", status_code=204, tags=["users"])
async def reset_two_step(
    user_id: str, request: Request, caller: Admin, services: ServicesDep
) -> Response:
    """Turn somebody's two-step sign-in off: they have lost phone and recovery codes."""
    if user_id == caller.user_id:
        # Who holds an admin's browser or key must not get rid of what keeps them out next time.
        raise Conflict(
            "Turn your own off with a code.", code="own_user", hint="It is in your settings."
        )
    user = await services.store.users.get(user_id)
    if not await services.auth.second_step.reset(user_id):
        raise NotFound("This user has no two-step sign-in.")
    await services.trail.note(
        "two_step.reset",
        actor_id=caller.user_id,
        subject=user.name,
        address=address_of(request.scope),
    )
    return Response(status_code=204)


async def _note(services: Services, request: Request, caller: Credential, action: str) -> None:
    await services.trail.note(
        action,
        actor_id=caller.principal.user_id,
        subject=caller.principal.user_name,
        address=address_of(request.scope),
    )
