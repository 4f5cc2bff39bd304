"""`/api/providers`, over a real hub, with real endpoints."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.stub_server import StubServer
from tests.hub.api.test_events import Watch, watch
from tests.hub.api.test_tunnels import Served, served
from tests.hub.conftest import Answer, Browser, RunningHub, running_hub
from tests.providers.servers import Odd, odd_server
from tests.rig.waiting import eventually_async
from underpass.core.errors import NotFound
from underpass.store import UserRecord

__all__ = ["served"]

ASK = {"model": "lab/stub", "messages": []}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    """A hub whose admin lets providers be on this machine."""
    settings = {"allowed_networks": "127.0.0.1", "provider_poll_s": 0.5}
    async with running_hub(tmp_path / "data", **settings) as running:
        yield running


@pytest.fixture
async def odd() -> AsyncIterator[Odd]:
    async with odd_server() as server:
        yield server


@pytest.fixture
async def mine(hub: RunningHub, alice: UserRecord) -> Browser:
    """alice's program."""
    return await hub.program(await hub.key(alice))


@pytest.fixture
async def lab(mine: Browser, stub: StubServer) -> dict[str, Any]:
    """alice's provider `lab`, which is the stub server."""
    made = await mine.post("/api/providers", wanted(f"{stub.url}/v1", key="sk-planted"))
    assert made.status == 201, made.body
    found: dict[str, Any] = made.json()
    return found


def wanted(url: str, **more: Any) -> dict[str, Any]:
    return {"name": "lab", "base_url": url, **more}


async def chat(program: Browser, **more: Any) -> Answer:
    return await program.post("/v1/chat/completions", {**ASK, **more})


async def share(program: Browser, provider: dict[str, Any], **with_: Any) -> Answer:
    return await program.call("PUT", f"/api/providers/{provider['id']}/permissions", with_)


async def has_status(page: Watch, status: str) -> dict[str, Any]:
    """The provider as an open page sees it, once it has that status."""
    while True:
        name, data = await page.next()
        if name == "provider" and data["item"]["status"] == status:
            found: dict[str, Any] = data["item"]
            return found


# --- tunnels' providers ----------------------------------------------------------------------


async def test_a_tunnels_provider_is_its_owners_alone(hub: RunningHub, served: Served) -> None:
    """Shown whole to alice; for bob it does not exist, in the words of an id that does not."""
    (provider,) = await served.providers()
    path = f"/api/providers/{provider['id']}"
    shown = (await served.program.get(path)).json()
    assert (shown["name"], shown["type"], shown["shareable"]) == ("box", "openai-tunnel", False)
    assert shown["models"][0]["id"] == "box/tiny"
    assert shown["session"]["host"] == "gpu-17"
    assert shown["tunnel"]["status"] == "running"
    bob = await hub.program(await hub.key(await hub.user("bob")))
    assert (await bob.get("/api/providers")).json()["items"] == []
    real, fake = await bob.get(path), await bob.get("/api/providers/prv_none")
    assert (real.status, real.code) == (fake.status, fake.code) == (404, "not_found")


async def test_a_tunnels_provider_is_not_shared_changed_or_removed(
    hub: RunningHub, served: Served, root: UserRecord
) -> None:
    """409 `tunnel_not_shareable` for its owner; for others, an admin too, it does not exist."""
    (provider,) = await served.providers()
    path = f"/api/providers/{provider['id']}"
    admin = await hub.program(await hub.key(root, "gateway", "read", "sessions", "admin"))
    tries: list[tuple[str, str, Any]] = [
        ("PUT", f"{path}/permissions", {"everyone": True}),
        ("GET", f"{path}/permissions", None),
        ("PATCH", path, {"base_url": "http://127.0.0.1:1/v1"}),
        ("DELETE", path, None),
    ]
    for method, where, body in tries:
        answer = await served.program.call(method, where, body)
        assert (answer.status, answer.code) == (409, "tunnel_not_shareable"), method
        assert (await admin.call(method, where, body)).status == 404, method
    assert (await admin.get(path)).status == 404
    assert provider["id"] not in (await admin.get("/api/providers?everyone=true")).body.decode()


# --- adding ----------------------------------------------------------------------------------


async def test_add_and_use(mine: Browser, lab: dict[str, Any], stub: StubServer) -> None:
    """It runs at once, lists its models, and answers through the gateway with its own key."""
    assert (lab["type"], lab["status"], lab["shareable"]) == ("openai", "running", True)
    assert [model["id"] for model in lab["models"]] == ["lab/stub"]
    assert (lab["models"][0]["max_model_len"], lab["endpoint"]["has_key"]) == (4096, True)
    listed = (await mine.get("/v1/models")).json()["data"]
    assert [(one["id"], one["status"]) for one in listed] == [("lab/stub", "running")]
    answer = await chat(mine)
    assert (answer.status, answer.json()["model"]) == (200, "stub")
    request = stub.generations()[0]
    assert request.headers["authorization"] == "Bearer sk-planted"
    assert json.loads(request.body)["model"] == "stub"
    assert not [name for name in request.headers if name.startswith(("x-forwarded", "cookie"))]


async def test_a_stream_passes_and_a_servers_error_too(mine: Browser, lab: dict[str, Any]) -> None:
    """Events as they are; a status of the server's own with its body."""
    streamed = await chat(mine, stream=True, stub={"chunks": 5})
    assert streamed.headers["Content-Type"].startswith("text/event-stream")
    assert streamed.body.count(b"data: ") == 6
    failed = await chat(mine, stub={"status": 418})
    assert (failed.status, failed.json()["error"]["message"]) == (418, "as the test asked")


async def test_a_client_that_goes_away_ends_it(
    mine: Browser, lab: dict[str, Any], stub: StubServer
) -> None:
    """Within 250 ms the endpoint's connection is closed."""
    body = {**ASK, "stub": {"hang": "before_head"}}
    asking = asyncio.create_task(mine.post("/v1/chat/completions", body))
    await eventually_async(lambda: stub.generations(), 5)
    asking.cancel()
    began = asyncio.get_running_loop().time()
    await eventually_async(lambda: stub.generations()[0].outcome == "disconnected", 5)
    assert asyncio.get_running_loop().time() - began < 0.25


@pytest.mark.parametrize(
    ("path", "more", "code"),
    [
        ("/redirect/v1", {}, "endpoint_redirects"),
        ("/html/v1", {}, "not_openai"),
        ("/gone/v1", {}, "models_missing"),
        ("/wants-key/v1", {"key": "sk-wrong"}, "key_refused"),
        ("/wants-key/v1", {}, "key_refused"),
        ("/endless/v1", {}, "answer_too_large"),
        ("/ok/v1", {"headers": {"Host": "x"}}, "header_invalid"),
        ("/ok/v1", {"ca_pem": "none"}, "ok"),
    ],
)
async def test_it_is_checked_on_saving(
    mine: Browser, odd: Odd, path: str, more: dict[str, Any], code: str
) -> None:
    """What is wrong has its code and a sentence, and nothing is stored."""
    answer = await mine.post("/api/providers", wanted(odd.url + path, **more))
    if code == "ok":  # a CA is for https; the address is plain
        assert answer.status == 201
        return
    assert (answer.status, answer.code) == (400, code)
    assert "sk-" not in answer.body.decode()
    assert (await mine.get("/api/providers")).json()["items"] == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "http://169.254.169.254/v1", "http://localhost:1/v1", "http://[::1]/"],
)
async def test_an_inner_address_is_refused(tmp_path: Path, url: str) -> None:
    """On a hub whose admin allowed nothing, whether or not it is checked on saving."""
    async with running_hub(tmp_path / "data") as hub:
        program = await hub.program(await hub.key(await hub.user("alice")))
        answer = await program.post("/api/providers", wanted(url))
        assert answer.code in ("address_not_allowed", "base_url_invalid")
        unchecked = await program.post("/api/providers", wanted(url, check=False))
        if unchecked.status == 201:
            asked = await chat(program, model="lab/any")
            assert (asked.status, asked.json()["error"]["code"]) == (502, "upstream_unreachable")
            assert asked.json()["error"]["reason"] == "address_not_allowed"


async def test_the_version_that_was_left_out(mine: Browser, odd: Odd) -> None:
    """`/v1` is found and stored."""
    made = await mine.post("/api/providers", wanted(f"{odd.url}/bare"))
    assert made.json()["endpoint"]["base_url"] == f"{odd.url}/bare/v1"


async def test_only_the_models_that_are_named(mine: Browser, odd: Odd) -> None:
    """Others are not there, by no spelling; one that the endpoint does not list can be named."""
    fields = wanted(f"{odd.url}/ok/v1", model_allow=["m2", "unlisted"])
    made = (await mine.post("/api/providers", fields)).json()
    assert [model["name"] for model in made["models"]] == ["m2", "unlisted"]
    assert (await chat(mine, model="lab/unlisted")).status == 200
    for name in ("lab/m1", "alice:lab/m1", "m1"):
        assert (await chat(mine, model=name)).status == 404, name


async def test_an_endpoint_without_a_list(mine: Browser, odd: Odd) -> None:
    """Its models can be named by hand, and it runs."""
    made = await mine.post("/api/providers", wanted(f"{odd.url}/gone/v1", model_allow=["a"]))
    assert (made.status, made.json()["status"]) == (201, "running")
    provider = made.json()["id"]
    shown = (await mine.get(f"/api/providers/{provider}")).json()
    assert (shown["status"], [one["name"] for one in shown["models"]]) == ("running", ["a"])


async def test_a_name_that_is_taken(served: Served, stub: StubServer, hub: RunningHub) -> None:
    """By a provider or a tunnel of one's own."""
    program = served.program
    for _ in range(2):
        answer = await program.post("/api/providers", {"name": "box", "base_url": f"{stub.url}/v1"})
        assert (answer.status, answer.code) == (409, "name_taken")


async def test_its_status_is_pushed(
    hub: RunningHub, mine: Browser, lab: dict[str, Any], stub: StubServer
) -> None:
    """Unreachable when a request finds it so, running when it is back; an open page sees both."""
    async with watch(mine) as page:
        await page.next()
        await stub.stop()
        answer = await chat(mine)
        assert (answer.status, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
        assert answer.json()["error"]["reason"] == "endpoint_refuses"
        gone = await has_status(page, "unreachable")
        assert "refuses connections" in gone["status_reason"]
        await stub.start()
        await has_status(page, "running")


# --- secrets ---------------------------------------------------------------------------------


async def test_secrets_are_never_shown_and_sealed_at_rest(
    hub: RunningHub, mine: Browser, lab: dict[str, Any], tmp_path: Path
) -> None:
    """Not in an answer, not in the audit trail, not in the database's file; the key file is 0600."""
    headers = {"X-Team": "planted-header"}
    changed = await mine.patch(f"/api/providers/{lab['id']}", {"headers": headers})
    assert changed.json()["endpoint"]["header_names"] == ["X-Team"]
    assert changed.json()["endpoint"]["has_key"] is True
    for path in ("/api/providers", f"/api/providers/{lab['id']}", "/api/audit"):
        assert b"planted" not in (await mine.get(path)).body
    stored = await hub.services.store.endpoints.get(lab["id"])
    assert "planted" not in str(stored)
    for file in (tmp_path / "data").glob("underpass.db*"):
        assert b"planted" not in file.read_bytes(), file
    key_file = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


async def test_a_key_does_not_follow_to_another_address(
    hub: RunningHub,
    mine: Browser,
    lab: dict[str, Any],
    odd: Odd,
    root: UserRecord,
    stub: StubServer,
) -> None:
    """Neither its owner nor an admin sends it elsewhere without giving it again."""
    admin = await hub.program(await hub.key(root, "read", "sessions", "admin"))
    path = f"/api/providers/{lab['id']}"
    for who in (mine, admin):
        answer = await who.patch(path, {"base_url": f"{odd.url}/ok/v1"})
        assert (answer.status, answer.code) == (400, "secrets_needed")
    assert not odd.seen
    moved = await admin.patch(path, {"base_url": f"{odd.url}/ok/v1", "key": None})
    assert (moved.status, moved.json()["endpoint"]["has_key"]) == (200, False)
    assert all("Authorization" not in request.headers for request in odd.seen)
    assert moved.json()["owner"]["name"] == "alice"


async def test_a_restart_and_a_lost_key_file(tmp_path: Path, stub: StubServer) -> None:
    """After a restart it answers as before; without its key file it says what to do."""
    data, settings = tmp_path / "data", {"allowed_networks": "127.0.0.1"}
    async with running_hub(data, **settings) as hub:
        key = await hub.key(await hub.user("alice"))
        fields = wanted(f"{stub.url}/v1", key="sk-planted")
        made = (await (await hub.program(key)).post("/api/providers", fields)).json()
    async with running_hub(data, **settings) as hub:
        assert (await chat(await hub.program(key))).status == 200
    (data / "secret.key").unlink()
    async with running_hub(data, **settings) as hub:
        program = await hub.program(key)
        shown = (await program.get(f"/api/providers/{made['id']}")).json()
        assert shown["status"] == "unreachable"
        assert "Give the provider its key again" in shown["status_reason"]
        assert (await chat(program)).status == 502
        mended = await program.patch(f"/api/providers/{made['id']}", {"key": "sk-2", "headers": {}})
        assert (mended.status, mended.json()["status"]) == (200, "running")
        assert (await chat(program)).status == 200


# --- sharing ---------------------------------------------------------------------------------


async def test_share_use_and_revoke(
    hub: RunningHub, mine: Browser, lab: dict[str, Any], stub: StubServer
) -> None:
    """Granted by name, seen without how it is reached, used by both ids; revoked for the next request."""
    bob = await hub.program(await hub.key(await hub.user("bob")))
    path = f"/api/providers/{lab['id']}"
    unknown = await bob.get("/api/providers/prv_none")
    before = await bob.get(path)
    assert (before.status, before.code) == (unknown.status, unknown.code) == (404, "not_found")
    assert (await share(mine, lab, users=["bob"])).status == 200
    (seen,) = (await bob.get("/api/providers")).json()["items"]
    assert (seen["owner"]["name"], seen["endpoint"]) == ("alice", None)
    for model in ("lab/stub", "alice:lab/stub", "stub"):
        assert (await chat(bob, model=model)).status == 200, model
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        refused = await bob.call(method, path, body)
        assert (refused.status, refused.code) == (403, "not_yours")
    assert (await bob.get(f"{path}/permissions")).code == "not_yours"
    allowed = (await mine.get(f"{path}/permissions")).json()
    assert ([one["name"] for one in allowed["users"]], allowed["everyone"]) == (["bob"], False)
    asked = len(stub.generations())
    assert (await share(mine, lab)).status == 200
    assert (await chat(bob)).json()["error"]["code"] == "model_not_found"
    assert (await bob.get(path)).status == 404
    assert (await bob.get("/v1/models")).json()["data"] == []
    assert len(stub.generations()) == asked


async def test_ones_own_name_comes_first(
    hub: RunningHub, mine: Browser, lab: dict[str, Any], odd: Odd
) -> None:
    """With a provider of the same name of one's own, the shared one is listed with its owner."""
    bob = await hub.program(await hub.key(await hub.user("bob")))
    await share(mine, lab, everyone=True)
    await bob.post("/api/providers", wanted(f"{odd.url}/ok/v1"))
    ids = {one["id"] for one in (await bob.get("/v1/models")).json()["data"]}
    assert ids == {"lab/m1", "lab/m2", "alice:lab/stub"}
    shown = (await bob.get("/api/providers")).json()["items"]
    assert {model["id"] for one in shown for model in one["models"]} == ids


async def test_groups(
    hub: RunningHub, alice: UserRecord, mine: Browser, lab: dict[str, Any], root: UserRecord
) -> None:
    """Whoever is in the group may use it; who leaves it may not, from the next request on."""
    admin = await hub.program(await hub.key(root, "read", "sessions", "admin"))
    bob = await hub.user("bob")
    program = await hub.program(await hub.key(bob))
    group = (await admin.post("/api/groups", {"name": "physics", "members": [bob.id]})).json()
    refused = await share(mine, lab, groups=["physics"])
    assert (refused.status, refused.code) == (400, "group_unknown")
    await admin.patch(f"/api/groups/{group['id']}", {"members": [bob.id, alice.id]})
    assert (await share(mine, lab, groups=["physics"])).status == 200
    assert (await chat(program)).status == 200
    await admin.patch(f"/api/groups/{group['id']}", {"members": [alice.id]})
    assert (await chat(program)).status == 404
    await admin.patch(f"/api/groups/{group['id']}", {"members": [bob.id]})
    assert (await chat(program)).status == 200
    await admin.delete(f"/api/groups/{group['id']}")
    assert (await chat(program)).status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [({"users": ["nobody"]}, "user_unknown"), ({"groups": ["no"]}, "group_unknown")],
)
async def test_a_grant_to_nobody(
    mine: Browser, lab: dict[str, Any], body: dict[str, Any], code: str
) -> None:
    """Said, and what was granted before stays."""
    await share(mine, lab, everyone=True)
    answer = await share(mine, lab, **body)
    assert (answer.status, answer.code) == (400, code)
    allowed = (await mine.get(f"/api/providers/{lab['id']}/permissions")).json()
    assert allowed["everyone"] is True


async def test_an_admin_manages_and_does_not_use(
    hub: RunningHub, mine: Browser, lab: dict[str, Any], root: UserRecord
) -> None:
    """Sees how it is reached, shares and removes it; may not ask it anything unless it is shared."""
    admin = await hub.program(await hub.key(root, "gateway", "read", "sessions", "admin"))
    (seen,) = (await admin.get("/api/providers?everyone=true")).json()["items"]
    assert seen["endpoint"]["has_key"] is True
    assert (await admin.get(f"/api/providers/{lab['id']}")).status == 200
    assert (await admin.get("/api/providers")).json()["items"] == []
    assert (await chat(admin)).status == 404
    limited = await hub.program(await hub.key(root, "gateway", "read", "sessions"))
    assert (await limited.get("/api/providers?everyone=true")).code == "admin_only"
    assert (await limited.get(f"/api/providers/{lab['id']}")).status == 404
    assert (await admin.delete(f"/api/providers/{lab['id']}")).status == 204
    assert (await chat(mine)).status == 404
    trail = (await admin.get("/api/audit")).json()["items"]
    assert {"provider.create", "provider.remove"} <= {one["action"] for one in trail}


async def test_pages_follow_a_grant(hub: RunningHub, mine: Browser, lab: dict[str, Any]) -> None:
    """bob's open page gets the provider when it is shared and loses it when that is revoked."""
    bob = await hub.program(await hub.key(await hub.user("bob")))
    async with watch(bob) as page:
        assert (await page.next())[1]["providers"] == []
        await share(mine, lab, users=["bob"])
        assert [one["name"] for one in (await page.next())[1]["providers"]] == ["lab"]
        await share(mine, lab)
        assert (await page.next())[1]["providers"] == []


async def test_a_disabled_owners_provider_rests(
    hub: RunningHub, alice: UserRecord, mine: Browser, lab: dict[str, Any], root: UserRecord
) -> None:
    """Nobody uses it while its owner is disabled; enabled again, it is back with its grants."""
    admin = await hub.program(await hub.key(root, "read", "sessions", "admin"))
    bob = await hub.program(await hub.key(await hub.user("bob")))
    await share(mine, lab, everyone=True)
    await admin.patch(f"/api/users/{alice.id}", {"is_disabled": True})
    assert (await chat(bob)).status == 404
    await admin.patch(f"/api/users/{alice.id}", {"is_disabled": False})
    assert (await chat(bob)).status == 200
    assert (await admin.delete(f"/api/users/{alice.id}")).status == 204
    assert (await chat(bob)).status == 404


async def during_a_change(
    hub: RunningHub, mine: Browser, lab: dict[str, Any], act: Awaitable[Answer]
) -> Answer:
    """The answer to `act`, which came while the provider was being renamed to `new`."""
    providers, update = hub.services.providers, hub.services.store.providers.update
    begun, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(provider_id: str, **changes: Any) -> Any:
        if "name" in changes:
            begun.set()
            await may_go_on.wait()
        return await update(provider_id, **changes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub.services.store.providers, "update", slow)
        path, body = f"/api/providers/{lab['id']}", {"name": "new"}
        renaming = asyncio.ensure_future(mine.patch(path, body))
        await begun.wait()
        acting = asyncio.ensure_future(act)
        await eventually_async(lambda: bool(providers._changing._waiters))
        may_go_on.set()
        assert (await renaming).status == 200
        return await acting


async def test_a_grant_during_a_change_is_of_what_it_became(
    hub: RunningHub, mine: Browser, lab: dict[str, Any]
) -> None:
    """Two requests at once: both are done, and neither brings back what was before the other."""
    bob = await hub.program(await hub.key(await hub.user("bob")))
    assert (await during_a_change(hub, mine, lab, share(mine, lab, users=["bob"]))).status == 200
    (seen,) = (await bob.get("/api/providers")).json()["items"]
    assert seen["name"].endswith("new")
    assert (await chat(bob, model="new/stub")).status == 200
    assert (await share(mine, lab)).status == 200
    assert (await bob.get("/api/providers")).json()["items"] == []


async def test_who_is_removed_during_a_change_leaves_nothing(
    hub: RunningHub, mine: Browser, lab: dict[str, Any], alice: UserRecord, root: UserRecord
) -> None:
    """Neither a removed provider nor a disabled owner's is put back by the change that was on
    its way."""
    admin = await hub.program(await hub.key(root, "read", "sessions", "admin"))
    disabling = admin.patch(f"/api/users/{alice.id}", {"is_disabled": True})
    assert (await during_a_change(hub, mine, lab, disabling)).status == 200
    assert hub.services.providers.all() == []
    assert (await admin.patch(f"/api/users/{alice.id}", {"is_disabled": False})).status == 200
    removing = admin.delete(f"/api/providers/{lab['id']}")
    again = {**lab, "name": "new"}
    assert (await during_a_change(hub, mine, again, removing)).status == 204
    assert hub.services.providers.all() == []
    watching = [task for task in asyncio.all_tasks() if task.get_name() == f"watch-{lab['id']}"]
    assert watching == []


async def test_a_provider_that_goes_meanwhile_does_not_take_the_list_along(
    hub: RunningHub,
    mine: Browser,
    served: Served,
    lab: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is seen in the registry, and gone when it is looked at: the others are shown."""
    whole = hub.services.providers.shape

    def gone(provider_id: str, *more: Any) -> dict[str, Any]:
        if provider_id == lab["id"]:
            raise NotFound("There is no such provider.")
        return whole(provider_id, *more)

    monkeypatch.setattr(hub.services.providers, "shape", gone)
    listed = await mine.get("/api/providers")
    assert listed.status == 200
    assert [one["name"] for one in listed.json()["items"]] == ["box"]
