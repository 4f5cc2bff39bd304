"""What a PBS offers: queues with their limits, and the machines behind them.

PBS does not say which machine serves which queue, so each queue is shown with all of them; what it then
refuses, it refuses in its own words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from underpass.clusters.commands import Commands
from underpass.clusters.pbs import text
from underpass.clusters.pbs.text import Node
from underpass.clusters.slurm.capabilities import Offer
from underpass.clusters.slurm.text import Partition
from underpass.core.errors import SchedulerSilent


@dataclass(frozen=True, slots=True)
class PbsOffer:
    """The offer, and the site's resource for the type of a GPU."""

    offer: Offer = field(default_factory=lambda: Offer(()))
    gpu_key: str = ""


async def ask(commands: Commands) -> PbsOffer:
    """Asks for queues, machines and the default. Raises SchedulerSilent."""
    listed = await commands.ask("qstat", "-Q", "-f", "-F", "json")
    if listed.is_error:
        raise SchedulerSilent(f"qstat failed: {listed.words}.")
    server = await commands.ask("qstat", "-B", "-f", "-F", "json")
    machines = text.nodes((await commands.ask("pbsnodes", "-a", "-F", "json")).out)
    kinds = Counter(machine for machine in machines if machine.is_up)
    default = text.default_queue(server.out)
    rows = [
        Partition(
            name=queue.name,
            is_default=queue.name == default,
            is_up=queue.is_up,
            time_limit_s=queue.time_limit_s,
            default_time_s=None,
            nodes=count,
            cpus=node.cpus,
            memory_mb=node.memory_mb,
            gpus=((node.gpu_type, node.gpus),) if node.gpus else (),
        )
        for queue in text.queues(listed.out)
        for node, count in _or_nothing(kinds)
    ]
    name = f"PBS {text.version(listed.out)}".strip()
    key = next((machine.gpu_key for machine in machines if machine.gpu_key), "")
    return PbsOffer(Offer(tuple(rows), version=name), key)


def _or_nothing(kinds: Counter[Node]) -> list[tuple[Node, int]]:
    """Sites that show no machines still show their queues."""
    return list(kinds.items()) or [(Node(0, 0, 0, "", "", True), 0)]
