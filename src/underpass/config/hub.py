"""HubConfig: everything that can be set about a hub, on pydantic-settings.

Each field's description says its unit and its effect; docs/reference/settings.md is made from them.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from underpass.config.openid import OpenIdIssuer
from underpass.config.sources import PREFIX, default_data_dir, flag_of, read_toml, wrong
from underpass.core.errors import ConfigError
from underpass.core.names import is_valid_name


class _Settings(BaseSettings):
    """Flags, then the environment; `load` puts the TOML file's values behind both."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        # A wrong value may be a secret in the wrong place: errors name the setting only.
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before the environment before the file; no .env files, no secrets folders."""
        del dotenv_settings, file_secret_settings
        flags = init_settings()
        from_file = flags.pop("_file", {})
        return (
            InitSettingsSource(settings_cls, flags),
            env_settings,
            InitSettingsSource(settings_cls, from_file),
        )

    @classmethod
    def load(cls, flags: Mapping[str, Any], file: Path | None = None) -> Self:
        """The settings of this process. A flag that is None was not given.

        Raises ConfigError, which names the setting and where its value came from.
        """
        given = {name: value for name, value in flags.items() if value is not None}
        from_file = read_toml(file) if file is not None else {}
        try:
            made = cls(**given, _file=from_file)  # type: ignore[call-arg]
        except ValidationError as error:
            raise cls._explain(error, given, from_file, file) from None
        made._sources = {
            name: cls._source(name, given, from_file, file) for name in made.model_fields_set
        }
        return made

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each setting's value came from, of those that were set: `the flag --port`."""
        return self._sources

    @classmethod
    def _source(
        cls, name: str, flags: Mapping[str, Any], from_file: Mapping[str, Any], file: Path | None
    ) -> str:
        if name in flags:
            return flag_of(name)
        variable = PREFIX + name.upper()
        # An empty variable is none: `env_ignore_empty`.
        if name in from_file and not os.environ.get(variable):
            return f"{name} in {file}"
        return f"the variable {variable}"

    @classmethod
    def _explain(
        cls,
        error: ValidationError,
        flags: Mapping[str, Any],
        from_file: Mapping[str, Any],
        file: Path | None,
    ) -> ConfigError:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        what = first["msg"].removeprefix("Value error, ").rstrip(".")
        if not name:
            return ConfigError(f"The settings do not fit together: {what}.")
        name = name.removeprefix(PREFIX.lower())
        source = cls._source(name, flags, from_file, file)
        whole = ".".join([name, *(str(part) for part in first["loc"][1:])])
        return wrong(whole, what, source, is_flag=name in flags)


class HubConfig(_Settings):
    """Everything that can be set about a hub."""

    host: str = Field("127.0.0.1", description="Address to listen on. `0.0.0.0` for every network.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the database, the sessions' files and the hub's own secrets. "
        "Made with mode 0700 when it does not exist.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="`postgresql://USER@HOST/DATABASE`, or `sqlite:////path.db`. "
        "Without it: SQLite in the data folder.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+$",
        description="The address that people and agents use, such as `https://hub.example.org`. "
        "Without it: what the browser asked for. Needed behind a proxy that changes the host.",
    )
    name: str = Field("Underpass", max_length=60, description="The hub's name on its pages.")
    tls_certificate: Path | None = Field(
        None, description="PEM file with the certificate and its chain, to serve HTTPS directly."
    )
    tls_key: Path | None = Field(None, description="PEM file with the certificate's private key.")
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Addresses, separated by commas, whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least serious line that is logged. Content is logged at none."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto`: for people on a terminal, JSON lines otherwise."
    )
    sign_in_days: float = Field(
        30, gt=0, le=3650, description="Days after which a browser has to sign in again."
    )
    sign_in_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,60}$",
        description="Header in which a site's own proxy names who is signed in, such as "
        "`X-Remote-User`; `/api/auth/header` then signs the browser in. The proxy must remove "
        "the header from what comes from outside.",
    )
    sign_in_header_from: str = Field(
        "",
        description="Addresses and networks of that proxy, separated by commas. From anywhere "
        "else the header means nothing.",
    )
    sign_in_attempts: int = Field(
        10,
        ge=1,
        description="Wrong passwords in 15 minutes, per name and per address, before the next "
        "try has to wait.",
    )
    openid: dict[str, OpenIdIssuer] = Field(
        default_factory=dict,
        description="OpenID Connect issuers that sign people in, one table each; see below. As a "
        "variable: all of them as one JSON object.",
    )
    max_body_bytes: int = Field(
        64 << 20, ge=1024, description="Largest body of a gateway request, in bytes."
    )
    max_api_body_bytes: int = Field(
        4 << 20, ge=1024, description="Largest body of a request to `/api`, in bytes."
    )
    max_file_bytes: int = Field(
        20 << 20, ge=1024, description="Largest file that goes into a message, in bytes."
    )
    max_files_bytes: int = Field(
        2 << 30, ge=1024, description="What one user's files may take together, in bytes."
    )
    keepalive_s: float = Field(
        10, gt=0, description="Seconds of silence after which a stream sends a comment."
    )
    link_grace_s: float = Field(
        60, ge=0, description="Seconds for which a lost link keeps its streams."
    )
    links_per_s: float = Field(
        50, gt=0, description="New links per second that are let in; the others come back later."
    )
    drain_s: float = Field(
        5, ge=0, description="Seconds that a stopping hub gives streams to move or finish."
    )
    local_sessions: Literal["everyone", "admins", "off"] = Field(
        "admins",
        description="Who may start sessions as processes on the hub's own machine. They run as "
        "the hub's user, so whoever may start one can read the hub's data.",
    )
    allowed_networks: str = Field(
        "",
        description="Networks, separated by commas, that custom providers may be in besides public "
        "addresses, such as `10.20.0.0/16,127.0.0.1`. In them plain http is allowed too. "
        "Whoever can sign in can make the hub send requests there.",
    )
    provider_poll_s: float = Field(
        30, gt=0, description="Seconds between two looks at a custom provider that runs."
    )
    secret_key_file: Path | None = Field(
        None,
        description="File with the keys, one a line, under which secrets are encrypted in the "
        "database; only its owner may read it. Without it: `secret.key` in the data folder, made "
        "when it is needed first. To rotate: a new line first (`openssl rand -hex 32`), restart, "
        "then delete the old one. Several hubs share one.",
    )
    scheduler_poll_s: float = Field(
        15,
        ge=1,
        le=600,
        description="Seconds between two questions to a cluster's scheduler, one for all sessions on "
        "it. Agents tell the news; this finds out what they cannot say. Sites ask for 10 or more.",
    )
    memory_links_bytes: int = Field(
        512 << 20, ge=1 << 20, description="Cap on what all links together may hold, in bytes."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        for name in self.openid:
            if not is_valid_name(name):
                raise ValueError(
                    f"'{name[:80]}' cannot name an issuer: use a-z, 0-9, '.', '_', '-'"
                )
        addresses = [one.issuer for one in self.openid.values()]
        if len(set(addresses)) < len(addresses):
            raise ValueError("two tables of openid name the same issuer")
        return self

    @property
    def secret_keys(self) -> Path:
        """The file with the keys that encrypt secrets."""
        return (self.secret_key_file or self.data_dir / "secret.key").expanduser()

    @property
    def database(self) -> str:
        """The database URL in use. It may hold a password: never show it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.expanduser().absolute() / 'underpass.db'}"


def hub_config_file(flag: Path | None) -> Path | None:
    """The hub's settings file: the flag, `UNDERPASS_CONFIG`, or /etc/underpass/hub.toml if there."""
    if flag is not None:
        return flag
    named = os.environ.get(PREFIX + "CONFIG")
    if named:
        return Path(named)
    usual = Path("/etc/underpass/hub.toml")
    return usual if usual.exists() else None
