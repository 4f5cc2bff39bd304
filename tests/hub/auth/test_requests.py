"""What authentication reads from a request."""

from typing import Any

import pytest

from underpass.core.errors import NotAllowed, NotAuthenticated
from underpass.hub.auth.requests import (
    address_of,
    bearer_of,
    check_csrf,
    check_not_cross_site,
    cookie_of,
    set_cookie,
)


def scope(path: str = "/api/me", method: str = "POST", **headers: str) -> dict[str, Any]:
    """An ASGI scope with these headers (`_` for `-`)."""
    pairs = [
        (name.replace("_", "-").lower().encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    return {"type": "http", "path": path, "method": method, "headers": pairs}


def test_where_a_key_may_stand() -> None:
    """In Authorization everywhere, in x-api-key outside /api, in a query nowhere."""
    assert bearer_of(scope(authorization="Bearer up_1")) == "up_1"
    assert bearer_of(scope(authorization="bearer   up_1 ")) == "up_1"
    assert bearer_of(scope("/v1/messages", x_api_key="up_1")) == "up_1"
    assert bearer_of(scope("/api/me", x_api_key="up_1")) is None
    assert bearer_of(scope("/v1/messages", x_api_key=" ")) is None
    assert bearer_of({**scope(), "query_string": b"key=up_1"}) is None


@pytest.mark.parametrize("value", ["Basic dXBfMQ==", "Bearer", "Bearer ", "up_1", ""])
def test_another_kind_of_authorization_is_refused(value: str) -> None:
    """It is not passed over: a cookie beside it must not count."""
    with pytest.raises(NotAuthenticated) as caught:
        bearer_of(scope(authorization=value))
    assert caught.value.code == "key_invalid"


def test_the_cookie_is_found_among_others() -> None:
    """And rubbish in the header is nobody's cookie."""
    assert cookie_of(scope(cookie="a=1; underpass_session=upb_x; b=2")) == "upb_x"
    for rubbish in ("", "underpass_session=", "a=1", "=;;;=", "\xff\xfe"):
        assert cookie_of(scope(cookie=rubbish)) is None


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec_fetch_site": "same-origin"}, True),
        ({"origin": "http://hub.example"}, True),
        ({"origin": "https://hub.example"}, True),
        ({"origin": "https://public.example"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "http://hub.example.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec_fetch_site": "cross-site", "origin": "http://hub.example"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({}, False),
    ],
)
def test_where_a_changing_request_may_come_from(headers: dict[str, str], is_ours: bool) -> None:
    """From our own pages, and only with the header that other sites cannot set."""
    with_header = scope(host="hub.example", x_underpass_csrf="1", **headers)
    if is_ours:
        check_csrf(with_header, "https://public.example")
    else:
        with pytest.raises(NotAllowed):
            check_csrf(with_header, "https://public.example")
    with pytest.raises(NotAllowed):
        check_csrf(scope(host="hub.example", **headers), "https://public.example")
    check_csrf(scope(method="GET", host="hub.example", **headers), None)


def test_programs_may_sign_in_and_other_sites_may_not() -> None:
    """A sign-in needs no cookie, so only what surely comes from elsewhere is refused."""
    check_not_cross_site(scope(host="hub.example"), None)
    with pytest.raises(NotAllowed):
        check_not_cross_site(scope(host="hub.example", origin="https://evil.example"), None)


def test_the_cookie_as_it_is_set() -> None:
    """Secure on https; an age of nothing ends it."""
    assert set_cookie("s", max_age_s=60, is_secure=True) == (
        "__Host-underpass_session=s; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
    )
    assert set_cookie("s", max_age_s=60, is_secure=False).startswith("underpass_session=s; Path=/;")
    assert "Max-Age=0" in set_cookie("", max_age_s=0, is_secure=False)


def test_an_address_may_be_unknown() -> None:
    """A Unix socket has none."""
    assert address_of({**scope(), "client": ("192.0.2.1", 1)}) == "192.0.2.1"
    assert address_of({**scope(), "client": None}) == ""
