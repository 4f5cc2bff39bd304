"""Browser sessions and one-time links."""

import pytest

from tests.hub.auth.conftest import PASSWORD, with_cookie
from underpass.core.clock import FakeClock
from underpass.core.errors import NotAuthenticated
from underpass.hub.auth import Auth, Browser
from underpass.store import Store, UserRecord


async def test_a_sign_in_says_from_where_it_is(auth: Auth, alice: UserRecord, store: Store) -> None:
    """And is cut to a sensible size."""
    await auth.sign_ins.begin(alice.id, Browser("192.0.2.1", "x" * 5000))
    (found,) = await store.browser_sessions.of_user(alice.id)
    assert (found.address, len(found.user_agent)) == ("192.0.2.1", 300)


async def test_a_set_up_link_ends(auth: Auth, clock: FakeClock) -> None:
    """After a week, or with the next one."""
    first = await auth.sign_ins.new_setup_token()
    second = await auth.sign_ins.new_setup_token()
    with pytest.raises(NotAuthenticated):
        await auth.sign_ins.set_up(first, "root", PASSWORD, Browser())
    clock.advance(8 * 86_400)
    with pytest.raises(NotAuthenticated):
        await auth.sign_ins.set_up(second, "root", PASSWORD, Browser())
    assert await auth.sign_ins.needs_setup()


async def test_a_sign_in_link_is_for_one_user_and_ten_minutes(
    auth: Auth, alice: UserRecord, clock: FakeClock, store: Store
) -> None:
    """A disabled user's is worth nothing."""
    token = await auth.sign_ins.new_sign_in_token(alice.id)
    user, cookie = await auth.sign_ins.by_link(token, Browser())
    assert user.id == (await auth.authenticate(with_cookie(cookie))).user_id == alice.id
    late = await auth.sign_ins.new_sign_in_token(alice.id)
    clock.advance(601)
    with pytest.raises(NotAuthenticated):
        await auth.sign_ins.by_link(late, Browser())
    token = await auth.sign_ins.new_sign_in_token(alice.id)
    await store.users.update(alice.id, is_disabled=True)
    with pytest.raises(NotAuthenticated):
        await auth.sign_ins.by_link(token, Browser())
