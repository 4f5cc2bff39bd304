"""A code besides the password."""

import asyncio
import secrets
from pathlib import Path

import pytest

from tests.hub.auth.conftest import PASSWORD
from underpass.core.clock import FakeClock
from underpass.core.errors import AppError, InvalidRequest
from underpass.hub.auth import Auth, Browser, totp
from underpass.hub.auth.second_step import SecondStep
from underpass.store import Store, UserRecord


async def turned_on(auth: Auth, alice: UserRecord, clock: FakeClock) -> tuple[str, list[str]]:
    """Secret and recovery codes of alice's; the clock is a step further than the code that was used."""
    secret, _ = await auth.second_step.begin(alice)
    codes = await auth.second_step.confirm(alice.id, now_code(secret, clock))
    clock.advance(30)
    return secret, codes


def now_code(secret: str, clock: FakeClock) -> str:
    return totp.code_at(secret, int(clock.now() // 30))


async def failure(auth: Auth, code: str | None, password: str = PASSWORD) -> str:
    """The code of the error that a sign-in ends with; "" when it does not."""
    try:
        await auth.sign_ins.by_password("alice", password, Browser(), code=code)
    except AppError as error:
        return error.code
    return ""


async def test_nothing_is_asked_before_it_is_confirmed(auth: Auth, alice: UserRecord) -> None:
    """Whoever loses the page in the middle is not locked out."""
    await auth.second_step.begin(alice)
    assert await failure(auth, None) == ""


async def test_the_code_is_asked_for_after_the_password(
    auth: Auth, alice: UserRecord, clock: FakeClock
) -> None:
    """And only then: nobody learns who has a second step without the password."""
    secret, _ = await turned_on(auth, alice, clock)
    assert await failure(auth, None, "wrong") == "wrong_password"
    assert await failure(auth, now_code(secret, clock), "wrong") == "wrong_password"
    assert await failure(auth, None) == "second_step_needed"
    assert await failure(auth, "") == "second_step_needed"
    assert await failure(auth, "000000x") == "wrong_code"
    code = now_code(secret, clock)
    assert await failure(auth, f" {code[:3]} {code[3:]} ") == ""


async def test_a_code_is_used_once(auth: Auth, alice: UserRecord, clock: FakeClock) -> None:
    """Not again, not one of a step before, and by one of many that come at once."""
    secret, _ = await turned_on(auth, alice, clock)
    before = now_code(secret, clock)
    clock.advance(30)
    now = now_code(secret, clock)
    found = await asyncio.gather(*(failure(auth, now) for _ in range(4)))
    assert sorted(found) == ["", "wrong_code", "wrong_code", "wrong_code"]
    assert await failure(auth, before) == "wrong_code"


async def test_the_confirming_code_is_used_too(
    auth: Auth, alice: UserRecord, clock: FakeClock
) -> None:
    """Whoever saw it over a shoulder comes too late."""
    secret, _ = await auth.second_step.begin(alice)
    await auth.second_step.confirm(alice.id, now_code(secret, clock))
    assert await failure(auth, now_code(secret, clock)) == "wrong_code"


async def test_guessing_codes_has_to_wait(auth: Auth, alice: UserRecord, clock: FakeClock) -> None:
    """Five wrong ones, from wherever they come; even the right one waits then."""
    secret, codes = await turned_on(auth, alice, clock)
    guesses = await asyncio.gather(*(failure(auth, f"{n:06d}") for n in range(9)))
    assert sorted(guesses) == ["throttled"] * 4 + ["wrong_code"] * 5
    assert await failure(auth, now_code(secret, clock)) == "throttled"
    assert await failure(auth, codes[0]) == "throttled"
    clock.advance(901)
    assert await failure(auth, now_code(secret, clock)) == ""


async def test_recovery_codes_are_good_once(
    auth: Auth, alice: UserRecord, clock: FakeClock, store: Store
) -> None:
    """Ten, each once, however they are typed; new ones end the old."""
    secret, codes = await turned_on(auth, alice, clock)
    assert len(set(codes)) == 10
    found = await asyncio.gather(*(failure(auth, codes[0]) for _ in range(3)))
    assert sorted(found) == ["", "wrong_code", "wrong_code"]
    assert await failure(auth, codes[1].lower().replace("-", " ")) == ""
    record = await store.second_factors.get(alice.id)
    assert len(record.recovery) == 8
    new = await auth.second_step.new_recovery_codes(alice.id, now_code(secret, clock))
    assert await failure(auth, codes[2]) == "wrong_code"
    assert await failure(auth, new[0]) == ""


async def test_another_users_codes_are_worth_nothing(
    auth: Auth, alice: UserRecord, clock: FakeClock
) -> None:
    """Neither of the app nor for recovery."""
    await turned_on(auth, alice, clock)
    bob = await auth.accounts.create("bob", password=PASSWORD)
    bobs, codes = await auth.second_step.begin(bob), []
    codes = await auth.second_step.confirm(bob.id, now_code(bobs[0], clock))
    clock.advance(30)
    assert await failure(auth, codes[0]) == "wrong_code"
    assert await failure(auth, now_code(bobs[0], clock)) == "wrong_code"


async def test_turning_it_off_takes_a_code(auth: Auth, alice: UserRecord, clock: FakeClock) -> None:
    """Who found an open browser cannot; an admin can, for somebody else."""
    secret, _ = await turned_on(auth, alice, clock)
    with pytest.raises(AppError) as caught:
        await auth.second_step.turn_off(alice.id, "123456")
    assert caught.value.code == "wrong_code"
    with pytest.raises(AppError) as caught:
        await auth.second_step.begin(alice)
    assert caught.value.code == "two_step_on"
    await auth.second_step.turn_off(alice.id, now_code(secret, clock))
    assert await failure(auth, None) == ""
    await turned_on(auth, alice, clock)
    assert await auth.second_step.reset(alice.id)
    assert await failure(auth, None) == ""
    assert not await auth.second_step.reset(alice.id)


async def test_who_has_no_password_has_no_second_step(auth: Auth) -> None:
    """It would never be asked for."""
    guest = await auth.accounts.create("guest", password=None)
    with pytest.raises(AppError) as caught:
        await auth.second_step.begin(guest)
    assert caught.value.code == "no_password"


async def test_at_rest(auth: Auth, alice: UserRecord, clock: FakeClock, store: Store) -> None:
    """No secret and no recovery code in the database; moved to another user, it opens nothing."""
    secret, codes = await turned_on(auth, alice, clock)
    record = await store.second_factors.get(alice.id)
    for one in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert one not in repr(record)
    mallory = await auth.accounts.create("mallory", password=PASSWORD)
    moved, _ = await auth.second_step.begin(mallory)
    await store.second_factors.update(mallory.id, sealed=record.sealed, is_on=True)
    del moved
    with pytest.raises(InvalidRequest) as caught:
        await auth.second_step.check(mallory.id, now_code(secret, clock))
    assert caught.value.code == "seal_broken"


async def test_a_new_key_first_in_the_file(
    auth: Auth, alice: UserRecord, clock: FakeClock, store: Store, tmp_path: Path
) -> None:
    """A start seals anew; then the old line can go."""
    secret, _ = await turned_on(auth, alice, clock)
    file = tmp_path / "secret.key"
    old, new = file.read_text().strip(), secrets.token_hex(32)
    file.write_text(f"{new}\n{old}\n")
    step = SecondStep(store, clock, file, "Hub")
    await step.load()
    file.write_text(f"{new}\n")
    await SecondStep(store, clock, file, "Hub").check(alice.id, now_code(secret, clock))
    # A file that was lost: nobody comes in by the app, and recovery codes still do.
    file.write_text(f"{secrets.token_hex(32)}\n")
    lost = SecondStep(store, clock, file, "Hub")
    await lost.load()
    clock.advance(30)
    with pytest.raises(InvalidRequest):
        await lost.check(alice.id, now_code(secret, clock))
