"""One-time links in the store."""

import asyncio

import pytest

from underpass.core.errors import NotFound
from underpass.store import LinkPurpose, OneTimeLinkRecord, Store, UserRecord


def _link(token: str, purpose: LinkPurpose, user_id: str | None = None) -> OneTimeLinkRecord:
    return OneTimeLinkRecord(
        id=token, purpose=purpose, user_id=user_id, created_at=1.0, expires_at=10.0
    )


async def test_a_link_works_once(store: Store) -> None:
    """Of many that try at the same moment exactly one gets in."""
    await store.one_time_links.add(_link("h", LinkPurpose.SETUP))
    tries = [store.one_time_links.take("h", LinkPurpose.SETUP, 5.0) for _ in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, OneTimeLinkRecord) for one in results) == 1
    assert sum(isinstance(one, NotFound) for one in results) == 7


async def test_a_link_is_for_one_thing_and_for_a_time(store: Store, alice: UserRecord) -> None:
    """Another purpose or a late try finds nothing, and does not use it up."""
    await store.one_time_links.add(_link("h", LinkPurpose.SIGN_IN, alice.id))
    for purpose, now in ((LinkPurpose.SETUP, 5.0), (LinkPurpose.SIGN_IN, 10.0)):
        with pytest.raises(NotFound):
            await store.one_time_links.take("h", purpose, now)
    assert (await store.one_time_links.take("h", LinkPurpose.SIGN_IN, 9.9)).user_id == alice.id


async def test_a_new_link_takes_the_place_of_the_old(store: Store, alice: UserRecord) -> None:
    """One set-up link is good at a time; other people's links stay."""
    await store.one_time_links.replace(_link("old", LinkPurpose.SETUP))
    await store.one_time_links.replace(_link("mine", LinkPurpose.SIGN_IN, alice.id))
    await store.one_time_links.replace(_link("new", LinkPurpose.SETUP))
    assert await store.one_time_links.find("old") is None
    assert await store.one_time_links.find("mine")
    assert await store.one_time_links.remove_expired(10.0) == 2
    assert await store.one_time_links.find("new") is None
