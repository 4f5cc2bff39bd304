"""Three ways from a client to one model server: directly, through `ssh -R`, through Underpass."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.rig.processes import Process, free_port
from tests.rig.sshd import Sshd
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess


@dataclass(frozen=True)
class Carriers:
    """The processes of one part of a path, with those they forked."""

    pid: int

    def cpu_s(self) -> float:
        """User and system time of the process and its living children."""
        root = psutil.Process(self.pid)
        times = [p.cpu_times() for p in (root, *root.children(recursive=True))]
        return sum(t.user + t.system for t in times)

    def rss_bytes(self) -> int:
        root = psutil.Process(self.pid)
        return sum(p.memory_info().rss for p in (root, *root.children(recursive=True)))


@dataclass(frozen=True)
class Way:
    """Where a client connects, what it sends along, and who carries its bytes."""

    name: str
    port: int
    model: str
    key: str = ""
    carriers: dict[str, Carriers] = field(default_factory=dict)
    chat_path: str = "/v1/chat/completions"


@dataclass(frozen=True)
class Ways:
    """All three, with the Underpass that one of them is."""

    direct: Way
    ssh: Way
    underpass: Way
    stack: Stack
    person: Person
    stub: StubProcess

    def __iter__(self) -> Iterator[Way]:
        return iter((self.direct, self.ssh, self.underpass))


@contextmanager
def open_ways(folder: Path) -> Iterator[Ways]:
    """Starts the stub, an sshd with a reverse forward, and a hub with a tunnel."""
    with ExitStack() as ends:
        stub = StubProcess(folder / "stub.log")
        ends.callback(stub.stop)
        sshd = Sshd(folder)
        ends.callback(sshd.stop)
        far_port = free_port()
        forward = f"127.0.0.1:{far_port}:127.0.0.1:{stub.port}"
        ssh = ends.enter_context(Process(sshd.ssh_command("-N", "-R", forward), folder / "ssh.log"))
        ssh.wait_until_listening(far_port)
        stack = Stack(folder)
        ends.callback(stack.stop)
        person = stack.add_person("bench")
        agent = stack.open_tunnel(person, str(stub.port), "stub")
        yield Ways(
            direct=Way("direct", stub.port, "stub"),
            ssh=Way(
                "ssh -R",
                far_port,
                "stub",
                carriers={"sshd": Carriers(sshd.process.pid), "ssh": Carriers(ssh.pid)},
            ),
            underpass=Way(
                "underpass",
                stack.port,
                "stub/stub",
                person.key,
                {"hub": Carriers(stack.hub.pid), "agent": Carriers(agent.pid)},
            ),
            stack=stack,
            person=person,
            stub=stub,
        )


def seconds_to_ready(stack: Stack) -> float:
    """From starting the hub's process to the first 200 of `/readyz`."""
    stack.hub.stop()
    began = time.monotonic()
    stack.start_hub()
    return time.monotonic() - began
