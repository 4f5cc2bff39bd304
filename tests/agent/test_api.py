"""Signing a session in: with a key, with a code, and what is said when that fails."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.hub import TOKEN, FakeHub, Refusal
from tests.rig.processes import free_port
from underpass.agent.api import HubApi, SignInDenied
from underpass.core.errors import AppError, Conflict, NotAuthenticated
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import Way
from underpass.tunnel.dial_errors import DialError


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    """A hub's REST."""
    async with FakeHub() as one:
        yield one


def api(url: str) -> HubApi:
    return HubApi(Way(HubAddress.parse(url), environ={}))


async def test_with_a_key(hub: FakeHub) -> None:
    """The key goes in a header; a session and its own token come back."""
    grant = await api(hub.url).attach("up_k", name="box", host="gpu-17", replace=True)
    assert (grant.token, grant.session_id, grant.user) == (TOKEN, "ses_1", "alice")
    path, headers, body = hub.requests[0]
    assert path == "/api/sessions"
    assert headers["Authorization"] == "Bearer up_k"
    assert body == {"attach": True, "host": "gpu-17", "replace": True, "name": "box"}


async def test_with_a_code(hub: FakeHub) -> None:
    """The code is shown; asking goes on until it is approved, through a hub that stumbles."""
    hub.answers["/api/auth/device/token"] = [
        Refusal(202, {"status": "pending"}),
        Refusal(503),
        Refusal(429, {"code": "too_many_requests"}, {"Retry-After": "0"}),
        Refusal(
            200,
            {
                "status": "approved",
                "token": TOKEN,
                "session": {"id": "ses_2", "name": "box"},
                "user": {"name": "alice"},
            },
        ),
    ]
    device = await api(hub.url).start_device(name=None, host="gpu-17", user="al")
    assert device.user_code == "ABCD-EFGH"
    assert device.url == f"{hub.url}/connect?code=ABCD-EFGH"
    assert hub.requests[0][2] == {"purpose": "session", "host": "gpu-17", "user": "al"}
    grant = await api(hub.url).wait_for_approval(device)
    assert (grant.session_id, grant.user) == ("ses_2", "alice")
    assert "Authorization" not in hub.requests[-1][1]


async def test_a_denied_code(hub: FakeHub) -> None:
    """Denied or expired."""
    hub.answers["/api/auth/device/token"] = [Refusal(410, {"code": "expired"})]
    device = await api(hub.url).start_device(name="box", host="h", user="u")
    with pytest.raises(SignInDenied):
        await api(hub.url).wait_for_approval(device)


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        (
            Refusal(401, {"code": "key_revoked", "detail": "Revoked."}),
            NotAuthenticated,
            "key_revoked",
        ),
        (Refusal(409, {"code": "name_taken", "detail": "In use."}), Conflict, "name_taken"),
        (Refusal(404, {}), DialError, "not_a_hub"),
        (Refusal(200, {}), DialError, "not_a_hub"),
        (Refusal(201, {"token": "t"}), DialError, "not_a_hub"),
        (Refusal(503, {"code": "storage_unavailable"}), DialError, "hub_busy"),
        (Refusal(302, {}, {"Location": "https://x"}), DialError, "not_a_hub"),
    ],
)
async def test_refusals(hub: FakeHub, refusal: Refusal, kind: Any, code: str) -> None:
    """Typed, with the hub's own sentence where it has one."""
    hub.answers["/api/sessions"] = [refusal]
    with pytest.raises(AppError) as caught:
        await api(hub.url).attach("up_secret", name=None, host="h", replace=False)
    assert isinstance(caught.value, kind)
    assert caught.value.code == code
    assert "up_secret" not in caught.value.sentence()


async def test_a_hub_that_is_not_there() -> None:
    """The same lines as for the link."""
    with pytest.raises(DialError, match="refuses the connection"):
        await api(f"http://127.0.0.1:{free_port()}").attach("k", name=None, host="h", replace=False)
