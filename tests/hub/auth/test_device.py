"""Device codes."""

import asyncio
from typing import Any

import pytest

from underpass.core.clock import FakeClock
from underpass.core.errors import NotFound, TooMany
from underpass.hub.auth import Auth
from underpass.hub.auth import device as module
from underpass.hub.auth.device import LIFETIME_S, Collected, DeviceCodeGone
from underpass.store import DeviceCodeRecord, UserRecord


async def ask(
    auth: Auth, purpose: Any = "login", address: str = ""
) -> tuple[DeviceCodeRecord, str]:
    return await auth.device.ask(purpose, name="box", host="gpu-17", user="alice", address=address)


async def test_one_of_many_collectors_gets_the_token(auth: Auth, alice: UserRecord) -> None:
    """A device code that leaked is used once at most."""
    record, code = await ask(auth)
    await auth.device.decide(record.user_code, alice.id, is_approved=True)
    tries = await asyncio.gather(
        *(auth.device.collect(code) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, Collected) for one in tries) == 1
    assert sum(isinstance(one, DeviceCodeGone) for one in tries) == 7


async def test_an_attached_session_is_its_approvers(auth: Auth, alice: UserRecord) -> None:
    """Whatever the machine said about itself."""
    record, code = await ask(auth, "session")
    await auth.device.decide(record.user_code, alice.id, is_approved=True)
    collected = await auth.device.collect(code)
    assert collected is not None
    assert collected.session == {"name": "box", "owner": "alice"}
    assert collected.token == "ups_token"


async def test_a_code_ends(auth: Auth, alice: UserRecord, clock: FakeClock) -> None:
    """For the one who looks and for the one who collects."""
    record, code = await ask(auth)
    assert await auth.device.collect(code) is None
    clock.advance(LIFETIME_S)
    with pytest.raises(NotFound):
        await auth.device.decide(record.user_code, alice.id, is_approved=True)
    with pytest.raises(DeviceCodeGone):
        await auth.device.collect(code)


async def test_who_was_disabled_meanwhile_gives_nothing(auth: Auth, alice: UserRecord) -> None:
    """Approval is not enough when the approver is gone."""
    record, code = await ask(auth)
    await auth.device.decide(record.user_code, alice.id, is_approved=True)
    await auth.accounts.change(alice.id, is_disabled=True)
    with pytest.raises(DeviceCodeGone):
        await auth.device.collect(code)


async def test_waiting_codes_have_a_limit(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """From all addresses together; the ones that are over make room."""
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    for number in range(3):
        await ask(auth, address=f"192.0.2.{number}")
    with pytest.raises(TooMany):
        await ask(auth, address="192.0.2.9")
