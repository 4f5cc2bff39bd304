"""Sign-in by OpenID Connect, against a provider that is a process of its own."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.hub.conftest import Answer, Browser, RunningHub, running_hub
from tests.rig.openid import OpenIdProvider
from tests.rig.openid_provider import CLIENT_SECRET, OTHER_CLIENT
from tests.rig.processes import free_port
from underpass.hub.auth import totp
from underpass.hub.auth.openid.flow import FlowSecrets
from underpass.store import IdentityRecord

ALICE = {
    "preferred_username": "alice",
    "name": "Alice A.",
    "email": "alice@example.org",
    "email_verified": True,
}
MakeHub = Callable[..., AbstractAsyncContextManager[RunningHub]]


@pytest.fixture(scope="module")
def one_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    """A real provider."""
    found = OpenIdProvider(tmp_path_factory.mktemp("openid") / "provider.log")
    yield found
    found.stop()


@pytest.fixture
def provider(one_provider: OpenIdProvider) -> OpenIdProvider:
    """The same, making no mistake, and knowing alice."""
    one_provider.set_mistakes()
    one_provider.set_person("s-alice", **ALICE)
    return one_provider


@pytest.fixture
def make_hub(provider: OpenIdProvider, tmp_path: Path) -> MakeHub:
    """A hub that believes the provider as far as it is told."""

    @asynccontextmanager
    async def make(**settings: Any) -> AsyncIterator[RunningHub]:
        issuers = {"campus": provider.settings(**settings)}
        async with running_hub(tmp_path / "data", openid=issuers) as hub:
            yield hub

    return make


async def way_back(browser: Browser, sub: str, *, page: str = "/", issuer: str = "campus") -> str:
    """From the button over the provider's own page: the address that leads back, not yet followed."""
    begun = await browser.get(f"/api/auth/openid/{issuer}?next={page}")
    assert begun.status == 303, begun
    async with browser.http.post(
        begun.headers["Location"], data={"sub": sub}, allow_redirects=False
    ) as answer:
        assert answer.status == 302, await answer.text()
        return answer.headers["Location"].removeprefix(browser.url)


async def sign_in(browser: Browser, sub: str = "s-alice", **more: str) -> Answer:
    """The whole way."""
    return await browser.get(await way_back(browser, sub, **more))


async def name_of(browser: Browser) -> str | None:
    """As whom a browser is signed in."""
    me = await browser.get("/api/me")
    return str(me.json()["name"]) if me.status == 200 else None


async def actions(hub: RunningHub, subject: str) -> list[str]:
    """The trail of one user, oldest first."""
    found = await hub.services.store.audit.list(subject=subject)
    return [one.action for one in reversed(found.items)]


async def test_somebody_new_signs_in(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """An account with the claims' name and address, no password, no rights; the trail says how."""
    async with make_hub() as hub:
        browser = await hub.browser()
        answer = await sign_in(browser, page="/settings")
        assert (answer.status, answer.headers["Location"]) == (303, "/settings")
        me = (await browser.get("/api/me")).json()
        assert (me["name"], me["display_name"], me["is_admin"]) == ("alice", "Alice A.", False)
        user = await hub.services.store.users.by_name("alice")
        assert (user.email, user.password_hash) == ("alice@example.org", None)
        assert await actions(hub, "alice") == ["user.create", "sign_in"]
        again = await hub.browser()
        await sign_in(again)
        assert (await again.get("/api/me")).json()["id"] == me["id"]
        assert await actions(hub, "alice") == ["user.create", "sign_in", "sign_in"]


async def test_pkce_state_and_nonce(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """New ones for each sign-in, S256, and the provider checks the verifier (its PKCE is required)."""
    async with make_hub() as hub:
        browser = await hub.browser()
        await sign_in(browser)
        await sign_in(browser)
        asked = [one for one in provider.seen() if "code_challenge" in one][-2:]
        told = [one for one in provider.seen() if "code_verifier" in one][-2:]
        assert {one["code_challenge_method"] for one in asked} == {"S256"}
        for name in ("state", "nonce", "code_challenge"):
            assert len({one[name] for one in asked}) == 2, name
            assert all(len(one[name]) >= 43 for one in asked)
        assert all(len(one["code_verifier"]) >= 43 for one in told)
        assert CLIENT_SECRET not in str(told)  # it went in the header


async def test_the_flows_cookie(make_hub: MakeHub) -> None:
    """For the way back only, no script reads it, and the database could not end the sign-in."""
    async with make_hub() as hub:
        browser = await hub.browser()
        begun = await browser.get("/api/auth/openid/campus")
        cookie = begun.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/api/auth/openid"} <= set(cookie.split("; "))
        secret = cookie.split("=", 1)[1].split(";")[0]
        query = parse_qs(urlsplit(begun.headers["Location"]).query)
        stored = repr(await hub.services.store.openid_flows._all())
        for one in (secret, query["state"][0], query["nonce"][0]):
            assert one not in stored


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"claims": {"iss": "https://evil.example"}}, "openid_other_issuer"),
    ({"claims": {"aud": OTHER_CLIENT}}, "openid_wrong_audience"),
    ({"claims": {"aud": ["underpass", OTHER_CLIENT]}}, "openid_claims_missing"),
    ({"claims": {"azp": OTHER_CLIENT}}, "openid_wrong_audience"),
    ({"claims": {"nonce": "of-another-sign-in"}}, "openid_state"),
    ({"without": ["nonce"]}, "openid_state"),
    ({"without": ["sub"]}, "openid_claims_missing"),
    ({"without": ["exp"]}, "openid_claims_missing"),
    ({"without": ["iss"]}, "openid_claims_missing"),
    ({"without": ["aud"]}, "openid_claims_missing"),
    ({"skew_s": -3600}, "openid_clock"),
    ({"skew_s": 3600}, "openid_clock"),
    ({"signed_by": "nobody"}, "openid_token_invalid"),
    ({"signed_by": "stranger"}, "openid_token_invalid"),
    ({"signed_by": "client_secret"}, "openid_token_invalid"),
    ({"user_info": {"sub": "s-root"}}, "openid_token_invalid"),
]


@pytest.mark.parametrize(("mistake", "code"), MISTAKES, ids=lambda one: str(one)[:50])
async def test_a_token_that_is_not_in_order(
    make_hub: MakeHub, provider: OpenIdProvider, mistake: dict[str, Any], code: str
) -> None:
    """One clear word each, in the trail too; no cookie, no user."""
    async with make_hub() as hub:
        browser = await hub.browser()
        provider.set_mistakes(**mistake)
        answer = await sign_in(browser)
        assert (answer.status, answer.code) == (401, code)
        assert answer.json()["hint"]
        assert "underpass_session" not in answer.headers.get("Set-Cookie", "")
        assert await name_of(browser) is None
        assert (await hub.services.store.users.list()).items == ()
        (failed,) = (await hub.services.store.audit.list()).items
        assert (failed.action, failed.detail["code"]) == ("sign_in.failed", code)


@pytest.mark.parametrize("skew_s", [-90, 90, -390])
async def test_clocks_may_differ_a_little(
    make_hub: MakeHub, provider: OpenIdProvider, skew_s: int
) -> None:
    """Two minutes as it comes; the token's own five minutes besides."""
    async with make_hub() as hub:
        provider.set_mistakes(skew_s=skew_s)
        assert (await sign_in(await hub.browser())).status == 303


async def test_no_tolerance_where_none_is_set(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """The setting is what counts."""
    async with make_hub(clock_skew_s=0) as hub:
        provider.set_mistakes(skew_s=90)
        assert (await sign_in(await hub.browser())).code == "openid_clock"


async def test_a_new_key_of_the_issuer_is_found(
    make_hub: MakeHub, provider: OpenIdProvider
) -> None:
    """Issuers change keys without telling anybody."""
    async with make_hub() as hub:
        assert (await sign_in(await hub.browser())).status == 303
        provider.set_mistakes(new_key=True)
        hub.services.auth.openid._issuers["campus"]._keys_at -= 60  # type: ignore[union-attr]
        assert (await sign_in(await hub.browser())).status == 303


# --- state -----------------------------------------------------------------------------------


async def test_a_way_back_is_walked_once(make_hub: MakeHub) -> None:
    """The same address again, with the same cookie put back, signs nobody in."""
    async with make_hub() as hub:
        browser = await hub.browser()
        back = await way_back(browser, "s-alice")
        cookie = "; ".join(f"{one.key}={one.value}" for one in browser.http.cookie_jar)
        assert (await browser.get(back)).status == 303
        thief = await hub.program()
        assert (await thief.get(back, Cookie=cookie)).code == "openid_state"
        assert (await browser.get(back)).code == "openid_state"


async def test_another_browsers_way_back(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """Nobody can be signed in to an attacker's account by a link, nor an attacker to a victim's."""
    provider.set_person("s-eve", preferred_username="eve")
    async with make_hub() as hub:
        eve, victim = await hub.browser(), await hub.browser()
        prepared = await way_back(eve, "s-eve")
        assert (await victim.get(prepared)).code == "openid_state"
        await victim.get("/api/auth/openid/campus")  # a sign-in of the victim's own is under way
        assert (await victim.get(prepared)).code == "openid_state"
        assert await name_of(victim) is None
        stolen = await way_back(victim, "s-alice")
        assert (await eve.get(stolen)).code == "openid_state"
        assert await name_of(eve) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_on_another_site_signs_nobody_in(make_hub: MakeHub, site: str) -> None:
    """It leads to the sign-in page: a person who works as somebody here is not made somebody else."""
    async with make_hub() as hub:
        browser = await hub.browser()
        answer = await browser.get("/api/auth/openid/campus", **{"Sec-Fetch-Site": site})
        assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
        assert "Set-Cookie" not in answer.headers
        for own in ("same-origin", "none"):
            answer = await browser.get("/api/auth/openid/campus", **{"Sec-Fetch-Site": own})
            assert answer.headers["Location"].startswith("http://127.0.0.1")


async def test_behind_tls(make_hub: MakeHub, provider: OpenIdProvider, tmp_path: Path) -> None:
    """The way back is https, cookies are for https alone, and no other host can plant the flow's."""
    issuers = {"campus": provider.settings()}
    url = "https://127.0.0.1:4443"
    async with running_hub(tmp_path / "data", openid=issuers, public_url=url) as hub:
        program = await hub.program()
        begun = await program.get("/api/auth/openid/campus")
        cookie = begun.headers["Set-Cookie"]
        assert cookie.startswith("__Host-underpass_openid=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        there = begun.headers["Location"]
        back = f"{url}/api/auth/openid/campus/callback"
        assert parse_qs(urlsplit(there).query)["redirect_uri"] == [back]
        async with program.http.post(there, data={"sub": "s-alice"}, allow_redirects=False) as sent:
            path = sent.headers["Location"].removeprefix(url)
        planted = cookie.replace("__Host-", "").split(";")[0]
        assert (await program.get(path, Cookie=planted)).code == "openid_state"
        answer = await program.get(path, Cookie=cookie.split(";")[0])
        assert answer.status == 303
        own = next(
            value
            for name, value in answer.headers.items()
            if name == "Set-Cookie" and value.startswith("__Host-underpass_session=")
        )
        assert {"Secure", "HttpOnly", "Path=/"} <= set(own.split("; "))
        session = own.split(";")[0]
        assert (await program.get("/api/me", Cookie=session)).status == 200
        planted = session.replace("__Host-", "")
        assert (await program.get("/api/me", Cookie=planted)).status == 401


async def test_strangers_fill_no_trail(make_hub: MakeHub) -> None:
    """Ways back that nobody was sent on are refused, however well they are made, and leave no line."""
    async with make_hub() as hub:
        program = await hub.program()
        made = FlowSecrets.new()
        path = "/api/auth/openid/campus/callback?code=x&state="
        cookie = f"underpass_openid={made.cookie}"
        for answer in (
            await program.get(path),
            await program.get(f"{path}{made.state}"),
            await program.get(f"{path}{made.state}", Cookie=cookie),
        ):
            assert answer.code == "openid_state"
        assert (await hub.services.store.audit.list()).items == ()


async def test_a_sign_in_that_took_too_long(make_hub: MakeHub) -> None:
    """Ten minutes, then it is begun anew."""
    async with make_hub() as hub:
        browser = await hub.browser()
        back = await way_back(browser, "s-alice")
        (flow,) = await hub.services.store.openid_flows._all()
        await hub.services.store.openid_flows.update(flow.id, expires_at=1.0)
        assert (await browser.get(back)).code == "openid_state"
        assert (await sign_in(browser)).status == 303


async def test_issuers_are_not_mixed_up(provider: OpenIdProvider, tmp_path: Path) -> None:
    """A code of one brought to the way back of another; a sender that says that it is another."""
    issuers = {
        "campus": provider.settings(),
        "other": provider.settings(issuer=provider.url.replace("127.0.0.1", "localhost")),
    }
    async with running_hub(tmp_path / "data", openid=issuers) as hub:
        browser = await hub.browser()
        back = await way_back(browser, "s-alice")
        moved = back.replace("/openid/campus/", "/openid/other/")
        assert (await browser.get(moved)).code == "openid_other_issuer"
        back = await way_back(browser, "s-alice")
        evil = await browser.get(back + "&iss=https%3A%2F%2Fevil.example")
        assert evil.code == "openid_other_issuer"
        # What the second says about itself names the first: it speaks for nobody else.
        assert (await browser.get("/api/auth/openid/other")).code == "openid_misconfigured"
        assert await name_of(browser) is None


async def test_an_issuer_that_must_name_itself(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """RFC 9207: where the issuer promises its name, an answer without it is another's."""
    provider.set_mistakes(metadata={"authorization_response_iss_parameter_supported": True})
    async with make_hub() as hub:
        browser = await hub.browser()
        back = await way_back(browser, "s-alice")
        assert (await browser.get(back)).code == "openid_other_issuer"
        back = await way_back(browser, "s-alice")
        assert (await browser.get(f"{back}&iss={provider.url}")).status == 303


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": 5},
    ],
    ids=str,
)
async def test_an_issuer_that_says_odd_things_about_itself(
    make_hub: MakeHub, provider: OpenIdProvider, metadata: dict[str, Any]
) -> None:
    """No browser is sent anywhere."""
    provider.set_mistakes(metadata=metadata)
    async with make_hub() as hub:
        answer = await (await hub.browser()).get("/api/auth/openid/campus")
        assert (answer.status, answer.code) == (502, "openid_misconfigured")


async def test_an_issuer_that_is_away(make_hub: MakeHub) -> None:
    """It is said whose fault it is; the hub goes on."""
    async with make_hub(issuer=f"http://127.0.0.1:{free_port()}") as hub:
        answer = await (await hub.browser()).get("/api/auth/openid/campus")
        assert (answer.status, answer.code) == (502, "openid_unreachable")
        assert "Campus" in answer.json()["detail"]


async def test_a_wrong_client_secret(make_hub: MakeHub) -> None:
    """The issuer's refusal is the hub's trouble, not the person's."""
    async with make_hub(client_secret="wrong") as hub:
        answer = await sign_in(await hub.browser())
        assert (answer.status, answer.code) == (502, "openid_code_refused")


async def test_somebody_says_no_at_the_issuer(make_hub: MakeHub) -> None:
    """And a code that was made up."""
    async with make_hub() as hub:
        browser = await hub.browser()
        begun = await browser.get("/api/auth/openid/campus")
        async with browser.http.post(
            begun.headers["Location"], data={"deny": "yes"}, allow_redirects=False
        ) as denied:
            back = denied.headers["Location"].removeprefix(hub.url)
        assert (await browser.get(back)).code == "openid_refused"
        back = await way_back(browser, "s-alice")
        made_up = back.replace("code=", "code=x")
        assert (await browser.get(made_up)).code == "openid_code_refused"


async def test_beginning_has_a_limit(make_hub: MakeHub) -> None:
    """A stranger cannot fill the hub with sign-ins."""
    async with make_hub() as hub:
        browser = await hub.browser()
        answers = [await browser.get("/api/auth/openid/campus") for _ in range(121)]
        assert [one.status for one in answers] == [303] * 120 + [429]


# --- which user it is ------------------------------------------------------------------------


async def test_an_address_that_is_taken(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """Without the site's leave a verified address opens nobody's account, and makes no second one."""
    async with make_hub() as hub:
        owner = await hub.user("boss", is_admin=True)
        await hub.services.auth.accounts.change(owner.id, email="Alice@example.org")
        browser = await hub.browser()
        assert (await sign_in(browser)).code == "openid_address_taken"
        assert await name_of(browser) is None
        assert len((await hub.services.store.users.list()).items) == 1


async def test_a_verified_address_links(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """With leave: the same user from then on, whatever the address becomes later."""
    async with make_hub(link_by_address=True) as hub:
        owner = await hub.user("boss")
        await hub.services.auth.accounts.change(owner.id, email="alice@example.org")
        browser = await hub.browser()
        assert (await sign_in(browser)).status == 303
        assert await name_of(browser) == "boss"
        assert await actions(hub, "boss") == ["user.link", "sign_in"]
        provider.set_person("s-alice", **{**ALICE, "email": "new@example.org"})
        assert (await sign_in(browser)).status == 303
        assert await name_of(browser) == "boss"


async def test_an_account_cannot_wait_for_its_victim(
    provider: OpenIdProvider, tmp_path: Path
) -> None:
    """An issuer that is trusted less verifies somebody's address first: its owner is not led into it."""
    second = OpenIdProvider(tmp_path / "second.log")
    try:
        second.set_person("s-eve", **{**ALICE, "preferred_username": "eve"})
        issuers = {
            "campus": provider.settings(link_by_address=True),
            "open": second.settings(),
        }
        async with running_hub(tmp_path / "data", openid=issuers) as hub:
            eve, owner = await hub.browser(), await hub.browser()
            assert (await sign_in(eve, "s-eve", issuer="open")).status == 303
            assert await name_of(eve) == "eve"
            assert (await sign_in(owner)).code == "openid_address_taken"
            assert await name_of(owner) is None
    finally:
        second.stop()


async def test_an_address_does_not_pass_a_second_step(make_hub: MakeHub) -> None:
    """An issuer's word does not stand in for the code that a user wants to be asked for."""
    async with make_hub(link_by_address=True) as hub:
        owner = await hub.user("boss")
        await hub.services.auth.accounts.change(owner.id, email="alice@example.org")
        secret, _ = await hub.services.auth.second_step.begin(owner)
        code = totp.code_at(secret, int(time.time() // 30))
        await hub.services.auth.second_step.confirm(owner.id, code)
        browser = await hub.browser()
        assert (await sign_in(browser)).code == "openid_address_taken"
        assert await name_of(browser) is None


async def test_an_unverified_address_opens_nothing(
    make_hub: MakeHub, provider: OpenIdProvider
) -> None:
    """With linking on it is refused; with it off it is a user without an address."""
    provider.set_person("s-eve", email="alice@example.org", email_verified=False)
    async with make_hub(link_by_address=True) as hub:
        owner = await hub.user("boss")
        await hub.services.auth.accounts.change(owner.id, email="alice@example.org")
        browser = await hub.browser()
        assert (await sign_in(browser, "s-eve")).code == "openid_address_unverified"
        assert await name_of(browser) is None
    async with make_hub() as hub:
        browser = await hub.browser()
        assert (await sign_in(browser, "s-eve")).status == 303
        assert await name_of(browser) not in (None, "boss")
        me = await hub.services.store.users.by_name(str(await name_of(browser)))
        assert me.email is None


async def test_verified_in_one_place_and_named_in_another(
    make_hub: MakeHub, provider: OpenIdProvider
) -> None:
    """The token names an address, the user info verifies a different one: nothing is verified."""
    mixed = {"email": "alice@example.org", "info:email": "eve@x.y", "info:email_verified": True}
    provider.set_person("s-eve", **mixed)
    async with make_hub(link_by_address=True) as hub:
        owner = await hub.user("boss")
        await hub.services.auth.accounts.change(owner.id, email="alice@example.org")
        answer = await sign_in(await hub.browser(), "s-eve")
        assert answer.code == "openid_address_unverified"


async def test_the_rest_may_come_from_the_user_info(
    make_hub: MakeHub, provider: OpenIdProvider
) -> None:
    """Many issuers keep their tokens small."""
    provider.set_person("s-small", **{f"info:{name}": value for name, value in ALICE.items()})
    async with make_hub(allowed_domains=["example.org"]) as hub:
        browser = await hub.browser()
        assert (await sign_in(browser, "s-small")).status == 303
        assert await name_of(browser) == "alice"


async def test_two_hubs_make_one_user(make_hub: MakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first sign-in that two processes see at once: the slower one finds whom the other made."""
    async with make_hub() as hub:
        store = hub.services.store
        assert (await sign_in(await hub.browser())).status == 303
        real, asked = store.identities.of_subject, 0

        async def too_early(issuer: str, subject: str) -> IdentityRecord | None:
            nonlocal asked
            asked += 1
            return None if asked == 1 else await real(issuer, subject)

        monkeypatch.setattr(store.identities, "of_subject", too_early)
        await store.users.update((await store.users.by_name("alice")).id, email=None)
        browser = await hub.browser()
        assert (await sign_in(browser)).status == 303
        assert await name_of(browser) == "alice"
        assert len((await store.users.list()).items) == 1


async def test_a_name_links_nobody(make_hub: MakeHub) -> None:
    """Whoever calls themselves like a user here becomes another one."""
    async with make_hub() as hub:
        await hub.user("alice", is_admin=True)
        browser = await hub.browser()
        await sign_in(browser)
        assert await name_of(browser) == "alice-2"
        assert not (await browser.get("/api/me")).json()["is_admin"]


async def test_no_new_accounts(make_hub: MakeHub) -> None:
    """Where the site says so: who is known comes in, nobody else."""
    async with make_hub(new_accounts=False, link_by_address=True) as hub:
        browser = await hub.browser()
        assert (await sign_in(browser)).code == "openid_no_account"
        owner = await hub.user("boss")
        await hub.services.auth.accounts.change(owner.id, email="alice@example.org")
        assert (await sign_in(browser)).status == 303


async def test_domains(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """Looked at each time: who moves away is out."""
    async with make_hub(allowed_domains=["example.org"]) as hub:
        browser = await hub.browser()
        assert (await sign_in(browser)).status == 303
        provider.set_person("s-alice", **{**ALICE, "email": "alice@else.where"})
        assert (await sign_in(await hub.browser())).code == "openid_domain_not_allowed"


async def test_a_disabled_user_stays_out(make_hub: MakeHub) -> None:
    """By the issuer too, also before the first time by an address."""
    async with make_hub(link_by_address=True) as hub:
        browser = await hub.browser()
        await sign_in(browser)
        user = await hub.services.store.users.by_name("alice")
        await hub.services.auth.accounts.change(user.id, is_disabled=True)
        assert await name_of(browser) is None
        answer = await sign_in(browser)
        assert (answer.status, answer.code) == (401, "user_disabled")
        (identity,) = await hub.services.store.identities.of_user(user.id)
        await hub.services.store.identities.remove(identity.id)
        assert (await sign_in(browser)).code == "user_disabled"
        assert await hub.services.store.identities.of_user(user.id) == ()


# --- groups and rights -----------------------------------------------------------------------


async def groups_of(hub: RunningHub, name: str) -> set[str]:
    """Names of the groups that a user is in."""
    user = await hub.services.store.users.by_name(name)
    ids = await hub.services.store.groups.of_user(user.id)
    return {(await hub.services.store.groups.get(one)).name for one in ids}


async def test_groups_follow_the_claims(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """At each sign-in, for the next request; what was given by hand stays, also under one name."""
    async with make_hub(groups_claim="groups") as hub:
        root = await hub.user("root", is_admin=True)
        admin = await hub.program(await hub.key(root, "admin", "read"))
        provider.set_person("s-alice", **ALICE, groups=["physics", "chem"])
        browser = await hub.browser()
        await sign_in(browser)
        alice = (await browser.get("/api/me")).json()["id"]
        assert await groups_of(hub, "alice") == {"physics", "chem"}
        await admin.post("/api/groups", {"name": "by-hand", "members": [alice]})
        chem = next(
            one for one in (await admin.get("/api/groups")).json()["items"] if one["name"] == "chem"
        )
        assert (chem["members"], chem["claimed"]) == ([alice], [alice])
        await hub.services.store.groups.set_members(chem["id"], (alice,))
        provider.set_person("s-alice", **ALICE, groups=["maths"])
        await sign_in(browser)
        assert await groups_of(hub, "alice") == {"maths", "chem", "by-hand"}
        names = [one["name"] for one in (await browser.get("/api/groups")).json()["items"]]
        assert set(names) == {"maths", "chem", "by-hand"}
        provider.set_person("s-alice", **ALICE)
        await sign_in(browser)
        assert await groups_of(hub, "alice") == {"chem", "by-hand"}
        assert (await actions(hub, "alice")).count("user.groups") == 3


async def test_an_admins_list_does_not_nail_claims_down(
    make_hub: MakeHub, provider: OpenIdProvider
) -> None:
    """Saving a group as it was shown makes nobody a member by hand who is one by claim."""
    async with make_hub(groups_claim="groups") as hub:
        root = await hub.user("root", is_admin=True)
        admin = await hub.program(await hub.key(root, "admin", "read"))
        provider.set_person("s-alice", **ALICE, groups=["physics"])
        browser = await hub.browser()
        await sign_in(browser)
        (group,) = (await admin.get("/api/groups")).json()["items"]
        saved = await admin.patch(
            f"/api/groups/{group['id']}", {"members": [*group["members"], root.id]}
        )
        assert set(saved.json()["members"]) == {root.id, group["members"][0]}
        provider.set_person("s-alice", **ALICE)
        await sign_in(browser)
        assert await groups_of(hub, "alice") == set()
        assert await groups_of(hub, "root") == {"physics"}


async def test_an_admin_by_claims(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """Given and taken back by the claim; who is one by hand stays one."""
    async with make_hub(
        groups_claim="groups", admin_groups=["hub-admins"], link_by_address=True
    ) as hub:
        browser = await hub.browser()
        provider.set_person("s-alice", **ALICE, groups=["hub-admins"])
        await sign_in(browser)
        assert (await browser.get("/api/users")).status == 200
        provider.set_person("s-alice", **ALICE, groups=[])
        other = await hub.browser()
        await sign_in(other)
        assert (await browser.get("/api/users")).code == "admin_only"
        boss = await hub.user("boss", is_admin=True)
        await hub.services.auth.accounts.change(boss.id, email="boss@example.org")
        provider.set_person("s-boss", email="boss@example.org", email_verified=True)
        await sign_in(other, "s-boss")
        assert (await other.get("/api/users")).status == 200


# --- what a person sees ----------------------------------------------------------------------


async def test_a_browser_is_led_to_the_reason(make_hub: MakeHub, provider: OpenIdProvider) -> None:
    """To the sign-in page, whose address says a code; the words are the hub's own."""
    async with make_hub() as hub:
        browser = await hub.browser()
        state = (await browser.get("/api/auth/state")).json()
        assert state["issuers"] == [{"name": "campus", "label": "Campus"}]
        assert state["trouble"] is None
        provider.set_mistakes(signed_by="stranger")
        back = await way_back(browser, "s-alice")
        answer = await browser.get(back, Accept="text/html,*/*")
        assert answer.status == 303
        there = answer.headers["Location"]
        assert there == "/sign-in?trouble=openid_token_invalid&issuer=campus"
        shown = (await browser.get(f"/api/auth/state?{urlsplit(there).query}")).json()["trouble"]
        assert shown["message"] == "The hub cannot verify what Campus says about you."
        for query in ("trouble=<b>&issuer=campus", "trouble=openid_state&issuer=evil", "trouble=x"):
            assert (await browser.get(f"/api/auth/state?{query}")).json()["trouble"] is None


async def test_nothing_leads_to_another_site(make_hub: MakeHub) -> None:
    """`next` is a page of the hub, whatever is asked for."""
    async with make_hub() as hub:
        for page in ("https://evil.example", "//evil.example", "/%5Cevil.example", "/%09/evil"):
            answer = await sign_in(await hub.browser(), page=page)
            assert answer.headers["Location"] == "/"


async def test_a_hub_without_issuers(tmp_path: Path) -> None:
    """There is no such door."""
    async with running_hub(tmp_path / "data") as hub:
        browser = await hub.browser()
        assert (await browser.get("/api/auth/openid/campus")).status == 404
        assert (await browser.get("/api/auth/openid/campus/callback")).status == 404
        assert (await browser.get("/api/auth/state")).json()["issuers"] == []
