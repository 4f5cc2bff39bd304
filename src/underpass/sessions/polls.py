"""Asking the clusters: one poll for each and tick, for all of its sessions together.

What is heard becomes facts. A cluster that does not answer is asked less and less often, and its
silence is written down as silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from underpass.clusters.base import Cluster, JobPhase, JobReport
from underpass.core.errors import AppError
from underpass.core.states import SESSION_ENDS, SessionStatus
from underpass.sessions.places import Places
from underpass.sessions.room import Live, Room, log

FAST_POLL_S = 0.25
"""While a session on the hub's own machine is stopping: looking costs next to nothing there."""
SLOWEST_POLL_S = 60.0
FIRST_LOOK_S = 1.0

_S = SessionStatus


class Polls:
    """Which cluster is asked when. `wake` is told of each session with news."""

    def __init__(self, room: Room, places: Places, wake: Callable[[str], None]) -> None:
        self._room = room
        self._places = places
        self._wake = wake
        self._next_at: dict[str, float] = {}
        self._pause_s: dict[str, float] = {}
        self._eager_s: dict[str, float] = {}
        """Each look after something was asked waits twice as long, up to the usual."""
        self._polling: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        """The polls that are under way."""

    async def close(self) -> None:
        """Drops the polls that are under way."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def hurry(self, cluster_id: str | None) -> None:
        """Something was just asked of the cluster: look soon what came of it."""
        if cluster_id is not None and cluster_id not in self._pause_s:
            self._next_at.pop(cluster_id, None)
            self._eager_s[cluster_id] = FIRST_LOOK_S

    def start_due(self) -> None:
        """One poll for each cluster whose time has come, for all of its sessions together."""
        now = self._room.clock.now()
        by_place: dict[str, list[Live]] = {}
        for live in self._room.live.values():
            if live.record.cluster_id is not None and _is_watched(live):
                by_place.setdefault(live.record.cluster_id, []).append(live)
        for place, lives in by_place.items():
            cluster = self._places.cluster(place)
            if cluster is None or place in self._polling or now < self._next_at.get(place, 0):
                continue
            self._polling.add(place)
            task = asyncio.get_running_loop().create_task(self._poll(place, cluster, lives))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _poll(self, place: str, cluster: Cluster, lives: list[Live]) -> None:
        asked = {live.tag: (live, live.record.job_id) for live in lives}
        try:
            reports = await cluster.poll(list(asked))
        except AppError as error:
            self._silent(place, cluster, lives)
            log.debug("cluster %s: %s", place, error.message)
        except Exception:  # noqa: BLE001 - an adapter's bug is silence, and is never "dead"
            self._silent(place, cluster, lives)
            log.exception("polling %s failed", place)
        else:
            is_hurried = any(_is_at_its_end(live) for live in lives)
            is_local = self._places.watches_time(place) and cluster.poll_interval_s <= 1
            eager_s = min(self._eager_s.get(place, FIRST_LOOK_S), cluster.poll_interval_s)
            self._eager_s[place] = eager_s * 2
            usual_s = eager_s if is_hurried else cluster.poll_interval_s
            pause_s = FAST_POLL_S if is_hurried and is_local else usual_s
            if not is_hurried:
                self._eager_s.pop(place, None)
            self._pause_s.pop(place, None)
            self._next_at[place] = self._room.clock.now() + pause_s
            for tag, (live, job_id) in asked.items():
                # What was submitted meanwhile was not asked about.
                if live.tag == tag and live.record.job_id == job_id and not live.is_submitting:
                    self._heard(live, [one for one in reports if one.tag == tag])
        finally:
            self._polling.discard(place)

    def _silent(self, place: str, cluster: Cluster, lives: list[Live]) -> None:
        now = self._room.clock.now()
        pause_s = min(self._pause_s.get(place, cluster.poll_interval_s) * 2, SLOWEST_POLL_S)
        self._pause_s[place] = pause_s
        self._next_at[place] = now + pause_s
        for live in lives:
            live.silent_since = live.silent_since or now
            live.missing_since = None
            self._wake(live.record.id)

    def _heard(self, live: Live, reports: list[JobReport]) -> None:
        """Writes down what the scheduler said about one session."""
        now = self._room.clock.now()
        alive = [one for one in reports if one.phase is not JobPhase.ENDED]
        mine = [one for one in reports if one.job_id == live.record.job_id]
        # A job that ended beside one that lives (requeued under a new id) is not the session's.
        best = next((one for one in (*mine, *alive) if one in alive), None)
        if best is None:
            best = next(iter(mine or reports), None)
        before = live.report
        live.silent_since, live.report, live.report_at = None, best, now
        live.extras = tuple(
            one.job_id
            for one in alive
            if best is not None
            and one.job_id != best.job_id
            and one.job_id not in live.cancelled_extras
        )
        if best is None:
            live.missing_since = live.missing_since or now
        else:
            live.missing_since = None
            if best.phase is JobPhase.ENDED and live.ended_at is None:
                live.ended_at = now
        if best != before or best is None or live.extras:
            self._wake(live.record.id)


def _is_watched(live: Live) -> bool:
    """Whether its job is worth a question."""
    if live.record.status in SESSION_ENDS and live.is_swept:
        return False
    return live.record.job_id is not None or live.in_doubt_since is not None


def _is_at_its_end(live: Live) -> bool:
    """Whether the next word of its scheduler is likely to be the last one."""
    is_over = live.record.status in SESSION_ENDS
    return live.record.status is _S.STOPPING or (live.said is not None and not is_over)
