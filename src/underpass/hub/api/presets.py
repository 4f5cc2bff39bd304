"""`/api/presets`: system prompts and settings to begin chats with, each user's own."""

from __future__ import annotations

from fastapi import APIRouter, Response

from underpass.hub.api.chat_shapes import PresetIn, PresetOut, PresetPatch
from underpass.hub.api.shapes import After, Limit, ListOf
from underpass.hub.services import Reader, ServicesDep, SessionsUser

router = APIRouter(prefix="/presets", tags=["presets"])


@router.get("")
async def list_presets(
    caller: Reader, services: ServicesDep, after: After = None, limit: Limit = 100
) -> ListOf[PresetOut]:
    """My presets, newest first."""
    found = await services.chats.presets.list(caller, after=after, limit=limit)
    return ListOf[PresetOut].model_validate(found)


@router.post("", status_code=201)
async def create_preset(body: PresetIn, caller: SessionsUser, services: ServicesDep) -> PresetOut:
    """Keep a system prompt and settings under a name."""
    made = await services.chats.presets.create(caller, **body.model_dump())
    return PresetOut.model_validate(made)


@router.get("/{preset_id}")
async def show_preset(preset_id: str, caller: Reader, services: ServicesDep) -> PresetOut:
    """One preset of mine."""
    return PresetOut.model_validate(await services.chats.presets.get(caller, preset_id))


@router.patch("/{preset_id}")
async def change_preset(
    preset_id: str, body: PresetPatch, caller: SessionsUser, services: ServicesDep
) -> PresetOut:
    """Change a preset; chats that began with it stay as they are."""
    changes = body.model_dump(exclude_unset=True)
    return PresetOut.model_validate(await services.chats.presets.update(caller, preset_id, changes))


@router.delete("/{preset_id}", status_code=204)
async def delete_preset(preset_id: str, caller: SessionsUser, services: ServicesDep) -> Response:
    """Delete a preset; chats that began with it stay as they are."""
    await services.chats.presets.delete(caller, preset_id)
    return Response(status_code=204)
