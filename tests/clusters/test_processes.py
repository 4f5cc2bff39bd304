"""Which process is a job's leader, on this machine's own process table."""

import os
import signal

from tests.rig.waiting import eventually
from underpass.clusters import processes

SPEC = "/jobs/ses_1.1/spec.json"


def _start(command: str) -> int:
    words = ["/bin/sh", "-c", command, "underpass-job", SPEC]
    return os.posix_spawn("/bin/sh", words, {"PATH": os.defpath}, setsid=True)


def test_a_process_is_known_from_its_very_first_moment() -> None:
    """The kernel lays its command line out a moment after it has told us that it runs."""
    for _ in range(30):
        pid = _start("sleep 600; exit 0")
        try:
            assert processes.is_leader(pid, SPEC)
        finally:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_one_that_has_ended_or_is_another_is_not_the_leader() -> None:
    """A zombie at once, a stranger with that number, and a number that nobody has."""
    pid = _start("exit 0")
    eventually(lambda: not processes.is_leader(pid, SPEC), 5)
    os.waitpid(pid, 0)
    assert not processes.is_leader(pid, SPEC)
    assert not processes.is_leader(os.getpid(), SPEC)
