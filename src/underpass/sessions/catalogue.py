"""What sessions are made of: the templates, and the session or script that a choice comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from underpass.clusters import template as templates
from underpass.clusters.template import Launch, Template
from underpass.core.errors import Conflict, NotFound
from underpass.core.ids import new_id
from underpass.core.names import close_matches
from underpass.core.principal import Principal
from underpass.sessions import views
from underpass.sessions.names import Names
from underpass.sessions.places import Places
from underpass.sessions.room import Room
from underpass.sessions.specs import order_of, session_spec
from underpass.store import SessionRecord


class Catalogue:
    """The templates of a hub."""

    def __init__(
        self, room: Room, places: Places, names: Names, templates_dir: Path | None
    ) -> None:
        """Raises ConfigError for a template that is wrong."""
        self._room = room
        self._places = places
        self._names = names
        self._templates = templates.load(templates_dir)
        programs = {one.program for one in self._templates.values() if one.program is not None}
        places.programs = tuple(sorted(programs))

    async def shown(self, caller: Principal, cluster: str | None = None) -> list[dict[str, Any]]:
        """All templates, and why one cannot be used on that cluster. Raises NotFound."""
        found = list(self._templates.values())
        try:
            place = await self._places.find(caller, cluster)
            why_not = await self._places.why_not(place, found)
        except NotFound as error:
            if cluster is not None:
                raise
            why_not = {template.name: error.sentence() for template in found}
        return [views.template(one, why_not=why_not.get(one.name)) for one in found]

    async def asked_for(
        self,
        caller: Principal,
        *,
        template: str,
        params: dict[str, Any] | None = None,
        name: str | None = None,
        cluster: str | None = None,
        openai: bool = True,
    ) -> SessionRecord:
        """The session that these choices come to, not stored yet.

        Raises InvalidRequest (names the parameter), NotFound (template, cluster), Conflict
        (`name_taken`, `template_unavailable`).
        """
        found = self._named(template)
        launch = templates.launch(found, params or {})
        place = await self._places.find(caller, cluster)
        if not self._places.is_online(place.id):
            raise Conflict(
                f"The cluster {place.name} is not connected.",
                code="cluster_offline",
                hint="Run `underpass clusters join` there, or choose another cluster.",
            )
        if launch.software.is_plain:
            why_not = (await self._places.why_not(place, [found])).get(found.name)
            if why_not is not None:
                raise Conflict(why_not, code="template_unavailable")
        return await self._record(
            caller, found, launch, params or {}, name=name, cluster_id=place.id, openai=openai
        )

    async def asked_for_elsewhere(
        self,
        caller: Principal,
        *,
        template: str,
        params: dict[str, Any] | None = None,
        name: str | None = None,
        openai: bool = True,
    ) -> SessionRecord:
        """The same for a job that its user submits: whether it can run there is not the hub's to say.

        Raises InvalidRequest, NotFound (template), Conflict (`name_taken`).
        """
        found = self._named(template)
        launch = templates.launch(found, params or {})
        return await self._record(
            caller, found, launch, params or {}, name=name, cluster_id=None, openai=openai
        )

    async def _record(
        self,
        caller: Principal,
        found: Template,
        launch: Launch,
        params: dict[str, Any],
        *,
        name: str | None,
        cluster_id: str | None,
        openai: bool,
    ) -> SessionRecord:
        chosen = await self._names.free(caller, name, str(params.get("model") or found.name))
        return SessionRecord(
            id=new_id("ses"),
            owner_id=caller.user_id,
            name=chosen,
            created_at=self._room.clock.now(),
            status_reason="Waiting to be given to its cluster.",
            cluster_id=cluster_id,
            template=found.name,
            spec=session_spec(launch, params, tunnel=chosen, openai=openai),
        )

    async def script_of(self, record: SessionRecord) -> str:
        """What is submitted for a session's present launch. Raises Conflict (`cluster_gone`)."""
        cluster = self._places.cluster(record.cluster_id)
        if cluster is None:
            raise Conflict("The cluster that it ran on is gone.", code="cluster_gone")
        tag = f"{record.id}.{record.spec.get('launch', 1)}"
        return await cluster.show(
            order_of(record, tag, "", self._room.settings.limits.stop_grace_s)
        )

    # --- inside ------------------------------------------------------------------------------

    def _named(self, name: str) -> Template:
        found = self._templates.get(name)
        if found is not None:
            return found
        close = close_matches(name, self._templates)
        raise NotFound(
            f"There is no template '{name[:80]}'.",
            hint=f"There are: {', '.join(close or sorted(self._templates))}.",
        )
