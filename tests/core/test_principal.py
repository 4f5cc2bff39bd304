"""A principal reaches as far as its credential's scopes."""

import pytest

from underpass.core.errors import NotAllowed
from underpass.core.principal import Principal, Scope


def test_a_browser_session_has_every_scope() -> None:
    """Without a key, a user may do all that is theirs."""
    for scope in Scope:
        Principal("usr_1", "alice").require(scope)


def test_a_key_reaches_no_further_than_its_scopes() -> None:
    """A missing scope is refused by name."""
    principal = Principal("usr_1", "alice", key_id="key_1", scopes=frozenset({Scope.GATEWAY}))
    principal.require(Scope.GATEWAY)
    with pytest.raises(NotAllowed, match="'sessions'") as refused:
        principal.require(Scope.SESSIONS)
    assert refused.value.code == "scope_missing"


@pytest.mark.parametrize(
    ("is_admin", "scopes", "expected"),
    [(True, {"admin"}, True), (True, {"read"}, False), (False, {"admin"}, False)],
)
def test_admin_rights_need_the_user_and_the_key(
    is_admin: bool, scopes: frozenset[str], expected: bool
) -> None:
    """An admin's narrow key is no admin; a user's wide key is none either."""
    principal = Principal("usr_1", "a", is_admin=is_admin, key_id="k", scopes=frozenset(scopes))
    assert principal.acts_as_admin is expected
