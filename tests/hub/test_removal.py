"""A user goes: everything of theirs stops at once, and nothing of it stays."""

import csv
import io
import itertools
import json
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.fakes.stub_server import StubServer
from tests.hub.agents import HELLO, TinyAgent
from tests.hub.api.test_files import upload
from tests.hub.conftest import PASSWORD, Browser, RunningHub, running_hub
from tests.rig.postgres import PostgresServer
from tests.rig.waiting import eventually_async
from underpass.core.states import SessionStatus
from underpass.hub import removal
from underpass.hub.auth import totp
from underpass.store import IdentityRecord, SessionRecord, Store, UserRecord
from underpass.store.tables import METADATA

_numbers = itertools.count(1)
SAID = "planted words of alice"


@dataclass
class House:
    """alice with one of everything, and who else is there."""

    hub: RunningHub
    alice: UserRecord
    browser: Browser
    program: Browser
    admin: Browser
    bob: Browser
    agent: TinyAgent
    run_id: str
    shared_id: str


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A real server."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
async def house(
    request: pytest.FixtureRequest, tmp_path: Path, stub: StubServer
) -> AsyncIterator[House]:
    """A hub where alice has one of everything."""
    settings = {"allowed_networks": "127.0.0.1"}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings["database_url"] = server.create(f"test{next(_numbers)}")
    async with running_hub(tmp_path / "data", **settings) as hub:
        alice, bob = await hub.user("alice"), await hub.user("bob")
        root = await hub.user("root", is_admin=True)
        found = House(
            hub=hub,
            alice=alice,
            browser=await hub.browser("alice"),
            program=await hub.program(await hub.key(alice)),
            admin=await hub.program(await hub.key(root, "read", "admin")),
            bob=await hub.program(await hub.key(bob)),
            agent=await _agent(await hub.program(await hub.key(alice)), hub.url),
            run_id="",
            shared_id="",
        )
        await _furnish(found, stub)
        yield found
        await found.agent.close()


async def _agent(own: Browser, url: str) -> TinyAgent:
    made = (await own.post("/api/sessions", {"attach": True, "name": "box", "host": "n"})).json()
    agent = TinyAgent(url, made["token"])
    await agent.connect()
    agent.link.send_control(HELLO)
    agent.say("tunnel.offer", ref="1", name="box", target="8000", openai=True)
    await eventually_async(lambda: agent.said("tunnel.accepted"), 5, "the tunnel")
    return agent


async def _furnish(house: House, stub: StubServer) -> None:
    own, admin, alice = house.program, house.admin, house.alice
    store = house.hub.services.store
    lab = await own.post("/api/providers", {"name": "lab", "base_url": f"{stub.url}/v1"})
    permissions = f"/api/providers/{lab.json()['id']}/permissions"
    assert (await own.call("PUT", permissions, {"users": ["bob"]})).status == 200
    house.shared_id = lab.json()["id"]
    theirs = await house.bob.post("/api/providers", {"name": "b", "base_url": f"{stub.url}/v1"})
    permissions = f"/api/providers/{theirs.json()['id']}/permissions"
    assert (await house.bob.call("PUT", permissions, {"users": ["alice"]})).status == 200
    for one, other in ((own, "bob"), (house.bob, "alice")):
        chat = (await one.post("/api/chats", {"title": SAID})).json()["id"]
        model = "lab/stub" if one is own else "b/stub"
        ask = {"content": f'stub: {{"chunks": 3000, "rate": 20}} {SAID}', "model": model}
        sent = await one.post(f"/api/chats/{chat}/messages", ask)
        assert sent.status == 202, sent
        if one is own:
            house.run_id = sent.json()["run"]["id"]
        assert (await one.call("PUT", f"/api/chats/{chat}/share", {"users": [other]})).status == 200
    assert (await own.post("/api/presets", {"name": "calm"})).status == 201
    assert (await upload(own, "notes.txt", SAID.encode())).status == 201
    assert (await own.patch("/api/me/preferences", {"theme": "dark"})).status == 200
    assert (await own.post("/api/clusters", {"host": "login1"})).status == 201
    limits = {"requests_per_minute": 900, "tokens_per_day": None}
    assert (await admin.call("PUT", f"/api/users/{alice.id}/limits", limits)).status == 200
    await admin.post("/api/groups", {"name": "physics", "members": [alice.id]})
    (group,) = (await store.groups.list()).items
    await store.groups.set_claimed(alice.id, "https://id", (group.id,))
    now = time.time()
    await store.identities.add(
        IdentityRecord(
            id="idn_1",
            user_id=alice.id,
            issuer="https://id",
            subject="s",
            created_at=now,
            last_used_at=now,
        )
    )
    begun = await house.browser.post("/api/me/two-step", {"password": PASSWORD})
    code = totp.code_at(begun.json()["secret"], int(now // 30))
    assert (await house.browser.post("/api/me/two-step/confirm", {"code": code})).status == 200
    await house.hub.services.auth.sign_ins.new_sign_in_token(alice.id)
    device = await own.post("/api/auth/device", {"purpose": "login", "host": "h", "user": SAID})
    path = f"/api/auth/device/{device.json()['user_code']}/approve"
    assert (await house.browser.post(path)).status == 200
    await house.hub.services.usage.flush()


async def rows_with(store: Store, *words: str) -> dict[str, int]:
    """How many rows of each table hold one of these words, in whatever column."""
    found = {}
    async with store.database.read() as connection:
        for table in METADATA.sorted_tables:
            rows = (await connection.execute(sa.select(table))).all()
            hits = sum(any(word in repr(tuple(row)) for word in words) for row in rows)
            if hits:
                found[table.name] = hits
    return found


EVERYWHERE = {
    *("browser_sessions", "chats", "claimed_members", "clusters", "device_codes", "files"),
    *("group_members", "identities", "keys", "limits", "messages", "one_time_links"),
    *("preferences", "presets", "provider_permissions", "providers", "runs", "second_factors"),
    *("sessions", "share_users", "shares", "tunnels", "users"),
}


async def test_everything_stops_and_nothing_stays(house: House) -> None:
    """Agents, runs, requests, keys and cookies end; every table is walked, and only the trail knows."""
    store, alice = house.hub.services.store, house.alice
    before = await rows_with(store, alice.id)
    assert before.keys() >= EVERYWHERE - {"device_codes", "messages", "files"}, before
    assert house.run_id in {run.record.id for run in house.hub.services.chats.runs.active()}
    answer = await house.admin.delete(f"/api/users/{alice.id}")
    assert answer.status == 204, answer
    await eventually_async(lambda: house.agent.link.is_closed, 5, "the agent is out")
    assert (await house.program.get("/api/me")).status == 401
    assert (await house.browser.get("/api/me")).status == 401
    assert house.hub.services.door.calls_under_way <= 1  # bob's own
    assert house.run_id not in {run.record.id for run in house.hub.services.chats.runs.active()}
    seen = {one["id"] for one in (await house.bob.get("/api/providers")).json()["items"]}
    assert house.shared_id not in seen
    # bob's own chat about the same stays his; nothing else is left, whatever it is called.
    kept = await rows_with(store, alice.id)
    assert kept.keys() == {"audit"}, kept
    for table in EVERYWHERE - {"chats", "messages", "runs", "shares", "providers"}:
        assert table not in await rows_with(store, SAID, '"alice"', "'alice'"), table
    if store.database.is_sqlite:
        await _search_holds_nothing_that_is_gone(store)
    async with store.database.read() as connection:
        owners = (await connection.execute(sa.text("SELECT owner_id FROM chats"))).scalars().all()
    assert alice.id not in owners
    trail = (await house.admin.get("/api/audit?action=user.remove")).json()["items"]
    assert [one["subject"] for one in trail] == ["alice"]


async def _search_holds_nothing_that_is_gone(store: Store) -> None:
    statement = (
        "SELECT count(*) FROM search_rows WHERE subject_id NOT IN (SELECT id FROM chats)"
        " AND subject_id NOT IN (SELECT id FROM messages)"
    )
    async with store.database.read() as connection:
        assert (await connection.execute(sa.text(statement))).scalar_one() == 0


async def test_the_same_name_again_is_somebody_else(house: House) -> None:
    """Nothing of the old one's is the new one's."""
    assert (await house.admin.delete(f"/api/users/{house.alice.id}")).status == 204
    again = await house.hub.user("alice")
    browser = await house.hub.browser("alice")
    assert again.id != house.alice.id
    for path in ("chats", "sessions", "tunnels", "shares", "presets", "keys", "groups"):
        assert (await browser.get(f"/api/{path}")).json()["items"] == [], path
    assert not (await browser.get("/api/me/two-step")).json()["is_on"]


async def test_an_export_before(house: House) -> None:
    """Of a disabled user only: account, chats, usage and acts, and the trail says who took it."""
    path = f"/api/users/{house.alice.id}"
    refused = await house.admin.get(f"{path}/export")
    assert (refused.status, refused.code) == (409, "user_not_disabled")
    await house.admin.patch(path, {"is_disabled": True})
    answer = await house.admin.get(f"{path}/export")
    assert answer.headers["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    assert archive.testzip() is None
    account = json.loads(archive.read("account.json"))
    assert (account["name"], account["groups"]) == ("alice", ["physics"])
    chats = json.loads(archive.read("chats.json"))["chats"]
    assert [chat["title"] for chat in chats] == [SAID]
    usage = list(csv.DictReader(io.StringIO(archive.read("usage.csv").decode())))
    assert {row["user_id"] for row in usage} <= {house.alice.id}
    acts = [json.loads(line) for line in archive.read("audit.jsonl").decode().splitlines()]
    assert {act["actor_id"] for act in acts} == {house.alice.id}
    assert "provider.create" in {act["action"] for act in acts}
    for secret in ("password_hash", "sealed", "$argon2", "token_hash"):
        assert secret.encode() not in b"".join(archive.read(name) for name in archive.namelist())
    (entry,) = (await house.admin.get("/api/audit?action=user.export")).json()["items"]
    assert entry["subject"] == "alice"


async def test_oneself(hub: RunningHub, root: UserRecord) -> None:
    """Asks first; the last admin stays; one's own things can be had before."""
    browser = await hub.browser(root.name)
    path = f"/api/users/{root.id}"
    for query in ("", "?confirm=", "?confirm=Root"):
        assert (await browser.delete(path + query)).code == "own_user"
    assert (await browser.delete(f"{path}?confirm=root")).code == "last_admin"
    assert (await browser.get("/api/me")).status == 200
    other = await hub.user("other", is_admin=True)
    assert (await browser.get(f"{path}/export")).status == 200
    assert (await browser.delete(f"{path}?confirm=root")).status == 204
    assert (await browser.get("/api/me")).status == 401
    assert [one.id for one in (await hub.services.store.users.list()).items] == [other.id]


async def test_sessions_that_do_not_end(
    hub: RunningHub, root: UserRecord, alice: UserRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody leaves a job behind that nobody could stop: out at once, gone when they have ended."""
    monkeypatch.setattr(removal, "WAIT_S", 0.2)
    monkeypatch.setattr(removal, "GONE_WAIT_S", 0.2)
    store = hub.services.store
    session = SessionRecord(
        id="ses_1",
        owner_id=alice.id,
        name="box",
        created_at=1.0,
        job_id="7",
        status=SessionStatus.RUNNING,
    )
    await store.sessions.add(session)
    browser, hers = await hub.browser(root.name), await hub.browser(alice.name)
    monkeypatch.setattr(hub.services.sessions, "have_ended", _never)
    refused = await browser.delete(f"/api/users/{alice.id}")
    assert (refused.status, refused.code) == (409, "sessions_ending")
    assert (await hers.get("/api/me")).status == 401
    assert (await store.users.get(alice.id)).is_disabled
    monkeypatch.undo()
    await store.sessions.update("ses_1", status=SessionStatus.STOPPED)
    (await hub.services.sessions.live_for_tunnel("ses_1")).record = await store.sessions.get(
        "ses_1"
    )
    assert (await browser.delete(f"/api/users/{alice.id}")).status == 204


async def _never(user_id: str) -> bool:
    del user_id
    return False


async def test_a_removal_by_another_process_acts_within_a_second(
    hub: RunningHub, alice: UserRecord
) -> None:
    """A second hub removes a user: here their key and their agent are out as well."""
    program = await hub.program(await hub.key(alice))
    agent = await _agent(await hub.program(await hub.key(alice)), hub.url)
    assert (await program.get("/api/me")).status == 200
    await hub.services.store.users.remove(alice.id)
    began = time.monotonic()

    async def is_out() -> bool:
        return (await program.get("/api/me")).status == 401 and agent.link.is_closed

    while not await is_out():
        assert time.monotonic() - began < 5
    await agent.close()
