"""Every change of a status is pushed to open pages within one second, in the legal order."""

import asyncio
import json
import time
from pathlib import Path

from tests.e2e.conftest import MakeStack
from tests.fakes.stub_server import StubServer
from tests.rig.events import EventWatcher
from tests.rig.forwarder import Forwarder
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually, eventually_async

PUSHED_WITHIN_S = 1.0


def test_a_session_comes_and_goes(make_stack: MakeStack, stub_process: StubProcess) -> None:
    """Session, tunnel and provider appear, stop and come back under the same ids, all pushed."""
    stack = make_stack()
    alice = stack.add_person("alice")
    with EventWatcher(stack.url, alice.key) as page:
        agent = stack.open_tunnel(alice, str(stub_process.port), "box")
        first = page.wait_status("provider", "box", "running")
        page.wait_status("tunnel", "box", "running")
        agent.stop()
        ended = time.monotonic()
        for kind in ("provider", "tunnel"):
            assert page.wait_status(kind, "box", "stopped").at - ended < PUSHED_WITHIN_S
        stack.open_tunnel(alice, str(stub_process.port), "box")
        again = page.wait_status("provider", "box", "running")
        assert page.statuses("provider", "box")[-3:] != []
        assert again.data["item"]["id"] == first.data["item"]["id"]
    session = stack.api(alice).items("/api/sessions")[0]
    assert session["attached"] is True
    assert session["status"] == "running"


def test_a_server_loads_runs_breaks_and_recovers(make_stack: MakeStack, tmp_path: Path) -> None:
    """starting, loading, running, unreachable and running again, each as the server is."""
    stack = make_stack()
    alice = stack.add_person("alice")
    stub = StubProcess(tmp_path / "stub.log")
    stub.stop()
    try:
        with EventWatcher(stack.url, alice.key) as page:
            stack.start_tunnel(alice, str(stub.port), "box")
            page.wait_status("provider", "box", "starting")
            stub.start()
            stub.set_mode("loading")
            page.wait_status("provider", "box", "loading", 15)
            stub.set_mode("ok")
            page.wait_status("provider", "box", "running", 15)
            stub.stop()
            page.wait_status("provider", "box", "unreachable", 30)
            stub.start()
            page.wait_status("provider", "box", "running", 30)
    finally:
        stub.stop()


async def test_a_lost_link_is_reconnecting(make_stack: MakeStack, stub: StubServer) -> None:
    """A tunnel whose link dropped is `reconnecting`, and `running` when it is back; nothing is lost."""
    stack = await asyncio.to_thread(make_stack)
    alice = await asyncio.to_thread(stack.add_person, "alice")
    async with Forwarder(stack.port) as line:
        await asyncio.to_thread(stack.open_tunnel, alice, str(stub.port), "box", hub_url=line.url)

        def watch() -> EventWatcher:
            return EventWatcher(stack.url, alice.key).__enter__()

        page = await asyncio.to_thread(watch)
        try:
            line.is_refusing = True
            cut = time.monotonic()
            line.cut()
            lost = await asyncio.to_thread(page.wait_status, "tunnel", "box", "reconnecting")
            assert lost.at - cut < PUSHED_WITHIN_S
            line.is_refusing = False
            await asyncio.to_thread(page.wait_status, "tunnel", "box", "running", 40)
        finally:
            await asyncio.to_thread(page.__exit__, None, None, None)


async def test_models_that_change_are_listed_anew(make_stack: MakeStack, stub: StubServer) -> None:
    """A server that serves another model than before shows it, without anything being restarted."""
    stack = await asyncio.to_thread(make_stack)
    alice = await asyncio.to_thread(stack.add_person, "alice")
    await asyncio.to_thread(stack.open_tunnel, alice, str(stub.port), "box")
    stub.models = ("another", "stub")

    def names() -> set[str]:
        return {m["id"] for m in stack.api(alice).get("/v1/models").json()["data"]}

    await eventually_async(
        lambda: asyncio.to_thread(lambda: names() == {"box/another", "box/stub"}), 40
    )


def _private(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_a_second_agent_of_the_same_session_takes_over(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """An agent that froze is displaced at once by one with the same session's token."""
    stack = make_stack()
    alice = stack.add_person("alice")
    made = stack.api(alice).post("/api/sessions", {"attach": True, "name": "box", "host": "gpu"})
    assert made.status == 201
    spec = {
        "hub": stack.url,
        "token_file": _private(stack.folder / "token", made.json()["token"]),
        "session_id": made.json()["session"]["id"],
        "target": str(stub_process.port),
        "tunnel": "box",
    }
    order = _private(stack.folder / "order.json", json.dumps({"format": 1, **spec}))
    first = stack.start_agent("agent", "--spec", order)
    stack.wait_provider(alice, "box", "running", agent=first)
    second = stack.start_agent("agent", "--spec", order)
    eventually(lambda: not first.is_alive, 20, "the first agent gives way")
    stack.wait_provider(alice, "box", "running", agent=second)
    assert "Traceback" not in first.output()
