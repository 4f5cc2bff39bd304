"""The wrapped command by itself: placeholders, lines, signals, its end."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.rig.waiting import eventually_async
from underpass.agent.command import MAX_LINE_BYTES, Command, CommandPlan, exit_words, program_of
from underpass.core.errors import LaunchRejected
from underpass.core.targets import MAX_SOCKET_PATH_BYTES

ENV = {"PATH": os.environ["PATH"]}


class Lines(list[tuple[str, str]]):
    """What the command wrote."""

    def add(self, source: str, text: str) -> None:
        self.append((source, text))


def command(code: str, *words: str, target: str = "{port}", **more: str) -> tuple[Command, Lines]:
    """A Python program as a command."""
    lines = Lines()
    plan = CommandPlan((sys.executable, "-u", "-c", code, *words), target, env=more)
    return Command(plan, ENV, lines.add), lines


async def test_placeholders() -> None:
    """In words, environment and target alike; other braces mean themselves."""
    code = "import os, sys; print(sys.argv[1], sys.argv[2], os.environ['WHERE'])"
    run, lines = command(code, "{port}", '{"json": {}}', WHERE="at {port}")
    target = await run.start()
    assert await run.wait() == 0
    port = target.port
    assert lines == [("stdout", f'{port} {{"json": {{}}}} at {port}')]


async def test_the_port_is_free_when_the_command_starts() -> None:
    """Held until the start, then given over."""
    code = (
        "import socket, sys; socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('mine')"
    )
    run, lines = command(code, "{port}")
    await run.start()
    assert await run.wait() == 0
    assert lines == [("stdout", "mine")]


async def test_a_socket_in_a_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mode 0700, short enough also under a long TMPDIR, gone when it is closed."""
    long = tmp_path / ("x" * MAX_SOCKET_PATH_BYTES)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    run, _ = command("pass", "{socket}", target="{socket}")
    target = await run.start()
    await run.wait()
    assert target.socket_path is not None
    folder = Path(target.socket_path).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(target.socket_path) <= MAX_SOCKET_PATH_BYTES
    run.close()
    assert not folder.exists()


async def test_long_and_odd_lines() -> None:
    """A line without end comes in pieces; bytes that are no text do no harm."""
    size = 3 * MAX_LINE_BYTES
    code = f"import sys; sys.stdout.buffer.write(b'x' * {size} + b'\\n\\xff\\xfe\\r\\nlast')"
    run, lines = command(code)
    await run.start()
    await run.wait()
    assert "".join(text for _, text in lines[:-2]) == "x" * size
    assert max(len(text) for _, text in lines) <= MAX_LINE_BYTES
    assert [text for _, text in lines[-2:]] == ["\ufffd\ufffd", "last"]


async def test_both_streams_are_told_apart() -> None:
    """stdout and stderr keep their names."""
    run, lines = command("import sys; print('a'); print('b', file=sys.stderr)")
    await run.start()
    await run.wait()
    assert sorted(lines) == [("stderr", "b"), ("stdout", "a")]


async def test_what_holds_the_pipes_open_is_not_waited_for() -> None:
    """A grandchild that stays behind does not keep the agent."""
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])"
    run, _ = command(code)
    await run.start()
    async with asyncio.timeout(10):
        assert await run.wait() == 0
        await run.stop()  # the group with what is left of it


@pytest.mark.parametrize(
    ("argv", "cwd", "code"),
    [
        (("/no/such/program",), None, "command_missing"),
        ((sys.executable,), "/no/such/folder", "cwd_missing"),
        (("/etc/passwd",), None, "command_forbidden"),
        (("a\0b",), None, "command_invalid"),
    ],
)
async def test_what_cannot_be_started(argv: tuple[str, ...], cwd: str | None, code: str) -> None:
    """One typed error each."""
    run = Command(CommandPlan(argv, "{port}", cwd=cwd), ENV, Lines().add)
    with pytest.raises(LaunchRejected) as caught:
        await run.start()
    assert caught.value.code == code


async def test_it_ends_when_the_agent_is_gone() -> None:
    """However the agent died, the kernel asks its command to end: no GPU stays taken."""
    code = (
        "import asyncio, os, sys\n"
        "from underpass.agent.command import Command, CommandPlan\n"
        "async def main():\n"
        "    plan = CommandPlan((sys.executable, '-c', 'import signal; signal.pause()'), '1')\n"
        "    run = Command(plan, os.environ, print)\n"
        "    await run.start()\n"
        "    print(run.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await agent.communicate()
    child = int(out)

    def is_gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    await eventually_async(is_gone, 5, "the command has ended")


def test_words() -> None:
    """As a person says it."""
    assert exit_words(3) == "ended with code 3"
    assert exit_words(-9) == "was ended by SIGKILL"


async def test_a_bar_that_is_drawn_over_itself(tmp_path: Path) -> None:
    """Its steps are told at once; the log has what a terminal would show in the end."""
    code = (
        "import pathlib, sys, time\n"
        "for n in (10, 50, 100):\n    sys.stderr.write(f'\\rload {n}%')\n    sys.stderr.flush()\n"
        "ends_at = time.monotonic() + 10\n"
        "while not pathlib.Path(sys.argv[1]).exists() and time.monotonic() < ends_at:\n"
        "    time.sleep(0.005)\n"
        "sys.stderr.write('\\ndone\\r\\n')"
    )
    was_told = tmp_path / "told"  # the line ends once its steps were told, however they were read
    run, lines = command(code, str(was_told))
    parts: list[str] = []

    def tell(text: str) -> None:
        parts.append(text)
        if text == "load 50%":
            was_told.touch()

    run.on_part = tell
    await run.start()
    assert await run.wait() == 0
    assert lines == [("stderr", "load 100%"), ("stderr", "done")]
    assert set(parts) >= {"load 10%", "load 50%"}


def test_a_command_is_called_by_its_program() -> None:
    """Also behind a shell that only prepares something for it."""
    assert program_of(["/opt/bin/vllm", "serve"]) == "vllm"
    assert (
        program_of(["sh", "-c", 'mkdir x; exec "$0" "$@"', "transformers", "serve"])
        == "transformers"
    )
    assert program_of(["/bin/sh", "-c", "serve | tee log"]) == "sh"
