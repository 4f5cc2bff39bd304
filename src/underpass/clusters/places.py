"""What kind of cluster a machine is, and the adapter for it."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from underpass.clusters.base import Cluster
from underpass.clusters.local import LocalCluster
from underpass.clusters.pbs.cluster import PbsCluster
from underpass.clusters.slurm.cluster import SlurmCluster
from underpass.core.errors import ConfigError

_SIGNS = {
    SlurmCluster.kind: ("sbatch", "squeue", "scancel"),
    # Slurm brings a qsub of its own, and Grid Engine has all but the last.
    PbsCluster.kind: ("qsub", "qstat", "qselect", "pbsnodes"),
}
"""The programs by which a scheduler is known."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a machine that joins says about itself."""

    kind: str
    folder: Path
    hub_url: str
    environment: Mapping[str, str]
    ca_file: str | None = None
    insecure_http: bool = False
    scratch: str | None = None


def checked_kind(wanted: str | None, environment: Mapping[str, str]) -> str:
    """The kind that was asked for, or the one that is found. Raises ConfigError."""
    path = environment.get("PATH")
    if wanted is None:
        for kind, programs in _SIGNS.items():
            if all(shutil.which(program, path=path) for program in programs):
                return kind
        return LocalCluster.kind
    missing = [one for one in _SIGNS.get(wanted, ()) if not shutil.which(one, path=path)]
    if missing:
        raise ConfigError(
            f"There is no {missing[0]} on this machine.",
            hint="Run it on the cluster's login node, or load the module that has it.",
        )
    if wanted not in (*_SIGNS, LocalCluster.kind):
        there = ", ".join(sorted((*_SIGNS, LocalCluster.kind)))
        raise ConfigError(
            f"There is no kind of cluster '{wanted[:40]}'.", hint=f"There are: {there}."
        )
    return wanted


def open_cluster(site: Site) -> Cluster:
    """The adapter for this machine, as this user."""
    kinds: dict[str, type[SlurmCluster] | type[PbsCluster]] = {
        SlurmCluster.kind: SlurmCluster,
        PbsCluster.kind: PbsCluster,
    }
    found = kinds.get(site.kind)
    if found is not None:
        return found(
            site.folder,
            hub_url=site.hub_url,
            environment=site.environment,
            user=_user(),
            ca_file=site.ca_file,
            insecure_http=site.insecure_http,
            scratch=site.scratch or site.environment.get("SCRATCH"),
        )
    return LocalCluster(
        site.folder,
        hub_url=site.hub_url,
        ca_file=site.ca_file,
        insecure_http=site.insecure_http,
    )


def _user() -> str:
    """The account's name as the scheduler knows it: not what an environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
