"""Passwords."""

import asyncio

import pytest

from underpass.core.errors import InvalidRequest
from underpass.hub.auth.passwords import Passwords


async def test_only_the_right_one_fits() -> None:
    """It is hashed with argon2id and a salt; what is stored holds nothing of it."""
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    again = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert stored != again
    assert "horse" not in stored
    assert await passwords.verify(stored, "correct horse")
    for wrong in ("correct hors", "", "x" * 5000):
        assert not await passwords.verify(stored, wrong)
    assert not passwords.is_outdated(stored)


async def test_nothing_fits_nobody() -> None:
    """An unknown user takes a hash's time and is never right; a broken hash is never right."""
    passwords = Passwords()
    assert not await passwords.verify(None, "nobody has this password")
    assert not await passwords.verify("not a hash", "x")


@pytest.mark.parametrize(("password", "code"), [("short", "too_short"), ("x" * 1025, "too_long")])
async def test_passwords_have_rules(password: str, code: str) -> None:
    """The error says which, and does not repeat the password."""
    with pytest.raises(InvalidRequest) as caught:
        await Passwords().hash(password)
    assert caught.value.code == f"password_{code}"
    assert password not in caught.value.sentence()


async def test_hashing_leaves_the_loop_free() -> None:
    """Others are served while passwords are hashed, however many at once."""
    passwords = Passwords()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    task = asyncio.create_task(others())
    await asyncio.gather(*(passwords.hash(f"password {n}") for n in range(4)))
    task.cancel()
    assert turns > 10
