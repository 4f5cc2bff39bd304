"""The app as a whole: which address is whose, starting, stopping, PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.hub.conftest import PASSWORD, RunningHub, running_hub
from tests.rig.postgres import PostgresServer
from underpass.config import HubConfig
from underpass.core.errors import StorageError
from underpass.hub.app import Hub, build_api
from underpass.store import UserRecord


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A real server."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/nothing", "application/problem+json"),
        ("/v1/nothing", "application/json"),
        ("/tokenize", "application/json"),
        ("/nothing", "application/problem+json"),
        ("/v1x", "application/problem+json"),
        ("/apix", "application/problem+json"),
    ],
)
async def test_errors_have_the_shape_of_their_address(
    hub: RunningHub, path: str, kind: str
) -> None:
    """OpenAI's where OpenAI's clients call, problem documents everywhere else."""
    answer = await (await hub.program()).get(path)
    assert answer.status in (401, 404)
    assert answer.headers["Content-Type"] == kind


async def test_there_are_no_other_websockets(hub: RunningHub) -> None:
    """An upgrade anywhere else is refused."""
    program = await hub.program()
    for path in ("/", "/v1/chat/completions", "/nothing", "/healthz"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await program.http.ws_connect(f"{hub.url}{path}")
        assert caught.value.status in (403, 404)


async def test_the_hub_counts_what_it_does(hub: RunningHub, alice: UserRecord) -> None:
    """Requests by kind, links and pages."""
    browser = await hub.browser(alice.name)
    await browser.get("/api/me")
    text = (await browser.get("/metrics")).body.decode()
    assert 'underpass_http_requests_total{kind="api",method="GET",status="2xx"} 1.0' in text
    assert "underpass_model_calls 0.0" in text
    assert "alice" not in text


async def test_the_whole_hub_runs_on_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    """The same code: sign-in, keys, sessions, chats; and what was there is there again."""
    url = postgres.create("hub")
    async with running_hub(tmp_path / "data", database_url=url) as hub:
        await hub.user("alice")
        browser = await hub.browser("alice")
        assert (await browser.post("/api/keys", {"name": "laptop"})).status == 201
        body = {"attach": True, "host": "gpu-17", "name": "box"}
        assert (await browser.post("/api/sessions", body)).status == 201
        assert (await browser.post("/api/chats", {"title": "Hello\x00"})).status == 201
        assert (await browser.get("/readyz")).json()["status"] == "ready"
        assert not (tmp_path / "data" / "underpass.db").exists()
    async with running_hub(tmp_path / "data", database_url=url) as hub:
        browser = await hub.browser("alice")
        assert len((await browser.get("/api/sessions")).json()["items"]) == 1
        assert (await browser.sign_in("alice", PASSWORD)).status == 204
    postgres.drop("hub")


async def test_a_database_that_goes_away_is_said(tmp_path: Path, postgres: PostgresServer) -> None:
    """503 with what to do, also from /readyz; the rest of the process lives."""
    url = postgres.create("away")
    async with running_hub(tmp_path / "data", database_url=url) as hub:
        await hub.user("alice")
        browser = await hub.browser("alice")
        postgres.drop("away")
        gone = await browser.get("/api/keys")
        assert (gone.status, gone.code) == (503, "storage_unavailable")
        assert (await browser.get("/readyz")).status == 503
        assert (await browser.get("/healthz")).status == 200
        assert (await browser.get("/")).status == 200


async def test_a_hub_that_cannot_open_its_store_leaves_nothing_open(tmp_path: Path) -> None:
    """The error is the store's; no thread or connection stays."""
    config = HubConfig.load({"data_dir": tmp_path / "nowhere" / "at" / "all"})
    with pytest.raises(StorageError):
        await Hub.open(config, "http://127.0.0.1:1")


def test_the_api_can_be_described_without_a_hub() -> None:
    """Types and documents are made from it."""
    document = build_api().openapi()
    assert "/api/sessions" in document["paths"]
    assert "KeyOut" in document["components"]["schemas"]
