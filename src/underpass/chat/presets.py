"""Presets: a system prompt and settings under a name, each user's own."""

from __future__ import annotations

from underpass.chat.check import checked_settings, checked_title
from underpass.chat.prompt import SYSTEM_PROMPT
from underpass.chat.shapes import Json, preset_out
from underpass.core.clock import Clock
from underpass.core.errors import Conflict, InvalidRequest, NotFound, TooMany
from underpass.core.ids import new_id
from underpass.core.principal import Principal
from underpass.store import PresetRecord, Store

MAX_PRESETS = 500
"""Of one user."""


class Presets:
    """The presets of all users; only owners meet theirs."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self,
        caller: Principal,
        *,
        name: str,
        system_prompt: str = "",
        settings: Json | None = None,
        model: str | None = None,
    ) -> Json:
        """A new preset. Raises InvalidRequest, TooLarge, TooMany, Conflict (`name_taken`)."""
        if await self._store.presets.count(caller.user_id) >= MAX_PRESETS:
            raise TooMany(f"You have {MAX_PRESETS} presets.", hint="Delete one first.")
        preset = PresetRecord(
            id=new_id("pre"),
            owner_id=caller.user_id,
            name=_checked_name(name),
            system_prompt=system_prompt,
            settings=_checked(system_prompt, settings),
            model=model,
            created_at=self._clock.now(),
        )
        try:
            return preset_out(await self._store.presets.add(preset))
        except Conflict as error:
            raise _taken(preset.name) from error

    async def list(self, caller: Principal, *, after: str | None = None, limit: int = 100) -> Json:
        """The caller's presets, newest first."""
        page = await self._store.presets.list(caller.user_id, after=after, limit=limit)
        return {"items": [preset_out(preset) for preset in page.items], "next": page.next}

    async def get(self, caller: Principal, preset_id: str) -> Json:
        """One of the caller's; raises NotFound."""
        return preset_out(await self._own(caller, preset_id))

    async def update(self, caller: Principal, preset_id: str, changes: Json) -> Json:
        """Changes what `changes` names. Raises as `create` does, and NotFound."""
        preset = await self._own(caller, preset_id)
        checked = dict(changes)
        if "name" in checked:
            checked["name"] = _checked_name(checked["name"] or "")
        if "system_prompt" in checked:
            checked["system_prompt"] = checked["system_prompt"] or ""
        prompt = checked.get("system_prompt", preset.system_prompt)
        settings = _checked(prompt, checked.get("settings", preset.settings))
        checked["settings"] = settings
        try:
            return preset_out(await self._store.presets.update(preset.id, **checked))
        except Conflict as error:
            raise _taken(checked.get("name", preset.name)) from error

    async def delete(self, caller: Principal, preset_id: str) -> None:
        """Deletes one; chats that began with it stay as they are."""
        await self._store.presets.remove((await self._own(caller, preset_id)).id)

    async def _own(self, caller: Principal, preset_id: str) -> PresetRecord:
        preset = await self._store.presets.find(preset_id)
        if preset is None or preset.owner_id != caller.user_id:
            raise NotFound(f"There is no preset '{preset_id[:80]}'.")
        return preset


def _checked_name(name: str) -> str:
    name = checked_title(name)
    if not name:
        raise InvalidRequest("A preset needs a name.", hint="Write one or two words.")
    return name


def _checked(system_prompt: str, settings: Json | None) -> Json:
    """The settings, which together with the prompt have to be good for a chat."""
    settings = dict(settings or {})
    if SYSTEM_PROMPT in settings:
        raise InvalidRequest(
            "A preset's system prompt stands beside its settings.",
            hint="Give it as 'system_prompt' of the preset.",
        )
    checked_settings({**settings, SYSTEM_PROMPT: system_prompt})
    return settings


def _taken(name: str) -> Conflict:
    return Conflict(
        f"You have a preset '{name}' already.", code="name_taken", hint="Choose another name."
    )
