"""What load balancers and monitoring ask, over real HTTP; a full disk on the way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.hub.conftest import RunningHub, running_hub
from underpass.core.errors import StorageError
from underpass.store import UserRecord


@asynccontextmanager
async def full_disk(hub: RunningHub) -> AsyncIterator[None]:
    """SQLite's own bound on the file's size fails exactly as a full disk does."""
    database = hub.services.store.database

    async def bound(spare: int) -> None:
        async with database.read() as connection:
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
            await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + spare}")

    await bound(0)
    yield
    await bound(100_000)


async def test_a_healthy_hub_is_ready(hub: RunningHub) -> None:
    """Both answers, also to HEAD, without a credential."""
    program = await hub.program()
    assert (await program.get("/healthz")).json() == {"status": "ok"}
    assert (await program.get("/readyz")).json() == {"status": "ready", "storage": "ok"}
    assert (await program.call("HEAD", "/readyz")).body == b""


async def test_a_full_disk_is_said_and_what_can_be_served_is_served(tmp_path: Path) -> None:
    """Writes are 503 with what to do; reading, signing programs in and the gateway go on."""
    # With one connection the bound of this one is the bound of all.
    async with running_hub(tmp_path / "data") as hub:
        hub.services.store.database.engine.sync_engine.pool._pool.maxsize = 1  # type: ignore[attr-defined]
        alice = await hub.user("alice")
        browser = await hub.browser(alice.name)
        program = await hub.program(await hub.key(alice))
        async with full_disk(hub):
            title = "x" * 60_000
            refused = None
            for _ in range(30):  # the last page still has some room
                refused = await browser.post(
                    "/api/keys", {"name": "k", "model_allow": [title[:400]] * 100}
                )
                if refused.status != 201:
                    break
            assert refused is not None
            assert (refused.status, refused.code) == (503, "storage_unavailable")
            assert "full" in refused.json()["detail"]
            assert "space" in refused.json()["hint"]
            assert (await browser.get("/api/keys")).status == 200
            assert (await program.get("/v1/models")).status == 200
        assert (await browser.post("/api/keys", {"name": "again"})).status == 201


async def test_a_hub_that_cannot_write_says_so_and_stays_in_service(
    hub: RunningHub,
) -> None:
    """`degraded` with 200: a load balancer that took it away would take the models away too."""
    program = await hub.program()

    async def full() -> None:
        raise StorageError("The disk is full.", hint="Free some space.")

    hub.services.store.check_write = full  # type: ignore[method-assign]
    answer = await program.get("/readyz")
    assert answer.status == 200
    assert answer.json() == {
        "status": "degraded",
        "storage": {
            "code": "storage_unavailable",
            "detail": "The disk is full.",
            "hint": "Free some space.",
        },
    }
    hub.services.store.check = full  # type: ignore[method-assign]
    assert (await program.get("/readyz")).status == 503


async def test_a_stopping_hub_is_not_ready(hub: RunningHub) -> None:
    """New work goes elsewhere while old work finishes."""
    hub.hub.begin_stop()
    program = await hub.program()
    answer = await program.get("/readyz")
    assert (answer.status, answer.json()) == (503, {"status": "stopping"})
    assert (await program.get("/healthz")).status == 200


async def test_metrics_are_for_this_machine_and_for_admins(
    hub: RunningHub, alice: UserRecord, root: UserRecord
) -> None:
    """Through a proxy on this machine everybody seems to be here: then it takes an admin's key."""
    program = await hub.program()
    answer = await program.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "underpass_links_up 0.0" in answer.body.decode()
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert (await program.get("/metrics", **forwarded)).status == 401
    assert (await program.get("/metrics", **{"X-Forwarded-For": "127.0.0.1"})).status == 401
    plain = await hub.program(await hub.key(alice))
    assert (await plain.get("/metrics", **forwarded)).code == "admin_only"
    admin = await hub.program(await hub.key(root, "admin"))
    assert (await admin.get("/metrics", **forwarded)).status == 200
