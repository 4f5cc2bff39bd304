"""`/api/templates`."""

from tests.hub.conftest import RunningHub
from underpass.store import UserRecord


async def test_templates_are_listed_with_what_they_ask_for(
    hub: RunningHub, root: UserRecord, alice: UserRecord
) -> None:
    """All of them, available or not, and why not; for a user without a cluster none is."""
    admin = await hub.program(await hub.key(root))
    found = {one["name"]: one for one in (await admin.get("/api/templates")).json()["items"]}
    assert found["demo"]["available"]
    assert {"custom", "llama.cpp", "ollama", "vllm"} <= set(found)
    assert found["llama.cpp"]["params"][0]["required"]
    assert (await admin.get("/api/templates/vllm")).json()["title"] == "vLLM"
    assert (await admin.get("/api/templates/none")).status == 404
    assert (await admin.get("/api/templates?cluster=none")).status == 404
    program = await hub.program(await hub.key(alice))
    theirs = (await program.get("/api/templates")).json()["items"]
    assert not any(one["available"] for one in theirs)
    assert "clusters join" in theirs[0]["unavailable_reason"]
