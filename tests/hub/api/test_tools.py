"""`/api/tools`."""

from tests.fakes.model import ScriptedModel
from tests.hub.conftest import RunningHub
from underpass.store import UserRecord
from underpass.tools import PLACEHOLDER, TOOLS


async def test_settings_are_filled_in_for_ones_own_model(
    hub: RunningHub, alice: UserRecord, model: ScriptedModel
) -> None:
    """The hub's address, a model that runs, and a placeholder: a key is nobody's to hand out."""
    program = await hub.program(await hub.key(alice))
    found = (await program.get("/api/tools")).json()["items"]
    assert [one["name"] for one in found] == list(TOOLS)
    for one in found:
        assert one["model"] == "gpu/m"
        assert hub.url in one["settings"]
        assert PLACEHOLDER in one["settings"] and one["placeholder"] == PLACEHOLDER
    curl = (await program.get("/api/tools/curl")).json()
    assert curl in found
    assert "gpu/m" in curl["settings"]
    assert curl["language"] == "bash"


async def test_another_model_and_none(hub: RunningHub, model: ScriptedModel) -> None:
    """What is asked for stands there, known or not; a stranger's model is not named to anybody."""
    program = await hub.program(await hub.key(await hub.user("bob")))
    assert (await program.get("/api/tools/curl")).json()["model"] == "PROVIDER/MODEL"
    asked = (await program.get("/api/tools/curl?model=gpu/m")).json()
    assert asked["model"] == "gpu/m"
    assert "m" in asked["settings"]
    said = await program.get("/api/tools/cursor")
    assert said.status == 404
    assert "openai-python" in said.json()["hint"]
