"""An OpenID provider made of Authlib's own server parts, run as a process of its own.

    python -m tests.rig.openid_provider --port 9000

It checks what a real one checks: the client's secret, the registered way back, PKCE (S256 only), and that a
code is used once. Its sign-in page asks for a subject. `PUT /rig/people/SUB` sets somebody's claims,
`PUT /rig/mistakes` makes it do one thing wrong from then on, `GET /rig/seen` tells what it was asked.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6749.errors import AccessDeniedError, OAuth2Error
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import AuthorizationCodeMixin, OpenIDCode
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT_ID = "underpass"
CLIENT_SECRET = "planted-client-secret"
OTHER_CLIENT = "another-service"

PAGE = """<!doctype html><html lang="en"><title>The issuer</title><h1>The issuer's own page</h1>
<form method="post"><label>Who are you? <input name="sub" required></label>
<button>Continue</button><button name="deny" value="yes" formnovalidate>Deny</button></form></html>"""


class Client(ClientMixin):
    """The hub, as it is registered here; the ways back may be of any port of this machine."""

    client_id = CLIENT_ID

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: Any) -> str:
        return str(scope)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        here = ("http://127.0.0.1:", "https://127.0.0.1:", "https://localhost:")
        is_way_back = redirect_uri.endswith("/callback") and "/api/auth/openid/" in redirect_uri
        return redirect_uri.startswith(here) and is_way_back

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):
    """One code that was given out."""

    code: str
    sub: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> str:
        return ""

    def get_amr(self) -> list[str]:
        return []


@dataclass
class Person:
    """Who can sign in here."""

    sub: str

    def get_user_id(self) -> str:
        return self.sub


@dataclass
class State:
    """All that it knows."""

    issuer: str
    keys: list[RSAKey] = field(default_factory=lambda: [new_key("first")])
    codes: dict[str, Code] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    mistakes: dict[str, Any] = field(default_factory=dict)
    seen: list[dict[str, str]] = field(default_factory=list)

    def id_token(self, claims: dict[str, Any]) -> str:
        """Signed as it should be, or with the mistake that was asked for."""
        claims.update(self.mistakes.get("claims", {}))
        for name in self.mistakes.get("without", []):
            claims.pop(name, None)
        skew_s = self.mistakes.get("skew_s", 0)
        for name in ("iat", "exp", "auth_time"):
            if name in claims:
                claims[name] += skew_s
        signed_by = self.mistakes.get("signed_by", "own")
        if signed_by == "nobody":
            return jwt.encode({"alg": "none"}, claims, OctKey.import_key(b"x"), ["none"])
        if signed_by == "client_secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET), ["HS256"])
        key = new_key(str(self.keys[-1].kid)) if signed_by == "stranger" else self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def new_key(kid: str) -> RSAKey:
    """An RSA key."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


class CodeGrant(grants.AuthorizationCodeGrant):
    """Authlib's own, over the State."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012

    def save_authorization_code(self, code: str, request: Any) -> None:
        data = request.payload.data
        STATE.codes[code] = Code(
            code,
            request.user.sub,
            request.payload.redirect_uri,
            request.payload.scope,
            data.get("nonce"),
            data.get("code_challenge"),
            data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: Any) -> Code | None:
        return STATE.codes.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del STATE.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> Person:
        return Person(authorization_code.sub)


class IdTokens(OpenIDCode):
    """Authlib's own, with the claims of the State."""

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return any(code.nonce == nonce for code in STATE.codes.values())

    def encode_id_token(self, token: dict[str, Any], request: Any) -> str:
        now = int(time.time())
        about = STATE.people.get(request.user.sub, {})
        claims = {
            "iss": STATE.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "sub": request.user.sub,
            **self.get_authorization_code_claims(request.authorization_code),
            **{name: value for name, value in about.items() if not name.startswith("info:")},
        }
        return STATE.id_token(claims)


STATE = State("")


def make_app(issuer: str) -> flask.Flask:
    """The whole provider."""
    global STATE
    STATE = State(issuer)
    app = flask.Flask(__name__)
    server = AuthorizationServer(
        app,
        query_client=lambda client_id: Client() if client_id == CLIENT_ID else None,
        save_token=lambda token, request: STATE.tokens.update(
            {token["access_token"]: request.user.sub}
        ),
    )
    server.register_grant(CodeGrant, [CodeChallenge(required=True), IdTokens(require_nonce=True)])

    @app.get("/.well-known/openid-configuration")
    def about() -> Any:
        found = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        return {**found, **STATE.mistakes.get("metadata", {})}

    @app.get("/jwks")
    def jwks() -> Any:
        return KeySet(list(STATE.keys)).as_dict(private=False)

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        request = server.create_oauth2_request(None)
        try:
            grant = server.get_consent_grant(end_user=None)  # type: ignore[no-untyped-call]
            if flask.request.method == "GET":
                return PAGE
            STATE.seen.append(dict(flask.request.args))
            if flask.request.form.get("deny"):
                denied = AccessDeniedError(redirect_uri=flask.request.args["redirect_uri"])
                denied.state = flask.request.args.get("state")
                return server.handle_error_response(request, denied)
            person = Person(flask.request.form["sub"])
            return server.create_authorization_response(grant_user=person, grant=grant)
        except OAuth2Error as error:
            return server.handle_error_response(request, error)

    @app.post("/token")
    def token() -> Any:
        STATE.seen.append(dict(flask.request.form))
        return server.create_token_response()

    @app.get("/userinfo")
    def userinfo() -> Any:
        sub = STATE.tokens.get(flask.request.headers["Authorization"].removeprefix("Bearer "))
        if sub is None:
            return {"error": "invalid_token"}, 401
        about = STATE.people.get(sub, {})
        more = {k.removeprefix("info:"): v for k, v in about.items() if k.startswith("info:")}
        return {"sub": sub, **more, **STATE.mistakes.get("user_info", {})}

    @app.put("/rig/people/<sub>")
    def set_person(sub: str) -> Any:
        STATE.people[sub] = json.loads(flask.request.data)
        return {}

    @app.put("/rig/mistakes")
    def set_mistakes() -> Any:
        STATE.mistakes = json.loads(flask.request.data)
        if STATE.mistakes.pop("new_key", False):
            STATE.keys = [new_key(f"key-{time.time_ns()}")]
        return {}

    @app.get("/rig/seen")
    def seen() -> Any:
        return STATE.seen

    return app


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback
    make_app(f"http://127.0.0.1:{port}").run("127.0.0.1", port, threaded=True)


if __name__ == "__main__":
    main()
