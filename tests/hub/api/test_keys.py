"""`/api/keys` over real HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.hub.conftest import RunningHub
from underpass.store import UserRecord


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
