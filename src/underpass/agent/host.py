"""What this machine is, for the hub's pages: its name, its user, its GPUs."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
from collections.abc import Mapping

ASK_TIMEOUT_S = 5.0


def host_name() -> str:
    """The machine's short name, as people call a node."""
    return socket.gethostname().split(".")[0] or "localhost"


def user_name() -> str:
    """The account's name, or its number where it has none (as in some containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.geteuid()}"


def working_folder() -> str:
    """Where the agent was started; "" when that folder was removed meanwhile."""
    try:
        return os.getcwd()
    except OSError:
        return ""


async def gpu_names(environ: Mapping[str, str]) -> list[str]:
    """The GPUs that this process may use; none where no driver tells."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "NoDevFiles"):
        return []
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            process = await asyncio.create_subprocess_exec(
                *(program, "--query-gpu=index,uuid,name", "--format=csv,noheader"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                out, _ = await process.communicate()
            except BaseException:
                process.kill()
                raise
    except (OSError, TimeoutError):
        return []
    return parse_gpus(out.decode("utf-8", "replace"), visible) if process.returncode == 0 else []


def parse_gpus(listing: str, visible: str | None) -> list[str]:
    """The names in nvidia-smi's lines `index, uuid, name`, of the visible ones only. Pure."""
    rows = [[word.strip() for word in line.split(",", 2)] for line in listing.splitlines()]
    rows = [row for row in rows if len(row) == 3]
    if visible is None:
        return [name for _, _, name in rows]
    wanted = [word.strip() for word in visible.split(",") if word.strip()]
    chosen = [
        name
        for index, uuid, name in rows
        if any(word == index or (len(word) > 4 and uuid.startswith(word)) for word in wanted)
    ]
    # Inside a cgroup the numbers start at 0 again: then all that is seen is ours.
    return chosen or [name for _, _, name in rows][: len(wanted)]
