"""`/api/keys` over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.hub.agents import HELLO, TinyAgent
from tests.hub.conftest import RunningHub
from tests.rig.waiting import eventually_async
from underpass.store import UserRecord
from underpass.tunnel.link import Head, Stream


class Tiny:
    """alice's provider `box` with the model `tiny`, its agent in the test's hands."""

    def __init__(self, agent: TinyAgent) -> None:
        self.agent = agent
        self._taken = 0

    @staticmethod
    def question(**more: Any) -> dict[str, Any]:
        return {"model": "box/tiny", "messages": [], **more}

    async def next_stream(self) -> Stream:
        """The next request that the hub sends."""
        await eventually_async(lambda: len(self.agent.streams) > self._taken, 5)
        self._taken += 1
        return self.agent.streams[self._taken - 1]

    async def begin_answer(self, first: bytes) -> Stream:
        """As `next_stream`, with the head and the first bytes of a streamed answer."""
        stream = await self.next_stream()
        await stream.respond(Head(200, (("content-type", "text/event-stream"),)))
        await stream.write(first)
        return stream


@pytest.fixture
async def tiny(hub: RunningHub, alice: UserRecord) -> AsyncIterator[Tiny]:
    """A provider that is running."""
    program = await hub.program(await hub.key(alice))
    made = await program.post("/api/sessions", {"attach": True, "name": "box", "host": "gpu"})
    agent = TinyAgent(hub.url, made.json()["token"])
    await agent.connect()
    agent.link.send_control(HELLO)
    agent.say("tunnel.offer", ref="1", name="box", target="8000", openai=True)
    accepted = await eventually_async(lambda: agent.said("tunnel.accepted"), 5)
    assert accepted is not None
    tunnel_id = accepted["tunnel_id"]
    agent.say("tunnel.readiness", tunnel_id=tunnel_id, state="running", models=[{"id": "tiny"}])

    async def is_listed() -> bool:
        return bool((await program.get("/v1/models")).json()["data"])

    await eventually_async(is_listed, 5)
    yield Tiny(agent)
    await agent.close()


async def test_a_key_is_shown_once_and_revoked_at_once(hub: RunningHub, alice: UserRecord) -> None:
    """It works, is listed without its secret, and is dead with the very next request."""
    browser = await hub.browser(alice.name)
    made = await browser.post("/api/keys", {"name": "laptop", "scopes": ["gateway", "read"]})
    secret, key = made.json()["secret"], made.json()["key"]
    assert (made.status, secret[:10]) == (201, key["prefix"])
    program = await hub.program(secret)
    assert (await program.get("/api/me")).status == 200
    listed = await browser.get("/api/keys")
    assert secret not in listed.body.decode()
    assert [one["id"] for one in listed.json()["items"]] == [key["id"]]
    assert (await browser.delete(f"/api/keys/{key['id']}")).status == 204
    refused = await program.get("/api/me")
    assert (refused.status, refused.code) == (401, "key_revoked")
    assert (await browser.get(f"/api/keys/{key['id']}")).json()["revoked_at"]


@pytest.mark.parametrize("path", ["/api/me", "/v1/models"])
async def test_each_way_to_be_wrong_has_its_code(
    hub: RunningHub, alice: UserRecord, path: str
) -> None:
    """Unknown, revoked and expired keys are told apart, in either shape of error."""
    keys = hub.services.auth.keys
    revoked, revoked_secret = await keys.create(alice.id, name="r", scopes=["gateway"])
    await keys.revoke(revoked.id)
    old, old_secret = await keys.create(alice.id, name="o", scopes=["gateway"])
    await hub.services.store.keys.update(old.id, expires_at=1.0)
    for secret, code in (
        ("up_unknown", "key_invalid"),
        (revoked_secret, "key_revoked"),
        (old_secret, "key_expired"),
    ):
        answer = await (await hub.program(secret)).get(path)
        document = answer.json()
        assert answer.status == 401
        assert document.get("code", document.get("error", {}).get("code")) == code
        assert secret not in answer.body.decode()


async def test_a_scope_that_is_missing_is_named(hub: RunningHub, alice: UserRecord) -> None:
    """A key for models cannot look at sessions, and the other way round."""
    gateway = await hub.program(await hub.key(alice, "gateway"))
    reader = await hub.program(await hub.key(alice, "read"))
    assert (await gateway.get("/v1/models")).status == 200
    assert (await gateway.get("/api/sessions")).code == "scope_missing"
    assert (await reader.get("/api/sessions")).status == 200
    assert (await reader.get("/v1/models")).json()["error"]["code"] == "scope_missing"


async def test_anthropics_header_is_a_key_for_models_only(
    hub: RunningHub, alice: UserRecord
) -> None:
    """`x-api-key` opens /v1 and nothing of /api."""
    secret = await hub.key(alice)
    program = await hub.program()
    header = {"x-api-key": secret}
    assert (await program.get("/v1/models", **header)).status == 200
    assert (await program.get("/api/me", **header)).status == 401


async def test_a_key_makes_no_key_that_reaches_further(
    hub: RunningHub, alice: UserRecord, root: UserRecord
) -> None:
    """Neither in scopes nor in models; and nobody makes an admin's key who is none."""
    program = await hub.program(await hub.key(alice, "sessions", "gateway"))
    assert (await program.post("/api/keys", {"name": "x", "scopes": ["read"]})).status == 403
    assert (await program.post("/api/keys", {"name": "x", "scopes": ["gateway"]})).status == 201
    bound = await hub.program(await hub.key(alice, "sessions", model_allow=["box/llama"]))
    assert (await bound.post("/api/keys", {"name": "x", "scopes": ["sessions"]})).status == 403
    weak = await hub.program(await hub.key(alice, "gateway"))
    assert (await weak.post("/api/keys", {"name": "x", "scopes": ["gateway"]})).status == 403
    browser = await hub.browser(alice.name)
    admin = await hub.browser(root.name)
    body = {"name": "x", "scopes": ["admin"]}
    assert (await browser.post("/api/keys", body)).status == 403
    assert (await admin.post("/api/keys", body)).status == 201


async def test_bad_keys_are_not_made(hub: RunningHub, alice: UserRecord) -> None:
    """Unknown scopes, none at all, and an expiry that is over."""
    browser = await hub.browser(alice.name)
    for scopes in ([], ["everything"]):
        answer = await browser.post("/api/keys", {"name": "x", "scopes": scopes})
        assert answer.code == "scope_unknown"
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert (await browser.post("/api/keys", {"name": "x", "expires_at": past})).code == (
        "expiry_in_the_past"
    )


async def test_a_strangers_key_is_not_there(hub: RunningHub, alice: UserRecord) -> None:
    """404 for looking and for revoking, for admins too, as for an id that never was."""
    bob = await hub.user("bob", is_admin=True)
    mine = await hub.browser(alice.name)
    made = (await mine.post("/api/keys", {"name": "laptop"})).json()["key"]
    stranger = await hub.browser(bob.name)
    seen = await stranger.get(f"/api/keys/{made['id']}")
    never = await stranger.get("/api/keys/key_never")
    assert seen.status == never.status == 404
    assert seen.json()["detail"] == never.json()["detail"]
    assert (await stranger.delete(f"/api/keys/{made['id']}")).status == 404
    assert (await stranger.get("/api/keys")).json()["items"] == []


async def test_a_revoked_key_ends_its_answers_under_way(
    hub: RunningHub, alice: UserRecord, tiny: Tiny
) -> None:
    """Before and after the first byte, streamed or not, within a second; another key's goes on."""
    key, secret = await hub.services.auth.keys.create(alice.id, name="lost", scopes=["gateway"])
    lost, kept = await hub.program(secret), await hub.program(await hub.key(alice))
    silent = asyncio.create_task(lost.post("/v1/chat/completions", tiny.question()))
    silent_stream = await tiny.next_stream()
    begun = asyncio.create_task(lost.post("/v1/chat/completions", tiny.question(stream=True)))
    begun_stream = await tiny.begin_answer(b"data: 1\n\n")
    other = asyncio.create_task(kept.post("/v1/chat/completions", tiny.question(stream=True)))
    other_stream = await tiny.begin_answer(b"data: 2\n\n")
    await eventually_async(lambda: hub.services.door.calls_under_way == 3, 5)

    await hub.services.auth.keys.revoke(key.id)
    answers = await asyncio.wait_for(asyncio.gather(silent, begun), 1)
    assert answers[0].json()["error"]["code"] == "cancelled"
    assert answers[1].body.startswith(b"data: 1\n\n")
    assert b'"code": "cancelled"' in answers[1].body
    for stream in (silent_stream, begun_stream):
        await eventually_async(partial(getattr, stream, "is_cancelled"), 1)
    await other_stream.write_end()
    assert (await other).body == b"data: 2\n\n"
    assert hub.services.door.calls_under_way == 0


async def test_a_disabled_user_s_answers_end(
    hub: RunningHub, alice: UserRecord, root: UserRecord, tiny: Tiny
) -> None:
    """Whatever they were asked with."""
    program = await hub.program(await hub.key(alice))
    asking = asyncio.create_task(program.post("/v1/chat/completions", tiny.question(stream=True)))
    await tiny.begin_answer(b"data: 1\n\n")
    admin = await hub.program(await hub.key(root, "admin"))
    assert (await admin.patch(f"/api/users/{alice.id}", {"is_disabled": True})).status == 200
    assert b'"error"' in (await asyncio.wait_for(asking, 1)).body


async def test_a_key_that_is_revoked_while_the_body_comes(
    hub: RunningHub, alice: UserRecord, tiny: Tiny
) -> None:
    """Nothing is asked of the model server: 401 once the body is there."""
    key, secret = await hub.services.auth.keys.create(alice.id, name="lost", scopes=["gateway"])
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rsplit(":", 1)[1]))
    body = json.dumps(tiny.question()).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {secret}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body[:5])
    await eventually_async(lambda: hub.services.door.calls_under_way == 1, 5)
    await hub.services.auth.keys.revoke(key.id)
    writer.write(body[5:])
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 401")
    writer.close()
    assert tiny.agent.streams == []
