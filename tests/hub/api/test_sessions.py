"""`/api/sessions`, over a real hub; sessions on its own machine run for real."""

import asyncio
import json
from typing import Any

import pytest

from tests.hub.agents import HELLO, TinyAgent
from tests.hub.conftest import Browser, RunningHub
from tests.rig.waiting import eventually_async
from underpass.store import UserRecord


@pytest.fixture
async def program(hub: RunningHub, alice: UserRecord) -> Browser:
    """A program of alice's."""
    return await hub.program(await hub.key(alice))


async def attach(program: Browser, name: str = "box") -> dict[str, Any]:
    answer = await program.post("/api/sessions", {"attach": True, "name": name, "host": "gpu-17"})
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.json()
    return found


async def session_of(program: Browser, session_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await program.get(f"/api/sessions/{session_id}")).json()
    return found


async def test_attach_gives_a_token_once(hub: RunningHub, program: Browser) -> None:
    """201 with the session and its token; the agent that comes with it makes it run."""
    made = await attach(program)
    assert made["token"].startswith("ups_")
    session = made["session"]
    assert (session["status"], session["attached"], session["host"]) == ("queued", True, "gpu-17")
    agent = TinyAgent(hub.url, made["token"])
    await agent.connect()
    agent.link.send_control(HELLO)

    async def runs() -> bool:
        return bool((await session_of(program, session["id"]))["status"] == "running")

    await eventually_async(runs, 5)
    shown = await session_of(program, session["id"])
    assert shown["timeline"][0]["kind"] == "created"
    listed = (await program.get("/api/sessions")).json()
    assert [one["id"] for one in listed["items"]] == [session["id"]]
    assert listed["items"][0]["timeline"] is None
    assert made["token"] not in json.dumps(listed)
    await agent.close()


async def test_a_live_name_is_a_conflict_with_the_choice(hub: RunningHub, program: Browser) -> None:
    """409 `name_taken`, whose hint names both ways out; `replace` is one of them."""
    made = await attach(program)
    again = await program.post("/api/sessions", {"attach": True, "name": "box", "host": "b"})
    assert (again.status, again.code) == (409, "name_taken")
    assert "--replace" in again.json()["hint"]
    body = {"attach": True, "name": "box", "host": "b", "replace": True}
    taken = await program.post("/api/sessions", body)
    assert taken.status == 201
    assert taken.json()["session"]["id"] == made["session"]["id"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"attach": True}, 400, "invalid_request"),
        ({"attach": True, "host": "h", "name": "Not A Name"}, 400, "name_invalid"),
        ({"template": "demo", "wrong_field": 1}, 400, "invalid_request"),
        ({"template": "demo"}, 404, "cluster_missing"),
        ({"template": "dmeo"}, 404, "not_found"),
        ({"template": "custom", "params": {}}, 400, "param_missing"),
    ],
)
async def test_bad_requests_are_said(
    program: Browser, body: dict[str, Any], status: int, code: str
) -> None:
    """A problem document each, and nothing half-made."""
    answer = await program.post("/api/sessions", body)
    assert (answer.status, answer.code) == (status, code), answer
    assert (await program.get("/api/sessions")).json()["items"] == []


async def test_scopes_are_needed(hub: RunningHub, alice: UserRecord) -> None:
    """A key for models alone neither sees nor starts sessions; a reader sees only."""
    gateway = await hub.program(await hub.key(alice, "gateway"))
    assert (await gateway.get("/api/sessions")).code == "scope_missing"
    reader = await hub.program(await hub.key(alice, "read"))
    assert (await reader.get("/api/sessions")).status == 200
    assert (await reader.post("/api/sessions", {"template": "demo"})).code == "scope_missing"
    nobody = await hub.program()
    assert (await nobody.get("/api/sessions")).status == 401


async def test_a_session_on_the_hub_s_machine_runs_stops_and_goes(
    hub: RunningHub, root: UserRecord
) -> None:
    """202 at once; running after a real answer; logs; stopped as `user`; removed with 204."""
    program = await hub.program(await hub.key(root))
    made = await program.post("/api/sessions", {"template": "demo", "name": "demo"})
    assert made.status == 202
    path = f"/api/sessions/{made.json()['id']}"

    async def has_status(*wanted: str) -> bool:
        return (await program.get(path)).json()["status"] in wanted

    await eventually_async(lambda: has_status("running", "failed"), 40)
    assert (await program.get(path)).json()["status"] == "running"
    assert (await program.delete(path)).code == "session_live"
    lines = await _followed(program, f"{path}/logs?follow=true", 1)
    assert "underpass-guide listens" in lines[0]["text"]
    assert (await program.post(f"{path}/stop")).status == 202
    await eventually_async(lambda: has_status("stopped"), 20)
    ended = (await program.get(path)).json()
    assert ended["end_reason"] == "user"
    assert (await program.get(f"{path}/logs")).json()["items"]
    assert (await program.delete(path)).status == 204
    assert (await program.get(path)).status == 404


async def test_a_follower_hears_the_end(program: Browser, hub: RunningHub) -> None:
    """New lines as they come, and `end` when the session has ended."""
    made = await attach(program)
    agent = TinyAgent(hub.url, made["token"])
    await agent.connect()
    agent.link.send_control(HELLO)
    path = f"/api/sessions/{made['session']['id']}/logs?follow=true"
    following = asyncio.ensure_future(_followed(program, path, 3))
    for text in ("one", "two"):
        line = {"t": 1.0, "source": "stdout", "text": text}
        agent.say("session.log", lines=[line])
    agent.say("session.ended", reason="user", exit_code=0, message="")
    lines = await asyncio.wait_for(following, 15)
    assert [line.get("text", "end") for line in lines] == ["one", "two", "end"]
    await agent.close()


async def test_a_follower_whose_key_is_revoked_hears_no_more(
    hub: RunningHub, alice: UserRecord, program: Browser
) -> None:
    """The next line is not for it; without `end`, as the session goes on."""
    made = await attach(program)
    agent = TinyAgent(hub.url, made["token"])
    await agent.connect()
    key, secret = await hub.services.auth.keys.create(alice.id, name="x", scopes=["read"])
    path = f"/api/sessions/{made['session']['id']}/logs?follow=true"
    agent.say("session.log", lines=[{"t": 1.0, "source": "stdout", "text": "one"}])
    heard: list[dict[str, Any]] = []
    following = asyncio.ensure_future(_followed(await hub.program(secret), path, 2, heard))
    # Only who has heard something certainly listens.
    await eventually_async(lambda: len(heard) == 1, 5, "it follows")
    await hub.services.auth.keys.revoke(key.id)
    agent.say("session.log", lines=[{"t": 2.0, "source": "stdout", "text": "two"}])
    lines = await asyncio.wait_for(following, 15)
    assert [line["text"] for line in lines] == ["one"]
    await agent.close()


async def _followed(
    program: Browser, path: str, count: int, heard: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """The first events of a followed log; `heard` gets them as they come."""
    headers = {**program.headers, "Accept": "text/event-stream"}
    found: list[dict[str, Any]] = [] if heard is None else heard
    async with program.http.get(program.url + path, headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        async for line in answer.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
                if len(found) == count:
                    return found
    return found


async def test_the_script_is_shown_and_nothing_is_started(
    hub: RunningHub, program: Browser, root: UserRecord
) -> None:
    """Before a start for who may start it; an attached session has none."""
    admin = await hub.program(await hub.key(root))
    shown = await admin.post("/api/sessions/script", {"template": "demo", "name": "box"})
    assert shown.status == 200, shown
    assert " agent --spec " in shown.json()["script"]
    assert (await admin.get("/api/sessions")).json()["items"] == []
    refused = await admin.post("/api/sessions/script", {"template": "llama.cpp"})
    assert (refused.status, refused.json()["code"]) == (400, "param_missing")
    made = await attach(program)
    none = await program.get(f"/api/sessions/{made['session']['id']}/script")
    assert (none.status, none.json()["code"]) == (409, "session_attached")
    stranger = await admin.get(f"/api/sessions/{made['session']['id']}/script")
    assert stranger.status == 404
