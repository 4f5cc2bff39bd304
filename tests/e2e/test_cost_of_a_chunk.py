"""A guard for the hot path that counts: system calls and wake-ups of hub and agent for each chunk.

Times say little on a shared machine; how often a process went into the kernel, and how often it
was woken, is nearly the same each time. The bounds leave room for a busy machine and for no further
system call; a change that needs more is a regression, or needs a reason.
"""

from pathlib import Path

import uvloop

from benchmarks.load import run_streams
from benchmarks.paths import Way
from tests.e2e.conftest import MakeStack
from tests.rig.processes import Process
from tests.rig.stub import StubProcess

STREAMS, RATE, SECONDS = 25, 200.0, 2.0
COUNTS = {
    # Each chunk goes to its client by a write of its own; what came from the agent comes gathered.
    "hub": {"writes": 1.2, "reads": 0.35, "wake-ups": 0.5},
    # And the other way round: a read for each chunk, and gathered messages to the hub.
    "agent": {"writes": 0.35, "reads": 1.2, "wake-ups": 0.6},
}


def counts_of(process: Process) -> dict[str, int]:
    """The kernel's own counts since the process began."""
    folder = Path("/proc", str(process.pid))
    io = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
    woken = 0
    for status in folder.glob("task/*/status"):
        lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        woken += int(lines["voluntary_ctxt_switches"])
    return {"writes": int(io["syscw"]), "reads": int(io["syscr"]), "wake-ups": woken}


def test_a_chunk_costs_no_more_system_calls_than_it_did(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """25 streams at 200 chunks a second each, through a hub and an agent that do nothing else."""
    stack = make_stack()
    person = stack.add_person("alice")
    agent = stack.open_tunnel(person, str(stub_process.port), "stub")
    way = Way("underpass", stack.port, "stub/stub", person.key)

    def load() -> int:
        results, _ = uvloop.run(run_streams(way, STREAMS, RATE, SECONDS, 200))
        return sum(len(one.delays_ms) for one in results)

    load()  # what is done once, such as looking up the key, is done
    before = {"hub": counts_of(stack.hub), "agent": counts_of(agent)}
    chunks = load()
    after = {"hub": counts_of(stack.hub), "agent": counts_of(agent)}
    found = {
        name: {what: (after[name][what] - before[name][what]) / chunks for what in before[name]}
        for name in before
    }
    over = {
        f"{name}: {what}": (round(value, 2), COUNTS[name][what])
        for name, counts in found.items()
        for what, value in counts.items()
        if value > COUNTS[name][what]
    }
    assert not over, f"more for each of {chunks:,} chunks than the bound: {over}"
