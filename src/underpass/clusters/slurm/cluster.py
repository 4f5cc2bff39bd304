"""Slurm as a cluster: the five verbs, on a login node, as the user who runs them."""

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
from underpass.clusters.folder import JobFolders
from underpass.clusters.relay import RELAY_FILE
from underpass.clusters.script import Surroundings, cache_environment
from underpass.clusters.slurm import capabilities
from underpass.clusters.slurm.capabilities import Offer
from underpass.clusters.slurm.commands import SLURM, Commands
from underpass.clusters.slurm.options import check_numbers
from underpass.clusters.slurm.poll import Watch, tag_of
from underpass.clusters.slurm.submit import SCRIPT, Submitter, script_of
from underpass.core.errors import LaunchRejected, SchedulerSilent

OFFER_KEPT_S = 300.0
JOB_LOG = "job.log"


class SlurmCluster:
    """Jobs of one user; `folder` lies on a disk that the compute nodes share with this machine."""

    kind = "slurm"
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
        self._commands = Commands(SLURM, environment)
        self._watch = Watch(self._commands, self._folders, user)
        self._submitter = Submitter(self._commands, self._folders, self._watch)
        self._offer: Offer | None = None
        self._offer_at = 0.0
        self._submitting: dict[str, asyncio.Lock] = {}

    def __repr__(self) -> str:
        return f"SlurmCluster({self._user}, {self._folders.root})"

    async def submit(self, order: JobOrder) -> str:
        """Gives the job to sbatch, once for each tag."""
        lock = self._submitting.setdefault(order.tag, asyncio.Lock())
        try:
            async with lock:
                return await self._submit(order)
        finally:
            if not lock.locked():
                self._submitting.pop(order.tag, None)

    async def show(self, order: JobOrder) -> str:
        """The text for sbatch: the very file, if it was submitted."""
        with suppress(OSError):
            return (self._folders.of(order.tag) / SCRIPT).read_text(encoding="utf-8")
        return script_of(await self._checked(order), self._around(order.tag))

    async def poll(self, tags: Sequence[str]) -> list[JobReport]:
        """One question for all of them."""
        return await self._watch.poll(tags)

    async def cancel(self, job: JobRef, *, kill: bool = False) -> None:
        """scancel: TERM, then KILL after the site's KillWait; that is all that there is to ask for."""
        del kill
        found = {job.job_id} if job.job_id is not None else await self._jobs_of(job.tag)
        for job_id in sorted(one for one in found if one is not None and one.isdigit()):
            answer = await self._commands.ask("scancel", job_id)
            # One that has ended, or that is gone, is what was wanted.
            if answer.is_error and "permission" in answer.err.lower():
                raise SchedulerSilent(f"scancel: {answer.words}.")

    async def capabilities(self, programs: Sequence[str]) -> Capabilities:
        """The cluster; of programs only those that are here, as modules and images bring others."""
        offer = await self._offered(max_age_s=0.0)
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
        order, around = await self._checked(order), self._around(order.tag)
        await asyncio.to_thread(self._folders.prepare, order, around, self._watch.is_live)
        return await self._submitter.submit(order, around)

    async def _checked(self, order: JobOrder) -> JobOrder:
        """The order as this site needs it. Raises LaunchRejected, before anything is written."""
        check_numbers(order.resources)
        order = await self._fitting(order)
        script_of(order, self._around(order.tag))
        self._folders.check(order)
        self._check_program(order)
        return order

    async def _fitting(self, order: JobOrder) -> JobOrder:
        with suppress(SchedulerSilent):
            offer = await self._offered(max_age_s=OFFER_KEPT_S)
            asked = capabilities.with_default_partition(order.resources, offer)
            capabilities.check(asked, offer, socket.gethostname())
            return replace(order, resources=asked)
        return order

    async def _offered(self, max_age_s: float) -> Offer:
        now = time.monotonic()
        if self._offer is None or now - self._offer_at > max_age_s:
            self._offer = await capabilities.ask(self._commands, self._user)
            self._offer_at = now
        return self._offer

    async def _jobs_of(self, tag: str) -> set[str | None]:
        rows = await self._watch.queue()
        return {self._watch.job_of(tag), *(row.job_id for row in rows if tag_of(row) == tag)}

    def _check_program(self, order: JobOrder) -> None:
        """A program by path that is nowhere to be seen; one by name may come with the node."""
        program = order.command[0] if order.command else "{python}"
        is_path = "/" in program and order.software.is_plain
        if is_path and not os.access(os.path.join(order.cwd or "", program), os.X_OK):
            raise LaunchRejected(
                f"The program {program} is not there, or cannot be run, on {socket.gethostname()}.",
                hint="Check its path.",
            )

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
