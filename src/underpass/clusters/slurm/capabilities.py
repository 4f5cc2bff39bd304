"""What a Slurm offers: partitions, limits, GPU types, accounts; and a check of an order against it.

What Slurm would leave waiting for ever (too much time, too many machines, an unknown quality of
service) is refused here at once, in words that name what there is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from underpass.clusters.base import Resources
from underpass.clusters.slurm import text
from underpass.clusters.slurm.commands import Commands
from underpass.clusters.slurm.options import memory_mb
from underpass.clusters.slurm.text import Partition
from underpass.core.errors import LaunchRejected, SchedulerSilent
from underpass.core.names import close_matches
from underpass.core.times import in_words


@dataclass(frozen=True, slots=True)
class Offer:
    """What the cluster has. Accounts and qualities of service are empty where Slurm does not tell."""

    partitions: tuple[Partition, ...]
    accounts: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()
    version: str = ""

    def partition_names(self) -> list[str]:
        """Each once, the default first."""
        ordered = sorted(self.partitions, key=lambda one: not one.is_default)
        return list(dict.fromkeys(one.name for one in ordered))

    def gpus(self) -> tuple[str, ...]:
        """The types there are: `a100 ×4` is one of four on a machine."""
        found = {f"{kind or 'gpu'} ×{n}" for one in self.partitions for kind, n in one.gpus}
        return tuple(sorted(found))

    def as_json(self) -> dict[str, object]:
        """For the form and `clusters show`."""
        return {
            "scheduler": self.version,
            "accounts": list(self.accounts),
            "qos": list(self.qos),
            "partitions": [
                {
                    "name": one.name,
                    "default": one.is_default,
                    "up": one.is_up,
                    "time_limit_s": one.time_limit_s,
                    "nodes": one.nodes,
                    "cpus": one.cpus,
                    "memory_mb": one.memory_mb,
                    "gpus": [{"type": kind, "count": count} for kind, count in one.gpus],
                }
                for one in self.partitions
            ],
        }


async def ask(commands: Commands, user: str) -> Offer:
    """Asks sinfo, and sacctmgr where it may be asked. Raises SchedulerSilent."""
    listed = await commands.ask("sinfo", "--noheader", f"--format={text.PARTITION_FORMAT}")
    if listed.is_error:
        raise SchedulerSilent(f"sinfo failed: {listed.words}.")
    version = await commands.ask("sinfo", "--version")
    accounts, qos = await _associations(commands, user)
    return Offer(tuple(text.partitions(listed.out)), accounts, qos, version.out.strip()[:60])


async def _associations(commands: Commands, user: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    words = ("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user}")
    try:
        answer = await commands.ask(*words, "format=Account,QOS")
    except SchedulerSilent:
        return (), ()  # no accounting, or not for everyone: then Slurm itself decides
    if answer.is_error:
        return (), ()
    rows = [line.split("|") for line in answer.out.splitlines() if line.count("|") == 1]
    accounts = dict.fromkeys(account for account, _ in rows if account)
    qos = dict.fromkeys(one for _, names in rows for one in names.split(",") if one)
    return tuple(accounts), tuple(qos)


def check(asked: Resources, offer: Offer, host: str, noun: str = "partition") -> None:
    """Raises LaunchRejected for what this cluster can never give. `noun`: its word for a partition."""
    if not offer.partitions:
        return
    names = offer.partition_names()
    wanted = asked.partition.split(",") if asked.partition else names[:1]
    for name in wanted:
        if name not in names:
            raise _no_such(noun, name, names, host)
    if asked.account and offer.accounts and asked.account not in offer.accounts:
        raise _no_such("account of yours", asked.account, list(offer.accounts), host)
    if asked.qos and offer.qos and asked.qos not in offer.qos:
        raise _no_such("quality of service of yours", asked.qos, list(offer.qos), host)
    rows = [one for one in offer.partitions if one.name in wanted]
    faults = [
        fault for fault in (_fault(asked, one, rows, noun) for one in rows) if fault is not None
    ]
    if len(faults) == len(rows):
        raise faults[0]


def _fault(
    asked: Resources, one: Partition, rows: list[Partition], noun: str
) -> LaunchRejected | None:
    """Why these machines cannot do it; None: they can."""
    where = f"The {noun} {one.name}"
    limit = one.time_limit_s
    if asked.time_s is not None and limit is not None and asked.time_s > limit:
        return LaunchRejected(
            f"{where} allows {in_words(limit)} at most.", hint="Ask for less time."
        )
    if asked.gpus:
        types = [kind for row in rows for kind, _ in row.gpus]
        if not types:
            hint = f"Choose another {noun}; `underpass clusters show` lists their GPUs."
            return LaunchRejected(f"{where} has no GPUs.", hint=hint)
        if asked.gpu_type and asked.gpu_type not in types:
            return _no_such(
                "GPU type", asked.gpu_type, sorted(set(types)), f"the {noun} {one.name}"
            )
        most = max((n for kind, n in one.gpus if asked.gpu_type in (None, "", kind)), default=0)
        if asked.gpus > most:
            return LaunchRejected(
                f"{where} has {most} of these GPUs on a machine.",
                hint="Ask for fewer, or for more nodes.",
            )
    if asked.nodes and asked.nodes > sum(row.nodes for row in rows if row.name == one.name):
        total = sum(row.nodes for row in rows if row.name == one.name)
        return LaunchRejected(f"{where} has {total} machines.", hint="Ask for fewer nodes.")
    if asked.cpus and one.cpus and asked.cpus > one.cpus:
        return LaunchRejected(f"{where} has {one.cpus} CPUs on a machine.", hint="Ask for fewer.")
    if asked.memory and one.memory_mb and memory_mb(asked.memory) > one.memory_mb:
        has = f"{one.memory_mb / 1024:.0f}G" if one.memory_mb >= 10240 else f"{one.memory_mb}M"
        return LaunchRejected(f"{where} has {has} of memory on a machine.", hint="Ask for less.")
    return None


def _no_such(what: str, name: str, there: list[str], host: str) -> LaunchRejected:
    close = close_matches(name, there)
    hint = (
        f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(there[:12])}."
    )
    return LaunchRejected(f"There is no {what} named '{name[:60]}' on {host}.", hint=hint)


def with_default_partition(asked: Resources, offer: Offer) -> Resources:
    """The same, unchanged where the person chose: Slurm knows its own default."""
    if asked.partition or any(one.is_default for one in offer.partitions) or not offer.partitions:
        return asked
    # A site without a default partition refuses a job that names none.
    return replace(asked, partition=offer.partition_names()[0])
