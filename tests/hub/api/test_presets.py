"""`/api/presets`."""

from tests.hub.conftest import RunningHub
from underpass.store import UserRecord


async def test_a_presets_life(hub: RunningHub, alice: UserRecord, root: UserRecord) -> None:
    """Made, shown, changed, deleted, and nobody else's business."""
    page, admin = await hub.browser("alice"), await hub.browser("root")
    body = {"name": "Dry", "system_prompt": "Be dry.", "settings": {"temperature": 0}}
    made = await page.post("/api/presets", body)
    assert made.status == 201
    preset = made.json()
    assert {name: preset[name] for name in body} == body
    assert (await page.post("/api/presets", body)).code == "name_taken"
    path = f"/api/presets/{preset['id']}"
    assert (await page.get(path)).json() == preset
    assert (await page.patch(path, {"model": "gpu/m"})).json()["model"] == "gpu/m"
    assert len((await page.get("/api/presets")).json()["items"]) == 1
    assert (await admin.get("/api/presets")).json()["items"] == []
    for answer in (
        await admin.get(path),
        await admin.patch(path, {"name": "x"}),
        await admin.delete(path),
    ):
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await page.patch(path, {"settings": {"stream": True}})).status == 400
    assert (await page.delete(path)).status == 204
    assert (await page.get(path)).status == 404
