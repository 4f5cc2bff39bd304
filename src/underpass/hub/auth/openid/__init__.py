"""Sign-in by OpenID Connect: authorization code, PKCE, state, nonce; several issuers.

    begin ──> the issuer's page ──> the way back ──> a browser session like any other

- **OpenId** (`service.py`): begins a sign-in and ends it with a user, or with a clear word.
- **Issuer** (`issuer.py`): what one issuer says about itself, its keys, its token endpoint.
- **flow** (`flow.py`): the secrets of one sign-in, all made from one cookie.
- **tokens** (`tokens.py`): an ID token is checked here, by Authlib, and becomes claims.
- **Person** (`person.py`): what is believed of the claims.
- **People** (`people.py`): which user that is, what their groups are; a new one if that is allowed.
- **words** (`words.py`): each refusal's code and sentence.

Nothing here is loaded by a hub without an issuer in its settings, but for `words`.
"""
