"""Every route of `/api`, and who may call it: a table, and tests that hold the app to it.

A new route fails here until somebody has written down who it is for.
"""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from tests.hub.conftest import RunningHub
from underpass.hub.app import build_api
from underpass.hub.problems import MEDIA_TYPE
from underpass.store import UserRecord

# Who: `anyone` (nobody has to be signed in), `browser` (a cookie, no key), a scope of the key, `admin`.
ROUTES: dict[str, str] = {
    "GET /api/auth/state": "anyone",
    "POST /api/auth/sign-in": "anyone",
    "POST /api/auth/sign-out": "anyone",
    "POST /api/auth/setup": "anyone",
    "GET /api/auth/link": "anyone",
    "POST /api/auth/device": "anyone",
    "POST /api/auth/device/token": "anyone",
    "GET /api/auth/device/{user_code}": "browser",
    "POST /api/auth/device/{user_code}/approve": "browser",
    "POST /api/auth/device/{user_code}/deny": "browser",
    "GET /api/me": "signed in",
    "PATCH /api/me": "browser",
    "POST /api/me/password": "browser",
    "GET /api/me/sign-ins": "browser",
    "DELETE /api/me/sign-ins/{sign_in_id}": "browser",
    "GET /api/me/preferences": "read",
    "PATCH /api/me/preferences": "sessions",
    "GET /api/users": "admin",
    "POST /api/users": "admin",
    "GET /api/users/{user_id}": "admin",
    "PATCH /api/users/{user_id}": "admin",
    "DELETE /api/users/{user_id}": "admin",
    "GET /api/users/{user_id}/limits": "admin",
    "PUT /api/users/{user_id}/limits": "admin",
    "GET /api/groups/{group_id}/limits": "admin",
    "PUT /api/groups/{group_id}/limits": "admin",
    "GET /api/groups": "read",
    "POST /api/groups": "admin",
    "GET /api/groups/{group_id}": "read",
    "PATCH /api/groups/{group_id}": "admin",
    "DELETE /api/groups/{group_id}": "admin",
    "GET /api/keys": "read",
    "POST /api/keys": "sessions",
    "GET /api/keys/{key_id}": "read",
    "DELETE /api/keys/{key_id}": "sessions",
    "GET /api/events": "read",
    "GET /api/usage": "read",
    "GET /api/usage.csv": "read",
    "GET /api/audit": "read",
    "GET /api/audit/{entry_id}": "read",
    "GET /api/sessions": "read",
    "POST /api/sessions": "sessions",
    "GET /api/sessions/{session_id}": "read",
    "POST /api/sessions/{session_id}/stop": "sessions",
    "POST /api/sessions/{session_id}/restart": "sessions",
    "DELETE /api/sessions/{session_id}": "sessions",
    "GET /api/sessions/{session_id}/logs": "read",
    "GET /api/templates": "read",
    "GET /api/templates/{name}": "read",
    "GET /api/clusters": "read",
    "POST /api/clusters": "sessions",
    "GET /api/clusters/{cluster_id}": "read",
    "DELETE /api/clusters/{cluster_id}": "sessions",
    "GET /api/tunnels": "read",
    "POST /api/tunnels": "sessions",
    "GET /api/tunnels/{tunnel_id}": "read",
    "PATCH /api/tunnels/{tunnel_id}": "sessions",
    "POST /api/tunnels/{tunnel_id}/stop": "sessions",
    "POST /api/tunnels/{tunnel_id}/start": "sessions",
    "DELETE /api/tunnels/{tunnel_id}": "sessions",
    "GET /api/providers": "read",
    "POST /api/providers": "sessions",
    "GET /api/providers/{provider_id}": "read",
    "PATCH /api/providers/{provider_id}": "sessions",
    "DELETE /api/providers/{provider_id}": "sessions",
    "GET /api/providers/{provider_id}/permissions": "read",
    "PUT /api/providers/{provider_id}/permissions": "sessions",
    "GET /api/chats": "read",
    "POST /api/chats": "sessions",
    "GET /api/chats/{chat_id}": "read",
    "PATCH /api/chats/{chat_id}": "sessions",
    "DELETE /api/chats/{chat_id}": "sessions",
    "POST /api/chats/{chat_id}/restore": "sessions",
    "POST /api/chats/{chat_id}/fork": "sessions",
    "POST /api/chats/{chat_id}/messages": "sessions",
    "POST /api/chats/{chat_id}/messages/{message_id}/continue": "sessions",
    "DELETE /api/chats/{chat_id}/messages/{message_id}": "sessions",
    "POST /api/chats/{chat_id}/messages/{message_id}/restore": "sessions",
    "GET /api/chats/folders": "read",
    "GET /api/chats/export": "read",
    "POST /api/chats/import": "sessions",
    "GET /api/chats/{chat_id}/export": "read",
    "PUT /api/chats/{chat_id}/share": "sessions",
    "GET /api/chats/{chat_id}/share": "read",
    "DELETE /api/chats/{chat_id}/share": "sessions",
    "GET /api/shares": "read",
    "GET /api/shares/{share_id}": "read",
    "GET /api/presets": "read",
    "POST /api/presets": "sessions",
    "GET /api/presets/{preset_id}": "read",
    "PATCH /api/presets/{preset_id}": "sessions",
    "DELETE /api/presets/{preset_id}": "sessions",
    "GET /api/runs/{run_id}": "read",
    "POST /api/runs/{run_id}/stop": "sessions",
    "GET /api/runs/{run_id}/events": "read",
    "POST /api/runs/{run_id}/move": "sessions",
    "POST /api/files": "sessions",
    "GET /api/files/{file_id}": "read",
    "GET /api/files/{file_id}/content": "read",
    "GET /api/files/{file_id}/text": "read",
    "DELETE /api/files/{file_id}": "sessions",
}


def routes_of(app: FastAPI) -> set[str]:
    """`METHOD /path` of every HTTP route in the OpenAPI document."""
    paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


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
    *("chats", "audit"),
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
