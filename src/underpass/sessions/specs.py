"""What is stored of a session so that it can be started again. Pure."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from underpass.clusters.base import JobOrder, Resources, Software
from underpass.clusters.template import Habits, Launch
from underpass.store import SessionRecord


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
        "serves": launch.serves,
        "resources": asdict(launch.resources),
        "software": asdict(launch.software),
        "time_s": launch.resources.time_s,
        "others": list(launch.others),
        "openai": openai,
        "tunnel": tunnel,
        "habits": asdict(launch.habits),
    }


def habits_of(record: SessionRecord) -> Habits:
    """What a stored session does by itself. One that an older hub stored, or an agent opened: nothing."""
    return replace(Habits(), **(record.spec.get("habits") or {}))


def order_of(record: SessionRecord, tag: str, token: str, stop_grace_s: float) -> JobOrder:
    """The order for one launch of a stored session."""
    spec = record.spec
    return JobOrder(
        tag=tag,
        session_id=record.id,
        name=record.name,
        token=token,
        target=str(spec.get("target", "")),
        command=tuple(spec.get("command") or ()),
        env=dict(spec.get("env") or {}),
        cwd=spec.get("cwd"),
        openai=bool(spec.get("openai", True)),
        tunnel=spec.get("tunnel"),
        has_key=bool(spec.get("has_key")),
        serves=spec.get("serves"),
        files=tuple(spec.get("files") or ()),
        others=tuple(spec.get("others") or ()),
        stop_grace_s=stop_grace_s,
        resources=replace(Resources(), **(spec.get("resources") or {})),
        software=_software(spec.get("software") or {}),
    )


def _software(stored: dict[str, Any]) -> Software:
    modules = tuple(stored.get("modules") or ())
    return Software(stored.get("image"), modules, stored.get("venv"))
