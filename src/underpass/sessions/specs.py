"""What is stored of a session so that it can be started again. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from underpass.clusters.template import Launch


def session_spec(
    launch: Launch, params: dict[str, Any], *, tunnel: str, openai: bool
) -> dict[str, Any]:
    """The stored form of a launch.

    `params` are what the person chose (shown again), the rest is what it came to. Both are for
    the owner alone; values of environment variables are never shown again.
    """
    return {
        "launch": 1,
        "params": params,
        "command": list(launch.command),
        "target": launch.target,
        "env": dict(launch.env),
        "cwd": launch.cwd,
        "files": list(launch.files),
        "has_key": launch.has_key,
        "resources": asdict(launch.resources),
        "time_s": launch.resources.time_s,
        "openai": openai,
        "tunnel": tunnel,
    }
