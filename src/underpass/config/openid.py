"""The settings of one OpenID Connect issuer: a table `[openid.NAME]` of the hub's TOML file.

Each field's description stands in docs/reference/settings.md.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class OpenIdIssuer(BaseModel):
    """Who is believed about people, and how far."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: str = Field(
        description="The issuer's address, exactly as it writes it itself. What else the hub needs "
        "is read from `/.well-known/openid-configuration` below it."
    )
    client_id: str = Field(
        min_length=1,
        max_length=500,
        description="What the issuer calls this hub. The address to register there for the way back: "
        "`PUBLIC_URL/api/auth/openid/NAME/callback`.",
    )
    client_secret: SecretStr | None = Field(
        None, description="The secret that goes with it. Without one the hub is a public client."
    )
    client_secret_file: Path | None = Field(
        None, description="A file with that secret, instead of the secret itself."
    )
    label: str = Field(
        "", max_length=60, description="What the button says. Without it: the table's name."
    )
    scopes: tuple[str, ...] = Field(
        ("openid", "profile", "email"), description="What the issuer is asked for."
    )
    name_claim: str = Field(
        "preferred_username",
        description="The claim that a new user's name is made from; without it, the address.",
    )
    groups_claim: str | None = Field(
        None,
        description="The claim that lists groups, such as `groups` or `realm_access.roles`. They are "
        "read at each sign-in; groups given by hand stay.",
    )
    groups: dict[str, str] = Field(
        default_factory=dict,
        description="The claim's words that count, and the group that each means: "
        '`{"cn=physics" = "physics"}`. Without it each word that can be a name is a group.',
    )
    admin_groups: tuple[str, ...] = Field(
        (),
        description="Words of that claim that make an admin; without one the right is taken back.",
    )
    allowed_domains: tuple[str, ...] = Field(
        (), description="Domains that the address, which must be verified, has to be of. None: any."
    )
    new_accounts: bool = Field(
        True,
        description="Whether somebody without an account gets one. At an issuer that is open to "
        "everybody, name `allowed_domains` too.",
    )
    link_by_address: bool = Field(
        False,
        description="Whether the verified address of a user who is here already is enough to sign in "
        "as that user. Only for an issuer that you trust with every account. Never done for "
        "a user with two-step sign-in.",
    )
    clock_skew_s: float = Field(
        120, ge=0, le=900, description="Seconds by which the issuer's clock may be off."
    )
    ca_file: Path | None = Field(
        None, description="PEM file with the issuer's CA, where the system does not know it."
    )

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("an issuer's address begins with https://")
        if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("an issuer's address is a host and a path, and nothing else")
        return value

    @field_validator("scopes")
    @classmethod
    def _asks_for_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return value if "openid" in value else ("openid", *value)

    @field_validator("allowed_domains")
    @classmethod
    def _are_domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        domains = tuple(domain.strip().lower().removeprefix("@") for domain in value)
        if not all(domains) or any("@" in domain or "*" in domain for domain in domains):
            raise ValueError("allowed_domains are whole domains, such as example.org")
        return domains

    @model_validator(mode="after")
    def _check(self) -> OpenIdIssuer:
        if self.client_secret is not None and self.client_secret_file is not None:
            raise ValueError("client_secret and client_secret_file are two ways to say one thing")
        if (self.groups or self.admin_groups) and not self.groups_claim:
            raise ValueError("groups and admin_groups need groups_claim")
        return self
