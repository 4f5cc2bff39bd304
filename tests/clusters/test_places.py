"""What kind of cluster a machine is."""

from pathlib import Path

import pytest

from underpass.clusters.local import LocalCluster
from underpass.clusters.places import Site, checked_kind, open_cluster
from underpass.clusters.slurm.cluster import SlurmCluster
from underpass.core.errors import ConfigError


def _with(folder: Path, *programs: str) -> dict[str, str]:
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def test_a_login_node_is_known_by_its_scheduler(tmp_path: Path) -> None:
    """All of Slurm's commands that are needed, not one that happens to be there."""
    assert checked_kind(None, _with(tmp_path, "sbatch")) == "local"
    assert checked_kind(None, _with(tmp_path, "squeue", "scancel")) == "slurm"
    assert checked_kind("local", {"PATH": str(tmp_path)}) == "local"


def test_a_scheduler_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The message names the command that is missing, and the kinds that there are."""
    with pytest.raises(ConfigError, match="no sbatch"):
        checked_kind("slurm", {"PATH": str(tmp_path)})
    with pytest.raises(ConfigError, match="no kind of cluster 'pbx'") as caught:
        checked_kind("pbx", {"PATH": str(tmp_path)})
    assert "slurm" in (caught.value.hint or "")


def test_each_kind_has_its_adapter(tmp_path: Path) -> None:
    """What was found is what answers."""
    for kind, adapter in (("slurm", SlurmCluster), ("local", LocalCluster)):
        site = Site(kind, tmp_path, "http://127.0.0.1:9", {"PATH": ""})
        assert isinstance(open_cluster(site), adapter)
