"""What Slurm says about the job."""

import os
from pathlib import Path

import pytest

from underpass.agent.slurm import SlurmJob, parse_left


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("59:59\n", 3599),
        ("0:07", 7),
        ("3:12:00", 11_520),
        ("1-02:03:04", 93_784),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_spans(text: str, seconds: float | None) -> None:
    """squeue's %L in all its forms."""
    assert parse_left(text) == seconds


def test_only_inside_a_job() -> None:
    """SLURM_JOB_ID makes a job; the exported end is used where it exists (23.02 and later)."""
    assert SlurmJob.from_environ({}) is None
    assert SlurmJob.from_environ({"SLURM_JOB_ID": "x"}) is None
    job = SlurmJob.from_environ({"SLURM_JOB_ID": "42", "SLURM_JOB_END_TIME": "1700000100"})
    assert job == SlurmJob("42", 1_700_000_100.0)


def fake_squeue(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An executable `squeue` that comes first in PATH."""
    program = folder / "squeue"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


async def test_squeue_tells_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler's own word wins over what was exported at the start: a job may be extended."""
    fake_squeue(tmp_path, '[ "$*" = "-h -j 42 -o %L" ] && echo 10:00', monkeypatch)
    assert await SlurmJob("42", 5.0).end_of_wall_time(1000.0) == 1600.0


async def test_a_silent_squeue_leaves_the_exported_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is no news."""
    fake_squeue(tmp_path, "exit 1", monkeypatch)
    assert await SlurmJob("42", 5.0).end_of_wall_time(1000.0) == 5.0
    assert await SlurmJob("42", None).end_of_wall_time(1000.0) is None
