"""Sessions whose job their user submits, on a login node that has not joined ("run once and go").

The hub makes the session and its order; the machine submits it and tells what came of that; from then on the
job's own agent reports, and ends its job when it is asked to. Nothing of ours stays on the login node, so the
hub can neither look at the queue for it nor start it again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from underpass.clusters.messages import order_to_json
from underpass.core.errors import Conflict, InvalidRequest, NotFound
from underpass.core.ids import hash_secret, new_secret
from underpass.core.principal import Principal
from underpass.core.states import SessionStatus
from underpass.sessions.catalogue import Catalogue
from underpass.sessions.room import Room
from underpass.sessions.specs import order_of
from underpass.store import SessionRecord

TOKEN_PREFIX = "ups_"
KINDS = frozenset({"slurm", "pbs"})
MAX_JOB_ID_CHARS, MAX_WORDS_CHARS = 100, 1000


def cluster_gone(session: SessionRecord) -> Conflict:
    """Why the hub cannot start another job of this session."""
    direct = session.spec.get("direct")
    if direct:
        return Conflict(
            f"Its job was submitted on {direct['host']}, so the hub cannot start another.",
            code="cluster_gone",
            hint="Run the command there again, or join the machine: underpass clusters join.",
        )
    return Conflict(
        "The cluster that it ran on is gone.",
        code="cluster_gone",
        hint="Start a new session on another cluster.",
    )


class Direct:
    """Makes them, and takes the word on their submit."""

    def __init__(self, room: Room, catalogue: Catalogue) -> None:
        self._room = room
        self._catalogue = catalogue

    async def start(
        self, caller: Principal, *, kind: str, host: str, **asked: Any
    ) -> tuple[SessionRecord, dict[str, Any]]:
        """The session, and the order to submit, which holds its token and is shown once.

        Raises InvalidRequest, NotFound (template), Conflict (`name_taken`).
        """
        if kind not in KINDS:
            there = ", ".join(sorted(KINDS))
            raise InvalidRequest(
                f"There is no scheduler '{kind[:40]}'.", hint=f"There are: {there}."
            )
        record = await self._catalogue.asked_for_elsewhere(caller, **asked)
        token = new_secret(TOKEN_PREFIX)
        record = replace(
            record,
            status_reason=f"It is being submitted on {host}.",
            token_hash=hash_secret(token),
            spec=record.spec | {"direct": {"kind": kind, "host": host}},
        )
        await self._room.store.sessions.add(record)
        await self._room.note(record.id, "created", f"Asked for on {host}, with {record.template}.")
        live = await self._room.live_of(record.id)
        await self._room.publish(record)
        tag = live.tag
        order = order_of(record, tag, token, self._room.settings.limits.stop_grace_s)
        return record, order_to_json(order)

    async def submitted(
        self, caller: Principal, session_id: str, *, job_id: str | None, rejected: str | None
    ) -> SessionRecord:
        """What came of the submit: a job's id, or the words with which it was refused.

        Raises NotFound, Conflict (`session_not_direct`, `session_not_queued`).
        """
        live = await self._room.live_of(session_id)
        if live.record.owner_id != caller.user_id:
            await self._room.store.sessions.find(session_id)  # as long an answer as about none
            raise NotFound("There is no such session.")
        async with live.lock:
            if "direct" not in live.record.spec:
                raise Conflict("The hub submits this session itself.", code="session_not_direct")
            if live.record.job_id is not None:
                raise Conflict("Its job is known already.", code="session_not_queued")
            if job_id is not None:
                # It may run by now: its agent was faster than this.
                host = live.record.spec["direct"]["host"]
                text = f"Given to {host} as job {job_id[:MAX_JOB_ID_CHARS]}."
                await self._room.note(session_id, "submitted", text)
                await self._room.change(live, job_id=job_id[:MAX_JOB_ID_CHARS])
            elif live.record.status is SessionStatus.QUEUED:
                live.rejected = (rejected or "It was not submitted.")[:MAX_WORDS_CHARS]
        self._room.wake(session_id)
        return live.record
