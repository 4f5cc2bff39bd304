"""`python -m underpass.demo` as a process."""

import signal
import sys
import urllib.request
from pathlib import Path

from tests.rig.processes import Process


def test_it_says_where_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    """Port 0 takes a free port; TERM ends it with exit code 0."""
    with Process(
        [sys.executable, "-m", "underpass.demo", "--port", "0"], tmp_path / "log"
    ) as guide:
        line = guide.wait_for_output("listens on").splitlines()[0]
        with urllib.request.urlopen(f"http://{line.split()[-1]}/health", timeout=5) as answer:
            assert answer.status == 200
        guide.signal(signal.SIGTERM)
        assert guide.wait() == 0


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """Exit code 1 and a sentence, no traceback."""
    with Process([sys.executable, "-m", "underpass.demo", "--port", "0"], tmp_path / "1") as first:
        port = first.wait_for_output("listens on").split(":")[-1].split()[0]
        command = [sys.executable, "-m", "underpass.demo", "--port", port]
        with Process(command, tmp_path / "2") as second:
            assert second.wait() == 1
            assert second.output().startswith(f"Cannot listen on 127.0.0.1:{port}:")
            assert len(second.output().splitlines()) == 1


def test_its_socket_is_removed_at_the_end(tmp_path: Path) -> None:
    """A second start with the same path finds no leftover."""
    path = tmp_path / "guide.sock"
    command = [sys.executable, "-m", "underpass.demo", "--socket", str(path)]
    with Process(command, tmp_path / "log") as guide:
        guide.wait_for_output(f"listens on unix:{path}")
        guide.signal(signal.SIGTERM)
        assert guide.wait() == 0
    assert not path.exists()
