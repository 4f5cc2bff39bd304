"""Why an agent ends, and with which code."""

import signal
from pathlib import Path

import pytest

from underpass.agent import ending
from underpass.agent.shortage import Kind
from underpass.clusters.folder import AgentsEnd, JobFolders
from underpass.clusters.script import END_FILE
from underpass.core.errors import LinkRefused
from underpass.core.states import EndReason


@pytest.mark.parametrize(
    ("number", "in_job", "left_s", "reason"),
    [
        (signal.SIGINT, False, None, EndReason.USER),
        (signal.SIGTERM, False, None, EndReason.USER),
        (signal.SIGINT, True, 5.0, EndReason.USER),
        (signal.SIGTERM, True, 5.0, EndReason.WALLTIME),
        (signal.SIGTERM, True, 5000.0, EndReason.CANCELLED),
        (signal.SIGTERM, True, None, EndReason.CANCELLED),
    ],
)
def test_signals(
    number: signal.Signals, in_job: bool, left_s: float | None, reason: EndReason
) -> None:
    """Ctrl-C is the user; TERM in a job is its limit or somebody's cancel. Code 0: it was asked."""
    end = ending.by_signal(number, in_job=in_job, left_s=left_s)
    assert (end.reason, end.exit_code, end.signal) == (reason, 0, number)


def test_the_hub() -> None:
    """Its reason where we know it."""
    assert ending.by_hub("idle").reason is EndReason.IDLE
    assert ending.by_hub("whatever").reason is EndReason.USER


def test_refusals() -> None:
    """A stop and a takeover are no failures; anything else is, with the hub's sentence."""
    for code in ("stopped", "replaced"):
        assert ending.by_refusal(LinkRefused("Stopped.", code=code)).exit_code == 0
    end = ending.by_refusal(LinkRefused("No.", code="revoked", hint="Sign in."))
    assert (end.exit_code, end.message, end.hint, end.reason) == (1, "No.", "Sign in.", None)


@pytest.mark.parametrize(
    ("code", "memory", "reason", "exit_code", "words"),
    [
        (0, None, EndReason.SERVER_EXITED, 0, "vllm ended with code 0."),
        (3, None, EndReason.SERVER_EXITED, 3, "vllm ended with code 3."),
        (1, Kind.GPU, EndReason.OUT_OF_MEMORY, 1, "vllm ran out of GPU memory."),
        (-15, None, EndReason.SERVER_EXITED, 143, "vllm was ended by SIGTERM."),
        (-9, Kind.HOST, EndReason.OUT_OF_MEMORY, 137, "the session ran out of memory"),
        (-9, None, EndReason.SERVER_EXITED, 137, "SIGKILL"),
        (-120, None, EndReason.SERVER_EXITED, 248, "signal 120"),
    ],
)
def test_commands(
    code: int, memory: Kind | None, reason: EndReason, exit_code: int, words: str
) -> None:
    """The exit code is the command's own, as a shell would give it."""
    end = ending.by_command("vllm", code, short_of=memory)
    assert (end.reason, end.exit_code, end.command_exit_code) == (reason, exit_code, code)
    assert words in end.message


def test_memory_kills(tmp_path: Path) -> None:
    """The kernel's counter of this cgroup, 0 where there is none."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("1:cpu:/x\n0::/job/step\n")
    (tmp_path / "job" / "step").mkdir(parents=True)
    (tmp_path / "job" / "step" / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
    assert ending.memory_kills(tmp_path, tmp_path) == 2
    assert ending.memory_kills(tmp_path / "none", tmp_path) == 0


def test_last_words_are_kept_for_a_hub_that_was_away(tmp_path: Path) -> None:
    """What the cluster's side reads is what would have been said; a disk that is full ends nothing."""
    said = {"type": "session.ended", "reason": "walltime", "exit_code": 0, "message": "Over."}
    folder = tmp_path / "ses_1.1"
    folder.mkdir()
    ending.write_down(str(folder / END_FILE), said)
    end = JobFolders(tmp_path).agents_end("ses_1.1")
    assert end == AgentsEnd(EndReason.WALLTIME, 0, "Over.")
    ending.write_down(str(tmp_path / "none" / END_FILE), said)
    ending.write_down(None, said)
    assert JobFolders(tmp_path).agents_end("ses_2.1") is None
    (folder / END_FILE).write_text('{"reason": "because"}')
    assert JobFolders(tmp_path).agents_end("ses_1.1") is None
