"""The verbs of a joined cluster as control messages, both ways. Pure.

hub → machine   {"type": "cluster.call", "call": 7, "verb": "poll", "args": {…}}
machine → hub   {"type": "cluster.hello", …} first, then for each call
                {"type": "cluster.answer", "call": 7, "value": …} or
                {"type": "cluster.answer", "call": 7, "error": {"code", "message", "hint"}}

There are five verbs and no other: a hub in wrong hands can start jobs here as it could before,
and has no shell beside that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from underpass.clusters.base import (
    Capabilities,
    JobOrder,
    JobPhase,
    JobRef,
    JobReport,
    Resources,
    Software,
)
from underpass.core.errors import AppError, LaunchError, LaunchRejected, SchedulerSilent
from underpass.core.states import EndReason

HELLO = "cluster.hello"
CALL = "cluster.call"
ANSWER = "cluster.answer"
VERBS = frozenset({"submit", "poll", "cancel", "capabilities", "logs"})


def order_to_json(order: JobOrder) -> dict[str, Any]:
    """An order as it travels; it holds the session token, and the link is TLS."""
    document = asdict(order)
    if not order.others:
        del document["others"]  # a machine with an older version takes what it has always taken
    return document


def order_from_json(document: Mapping[str, Any]) -> JobOrder:
    """Raises LaunchRejected when it is no order."""
    try:
        return JobOrder(
            **{
                **document,
                "command": tuple(document["command"]),
                "files": tuple(document.get("files", ())),
                "others": tuple(document.get("others", ())),
                "env": dict(document.get("env", {})),
                "resources": Resources(**document.get("resources", {})),
                "software": _software(document.get("software") or {}),
            }
        )
    except (TypeError, KeyError, ValueError) as error:
        raise LaunchRejected(
            f"The hub's order was not understood ({error}).",
            hint="Bring this machine and the hub to the same version of Underpass.",
        ) from error


def _software(document: Mapping[str, Any]) -> Software:
    return Software(**{**document, "modules": tuple(document.get("modules", ()))})


def report_to_json(report: JobReport) -> dict[str, Any]:
    """A report as it travels."""
    return asdict(report)


def report_from_json(document: Mapping[str, Any]) -> JobReport:
    """Raises SchedulerSilent when it is no report: what was not understood is unknown."""
    try:
        reason = document.get("end_reason")
        return JobReport(
            **{
                **document,
                "phase": JobPhase(document["phase"]),
                "end_reason": EndReason(reason) if reason else None,
            }
        )
    except (TypeError, KeyError, ValueError) as error:
        raise SchedulerSilent(f"The cluster's report was not understood ({error}).") from error


def capabilities_to_json(offer: Capabilities) -> dict[str, Any]:
    """What a place offers, as it travels and is stored."""
    return asdict(offer)


def capabilities_from_json(document: Mapping[str, Any]) -> Capabilities:
    """Tolerant: what a newer machine says beside it is left out."""
    return Capabilities(
        kind=str(document.get("kind", "local")),
        host=str(document.get("host", "")),
        user=str(document.get("user", "")),
        cpus=document.get("cpus"),
        gpus=tuple(document.get("gpus") or ()),
        programs=dict(document.get("programs") or {}),
        extra=dict(document.get("extra") or {}),
    )


def job_to_json(job: JobRef) -> dict[str, Any]:
    """A job's tag and id."""
    return asdict(job)


def job_from_json(document: Mapping[str, Any]) -> JobRef:
    """A job's tag and id."""
    job_id = document.get("job_id")
    return JobRef(str(document.get("tag", "")), None if job_id is None else str(job_id))


def error_to_json(error: AppError) -> dict[str, Any]:
    """An error as it travels."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def error_from_json(document: Mapping[str, Any]) -> LaunchError:
    """Only a clear refusal is one; everything else leaves the job's state unknown."""
    message = str(document.get("message", "The cluster did not say what was wrong."))
    hint = document.get("hint")
    kind = LaunchRejected if document.get("code") == LaunchRejected.code else SchedulerSilent
    return kind(message, hint=str(hint) if hint else None)
