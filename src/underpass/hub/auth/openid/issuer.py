"""One issuer: what it says about itself, its keys, and the questions that the hub asks it.

What it says is asked for when it is needed first and kept for an hour. No redirect is followed, and an answer
is read up to a megabyte and ten seconds.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.discovery import get_well_known_url
from joserfc.jwk import KeySet

from underpass.config.openid import OpenIdIssuer
from underpass.core.clock import Clock
from underpass.core.errors import ConfigError
from underpass.hub.auth.openid import tokens
from underpass.hub.auth.openid.flow import FlowSecrets
from underpass.hub.auth.openid.words import refused
from underpass.tunnel.trust import ssl_context

KEPT_S = 3600.0
KEYS_AGAIN_S = 10.0
"""Between two looks for a key that is not known: a stranger's token must not order many."""
TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1 << 20


class Issuer:
    """What the hub knows of one issuer. Close it in the end."""

    def __init__(self, name: str, settings: OpenIdIssuer, clock: Clock) -> None:
        """Raises ConfigError: the file of its secret or CA."""
        self.name = name
        self.settings = settings
        self.label = settings.label or name
        self._clock = clock
        self._secret = _secret_of(name, settings)
        self._tls = ssl_context(settings.ca_file)
        self._http: aiohttp.ClientSession | None = None
        self._metadata: dict[str, Any] = {}
        self._metadata_at = -KEPT_S
        self._keys: KeySet | None = None
        self._keys_at = -KEPT_S
        self._asking = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Issuer({self.name}: {self.settings.issuer})"

    async def close(self) -> None:
        """Ends its connections."""
        if self._http is not None:
            await self._http.close()

    async def authorization_url(self, secrets: FlowSecrets, redirect_uri: str) -> str:
        """Where the browser goes. Raises IssuerTrouble."""
        metadata = await self._about()
        url: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            self.settings.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=" ".join(self.settings.scopes),
            state=secrets.state,
            nonce=secrets.nonce,
            code_challenge=create_s256_code_challenge(secrets.verifier),  # type: ignore[no-untyped-call]
            code_challenge_method="S256",
        )
        return url

    async def check_sender(self, iss: str | None) -> None:
        """Whether an answer that came back is this issuer's (RFC 9207). Raises SignInRefused."""
        metadata = await self._about()
        must = metadata.get("authorization_response_iss_parameter_supported") is True
        if (iss is None and must) or (iss is not None and iss != self.settings.issuer):
            raise refused("openid_other_issuer", self.label, "iss of the answer")

    async def claims(self, code: str, secrets: FlowSecrets, redirect_uri: str) -> dict[str, Any]:
        """What it says about who signed in. Raises SignInRefused, IssuerTrouble."""
        answer = await self._exchange(code, secrets, redirect_uri)
        access_token = answer.get("access_token")
        access_token = access_token if isinstance(access_token, str) else None
        claims = await self._id_token(answer.get("id_token"), secrets, access_token)
        more = await self._user_info(access_token, claims)
        if more.get("email") != claims.get("email", more.get("email")):
            more.pop("email_verified", None)  # of another address than the token's
        return {**more, **claims}

    # --- questions ---------------------------------------------------------------------------

    async def _exchange(self, code: str, secrets: FlowSecrets, redirect_uri: str) -> dict[str, Any]:
        endpoint = (await self._about())["token_endpoint"]
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=redirect_uri,
            code=code,
            code_verifier=secrets.verifier,
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        auth = ClientAuth(self.settings.client_id, self._secret, self._auth_method())
        sent = auth.prepare("POST", endpoint, headers, body)  # type: ignore[no-untyped-call]
        url, headers, body = sent
        status, answer = await self._ask("POST", url, headers, body)
        if status != 200:
            error = answer.get("error")
            raise refused("openid_code_refused", self.label, f"{status} {str(error)[:60]}")
        return answer

    async def _id_token(
        self, id_token: object, secrets: FlowSecrets, access_token: str | None
    ) -> dict[str, Any]:
        for is_last in (False, True):
            try:
                return tokens.claims_of(
                    id_token,
                    await self._known_keys(anew=is_last),
                    label=self.label,
                    issuer=self.settings.issuer,
                    client_id=self.settings.client_id,
                    nonce=secrets.nonce,
                    access_token=access_token,
                    now=self._clock.now(),
                    leeway_s=self.settings.clock_skew_s,
                )
            except tokens.UnknownKey:
                continue
        raise refused("openid_token_invalid", self.label, "unknown key")

    async def _user_info(self, access_token: str | None, claims: dict[str, Any]) -> dict[str, Any]:
        """What the user-info endpoint says besides: many issuers keep their tokens small."""
        endpoint = (await self._about()).get("userinfo_endpoint")
        if access_token is None or endpoint is None:
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        status, answer = await self._ask("GET", endpoint, headers)
        if status != 200:
            return {}
        if answer.get("sub") != claims["sub"]:
            raise refused("openid_token_invalid", self.label, "user info of somebody else")
        return answer

    def _auth_method(self) -> str:
        if self._secret is None:
            return "none"
        known = self._metadata.get("token_endpoint_auth_methods_supported")
        offers_basic = not isinstance(known, list) or "client_secret_basic" in known
        return "client_secret_basic" if offers_basic else "client_secret_post"

    # --- what it says about itself -----------------------------------------------------------

    async def _about(self) -> dict[str, Any]:
        async with self._asking:
            if self._clock.monotonic() - self._metadata_at >= KEPT_S:
                url = get_well_known_url(self.settings.issuer, external=True)
                status, found = await self._ask("GET", url)
                if status != 200:
                    raise refused("openid_unreachable", self.label, f"discovery: {status}")
                self._check(found)
                self._metadata, self._metadata_at = found, self._clock.monotonic()
        return self._metadata

    def _check(self, metadata: dict[str, Any]) -> None:
        """Nobody may speak for another issuer, and nothing goes in the clear."""
        if metadata.get("issuer") != self.settings.issuer:
            raise refused("openid_misconfigured", self.label, "discovery: another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
            if name == "userinfo_endpoint" and name not in metadata:
                continue
            if not self._is_safe(metadata.get(name)):
                raise refused("openid_misconfigured", self.label, f"discovery: {name}")

    def _is_safe(self, url: object) -> bool:
        """TLS; or plain http at the host of an issuer that is so itself, on this machine."""
        try:
            parts = urlsplit(url if isinstance(url, str) else "")
            own = urlsplit(self.settings.issuer)
        except ValueError:
            return False
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == own.scheme == "http" and parts.hostname == own.hostname

    async def _known_keys(self, *, anew: bool) -> KeySet:
        url = (await self._about())["jwks_uri"]
        async with self._asking:
            age_s = self._clock.monotonic() - self._keys_at
            if self._keys is None or age_s >= (KEYS_AGAIN_S if anew else KEPT_S):
                status, found = await self._ask("GET", url)
                try:
                    self._keys = tokens.key_set(found)
                except ValueError as error:
                    raise refused("openid_unreachable", self.label, f"{status} {error}") from None
                self._keys_at = self._clock.monotonic()
        return self._keys

    async def _ask(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of an answer; an empty one where it is none."""
        try:
            async with self._client().request(
                method,
                url,
                data=body.encode() or None,
                headers={"Accept": "application/json", **(headers or {})},
                allow_redirects=False,
            ) as answer:
                content = await answer.content.read(MAX_ANSWER_BYTES)
                while len(content) < MAX_ANSWER_BYTES:
                    more = await answer.content.read(MAX_ANSWER_BYTES - len(content))
                    if not more:
                        break
                    content += more
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise refused("openid_unreachable", self.label, type(error).__name__) from None
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        return answer.status, found if isinstance(found, dict) else {}

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, keepalive_timeout=4.0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                trust_env=False,
            )
        return self._http


def _secret_of(name: str, settings: OpenIdIssuer) -> str | None:
    if settings.client_secret is not None:
        return settings.client_secret.get_secret_value()
    if settings.client_secret_file is None:
        return None
    path = settings.client_secret_file.expanduser()
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(
            f"The setting 'openid.{name}.client_secret_file' is wrong: {path} cannot be read: {reason}.",
            hint="Give it to the user that runs the hub.",
        ) from None
    if not secret:
        raise ConfigError(
            f"The setting 'openid.{name}.client_secret_file' is wrong: {path} is empty."
        )
    return secret
