"""Every route of `/api`, and who may call it: a table, and tests that hold the app to it.

A new route fails here until somebody has written down who it is for.
"""

import re
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import FastAPI

from tests.fakes.stub_server import StubServer
from tests.hub.agents import HELLO, TinyAgent
from tests.hub.api.test_files import upload
from tests.hub.conftest import Answer, Browser, RunningHub, running_hub
from tests.rig.waiting import eventually_async
from underpass.hub.api import routers
from underpass.hub.app import build_api
from underpass.hub.auth import authenticator
from underpass.hub.problems import MEDIA_TYPE
from underpass.store import UserRecord
from underpass.store.database import Database

ACCESS = tomllib.loads((Path(__file__).parent / "access.toml").read_text())
ROUTES: dict[str, str] = ACCESS["api"]


def routes_of(app: FastAPI) -> set[str]:
    """`METHOD /path` of every HTTP route in the OpenAPI document."""
    paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


OWNED = tuple(ACCESS["owned"]["names"])


def test_no_route_is_hidden_from_the_table() -> None:
    """Every route that the app holds, whether or not the OpenAPI document shows it."""
    app = build_api()
    held: list[tuple[str, Any]] = [("", route) for route in app.routes if hasattr(route, "path")]
    held += [("/api", route) for router in routers() for route in router.routes]
    hidden = {
        f"{method} {prefix}{route.path}"
        for prefix, route in held
        for method in getattr(route, "methods", None) or {"WEBSOCKET"}
        if method != "HEAD"
    } - routes_of(app)
    assert hidden == {"GET /api/openapi.json", "WEBSOCKET /api/tunnels/{tunnel_id}/connect"}


def test_every_route_is_in_the_table() -> None:
    """Nothing is reachable that nobody has thought about, and nothing is listed that is gone."""
    found = routes_of(build_api())
    assert found - ROUTES.keys() == set(), "say who may call these"
    assert ROUTES.keys() - found == set(), "these are gone"


@pytest.fixture
async def credentials(
    hub: RunningHub, alice: UserRecord, root: UserRecord
) -> dict[str, dict[str, str]]:
    """The weakest caller of each kind, as headers."""
    keys = {name: await hub.key(alice, name) for name in ("gateway", "read", "sessions")}
    keys["admin without scope"] = await hub.key(root, "gateway", "read", "sessions")
    keys["admin"] = await hub.key(root, "admin")
    return {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}


async def test_each_route_turns_away_who_may_not_call_it(
    hub: RunningHub, credentials: dict[str, dict[str, str]]
) -> None:
    """Without a credential 401, with one that does not reach 403: on every route, as a problem."""
    program = await hub.program()
    for route, who in ROUTES.items():
        method, path = route.split()
        path = re.sub(r"\{\w+\}", "x_1", path)
        if who == "anyone":
            continue
        nobody = await program.call(method, path, {})
        assert (nobody.status, nobody.headers["Content-Type"]) == (401, MEDIA_TYPE), route
        for name, headers in credentials.items():
            if may_call(name, who):
                continue
            refused = await program.call(method, path, {}, **headers)
            assert refused.status == 403, f"{route} as {name}: {refused}"


async def test_each_write_by_cookie_needs_the_page(hub: RunningHub, root: UserRecord) -> None:
    """On every route that changes something: not without our own pages' header, not from elsewhere."""
    browser = await hub.browser("root")
    for route, who in ROUTES.items():
        method, path = route.split()
        if method == "GET" or (who == "anyone" and path != "/api/auth/sign-out"):
            continue
        path = re.sub(r"\{\w+\}", "x_1", path)
        for headers in ({"X-Underpass-CSRF": ""}, {"Origin": "https://evil.example"}):
            refused = await browser.call(method, path, {}, **headers)
            assert (refused.status, refused.code) == (403, "csrf"), route
    assert (await browser.get("/api/me")).status == 200


def may_call(name: str, who: str) -> bool:
    """Whether a key of that kind is enough for a route of that kind."""
    if who == "signed in":
        return True
    if name == "admin without scope":
        return who in ("read", "sessions")
    return name == who


async def test_a_made_up_id_is_not_found_anywhere(hub: RunningHub, root: UserRecord) -> None:
    """For an admin with every scope too, and whatever the id holds."""
    program = await hub.program(await hub.key(root, "gateway", "read", "sessions", "admin"))
    for made_up in ("ses_nothing", "%00", "..%2f..", "%ed%a0%80", "x" * 300, "'; DROP TABLE users"):
        for route, who in ROUTES.items():
            method, path = route.split()
            if method not in ("GET", "DELETE") or "{" not in path or who == "browser":
                continue
            answer = await program.call(method, re.sub(r"\{\w+\}", made_up, path))
            assert answer.status == 404, f"{route} {made_up}: {answer}"


COLLECTIONS = [
    *("users", "groups", "keys", "clusters", "sessions", "templates", "tunnels", "providers"),
    *("chats", "shares", "presets", "audit"),
]


async def test_lists_have_one_shape_and_their_items_an_address(
    hub: RunningHub, root: UserRecord
) -> None:
    """`items` and `next`, nothing else; and each collection knows `/{id}`."""
    program = await hub.program(await hub.key(root, "read", "admin"))
    routes = routes_of(build_api())
    for name in COLLECTIONS:
        listed = await program.get(f"/api/{name}")
        assert (listed.status, set(listed.json())) == (200, {"items", "next"}), name
        assert isinstance(listed.json()["items"], list)
        for item in listed.json()["items"]:
            one = await program.get(f"/api/{name}/{item['name' if name == 'templates' else 'id']}")
            assert one.status == 200, (name, item)
        assert any(re.fullmatch(rf"GET /api/{name}/\{{\w+\}}", route) for route in routes), name


async def test_the_openapi_document_is_public_and_whole(hub: RunningHub) -> None:
    """Programs can be made from it; no page of it loads anything from elsewhere."""
    program = await hub.program()
    document = (await program.get("/api/openapi.json")).json()
    assert document["info"]["title"] == "Underpass"
    assert set(document["paths"]) == {route.split()[1] for route in ROUTES}
    assert (await program.get("/docs")).status == 404


# --- what belongs to somebody ----------------------------------------------------------------


@dataclass
class House:
    """alice's things, by the name that the routes give their ids, and a caller of each kind."""

    ids: dict[str, str]
    agent_token: str
    callers: dict[str, Browser]

    def at(self, path: str, one: str) -> str:
        """The route's path with `one` as its id, and a message of alice's where one is named."""
        return re.sub(r"\{\w+\}", one, path.replace("{message_id}", self.ids["message_id"]))


@pytest.fixture
async def house(tmp_path: Path, stub: StubServer) -> AsyncIterator[House]:
    """One of everything that has an owner, and bob, who shares a group with alice."""
    async with running_hub(tmp_path / "data", allowed_networks="127.0.0.1") as hub:
        alice, bob, carol = [await hub.user(name) for name in ("alice", "bob", "carol")]
        root = await hub.user("root", is_admin=True)
        own = await hub.program(await hub.key(alice))
        callers = {
            "owner": own,
            "stranger": await hub.program(await hub.key(carol, "gateway", "read", "sessions")),
            "group member": await hub.program(await hub.key(bob, "gateway", "read", "sessions")),
            "admin": await hub.program(await hub.key(root, "gateway", "read", "sessions", "admin")),
            "a stranger's browser": await hub.browser("carol"),
            "an admin's browser": await hub.browser("root"),
        }
        members = {"name": "physics", "members": [alice.id, bob.id]}
        await callers["admin"].post("/api/groups", members)
        ids, token, agent = await _furnish(own, stub, hub)
        browser = await hub.browser("alice")
        ids["sign_in_id"] = (await browser.get("/api/me/sign-ins")).json()["items"][0]["id"]
        yield House(ids, token, callers)
        await agent.close()


async def _furnish(
    own: Browser, stub: StubServer, hub: RunningHub
) -> tuple[dict[str, str], str, TinyAgent]:
    made = (await own.post("/api/sessions", {"attach": True, "name": "box", "host": "n"})).json()
    agent = TinyAgent(hub.url, made["token"])
    await agent.connect()
    agent.link.send_control(HELLO)
    agent.say("tunnel.offer", ref="1", name="box", target="8000", openai=True)
    accepted = await eventually_async(lambda: agent.said("tunnel.accepted"), 5)
    assert accepted is not None
    lab = await own.post("/api/providers", {"name": "lab", "base_url": f"{stub.url}/v1"})
    chat = (await own.post("/api/chats", {"title": "secret"})).json()["id"]
    ask = {"content": "hello", "model": "lab/stub"}
    sent = (await own.post(f"/api/chats/{chat}/messages", ask)).json()
    share = (await own.call("PUT", f"/api/chats/{chat}/share", {"users": ["root"]})).json()
    assert share["users"] == ["root"]
    preset = (await own.post("/api/presets", {"name": "calm"})).json()
    file = await upload(own, "notes.txt", b"fan curves")
    assert file.status == 201
    ids = {
        "session_id": made["session"]["id"],
        "tunnel_id": accepted["tunnel_id"],
        "provider_id": lab.json()["id"],
        "chat_id": chat,
        "message_id": sent["message"]["id"],
        "run_id": sent["run"]["id"],
        "share_id": share["id"],
        "preset_id": preset["id"],
        "file_id": file.json()["id"],
        "key_id": (await own.get("/api/keys")).json()["items"][0]["id"],
        "cluster_id": (await own.post("/api/clusters", {"host": "login1"})).json()["cluster"]["id"],
        "entry_id": (await own.get("/api/audit")).json()["items"][0]["id"],
    }
    return ids, made["token"], agent


def owned_routes() -> list[tuple[str, str, str]]:
    """Method, path and the name of the id, of every route that names something of somebody's."""
    found = []
    for route in ROUTES:
        method, path = route.split()
        name = re.search(r"\{(\w+)\}", path)
        if name is not None and name[1] in OWNED:
            found.append((method, path, name[1]))
    return found


async def test_for_everybody_else_it_does_not_exist(house: House) -> None:
    """On every route, for each kind of caller: the answer is that for an id that never was."""
    body_of = ACCESS["bodies"]
    for method, path, name in owned_routes():
        route = f"{method} {path}"
        real_id = house.ids[name]
        never_id = real_id[:-6] + "zzzzzz"
        for who, caller in house.callers.items():
            is_browser = "browser" in who
            if who == "owner" or (ROUTES[route] == "browser" and not is_browser):
                continue
            is_admin = "admin" in who
            if is_admin and (route in ACCESS["owned"]["admin"] or name == "provider_id"):
                continue  # a custom provider's manager; what an admin may not do with a tunnel's
                # is in tests/hub/api/test_providers.py
            answers = [
                await caller.call(method, house.at(path, one), body_of.get(route))
                for one in (real_id, never_id)
            ]
            real, never = (_plain(answer, (real_id, never_id)) for answer in answers)
            assert real == never, f"{route} as {who}"
            assert answers[0].status == 404, f"{route} as {who}: {answers[0]}"


async def test_nobody_and_an_agent_get_nowhere(house: House) -> None:
    """401 on every route that is not for anyone: an agent's token opens its link and nothing else."""
    nobody = house.callers["owner"]
    for route, who in ROUTES.items():
        if who == "anyone":
            continue
        method, path = route.split()
        for name, one in house.ids.items():
            path = path.replace(f"{{{name}}}", one)
        for header in ("", f"Bearer {house.agent_token}"):
            answer = await nobody.call(method, path, {}, Authorization=header)
            assert answer.status == 401, f"{route} with {header[:6]!r}: {answer}"


async def test_the_owner_gets_in(house: House) -> None:
    """What others are refused is there for who owns it: else the tests above prove nothing."""
    own = house.callers["owner"]
    for method, path, name in owned_routes():
        if ROUTES[f"{method} {path}"] == "browser" or path.endswith(
            ("/events", "/logs", "/script")  # streams; a session that was attached has no script
        ):
            continue
        if method == "GET":
            answer = await own.get(house.at(path, house.ids[name]))
            assert answer.status == 200, f"{method} {path}: {answer}"


async def test_a_stranger_learns_nothing_from_the_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thing of somebody's costs as many questions to the database as one that never was.

    What is in memory would answer sooner than what has to be looked for; counted, not timed,
    because a busy machine hides a millisecond.
    """
    asked = 0
    read = Database.read

    def counted(self: Database) -> Any:
        nonlocal asked
        # What the hub looks after by itself meanwhile is nobody's request.
        asked += "request_id" in structlog.contextvars.get_contextvars()
        return read(self)

    monkeypatch.setattr(Database, "read", counted)
    # On a busy machine the walk takes longer than a key is believed.
    monkeypatch.setattr(authenticator, "CACHE_S", 3600.0)
    stranger = house.callers["stranger"]
    for method, path, name in owned_routes():
        if ROUTES[f"{method} {path}"] == "browser":
            continue
        costs = []
        for one in (house.ids[name], house.ids[name][:-6] + "zzzzzz"):
            await stranger.get("/api/me")  # so that the key is not looked up in between
            before = asked
            await stranger.call(
                method, house.at(path, one), ACCESS["bodies"].get(f"{method} {path}")
            )
            costs.append(asked - before)
        assert costs[0] == costs[1], f"{method} {path}: {costs}"


async def test_beside_the_api(house: House, stub: StubServer) -> None:
    """The gateway takes keys with its scope, the link agents' tokens, the metrics admins."""
    own = house.callers["owner"]
    expected = {
        "gateway": {"": 401, "agent": 401, "read": 403},
        "agent": {"": 426, "agent": 426, "read": 426},  # no WebSocket: nothing is looked at
        "anyone": {"": 200, "agent": 200, "read": 200},
        "admin": {"": 401, "agent": 401, "read": 403},
    }
    made = await house.callers["an admin's browser"].post(
        "/api/keys", {"name": "r", "scopes": ["read"]}
    )
    secrets = {
        "": "",
        "agent": f"Bearer {house.agent_token}",
        "read": f"Bearer {made.json()['secret']}",
    }
    for route, who in ACCESS["outside"].items():
        method, path = route.split()
        for name, header in secrets.items():
            answer = await own.call(
                method, path, {} if method == "POST" else None, Authorization=header
            )
            assert answer.status == expected[who][name], f"{route} as {name!r}: {answer}"


def _plain(answer: Answer, ids: tuple[str, ...]) -> tuple[int, dict[str, str], str]:
    """All that a caller sees, but for what is new in every answer and the id that they sent."""
    headers = {
        name.lower(): value
        for name, value in answer.headers.items()
        if name.lower() not in ("date", "x-request-id", "content-length")
    }
    text = re.sub(r"req_\w+", "req", answer.body.decode())
    for one in ids:
        text = text.replace(one, "ID")
    return answer.status, headers, text
