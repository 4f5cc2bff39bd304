"""`/api/usage` over real HTTP."""

from datetime import UTC, datetime

from tests.hub.conftest import RunningHub
from underpass.store import UserRecord


async def test_what_the_gateway_counted_is_there(
    hub: RunningHub, root: UserRecord, alice: UserRecord
) -> None:
    """One's own for oneself, everybody's for an admin who asks."""
    counts = hub.services.door.usage.of(alice.id, "prv_1")
    counts.requests, counts.bytes_out = 3, 900
    browser, admin = await hub.browser(alice.name), await hub.browser(root.name)
    (mine,) = (await browser.get("/api/usage")).json()["items"]
    assert (mine["provider_id"], mine["requests"], mine["bytes_out"]) == ("prv_1", 3, 900)
    assert mine["day"] == datetime.now(UTC).date().isoformat()
    counts.requests += 1
    (mine,) = (await browser.get("/api/usage")).json()["items"]
    assert mine["requests"] == 4
    (whole,) = (await browser.get("/api/usage?by=total")).json()["items"]
    assert (whole["requests"], whole["day"], whole["provider_id"]) == (4, None, None)
    assert (await admin.get("/api/usage")).json()["items"] == []
    assert len((await admin.get("/api/usage?everyone=true")).json()["items"]) == 1
    assert (await browser.get("/api/usage?everyone=true")).code == "admin_only"


async def test_days_have_to_be_days(hub: RunningHub, alice: UserRecord) -> None:
    """A day that is none, or too many at once, is said to be wrong."""
    browser = await hub.browser(alice.name)
    assert (await browser.get("/api/usage?since=2026-02-31")).code == "day_invalid"
    assert (await browser.get("/api/usage?since=yesterday")).code == "invalid_request"
    assert (await browser.get("/api/usage?since=2000-01-01")).code == "too_many_days"
    assert (await browser.get("/api/usage?since=2026-01-01&until=2026-01-02")).status == 200
