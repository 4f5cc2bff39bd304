"""`underpass demo`: what it plans to run, and the whole of it as a process."""

import re
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.rig.processes import Process, clean_environment
from tests.rig.waiting import eventually
from underpass.cli.demo import _port, plan_for
from underpass.core.errors import ConfigError, InvalidRequest

DEMO = [sys.executable, "-m", "underpass", "demo", "--no-browser"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for programs that is all of the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str) -> None:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


def test_without_a_model_the_guide_says_what_it_is() -> None:
    """The built-in one, honestly named."""
    plan = plan_for(None)
    assert (plan.template, plan.name) == ("demo", "demo")
    assert "not a language model" in plan.text


def test_a_model_chooses_its_server(programs: Path, tmp_path: Path) -> None:
    """A GGUF file llama.cpp, a name Ollama, a Hugging Face name or a folder vLLM."""
    for program in ("llama-server", "ollama", "vllm"):
        install(programs, program)
    file = tmp_path / "My Model.gguf"
    file.touch()
    plan = plan_for(str(file))
    assert (plan.template, plan.name, plan.params["model"]) == ("llama.cpp", "my-model", str(file))
    assert plan_for("llama3.2:1b").template == "ollama"
    assert plan_for("Qwen/Qwen3-8B").template == "vllm"
    assert plan_for(str(tmp_path)).template == "vllm"


@pytest.mark.parametrize("model", ["/no/none.gguf", "none.gguf", "./none", "~/none-such"])
def test_a_file_that_is_not_there_is_named(programs: Path, model: str) -> None:
    """Before anything starts."""
    with pytest.raises(InvalidRequest, match=re.escape(model)):
        plan_for(model)


@pytest.mark.parametrize(("model", "server"), [("llama3", "ollama"), ("org/m", "vllm")])
def test_a_server_that_is_not_installed_is_named(programs: Path, model: str, server: str) -> None:
    """With how to get it, and that the demo works without."""
    with pytest.raises(ConfigError, match=f"{server} is not installed") as caught:
        plan_for(model)
    assert "Without --model" in (caught.value.hint or "")


def test_a_port_that_is_used_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual port taken: another; a port that was asked for is that one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr("underpass.cli.demo.USUAL_PORT", taken.getsockname()[1])
        assert _port(None) == 0
    assert _port(9000) == 9000


def test_the_demo_runs_twice_and_leaves_nothing(tmp_path: Path) -> None:
    """Same folder, same user, same name: it comes up, answers, and Ctrl-C ends all of it."""
    places = {"XDG_CONFIG_HOME": str(tmp_path / "etc"), "COLUMNS": "200"}
    command = [*DEMO, "--port", "0", "--data-dir", str(tmp_path / "data")]
    for run in ("first", "second"):
        with Process(command, tmp_path / run, places) as demo:
            demo.wait_for_output("Ctrl-C ends everything.", 40)
            link = re.search(r"http://\S+token=\S+", demo.output())
            assert link is not None
            with urllib.request.urlopen(link[0], timeout=5) as page:
                assert page.status == 200
            family = psutil.Process(demo.pid).children(recursive=True)
            assert family
            demo.signal(signal.SIGINT)
            assert demo.wait(20) == 0
            eventually(lambda: not any(one.is_running() for one in family), 5)  # noqa: B023
            assert "Traceback" not in demo.output()
            assert "underpass-guide" in demo.output()


def test_a_used_port_that_was_asked_for_is_one_line(tmp_path: Path) -> None:
    """Exit code 1, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [*DEMO, "--port", str(taken.getsockname()[1])]
        environment = clean_environment() | {"TMPDIR": str(tmp_path)}
        with Process(command, tmp_path / "log", environment) as demo:
            assert demo.wait(20) == 1
            assert "Choose another --port" in demo.output().splitlines()[-1]
            assert "Traceback" not in demo.output()
    assert not list(tmp_path.glob("underpass-demo-*"))
