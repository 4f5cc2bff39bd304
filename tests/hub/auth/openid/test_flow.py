"""The secrets of one sign-in, and where it may lead."""

import pytest

from underpass.hub.auth.openid.flow import FlowSecrets, safe_next


@pytest.mark.parametrize("page", ["/", "/chat/cht_1", "/settings?a=b#c", "/connect?code=ABCD-EFGH"])
def test_pages_of_ours(page: str) -> None:
    """A path stays as it is."""
    assert safe_next(page) == page


@pytest.mark.parametrize(
    "page",
    [
        *("", "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example"),
        *("\\\\evil.example", "/\t/evil.example", "/\n/evil.example", "javascript:alert(1)"),
        *("evil.example", " //evil.example", "/\x00", "/%0d\r\nSet-Cookie: a=b", "/ü", "http:/x"),
        *("/api/auth/sign-out", "/v1/models", "/" + "x" * 600, "//[", "/link"),
    ],
)
def test_no_other_site(page: str) -> None:
    """However it is written, a browser never ends up elsewhere, nor at the API."""
    assert safe_next(page) == "/"


def test_all_secrets_of_a_flow_differ_and_come_from_its_cookie() -> None:
    """What goes through the address bar tells neither the verifier nor the cookie."""
    one, other = FlowSecrets.new(), FlowSecrets.new()
    made = {one.state, one.nonce, one.verifier, one.id, one.cookie}
    assert len(made | {other.state, other.nonce, other.verifier, other.id, other.cookie}) == 10
    assert FlowSecrets(one.cookie).verifier == one.verifier
    assert 43 <= len(one.verifier) <= 128
    assert one.is_state(one.state)
    assert not one.is_state(other.state)
    assert not one.is_state("\ud800")
    assert one.cookie not in repr(one)
