"""PBS as a cluster: the five verbs, on a login node, as the user who runs them."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from underpass.clusters.base import Capabilities, JobOrder, JobRef, JobReport
from underpass.clusters.commands import Commands
from underpass.clusters.folder import JobFolders
from underpass.clusters.pbs import capabilities
from underpass.clusters.pbs.capabilities import PbsOffer
from underpass.clusters.pbs.commands import PBS
from underpass.clusters.pbs.poll import Watch
from underpass.clusters.pbs.submit import JOB_ID, SCRIPT, Submitter, script_of
from underpass.clusters.relay import RELAY_FILE
from underpass.clusters.script import Surroundings, cache_environment
from underpass.clusters.slurm.capabilities import check
from underpass.clusters.slurm.options import check_numbers
from underpass.core.errors import LaunchRejected, SchedulerSilent

OFFER_KEPT_S = 300.0
JOB_LOG = "job.log"


class PbsCluster:
    """Jobs of one user; `folder` lies on a disk that the compute nodes share with this machine."""

    kind = "pbs"
    poll_interval_s = 15.0

    def __init__(
        self,
        folder: Path,
        *,
        hub_url: str | Callable[[], str],
        environment: Mapping[str, str],
        user: str,
        ca_file: str | None = None,
        insecure_http: bool = False,
        python: str = sys.executable,
        scratch: str | None = None,
    ) -> None:
        self._hub_url = hub_url
        self._environment = environment
        self._user = user
        self._ca_file = ca_file
        self._insecure_http = insecure_http
        self._python = python
        self._scratch = scratch
        self._folders = JobFolders(folder)
        self._commands = Commands(PBS, environment)
        self._watch = Watch(self._commands, self._folders, user)
        self._submitter = Submitter(self._commands, self._folders, self._watch)
        self._offer: PbsOffer | None = None
        self._offer_at = 0.0
        self._submitting: dict[str, asyncio.Lock] = {}

    def __repr__(self) -> str:
        return f"PbsCluster({self._user}, {self._folders.root})"

    async def submit(self, order: JobOrder) -> str:
        """Gives the job to qsub, once for each tag."""
        lock = self._submitting.setdefault(order.tag, asyncio.Lock())
        try:
            async with lock:
                return await self._submit(order)
        finally:
            if not lock.locked():
                self._submitting.pop(order.tag, None)

    async def show(self, order: JobOrder) -> str:
        """The text for qsub: the very file, if it was submitted."""
        with suppress(OSError):
            return (self._folders.of(order.tag) / SCRIPT).read_text(encoding="utf-8")
        await self._check(order)
        return script_of(order, self._around(order.tag), await self._gpu_key())

    async def poll(self, tags: Sequence[str]) -> list[JobReport]:
        """One question for all of them."""
        return await self._watch.poll(tags)

    async def cancel(self, job: JobRef, *, kill: bool = False) -> None:
        """qdel: TERM, then KILL after the site's kill_delay; with `kill` without asking the machine."""
        known = [job.job_id] if job.job_id is not None else await self._jobs_of(job.tag)
        ids = [one for one in known if one is not None and JOB_ID.fullmatch(one)]
        if not ids:
            return
        force = ("-W", "force") if kill else ()
        answer = await self._commands.ask("qdel", *force, *ids)
        # One that has ended, or that is gone, is what was wanted.
        if answer.is_error and "unauthorized" in answer.err.lower():
            raise SchedulerSilent(f"qdel: {answer.words}.")

    async def capabilities(self, programs: Sequence[str]) -> Capabilities:
        """The cluster; of programs only those that are here, as modules and images bring others."""
        offer = (await self._offered(max_age_s=0.0)).offer
        path = self._environment.get("PATH")
        there = {name: where for name in programs if (where := shutil.which(name, path=path))}
        cpus = max((one.cpus for one in offer.partitions), default=None)
        extra = offer.as_json()
        return Capabilities(
            self.kind, socket.gethostname(), self._user, cpus, offer.gpus(), there, extra
        )

    async def logs(self, job: JobRef, lines: int) -> list[str]:
        """The end of what the job wrote."""
        return await asyncio.to_thread(self._folders.tail, job.tag, JOB_LOG, lines)

    # --- inside ----------------------------------------------------------------------------------

    async def _submit(self, order: JobOrder) -> str:
        known = await self._submitter.known_job(order.tag)
        if known is not None:
            return known
        await self._check(order)
        around, key = self._around(order.tag), await self._gpu_key()
        await asyncio.to_thread(self._folders.prepare, order, around, self._watch.is_live)
        return await self._submitter.submit(order, around, key)

    async def _check(self, order: JobOrder) -> None:
        """Raises LaunchRejected, before anything is written."""
        check_numbers(order.resources)
        if order.others:
            raise LaunchRejected(
                "One server on several machines is started with Slurm only.",
                hint="Leave `nodes` out, or use the template `custom` with a command of yours.",
            )
        key = ""
        with suppress(SchedulerSilent):
            found = await self._offered(max_age_s=OFFER_KEPT_S)
            key = found.gpu_key
            # Machines are shown for every queue: what a queue limits besides time, PBS says itself.
            check(replace(order.resources, qos=None), found.offer, socket.gethostname(), "queue")
        script_of(order, self._around(order.tag), key)
        self._folders.check(order)
        program = order.command[0] if order.command else "{python}"
        is_path = "/" in program and order.software.is_plain
        if is_path and not os.access(os.path.join(order.cwd or "", program), os.X_OK):
            raise LaunchRejected(
                f"The program {program} is not there, or cannot be run, on {socket.gethostname()}.",
                hint="Check its path.",
            )

    async def _gpu_key(self) -> str:
        with suppress(SchedulerSilent):
            return (await self._offered(max_age_s=OFFER_KEPT_S)).gpu_key
        return ""

    async def _offered(self, max_age_s: float) -> PbsOffer:
        now = time.monotonic()
        if self._offer is None or now - self._offer_at > max_age_s:
            self._offer = await capabilities.ask(self._commands)
            self._offer_at = now
        return self._offer

    async def _jobs_of(self, tag: str) -> list[str | None]:
        rows = await self._watch.show(await self._watch.own_jobs())
        live = [row.job_id for row in rows if row.tag == tag and row.state not in ("F", "C", "X")]
        return list(dict.fromkeys([self._watch.job_of(tag), *live]))

    def _around(self, tag: str) -> Surroundings:
        url = self._hub_url if isinstance(self._hub_url, str) else self._hub_url()
        return Surroundings(
            hub_url=url,
            job_dir=str(self._folders.of(tag).absolute()),
            python=self._python,
            kind=self.kind,
            ca_file=self._ca_file,
            insecure_http=self._insecure_http,
            relay_file=str((self._folders.root / RELAY_FILE).absolute()),
            env=cache_environment(self._environment, self._scratch),
        )
