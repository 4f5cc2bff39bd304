"""The live picture: providers by who may see them, links by tunnel."""

from dataclasses import replace

import pytest

from tests.fakes.registry import ANN, BOB, custom, tunnel
from underpass.core.errors import NotFound
from underpass.core.principal import Principal
from underpass.registry.live import Registry
from underpass.tunnel.link import OpenHead, Stream


class NoLink:
    """A link that is never used."""

    is_up = True

    async def open(self, head: OpenHead) -> Stream:
        """Never called here."""
        raise AssertionError


def test_own_providers_come_first_and_by_name() -> None:
    """A user sees their own, then what is shared with them, and nothing else."""
    registry = Registry()
    for view in (
        tunnel("zeta", owner=ANN),
        tunnel("alpha", owner=ANN),
        tunnel("bobs", owner=BOB),
        custom("shared", owner=BOB, everyone=True),
        custom("secret", owner=BOB),
    ):
        registry.put_provider(view)
    assert [one.name for one in registry.providers_visible_to(ANN)] == ["alpha", "zeta", "shared"]


def test_those_of_a_name_are_found_by_it() -> None:
    """One's own and what is shared, as they are called now; never a stranger's."""
    registry = Registry()
    own, bobs = tunnel("gpu", owner=ANN), tunnel("gpu", owner=BOB)
    shared, secret = custom("gpu", owner=BOB, everyone=True), custom("gpu", owner=BOB)
    for view in (own, bobs, replace(shared, id="prv_shared"), replace(secret, id="prv_secret")):
        registry.put_provider(view)
    assert [one.id for one in registry.providers_named("gpu", ANN)] == [own.id, "prv_shared"]
    registry.put_provider(replace(own, name="box"))
    assert [one.id for one in registry.providers_named("gpu", ANN)] == ["prv_shared"]
    assert [one.name for one in registry.providers_named("box", ANN)] == ["box"]
    registry.drop_provider("prv_shared")
    registry.drop_provider(own.id)
    assert registry.providers_named("gpu", ANN) == registry.providers_named("box", ANN) == []
    assert registry.providers_visible_to(ANN) == []


def test_a_strangers_provider_and_none_look_the_same() -> None:
    """The same error for a guessed id as for one that does not exist: an admin gets no more."""
    registry = Registry()
    view = tunnel("gpu", owner=ANN)
    registry.put_provider(view)
    assert registry.provider(view.id, ANN) is view
    for caller in (BOB, Principal("usr_root", "root", is_admin=True)):
        with pytest.raises(NotFound) as stranger:
            registry.provider(view.id, caller)
        registry.drop_provider(view.id)
        with pytest.raises(NotFound) as nothing:
            registry.provider(view.id, caller)
        registry.put_provider(view)
        assert str(stranger.value) == str(nothing.value)
        assert stranger.value.code == nothing.value.code


def test_a_new_picture_takes_the_old_ones_place() -> None:
    """Putting a provider again changes it, also when sharing ends or the owner is another."""
    registry = Registry()
    view = custom("api", owner=ANN, everyone=True)
    registry.put_provider(view)
    registry.put_provider(replace(view, shared_with_everyone=False, status_reason="new"))
    assert registry.providers_visible_to(BOB) == []
    assert [one.status_reason for one in registry.providers_visible_to(ANN)] == ["new"]
    registry.put_provider(replace(view, owner_id=BOB.user_id, shared_with_everyone=False))
    assert registry.providers_visible_to(ANN) == []
    assert len(registry.all_providers()) == 1


def test_dropping_forgets_and_twice_is_no_error() -> None:
    """After the drop nothing of the provider is left."""
    registry = Registry()
    view = custom("api", owner=ANN, everyone=True)
    registry.put_provider(view)
    registry.drop_provider(view.id)
    registry.drop_provider(view.id)
    assert registry.providers_visible_to(ANN) == registry.providers_visible_to(BOB) == []


def test_an_older_link_cannot_unbind_a_newer() -> None:
    """When an agent was displaced, the late good-bye of the old link changes nothing."""
    registry = Registry()
    old, new = NoLink(), NoLink()
    registry.bind_tunnel("tun_1", old)
    registry.bind_tunnel("tun_1", new)
    registry.unbind_tunnel("tun_1", old)
    assert registry.link_of("tun_1") is new
    registry.unbind_tunnel("tun_1", new)
    assert registry.link_of("tun_1") is None
    assert repr(registry) == "Registry(providers=0, tunnels=0)"
