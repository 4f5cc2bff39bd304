"""Limits and what is counted, through the real gateway."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.stub_http import Request
from tests.fakes.stub_server import StubServer
from tests.hub.conftest import Answer, Browser, RunningHub, running_hub
from tests.rig.waiting import eventually_async
from underpass.store import UserRecord


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path / "data", allowed_networks="127.0.0.1") as running:
        yield running


@pytest.fixture
async def mine(hub: RunningHub, alice: UserRecord, stub: StubServer) -> Browser:
    """alice's program, and her provider `lab`."""
    program = await hub.program(await hub.key(alice))
    made = await program.post("/api/providers", {"name": "lab", "base_url": f"{stub.url}/v1"})
    assert made.status == 201
    return program


def _generation(stub: StubServer, tag: str) -> Request | None:
    return next((request for request in stub.generations() if request.tag == tag), None)


def _has_gone(request: Request) -> bool:
    return request.outcome == "disconnected"


async def with_key(hub: RunningHub, owner: Browser, **limits: Any) -> Browser:
    signed_in = await hub.browser("alice")
    made = await signed_in.post("/api/keys", {"name": "k", **limits})
    assert made.status == 201, made.body
    return await hub.program(made.json()["secret"])


async def chat(program: Browser, **more: Any) -> Answer:
    return await program.post("/v1/chat/completions", {"model": "lab/stub", "messages": [], **more})


def code_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["code"]


async def test_a_keys_requests_a_minute(hub: RunningHub, mine: Browser, stub: StubServer) -> None:
    """Over it: 429 with Retry-After and when it resets, and the server hears nothing."""
    program = await with_key(hub, mine, requests_per_minute=1)
    answers = [await chat(program) for _ in range(3)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused  # two at least, unless a minute ended just now
    assert code_of(refused[0]) == (429, "rate_limited")
    assert 0 < int(refused[0].headers["Retry-After"]) <= 60
    assert refused[0].json()["error"]["resets_at"].endswith("Z")
    assert len(stub.generations()) == 3 - len(refused)
    assert (await chat(mine)).status == 200


async def test_a_keys_tokens_a_day(hub: RunningHub, mine: Browser) -> None:
    """What the server says it used counts, and survives a look at what is stored."""
    program = await with_key(hub, mine, tokens_per_day=11)
    assert (await chat(program)).status == 200  # 1 + 10 tokens
    assert code_of(await chat(program)) == (429, "token_limit_reached")
    hub.services.door.quotas._days.clear()
    assert code_of(await chat(program)) == (429, "token_limit_reached")


async def test_limits_of_users_and_groups(
    hub: RunningHub, mine: Browser, alice: UserRecord, root: UserRecord
) -> None:
    """A group's hold until there are some of the user's own; both from the next request on."""
    admin = await hub.program(await hub.key(root, "read", "sessions", "admin"))
    group = (await admin.post("/api/groups", {"name": "g", "members": [alice.id]})).json()["id"]
    put = await admin.call("PUT", f"/api/groups/{group}/limits", {"tokens_per_day": 5})
    assert (put.status, put.json()["tokens_per_day"]) == (200, 5)
    assert (await chat(mine)).status == 200
    assert code_of(await chat(mine)) == (429, "token_limit_reached")
    assert (await mine.get("/api/me")).json()["limits"]["tokens_per_day"] == 5
    await admin.call("PUT", f"/api/users/{alice.id}/limits", {"tokens_per_day": 1000})
    assert (await chat(mine)).status == 200
    assert (await admin.get(f"/api/users/{alice.id}/limits")).json()["tokens_per_day"] == 1000
    await admin.call("PUT", f"/api/users/{alice.id}/limits", {})
    assert code_of(await chat(mine)) == (429, "token_limit_reached")
    bad = await admin.call("PUT", f"/api/users/{alice.id}/limits", {"tokens_per_day": 0})
    assert bad.status == 400
    assert (await admin.call("PUT", "/api/users/usr_none/limits", {})).status == 404


async def test_a_limited_key_makes_no_unlimited_one(hub: RunningHub, mine: Browser) -> None:
    """Nor any other key."""
    program = await with_key(hub, mine, requests_per_minute=5, scopes=["gateway", "sessions"])
    assert (await program.post("/api/keys", {"name": "more"})).code == "scope_missing"


async def test_revoking_a_key_ends_its_requests(
    hub: RunningHub, mine: Browser, alice: UserRecord, stub: StubServer
) -> None:
    """Within a second the model server is free, and so is what a disabled user had under way."""
    for how in ("revoke", "disable"):
        key, secret = await hub.services.auth.keys.create(alice.id, name="k", scopes=["gateway"])
        program = await hub.program(secret)
        wish = {"chunks": 1_000_000, "rate": 50, "tag": how}
        asking = asyncio.create_task(chat(program, stream=True, stub=wish))
        running = await eventually_async(partial(_generation, stub, how), 5)
        if how == "revoke":
            await mine.delete(f"/api/keys/{key.id}")
        else:
            root = await hub.user("root", is_admin=True)
            admin = await hub.program(await hub.key(root, "admin"))
            await admin.patch(f"/api/users/{alice.id}", {"is_disabled": True})
        await eventually_async(partial(_has_gone, running), 1)
        answer = await asking
        assert b'"code": "cancelled"' in answer.body


async def test_usage_tells_apart_what_is_asked(
    hub: RunningHub, mine: Browser, alice: UserRecord, root: UserRecord
) -> None:
    """By key, model, provider and session, with tokens, times and errors; as CSV too."""
    program = await with_key(hub, mine)
    await chat(program)
    await chat(program, stub={"status": 500})
    await chat(mine)
    query = "/api/usage?by=key&by=model"
    by_key = (await mine.get(query)).json()["items"]
    assert sorted((one["requests"], one["failures"], one["tokens_out"]) for one in by_key) == [
        (1, 0, 10),
        (2, 1, 10),
    ]
    assert {one["model"] for one in by_key} == {"stub"}
    assert all(one["first_byte_s"] >= 0 and one["day"] is None for one in by_key)
    (whole,) = (await mine.get("/api/usage?by=provider")).json()["items"]
    assert (whole["requests"], whole["tokens_in"], whole["tokens_out"]) == (3, 2, 20)
    file = await mine.get("/api/usage.csv?by=model")
    assert file.headers["Content-Type"].startswith("text/csv")
    header, line = file.body.decode().splitlines()
    assert dict(zip(header.split(","), line.split(","), strict=True))["tokens_out"] == "20"
    assert (await mine.get("/api/usage?by=colour")).status == 400
    admin = await hub.program(await hub.key(root, "read", "admin"))
    (sums,) = (await admin.get("/api/usage?everyone=true&by=user")).json()["items"]
    assert (sums["user_id"], sums["requests"]) == (alice.id, 3)


async def test_a_revocation_by_another_process_acts_within_a_second(
    hub: RunningHub, mine: Browser, alice: UserRecord, stub: StubServer
) -> None:
    """What is written to the database by others: the next request is refused, a running one ends."""
    key, secret = await hub.services.auth.keys.create(alice.id, name="k", scopes=["gateway"])
    program = await hub.program(secret)
    wish = {"chunks": 1_000_000, "rate": 50, "tag": "t"}
    asking = asyncio.create_task(chat(program, stream=True, stub=wish))
    running = await eventually_async(
        lambda: next((r for r in stub.generations() if r.tag == "t"), None), 5
    )
    await hub.services.store.keys.update(key.id, revoked_at=hub.services.clock.now())
    began = asyncio.get_running_loop().time()
    await eventually_async(lambda: running.outcome == "disconnected", 5)
    assert asyncio.get_running_loop().time() - began < 1.0
    await asking
    assert (await chat(program)).json()["error"]["code"] == "key_revoked"
