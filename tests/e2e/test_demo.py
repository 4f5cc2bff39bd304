"""`underpass demo`: one command, and a model answers through a real tunnel."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Browser, expect

from tests.rig.needs import find_llama_server
from tests.rig.processes import Process, clean_environment, free_port
from tests.rig.stack import UNDERPASS
from tests.rig.waiting import eventually


class Demo:
    """A running demo and the link that it printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        command = [*UNDERPASS, "demo", "--no-browser", "--port", str(self.port)]
        command += ["--data-dir", str(folder / "data"), *options]
        server = str(Path(find_llama_server()).parent) if options else ""
        path = f"{server}:{clean_environment()['PATH']}" if server else clean_environment()["PATH"]
        environment = {"XDG_CONFIG_HOME": str(folder / "config"), "PATH": path, "COLUMNS": "200"}
        self.process = Process(command, folder / "demo.log", environment)
        self.link = self._wait_for_link()

    def _wait_for_link(self) -> str:
        def printed() -> str:
            assert self.process.is_alive, self.process.tail()
            found = re.search(rf"http://\S+:{self.port}/\S*token=\S+", self.process.output())
            return found[0] if found else ""

        return eventually(printed, 40, "the demo's link")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """With the built-in demo server."""
    running = Demo(tmp_path)
    yield running
    running.process.stop()


@pytest.mark.timeout(120)
async def test_the_demo_answers_from_its_manual(demo: Demo, chromium: Browser) -> None:
    """The link signs in, the guide is picked already, and it says that it is no language model."""
    page = await chromium.new_page()
    await page.goto(demo.link)
    line = page.get_by_role("button", name="Model:")
    await expect(line).to_contain_text("underpass-guide", timeout=20_000)
    await expect(line).to_contain_text("running", timeout=20_000)
    await page.get_by_label("Message", exact=True).fill("What is a tunnel?")
    await page.keyboard.press("Enter")
    answer = page.get_by_label("Answer", exact=True).last
    await expect(answer).to_contain_text("tunnel", timeout=10_000)
    await expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=10_000)
    await page.close()


@pytest.mark.timeout(120)
def test_the_demo_leaves_nothing_behind(demo: Demo) -> None:
    """Ctrl-C ends hub, session and model server; no process and no traceback is left."""
    family = psutil.Process(demo.process.pid).children(recursive=True)
    demo.process.signal(2)
    demo.process.wait(20)
    eventually(lambda: not any(p.is_running() for p in family), 10, "the demo's children are gone")
    assert "Traceback" not in demo.process.output()


@pytest.mark.timeout(120)
async def test_the_demo_runs_a_real_model(
    tmp_path: Path, tiny_model: Path, chromium: Browser
) -> None:
    """`--model FILE.gguf` starts llama.cpp's server in the session."""
    running = Demo(tmp_path, "--model", str(tiny_model))
    try:
        page = await chromium.new_page()
        await page.goto(running.link)
        line = page.get_by_role("button", name="Model:")
        await expect(line).to_contain_text("tiny", timeout=30_000)
        await expect(line).to_contain_text("running", timeout=20_000)
        await page.get_by_label("Message", exact=True).fill("Hello")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
        await expect(page.get_by_label("Answer", exact=True).last).not_to_be_empty()
        await page.get_by_role("button", name="Stop the answer").click()
        await page.close()
    finally:
        running.process.stop()


def test_a_model_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    """A wrong file name ends the demo with a sentence that names it."""
    command = [*UNDERPASS, "demo", "--no-browser", "--port", str(free_port())]
    command += ["--data-dir", str(tmp_path / "data"), "--model", str(tmp_path / "none.gguf")]
    with Process(command, tmp_path / "demo.log") as process:
        assert process.wait(30) != 0
        assert "none.gguf" in process.output()
        assert "Traceback" not in process.output()
    assert json.dumps(process.output())
