"""Who sees a provider."""

from dataclasses import replace

import pytest

from tests.fakes.registry import ANN, BOB, custom, tunnel
from underpass.core.principal import Principal

ADMIN = Principal("usr_root", "root", is_admin=True)


@pytest.mark.parametrize("stranger", [BOB, ADMIN])
def test_a_tunnels_provider_is_its_owners_alone(stranger: Principal) -> None:
    """Not an admin, not through any sharing field: only the owner sees an openai-tunnel."""
    view = replace(
        tunnel("gpu", owner=ANN),
        shared_with_everyone=True,
        shared_with_users=frozenset({stranger.user_id}),
        shared_with_groups=frozenset({"grp_lab"}),
    )
    assert view.is_visible_to(ANN)
    assert not view.is_visible_to(replace(stranger, group_ids=frozenset({"grp_lab"})))
    assert not view.is_shareable


def test_a_custom_provider_is_private_until_it_is_shared() -> None:
    """Without a permission a custom provider is its owner's, and an admin is a stranger too."""
    view = custom("api", owner=ANN)
    assert view.is_shareable
    assert view.is_visible_to(ANN)
    assert not view.is_visible_to(BOB)
    assert not view.is_visible_to(ADMIN)


def test_a_custom_provider_is_shared_with_users_groups_or_everyone() -> None:
    """Each of the three permissions opens it, and a wrong user or group does not."""
    view = custom("api", owner=ANN)
    in_lab = replace(BOB, group_ids=frozenset({"grp_lab"}))
    assert replace(view, shared_with_everyone=True).is_visible_to(BOB)
    assert replace(view, shared_with_users=frozenset({BOB.user_id})).is_visible_to(BOB)
    assert replace(view, shared_with_groups=frozenset({"grp_lab"})).is_visible_to(in_lab)
    assert not replace(view, shared_with_groups=frozenset({"grp_lab"})).is_visible_to(BOB)
    assert not replace(view, shared_with_users=frozenset({"usr_else"})).is_visible_to(BOB)
