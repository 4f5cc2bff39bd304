"""A local cluster whose agent is a small stand-in, so that only the cluster is under test."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from underpass.clusters.base import JobOrder
from underpass.clusters.local import LocalCluster

# Called as an agent is: `-m underpass agent --spec FILE`. It shows what it got and runs the command.
# A job's processes are found on the whole machine by its tag: each test process has one of its own.
SESSION = f"ses_{os.getpid()}"
TAG = f"{SESSION}.1"

AGENT = """\
import json, os, signal, subprocess, sys
spec = json.load(open(sys.argv[sys.argv.index("--spec") + 1]))
print("agent of", spec["session_id"], flush=True)
seen = {"spec": spec, "token": open(spec["token_file"]).read(), "env": dict(os.environ),
        "sid": os.getsid(0)}
child = subprocess.Popen(spec["command"], cwd=spec["cwd"], env={**os.environ, **spec["env"]},
                         start_new_session=True)
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
with open("seen.json", "w") as file:  # last: whoever sees it may send a signal
    json.dump(seen, file)
os.rename("seen.json", "seen")
code = child.wait()
sys.exit(code if code >= 0 else 0)
"""


@pytest.fixture
def agent(tmp_path: Path) -> str:
    """The path of the stand-in, in the place of Python."""
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    program = tmp_path / "python"
    program.write_text(f'#!/bin/bash\nexec {sys.executable} {script} "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def local(tmp_path: Path, agent: str) -> Iterator[LocalCluster]:
    """A cluster on this machine; whatever its jobs left is ended."""
    cluster = make_local(tmp_path, agent)
    yield cluster
    for folder in (tmp_path / "jobs").glob("*"):
        cluster._cancel(folder.name, kill=True)


def make_local(tmp_path: Path, agent: str) -> LocalCluster:
    """Another one over the same folder, as after a restart of the hub."""
    return LocalCluster(tmp_path / "jobs", hub_url="http://127.0.0.1:9", python=agent)


MakeOrder = Callable[..., JobOrder]


def order(command: tuple[str, ...] = ("sleep", "600"), tag: str = TAG, **more: Any) -> JobOrder:
    """An order for this process's session."""
    fields: dict[str, Any] = {"session_id": tag.split(".")[0], "name": "box", "target": "{port}"}
    return JobOrder(tag=tag, token="ups_secret", command=command, **fields | more)
