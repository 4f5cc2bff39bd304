"""An ID token: its signature, who it is from, whom it is for, when, and for which sign-in.

Checked by Authlib's CodeIDToken on joserfc. Only signatures by a private key count: `none`, and HMAC
with the client's secret as its key, are not on the list, whatever an issuer or a token says.
"""

from __future__ import annotations

import json
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import (
    ClaimError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
    MissingClaimError,
)
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from underpass.hub.auth.openid.words import refused

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
MAX_TOKEN_CHARS = 64 << 10

_CODES = {
    "iss": "openid_other_issuer",
    "aud": "openid_wrong_audience",
    "azp": "openid_wrong_audience",
    "iat": "openid_clock",
    "nbf": "openid_clock",
    "exp": "openid_clock",
    "nonce": "openid_state",
}


class UnknownKey(Exception):
    """Signed by a key that is not among those known: the issuer may have a new one."""


def key_set(document: dict[str, Any]) -> KeySet:
    """The issuer's keys. Raises ValueError when the document holds none."""
    try:
        return KeySet.import_key_set(document)  # type: ignore[arg-type]
    except (JoseError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no keys: {type(error).__name__}") from None


def claims_of(
    id_token: object,
    keys: KeySet,
    *,
    label: str,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    now: float,
    leeway_s: float,
) -> dict[str, Any]:
    """The claims of a token that is in order. Raises SignInRefused, UnknownKey."""
    if not isinstance(id_token, str) or not 0 < len(id_token) <= MAX_TOKEN_CHARS:
        raise refused("openid_token_invalid", label, "no id_token")
    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    try:
        token = jwt.decode(id_token, key=keys, registry=registry)
    except InvalidKeyIdError:
        raise UnknownKey from None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise refused("openid_token_invalid", label, type(error).__name__) from None
    params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    options: Any = {
        "iss": {"essential": True, "values": [issuer]},
        "aud": {"essential": True, "values": [client_id]},
        "sub": {"essential": True},
    }
    claims = CodeIDToken(token.claims, token.header, options, params)
    try:
        claims.validate(now=int(now), leeway=int(leeway_s))
    except ExpiredTokenError:
        raise refused("openid_clock", label, "exp") from None
    except MissingClaimError as error:
        code = "openid_state" if error.claim == "nonce" else "openid_claims_missing"
        raise refused(code, label, f"without {error.claim}") from None
    except ClaimError as error:
        raise refused(_CODES.get(error.claim, "openid_token_invalid"), label, error.claim) from None
    except (JoseError, ValueError, TypeError) as error:
        raise refused("openid_token_invalid", label, type(error).__name__) from None
    found: dict[str, Any] = json.loads(json.dumps(dict(claims)))
    return found
