"""A PBS cluster over played commands."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.conftest import order
from underpass.clusters.base import JobOrder, JobReport, Resources
from underpass.clusters.pbs.cluster import PbsCluster
from underpass.core.ids import new_id

PLAYED = Path(__file__).parents[2] / "fakes" / "pbs.py"


class Site:
    """A login node whose PBS is played; `jobs` are what its server knows."""

    def __init__(self, folder: Path, agent: str) -> None:
        self.home = folder / "pbs"
        self.home.mkdir()
        self.jobs_dir = folder / "jobs"
        self.tag = f"{new_id('ses')}.1"
        self._agent = agent
        self._bin = folder / "bin"
        self._bin.mkdir()
        for name in ("qsub", "qstat", "qselect", "qdel", "pbsnodes"):
            program = self._bin / name
            shutil.copy(PLAYED, program)
            text = program.read_text().replace("/usr/bin/env python3", sys.executable, 1)
            program.write_text(text)
            program.chmod(0o755)
        self.jobs({})
        self.say()

    def say(self, **commands: dict[str, Any]) -> None:
        """What commands say in place of their answers; without arguments they answer."""
        (self.home / "say.json").write_text(json.dumps(commands))

    def silent(self) -> None:
        """The server is not there."""
        gone = {"err": "Connection refused\nqstat: cannot connect to server pbs01 (errno=111)\n"}
        self.say(**dict.fromkeys(("qsub", "qstat", "qselect", "qdel", "pbsnodes"), gone))

    def jobs(self, known: dict[str, Any] | None = None) -> dict[str, Any]:
        """The server's jobs; `known` puts others in their place."""
        file = self.home / "jobs.json"
        if known is not None:
            file.write_text(json.dumps(known))
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def change(self, **fields: Any) -> None:
        """The only job is as PBS now says."""
        ((job_id, job),) = self.jobs().items()
        self.jobs({job_id: job | fields})

    def asked(self, command: str) -> list[list[str]]:
        """How a command was called so far."""
        file = self.home / "asked"
        lines = (
            [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        )
        return [words for words in lines if words[0] == command]

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self._bin}:/usr/bin:/bin", "PBS_HOME": str(self.home), "HOME": "/root"}

    def cluster(self) -> PbsCluster:
        return PbsCluster(
            self.jobs_dir,
            hub_url="http://127.0.0.1:9",
            environment=self.environment(),
            user="u",
            python=self._agent,
        )

    def order(self, tag: str | None = None, **more: Any) -> JobOrder:
        asked = more.pop("resources", Resources(cpus=8, gpus=1, memory="16G", time_s=3600))
        return order(
            more.pop("command", ("sleep", "600")), tag or self.tag, resources=asked, **more
        )

    async def look(self, cluster: PbsCluster) -> JobReport | None:
        found = await cluster.poll([self.tag])
        assert len(found) <= 1, found
        return found[0] if found else None

    @property
    def job(self) -> Path:
        """The launch's folder."""
        return self.jobs_dir / self.tag


@pytest.fixture
def site(tmp_path: Path, agent: str) -> Site:
    return Site(tmp_path, agent)
