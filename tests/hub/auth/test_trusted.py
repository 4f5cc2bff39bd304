"""Sign-in by a site's own proxy."""

from pathlib import Path
from typing import Any

import pytest

from tests.hub.conftest import running_hub
from underpass.core.errors import ConfigError, NotAuthenticated
from underpass.hub.auth.trusted import PEER, TrustedHeader

HEADER = {"sign_in_header": "X-Remote-User"}


def scope(peer: str | None, *values: str) -> dict[str, Any]:
    headers = [(b"x-remote-user", value.encode()) for value in values]
    return {PEER: (peer, 1) if peer else None, "client": ("10.0.0.5", 1), "headers": headers}


@pytest.mark.parametrize(
    ("peer", "values"),
    [
        ("10.0.0.6", ("alice",)),  # another machine
        (None, ("alice",)),
        ("10.0.0.5", ()),
        ("10.0.0.5", ("",)),
        ("10.0.0.5", ("alice", "root")),  # which one did the proxy write?
    ],
)
def test_what_is_not_believed(peer: str | None, values: tuple[str, ...]) -> None:
    """Another address, whatever it claims to forward; no name; two names."""
    trusted = TrustedHeader.parse("X-Remote-User", "10.0.0.5")
    assert trusted is not None
    with pytest.raises(NotAuthenticated) as caught:
        trusted.user_name(scope(peer, *values))
    assert caught.value.code == "header_not_trusted"


def test_what_is_believed() -> None:
    """The named address, also as IPv6 writes it, and networks."""
    trusted = TrustedHeader.parse("X-Remote-User", "10.0.0.5, fd00::/64")
    assert trusted is not None
    for peer in ("10.0.0.5", "::ffff:10.0.0.5", "fd00::1"):
        assert trusted.user_name(scope(peer, " Alice ")) == "alice"


def test_settings_that_would_believe_everybody() -> None:
    """A header without an address is refused at the start."""
    assert TrustedHeader.parse(None, "") is None
    for addresses in ("", "everywhere"):
        with pytest.raises(ConfigError, match="sign_in_header"):
            TrustedHeader.parse("X-Remote-User", addresses)


async def test_a_browser_is_signed_in(tmp_path: Path) -> None:
    """A new user without a password; disabled, they stay out; a name that is none is refused."""
    async with running_hub(tmp_path / "d", **HEADER, sign_in_header_from="127.0.0.1") as hub:
        browser = await hub.browser()
        opened = await browser.get("/api/auth/header", **{"X-Remote-User": "carol"})
        assert (opened.status, opened.headers["Location"]) == (303, "/")
        me = (await browser.get("/api/me")).json()
        assert (me["name"], me["is_admin"]) == ("carol", False)
        assert (await browser.get("/api/me")).status == 200  # the cookie alone goes on
        again = await (await hub.browser()).get("/api/auth/header", **{"X-Remote-User": "Carol"})
        assert again.status == 303
        bad = await browser.get("/api/auth/header", **{"X-Remote-User": "a@b/c"})
        assert (bad.status, bad.code) == (400, "name_invalid")
        await hub.services.auth.accounts.change(me["id"], is_disabled=True)
        out = await browser.get("/api/auth/header", **{"X-Remote-User": "carol"})
        assert (out.status, out.code) == (401, "user_disabled")


async def test_a_forwarded_address_is_not_the_proxys(tmp_path: Path) -> None:
    """The connection's own address counts: X-Forwarded-For lends nobody the proxy's rights."""
    async with running_hub(tmp_path / "d", **HEADER, sign_in_header_from="10.0.0.5") as hub:
        sent = {"X-Remote-User": "root", "X-Forwarded-For": "10.0.0.5"}
        answer = await (await hub.browser()).get("/api/auth/header", **sent)
        assert (answer.status, answer.code) == (401, "header_not_trusted")
    async with running_hub(tmp_path / "e") as hub:
        answer = await (await hub.browser()).get("/api/auth/header", **sent)
        assert answer.status == 404
