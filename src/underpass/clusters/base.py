"""The contract of a cluster: five verbs, what each takes, returns and raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from underpass.core.states import EndReason


class JobPhase(StrEnum):
    """What matters of a job's state; the scheduler's own word stands beside it."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks for; None: the cluster's default. Only schedulers look at most of it."""

    gpus: int | None = None
    """For each node."""
    gpu_type: str | None = None
    nodes: int | None = None
    cpus: int | None = None
    memory: str | None = None
    """As schedulers write it, such as `64G`."""
    time_s: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None


@dataclass(frozen=True, slots=True)
class Software:
    """What the command runs in; nothing of it touches the agent."""

    image: str | None = None
    """An apptainer image, by path or as `docker://…`."""
    modules: tuple[str, ...] = ()
    venv: str | None = None
    """A folder with a Python virtual environment."""

    @property
    def is_plain(self) -> bool:
        """Whether the machine's own programs are all there is."""
        return not (self.image or self.modules or self.venv)


@dataclass(frozen=True, slots=True)
class JobOrder:
    """One job: an agent that starts a command and serves its target.

    `{port}` and `{socket}` are left for the agent. The adapter fills in what only the machine
    knows: `{python}`, `{key_file}` and `{key}` (a key for the model server, made there and
    never sent to the hub).
    """

    tag: str
    """Unique for each launch; the job is found again by it."""
    session_id: str
    name: str
    token: str = field(repr=False)
    """The session token; it travels in a 0600 file."""
    target: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    openai: bool = True
    tunnel: str | None = None
    has_key: bool = False
    """Whether the adapter makes a key for the model server."""
    serves: str | None = None
    """What the server calls its one model, where its own list is no use; None: it is asked."""
    files: tuple[str, ...] = ()
    """Files that must be there before anything starts (the model)."""
    others: tuple[str, ...] = ()
    """What runs on each further machine beside the command, where one server spans several; `{rank}`
    (1 and up) and `{master}` (the first machine's address) are filled in there, also in `command`."""
    stop_grace_s: float = 10.0
    resources: Resources = field(default_factory=Resources)
    software: Software = field(default_factory=Software)


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job, by our tag and, once it is known, by the scheduler's id."""

    tag: str
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a scheduler says about one job."""

    tag: str
    job_id: str
    phase: JobPhase
    raw_state: str
    """The scheduler's own word, shown as it is."""
    text: str = ""
    """The scheduler's reason in plain words, where it gives one."""
    host: str | None = None
    end_reason: EndReason | None = None
    """Why it ended, if the scheduler knows it."""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a place offers. `programs`: where each program that was asked for is, or None."""

    kind: str
    host: str
    user: str
    cpus: int | None = None
    gpus: tuple[str, ...] = ()
    programs: Mapping[str, str | None] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


class Cluster(Protocol):
    """A place where sessions run. Every verb raises SchedulerSilent when nobody answers."""

    @property
    def kind(self) -> str:
        """`local`, `slurm`, …"""
        ...

    @property
    def poll_interval_s(self) -> float:
        """How often one poll for all jobs is fair to this place."""
        ...

    async def submit(self, order: JobOrder) -> str:
        """Starts a job and returns its id. The same tag again gives the same job, not a second.

        Raises LaunchRejected (nothing was started, asking again is useless) and
        SchedulerSilent (it may or may not have been started: poll for the tag).
        """
        ...

    async def show(self, order: JobOrder) -> str:
        """The exact text that a submit gives to the scheduler, or gave it if it has.

        Starts nothing, writes nothing. Raises LaunchRejected as a submit would, SchedulerSilent.
        """
        ...

    async def poll(self, tags: Sequence[str]) -> list[JobReport]:
        """Every job that is known for these tags. One that is missing is unknown, not ended."""
        ...

    async def cancel(self, job: JobRef, *, kill: bool = False) -> None:
        """Asks a job to end; `kill` makes it end, with all that it left behind.

        Returns at once. Doing it twice, or to a job that has ended or is unknown, does no harm.
        """
        ...

    async def capabilities(self, programs: Sequence[str]) -> Capabilities:
        """What this place offers, and which of `programs` it has."""
        ...

    async def logs(self, job: JobRef, lines: int) -> list[str]:
        """The last lines that the job itself wrote (the agent's own words); empty if none."""
        ...
