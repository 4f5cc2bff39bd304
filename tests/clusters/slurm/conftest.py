"""A Slurm cluster over the real Slurm, with a small stand-in for the agent; one with played commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.conftest import order
from tests.rig.slurm import SlurmRig
from tests.rig.waiting import eventually, eventually_async
from underpass.clusters.base import JobOrder, JobPhase, JobReport, Resources
from underpass.clusters.slurm.cluster import SlurmCluster
from underpass.core.ids import new_id


class Site:
    """A login node of the rig. The tests' own user submits here; e2e does it as an unprivileged one."""

    def __init__(self, rig: SlurmRig, folder: Path, agent: str) -> None:
        self.rig = rig
        self.folder = folder
        self.jobs = folder / "jobs"
        self.tag = f"{new_id('ses')}.1"
        self._agent = agent
        self._bin = folder / "bin"
        self._bin.mkdir()

    def say(self, command: str, script: str) -> None:
        """A command of Slurm that does something else from now on; `$REAL` is the real one."""
        path = self._bin / command
        path.write_text(f"#!/bin/sh\nREAL=/usr/bin/{command}\n{script}\n")
        path.chmod(0o755)

    def mend(self, command: str) -> None:
        (self._bin / command).unlink()

    def environment(self, **more: Any) -> dict[str, str]:
        own = self.rig.environment(**more)
        return own | {"PATH": f"{self._bin}:{own['PATH']}", "USER": "root", "LOGNAME": "root"}

    def cluster(self, *, environment: dict[str, str] | None = None, **more: Any) -> SlurmCluster:
        fields: dict[str, Any] = {"hub_url": "http://127.0.0.1:9", "python": self._agent}
        fields |= {"user": "root", "environment": environment or self.environment()}
        return SlurmCluster(self.jobs, **fields | more)

    def order(self, tag: str | None = None, **more: Any) -> JobOrder:
        """A small job. Slurm shows ended jobs for a while: each test has a tag of its own."""
        asked = more.pop("resources", Resources(cpus=1, memory="100M", time_s=3600))
        command = more.pop("command", ("sleep", "600"))
        return order(command, tag or self.tag, resources=asked, **more)

    async def look(self, cluster: SlurmCluster, tag: str | None = None) -> JobReport | None:
        """The only report on this launch."""
        found = await cluster.poll([tag or self.tag])
        assert len(found) <= 1, found
        return found[0] if found else None

    async def until(
        self,
        cluster: SlurmCluster,
        phase: JobPhase,
        tag: str | None = None,
        *,
        when: Callable[[JobReport], bool] = lambda report: True,
        within_s: float = 20.0,
    ) -> JobReport:
        """Until the launch's job is in that phase."""

        async def is_there() -> JobReport | None:
            report = await self.look(cluster, tag)
            return report if report and report.phase is phase and when(report) else None

        found = await eventually_async(is_there, within_s, f"{tag or self.tag} {phase}")
        assert isinstance(found, JobReport)
        return found

    def seen(self) -> dict[str, Any]:
        """What the stand-in agent got."""
        file = self.job / "seen"
        eventually(file.exists, 15, "the agent of the job")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    @property
    def job(self) -> Path:
        """The launch's folder."""
        return self.jobs / self.tag


@pytest.fixture
def site(slurm: SlurmRig, tmp_path: Path, agent: str) -> Site:
    return Site(slurm, tmp_path, agent)
