"""`underpass sessions start --here`: submit a session's job on this login node, and leave nothing behind.

The hub makes the order, this machine's scheduler takes it, and from then on the job's own agent reports.
"""

from __future__ import annotations

import socket
from typing import Any

from underpass.cli.client import HubClient
from underpass.clusters.base import Cluster
from underpass.clusters.local import LocalCluster
from underpass.clusters.messages import order_from_json
from underpass.clusters.places import Site, checked_kind, open_cluster
from underpass.config import AgentConfig, default_data_dir, environment
from underpass.core.errors import AppError, InvalidRequest, LaunchRejected, SchedulerSilent

JOB_TRIES = 3


async def submit_here(client: HubClient, body: dict[str, Any]) -> dict[str, Any]:
    """The session, once its job is in this machine's queue.

    Raises LaunchRejected in the scheduler's words, SchedulerSilent, ConfigError (no scheduler here) and
    what the hub answers.
    """
    if body.get("cluster"):
        raise InvalidRequest("--here is this machine: leave --cluster out.")
    kind = checked_kind(None, environment())
    if kind == LocalCluster.kind:
        raise LaunchRejected(
            "There is no Slurm and no PBS on this machine.",
            hint="Run it on a cluster's login node, or leave --here out.",
        )
    where = {"kind": kind, "host": socket.gethostname()}
    made = await client.post("/api/sessions", body | {"direct": where})
    session, order = made["session"], order_from_json(made["order"])
    cluster = _cluster(client, kind)
    path = f"/api/sessions/{session['id']}/submitted"
    try:
        job_id = await _submitted(cluster, order)
    except AppError as error:
        await client.post(path, {"rejected": error.sentence()})
        raise
    found: dict[str, Any] = await client.post(path, {"job_id": job_id})
    return found


async def _submitted(cluster: Cluster, order: Any) -> str:
    """The job's id. An answer that is lost is asked for again: the same tag gives the same job."""
    for attempt in range(1, JOB_TRIES + 1):
        try:
            return await cluster.submit(order)
        except SchedulerSilent:
            if attempt == JOB_TRIES:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _cluster(client: HubClient, kind: str) -> Cluster:
    own = AgentConfig.of_this_user()
    return open_cluster(
        Site(
            kind=kind,
            folder=default_data_dir() / "clusters" / "direct",
            hub_url=str(client.address),
            environment=environment(),
            ca_file=str(own.ca_file) if own.ca_file else None,
        )
    )
