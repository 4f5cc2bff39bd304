"""What users ask of sessions: start, attach, stop, restart, remove, see."""

import pytest

from tests.sessions.conftest import World, an_id
from underpass.clusters.base import JobPhase
from underpass.core.errors import (
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    StorageError,
)
from underpass.core.states import EndReason, ProviderStatus, SessionStatus, TunnelStatus
from underpass.sessions.service import Sessions, SessionSettings
from underpass.store import ProviderRecord, ProviderType, SessionRecord, Store, TunnelRecord
from underpass.store.database import Database
from underpass.store.repository import Repository


async def test_from_start_to_running(world: World) -> None:
    """queued at once, starting when the job runs, running only after a real answer."""
    session = await world.start()
    assert session.status == "queued"
    await world.until(session.id, "queued", has_job=True)
    (order,) = world.cluster.orders
    assert order.tag == f"{session.id}.1"
    world.cluster.run(order.tag)
    started = await world.until(session.id, "starting")
    assert started.started_at is not None
    agent = await world.agent(session.id)
    await agent.hello("gpu-17")
    answer = await agent.offer("unix:/run/a.sock", order.tunnel)
    await agent.ready(answer["tunnel_id"], "loading", reason="loading weights")
    await world.settle()
    assert (await world.get(session.id)).status == "starting"
    assert (await world.get(session.id)).status_reason == "loading weights"
    await agent.ready(answer["tunnel_id"], "running")
    running = await world.until(session.id, "running")
    assert running.running_at is not None
    assert running.host == "gpu-17"
    shown = await world.sessions.show(world.alice, session.id)
    kinds = [event["kind"] for event in shown["timeline"]]
    assert kinds[:2] == ["created", "submitted"]
    assert kinds[-1] == "running"


async def test_stop_asks_the_agent_and_ends_as_user(world: World) -> None:
    """The agent is asked first; its end is the session's end, in a sentence that says what next."""
    session, agent, _ = await world.running()
    record = await world.sessions.stop(world.alice, session.id)
    assert record.status == "stopping"
    await world.settle()
    assert agent.link.last("session.stop")["reason"] == "user"
    await agent.say("session.ended", reason="user", exit_code=0, message="")
    await agent.attendant.link_closed("bye")
    world.cluster.end(world.cluster.orders[0].tag)
    ended = await world.until_ended(session.id)
    assert (ended.status, ended.end_reason) == ("stopped", EndReason.USER)
    assert ended.end_message == "You stopped it. Restart it to use it again."
    assert (await world.provider())["status"] == "stopped"


async def test_an_agent_that_does_not_listen_is_cancelled_then_killed(world: World) -> None:
    """Grace by grace: the agent, the job, and at last force."""
    session, _agent, _ = await world.running()
    await world.sessions.stop(world.alice, session.id)
    await world.settle()
    assert world.cluster.cancels == []
    await world.pass_time(16)
    assert [kill for _, kill in world.cluster.cancels][:1] == [False]
    assert (await world.until_ended(session.id)).end_reason == EndReason.USER


async def test_stopping_what_never_began_is_cancelled(world: World) -> None:
    """While it waits for its cluster there is nothing to end."""
    world.cluster.faults.is_silent = True
    session = await world.start()
    await world.settle()
    world.cluster.faults.is_silent = False
    await world.sessions.stop(world.alice, session.id)
    ended = await world.until_ended(session.id)
    assert ended.status == "stopped"
    assert world.cluster.alive() == []


async def test_stopping_in_the_queue_cancels_the_job(world: World) -> None:
    """A pending job is cancelled; nothing of it is left."""
    session = await world.start()
    await world.until(session.id, "queued", has_job=True)
    await world.sessions.stop(world.alice, session.id)
    ended = await world.until_ended(session.id)
    assert ended.status == "stopped"
    assert world.cluster.alive() == []


async def test_restart_keeps_row_tunnel_and_provider(world: World) -> None:
    """The same ids, names and model ids; a new job, a new token, another target."""
    session, agent, tunnel_id = await world.running()
    before = await world.provider()
    old_hash = session.token_hash
    await world.sessions.stop(world.alice, session.id)
    await agent.attendant.link_closed("bye")
    world.cluster.end(world.cluster.orders[0].tag)
    await world.until_ended(session.id)
    await world.sessions.restart(world.alice, session.id)
    again = await world.until(session.id, "queued", has_job=True)
    assert world.cluster.orders[-1].tag == f"{session.id}.2"
    assert again.token_hash != old_hash
    assert (await world.provider())["status"] == "stopped"
    world.cluster.run(world.cluster.orders[-1].tag)
    agent = await world.agent(session.id)
    assert await agent.serve(target="9000") == tunnel_id
    await world.until(session.id, "running")
    after = await world.provider()
    assert (after["id"], after["models"]) == (before["id"], before["models"])
    assert after["status"] == "running"
    assert after["tunnel"]["target"] == "127.0.0.1:9000"


async def test_restarting_a_live_session_ends_it_first(world: World) -> None:
    """One job at a time: the next is submitted when the last is gone."""
    session, agent, _ = await world.running()
    await world.sessions.restart(world.alice, session.id)
    assert (await world.get(session.id)).status == "stopping"
    assert len(world.cluster.orders) == 1
    await agent.attendant.link_closed("bye")
    world.cluster.end(world.cluster.orders[0].tag)
    await world.until(session.id, "queued", has_job=True)
    assert [job.phase for job in world.cluster.jobs(world.cluster.orders[-1].tag)] == [
        JobPhase.PENDING
    ]


async def test_only_an_ended_session_is_removed_and_then_wholly(world: World) -> None:
    """Its row, tunnels, provider, timeline and log go; open pages hear it."""
    session, agent, tunnel_id = await world.running()
    with pytest.raises(Conflict) as caught:
        await world.sessions.remove(world.alice, session.id)
    assert caught.value.code == "session_live"
    await world.sessions.stop(world.alice, session.id)
    await agent.attendant.link_closed("bye")
    world.cluster.end(world.cluster.orders[0].tag)
    await world.until_ended(session.id)
    with world.watch() as page:
        await world.sessions.remove(world.alice, session.id)
        gone: list[str] = []
        while "session" not in gone:
            event = await anext(page)
            gone += [event.kind] if event.op == "delete" else []
    assert gone == ["provider", "tunnel", "session"]
    assert await world.sessions.providers(world.alice) == []
    assert await world.store.tunnels.find(tunnel_id) is None
    with pytest.raises(NotFound):
        await world.sessions.show(world.alice, session.id)


async def test_names_are_unique_and_a_taken_one_is_a_clear_choice(world: World) -> None:
    """A chosen name that is used is refused with a free one; an unchosen one is made free."""
    await world.start(name="box")
    with pytest.raises(Conflict) as caught:
        await world.start(name="box")
    assert caught.value.code == "name_taken"
    assert "box-2" in (caught.value.hint or "")
    first = await world.start(name=None)
    second = await world.start(name=None)
    assert (first.name, second.name) == ("demo", "demo-2")
    with pytest.raises(InvalidRequest):
        await world.start(name="Not A Name")
    other = await world.sessions.start(world.bob, template="demo", name="box")
    assert other.name == "box"


async def test_attach_and_come_back(world: World) -> None:
    """Running while its agent is connected; the same name again is the same session."""
    session, token = await world.sessions.attach(world.alice, name="box", host="gpu-17")
    assert (session.status, session.is_attached) == ("queued", True)
    assert token.startswith("ups_")
    admitted = await world.sessions.admit(token)
    assert admitted.id == session.id
    agent = await world.agent(session.id)
    await world.until(session.id, "running")
    tunnel_id = await agent.serve("box")
    provider = await world.provider()
    with pytest.raises(Conflict) as caught:
        await world.sessions.attach(world.alice, name="box", host="gpu-18")
    assert caught.value.code == "name_taken"
    assert "--replace" in (caught.value.hint or "")
    await agent.say("session.ended", reason="user", exit_code=0, message="")
    await agent.attendant.link_closed("bye")
    await world.until(session.id, "stopped")
    with pytest.raises(NotAllowed) as refused:
        await world.sessions.admit(token)
    assert refused.value.code == "session_ended"
    again, second = await world.sessions.attach(world.alice, name="box", host="gpu-17")
    assert again.id == session.id
    assert second != token
    agent = await world.agent(session.id)
    assert await agent.serve("box") == tunnel_id
    assert (await world.provider())["id"] == provider["id"]
    with pytest.raises(NotAuthenticated):
        await world.sessions.admit(token)


async def test_replace_takes_a_live_name_over(world: World) -> None:
    """The same session under a new token; the older agent is out."""
    session, token = await world.sessions.attach(world.alice, name="box", host="a")
    await world.agent(session.id)
    again, _ = await world.sessions.attach(world.alice, name="box", host="b", replace=True)
    assert again.id == session.id
    with pytest.raises(NotAuthenticated):
        await world.sessions.admit(token)


async def test_an_unnamed_agent_gets_a_free_name(world: World) -> None:
    """Two agents on one machine: the second is `gpu-17-2`."""
    first, _ = await world.sessions.attach(world.alice, name=None, host="gpu-17")
    await world.agent(first.id)
    second, _ = await world.sessions.attach(world.alice, name=None, host="gpu-17")
    assert (first.name, second.name) == ("gpu-17", "gpu-17-2")


async def test_an_attached_session_cannot_be_started_by_the_hub(world: World) -> None:
    """Restart says what to run instead."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="a")
    with pytest.raises(Conflict) as caught:
        await world.sessions.restart(world.alice, session.id)
    assert caught.value.code == "session_attached"


async def test_strangers_meet_not_found_in_the_same_words(world: World) -> None:
    """For every verb, an admin included: as for an id that does not exist."""
    session, _, tunnel_id = await world.running()
    for stranger in (world.bob, world.root):
        for verb in ("stop", "restart", "remove", "show"):
            said = []
            for wanted in (session.id, an_id("ses")):
                with pytest.raises(NotFound) as caught:
                    await getattr(world.sessions, verb)(stranger, wanted)
                said.append(caught.value.message)
            assert said[0] == said[1]
        with pytest.raises(NotFound):
            await world.sessions.logs(stranger, session.id, tail=5)
        with pytest.raises(NotFound):
            await world.sessions.tunnels.find(stranger, tunnel_id)
        snapshot = await world.sessions.snapshot(stranger)
        assert all(one["owner"] is None for one in snapshot.pop("clusters"))
        assert snapshot == {"sessions": [], "tunnels": []}


async def test_unknown_template_cluster_and_program_are_said_before_anything_is_made(
    world: World,
) -> None:
    """Nothing half-made is left."""
    for fields, error in (
        ({"template": "vlm"}, NotFound),
        ({"cluster": "nowhere"}, NotFound),
        ({"params": {"pase": 1}}, InvalidRequest),
        ({"template": "vllm", "params": {"model": "m"}}, Conflict),
    ):
        with pytest.raises(error):
            await world.start(**fields)
    assert (await world.sessions.list_sessions(world.alice))[0] == []


async def test_a_plain_user_cannot_run_things_as_the_hub_s_user(world: World) -> None:
    """Unless the hub says so, `local` is for admins: others do not even see it."""
    strict = Sessions(
        world.store,
        world.registry,
        world.feed,
        local=world.cluster,
        clock=world.clock,
        settings=SessionSettings(),
    )
    await strict.places.load()
    assert await strict.places.visible_to(world.alice) == []
    with pytest.raises(NotFound, match="no cluster for you"):
        await strict.start(world.alice, template="demo")
    assert [c["name"] for c in await strict.places.visible_to(world.root)] == ["local"]
    shown = await strict.list_templates(world.alice)
    assert not any(template["available"] for template in shown)


async def test_templates_say_what_is_missing(world: World) -> None:
    """A template whose program is not installed names it."""
    world.cluster.programs = {"ollama": "/usr/bin/ollama"}
    found = {t["name"]: t for t in await world.sessions.list_templates(world.alice)}
    assert found["demo"]["available"]
    assert found["ollama"]["available"]
    assert not found["vllm"]["available"]
    assert "vllm is not installed on fake" in found["vllm"]["unavailable_reason"]


async def test_environment_values_are_never_shown(world: World) -> None:
    """The owner sees the names; the values go to the job alone."""
    params = {"env": {"HF_TOKEN": "hf_secret"}}
    session = await world.start(params=params)
    await world.until(session.id, "queued", has_job=True)
    assert world.cluster.orders[-1].env["HF_TOKEN"] == "hf_secret"
    shown = await world.sessions.show(world.alice, session.id)
    assert shown["params"]["env"] == ["HF_TOKEN"]
    assert "hf_secret" not in str(shown)


async def _store_tunnels(store: Store, count: int) -> None:
    """Sessions with a tunnel and its provider each, all as they were when the last hub ended."""
    for number in range(count):
        status = SessionStatus.RUNNING if number % 2 else SessionStatus.STOPPED
        session = await store.sessions.add(
            SessionRecord(
                id=f"ses_{number}",
                owner_id="usr_alice",
                name=f"s{number}",
                created_at=1.0,
                status=status,
                is_attached=True,
            )
        )
        tunnel = await store.tunnels.add(
            TunnelRecord(
                id=f"tun_{number}",
                session_id=session.id,
                owner_id="usr_alice",
                name=f"s{number}",
                target="127.0.0.1:8000",
                created_at=1.0,
                openai=True,
                status=TunnelStatus.RUNNING,
            )
        )
        await store.providers.add(
            ProviderRecord(
                id=f"prv_{number}",
                type=ProviderType.OPENAI_TUNNEL,
                owner_id="usr_alice",
                name=f"s{number}",
                updated_at=1.0,
                tunnel_id=tunnel.id,
                status=ProviderStatus.RUNNING,
            )
        )


async def test_a_hub_that_starts_takes_up_many_tunnels_with_few_writes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is answered before: it must not take as many transactions as there are tunnels."""
    store = world.store
    await _store_tunnels(store, 40)
    writes = []
    write = Database.write

    def counted(database: Database) -> object:
        writes.append(1)
        return write(database)

    monkeypatch.setattr(Database, "write", counted)
    again = World(store, world.cluster, world.clock)
    await again.sessions.load()
    try:
        assert len(writes) <= 4
        shown = {one["name"]: one["status"] for one in await again.sessions.providers(again.alice)}
        tunnels = {one.name: one.status for one in await store.tunnels.all()}
        for number in range(40):
            is_coming = number % 2
            expected = TunnelStatus.RECONNECTING if is_coming else TunnelStatus.STOPPED
            assert tunnels[f"s{number}"] is expected
            assert shown[f"s{number}"] == ("unreachable" if is_coming else "stopped")
    finally:
        await again.sessions.close()


async def test_a_hub_that_starts_on_a_full_disk_shows_what_was_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot say what became of them, and serves what was known rather than nothing."""
    await _store_tunnels(world.store, 2)

    async def full(repository: object, changes: object) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(Repository, "update_all", full)
    again = World(world.store, world.cluster, world.clock)
    await again.sessions.load()
    try:
        shown = {one["name"]: one["status"] for one in await again.sessions.providers(again.alice)}
        assert shown == {"s0": "running", "s1": "running"}
    finally:
        await again.sessions.close()
