"""`/api/me/preferences`: how somebody wants the pages, the same in every browser."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from underpass.core.errors import InvalidRequest
from underpass.core.principal import Principal
from underpass.hub.api.shapes import In
from underpass.hub.services import Reader, ServicesDep, SessionsUser

router = APIRouter(prefix="/me/preferences", tags=["me"])

MAX_FAVOURITES = 100

Model = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class PreferencesOut(BaseModel):
    """What one has chosen. `theme` null: nothing yet, so as the system has it."""

    favourites: list[str] = []
    theme: Literal["system", "light", "dark"] | None = None
    send_key: Literal["enter", "ctrl_enter"] = "enter"


class PreferencesPatch(In):
    """What is to change; what is left out stays. `favourites` are models: PROVIDER/MODEL."""

    favourites: list[Model] = Field(default_factory=list, max_length=MAX_FAVOURITES)
    theme: Literal["system", "light", "dark"] | None = None
    send_key: Literal["enter", "ctrl_enter"] = "enter"


@router.get("")
async def show_preferences(caller: Reader, services: ServicesDep) -> PreferencesOut:
    """My preferences."""
    return _out(await services.store.preferences.of_user(caller.user_id))


@router.patch("")
async def change_preferences(
    body: PreferencesPatch, caller: SessionsUser, services: ServicesDep
) -> PreferencesOut:
    """Change some of my preferences; every open page of mine hears of it."""
    changes = body.model_dump(exclude_unset=True)
    if not changes:
        raise InvalidRequest("There is nothing to change.", hint="Name a preference.")
    if "favourites" in changes:
        changes["favourites"] = list(dict.fromkeys(changes["favourites"]))
    chosen = _out(await services.store.preferences.change(caller.user_id, changes))
    _publish(services, caller, chosen)
    return chosen


def _publish(services: ServicesDep, caller: Principal, chosen: PreferencesOut) -> None:
    services.feed.publish(caller.user_id, "preferences", "upsert", chosen.model_dump())


def _out(chosen: dict[str, object]) -> PreferencesOut:
    """What is stored, as far as this hub knows it: an older or newer one may have known more."""
    known = {name: chosen[name] for name in PreferencesOut.model_fields if name in chosen}
    return PreferencesOut.model_validate(known)
