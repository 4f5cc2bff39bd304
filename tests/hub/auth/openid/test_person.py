"""What is believed of an issuer's claims."""

from typing import Any

import pytest

from underpass.config.openid import OpenIdIssuer
from underpass.hub.auth.openid.person import Person, person_of
from underpass.hub.auth.openid.words import SignInRefused

GOOD = {"sub": "s1", "email": "Alice@Example.org", "email_verified": True, "name": "Alice A."}


def settings(**more: Any) -> OpenIdIssuer:
    return OpenIdIssuer(issuer="https://id.example.org", client_id="hub", **more)


def person(claims: dict[str, Any], **more: Any) -> Person:
    return person_of(claims, settings(**more), "Campus")


def test_a_verified_address_is_one_that_can_be_compared() -> None:
    """Lower-case, and the person's own."""
    assert person(GOOD).email == "alice@example.org"


def test_what_somebody_is_called_is_one_plain_line() -> None:
    """No line breaks, and nothing that turns what stands around it."""
    assert person({**GOOD, "name": "A\u202el\nice\x00"}).display_name == "Alice"


@pytest.mark.parametrize("word", [None, False, "true", "yes", 1, ["true"]])
def test_only_true_is_verified(word: object) -> None:
    """Anything else is not believed, and refused where the address matters."""
    claims = {**GOOD, "email_verified": word}
    assert person(claims).email is None
    for needs in ({"allowed_domains": ["example.org"]}, {"link_by_address": True}):
        with pytest.raises(SignInRefused) as caught:
            person(claims, **needs)
        assert caught.value.code == "openid_address_unverified"


@pytest.mark.parametrize(
    "email",
    ["", "alice", "@example.org", "a@b@c", "a b@c.d", "ſ@example.org", 5, "a" * 300 + "@b.c"],
)
def test_what_is_no_address(email: object) -> None:
    """Nothing that could be taken for another's."""
    assert person({**GOOD, "email": email}).email is None


@pytest.mark.parametrize("sub", [None, "", 5, "x" * 256, "ü", "a\x00", ["a"]])
def test_without_a_usable_subject_there_is_nobody(sub: object) -> None:
    """The one claim that says who it is."""
    with pytest.raises(SignInRefused) as caught:
        person({**GOOD, "sub": sub})
    assert caught.value.code == "openid_claims_missing"


@pytest.mark.parametrize(
    ("email", "code"),
    [
        ("a@sub.example.org", "openid_domain_not_allowed"),
        ("a@example.org.evil.net", "openid_domain_not_allowed"),
        ("a@notexample.org", "openid_domain_not_allowed"),
        (None, "openid_claims_missing"),
    ],
)
def test_domains_are_whole(email: str | None, code: str) -> None:
    """Neither a part of a domain, nor one that begins or ends like it."""
    with pytest.raises(SignInRefused) as caught:
        person({**GOOD, "email": email}, allowed_domains=["example.org"])
    assert caught.value.code == code
    assert person(GOOD, allowed_domains=["@Example.org"]).email == "alice@example.org"


@pytest.mark.parametrize(
    ("claims", "more", "groups"),
    [
        ({"groups": ["physics", "/chem", "no good", 5]}, {}, ("chem", "physics")),
        ({"groups": "physics"}, {}, ("physics",)),
        ({"groups": {"a": 1}}, {}, ()),
        ({}, {}, ()),
        ({"groups": ["cn=p", "cn=q"]}, {"groups": {"cn=p": "physics"}}, ("physics",)),
    ],
)
def test_groups(claims: dict[str, Any], more: dict[str, Any], groups: tuple[str, ...]) -> None:
    """Names as they are, or by the settings' table; what is neither is left out."""
    assert person({**GOOD, **claims}, groups_claim="groups", **more).groups == groups
    assert person({**GOOD, **claims}).groups == ()


def test_a_claim_inside_others() -> None:
    """As Keycloak has its roles; a name with dots is looked for as it is first."""
    nested = {**GOOD, "realm_access": {"roles": ["admins"]}}
    found = person(nested, groups_claim="realm_access.roles", admin_groups=["admins"])
    assert (found.groups, found.is_admin) == (("admins",), True)
    flat = {**GOOD, "https://x.y/groups": ["physics"]}
    assert person(flat, groups_claim="https://x.y/groups").groups == ("physics",)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "Alice.B"}, "alice.b"),
        ({"preferred_username": "alice@example.org"}, "alice"),
        ({}, "alice"),
        ({"email": None}, "alice-a."),
        ({"email": None, "name": "王"}, "user"),
    ],
)
def test_a_name_for_a_new_user(claims: dict[str, Any], name: str) -> None:
    """From the claim, the address, or what the person is called."""
    assert person({**GOOD, **claims}).wished_name == name
