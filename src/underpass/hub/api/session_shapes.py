"""The shapes of sessions, tunnels, providers, clusters and templates, for the schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from underpass.core.states import EndReason, ProviderStatus, SessionStatus, TunnelStatus
from underpass.registry.views import ProviderType


class OwnerOut(BaseModel):
    """Whose it is."""

    id: str
    name: str


class ClusterRef(BaseModel):
    """A session's cluster."""

    id: str
    name: str
    kind: str


class EventOut(BaseModel):
    """One line of a session's timeline."""

    at: str | None
    kind: str
    text: str


class TunnelOut(BaseModel):
    """A tunnel. An admin sees somebody else's without name, session and target (null)."""

    id: str
    name: str | None
    session_id: str | None
    target: str | None
    openai: bool | None
    status: TunnelStatus
    owner: OwnerOut
    provider_id: str | None
    bytes_in: int
    bytes_out: int
    streams: int
    created_at: str | None


class ProgressOut(BaseModel):
    """How far a start is: `image`, `download`, `weights`, `compile`, `graphs` or `warmup`."""

    phase: str
    percent: int | None


class GpuUseOut(BaseModel):
    """One GPU as it was last said to be; null is what its driver does not tell."""

    name: str
    percent: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None


class PointOut(BaseModel):
    """One point for charts; null is what was not told. Rates are since the point before."""

    t: str | None
    tokens_per_s: float | None
    """Tokens generated; events of answers where the server does not count tokens."""
    prompt_tokens_per_s: float | None
    running: float | None
    """Requests that the server works on."""
    waiting: float | None
    cache_percent: float | None
    gpu_percent: float | None
    """Of all GPUs of the session, the mean."""
    gpu_memory_percent: float | None


class MetricsOut(BaseModel):
    """How busy a session is and was: about an hour of points, oldest first; gone with the hub."""

    gpus: list[GpuUseOut]
    points: list[PointOut]


class SessionOut(BaseModel):
    """A session with its tunnels. `timeline` only where one session is shown."""

    id: str
    name: str
    status: SessionStatus
    status_reason: str
    end_reason: EndReason | None
    end_message: str | None
    attached: bool
    cluster: ClusterRef | None
    template: str | None
    host: str | None
    owner: OwnerOut
    created_at: str | None
    started_at: str | None
    running_at: str | None
    ended_at: str | None
    wall_time_ends_at: str | None
    progress: ProgressOut | None
    """Where a start is, as the server's log says; else null."""
    expected_running_at: str | None
    """When a start runs if it takes as long as those of the same template, model and cluster took."""
    idle_stops_at: str | None
    """Nobody uses it, and it was said that it stops then; else null."""
    via: str | None
    """The agent's way to the hub: `direct`, `proxy` or `login node`; null while it has not said."""
    renews: str | None
    """The id of the session that it takes over from as soon as it answers; else null."""
    renewed_by: str | None
    """The id of the session that shall take over from it, or has; else null."""
    job_id: str | None
    job_raw_state: str | None
    agent_version: str | None
    command: list[str] | None
    params: dict[str, Any]
    tunnels: list[TunnelOut]
    timeline: list[EventOut] | None = None


class AttachedOut(BaseModel):
    """An attached session, and its token for the only time."""

    session: SessionOut
    token: str


class DirectOut(BaseModel):
    """A session whose job its user submits, and the order for it, with its token for the only time."""

    session: SessionOut
    order: dict[str, Any]


class ScriptOut(BaseModel):
    """The exact text that a session's cluster is given."""

    script: str


class LogLineOut(BaseModel):
    """One line of a session's log."""

    t: str | None
    source: str
    text: str
    seq: int


class ModelOut(BaseModel):
    """A provider's model: `id` is what requests name, `name` the server's own."""

    id: str
    name: str
    max_model_len: int | None
    modalities: list[str] | None


class ServerOut(BaseModel):
    """The program behind a provider."""

    kind: str
    version: str | None


class ProviderSessionOut(BaseModel):
    """Where a provider runs."""

    id: str
    name: str | None
    status: SessionStatus | None
    host: str | None
    cluster: str | None
    gpus: list[str]
    wall_time_ends_at: str | None


class ProviderTunnelOut(BaseModel):
    """What a provider is reached through."""

    id: str
    status: TunnelStatus | None
    target: str | None


class EndpointOut(BaseModel):
    """How a custom provider is reached; of its secrets only that they are there."""

    base_url: str
    has_key: bool
    header_names: list[str]
    has_ca: bool
    model_allow: list[str] | None


class ProviderOut(BaseModel):
    """A provider with its models. `endpoint` is for those who manage a custom provider."""

    id: str
    name: str
    type: ProviderType
    owner: OwnerOut
    status: ProviderStatus
    status_reason: str
    models: list[ModelOut]
    server: ServerOut | None
    description: str = ""
    endpoint: EndpointOut | None = None
    shareable: bool
    session: ProviderSessionOut | None
    tunnel: ProviderTunnelOut | None
    updated_at: str | None


class CapabilitiesOut(BaseModel):
    """What a cluster offers, as it last said."""

    kind: str = ""
    host: str = ""
    user: str = ""
    cpus: int | None = None
    gpus: list[str] = []
    programs: dict[str, str | None] = {}
    extra: dict[str, Any] = {}


class ClusterOut(BaseModel):
    """A place where sessions run; one without an owner is the hub's own."""

    id: str
    name: str
    kind: str
    host: str | None
    status: str
    owner: OwnerOut | None
    capabilities: CapabilitiesOut
    created_at: str | None


class JoinedOut(BaseModel):
    """A cluster that joins, and its token for the only time."""

    cluster: ClusterOut
    token: str


class ParamOut(BaseModel):
    """One thing that a template asks for."""

    name: str
    label: str
    type: str
    default: Any
    required: bool
    help: str


class TemplateOut(BaseModel):
    """One kind of session, and whether the cluster can run it."""

    name: str
    title: str
    description: str
    params: list[ParamOut]
    available: bool
    unavailable_reason: str | None
