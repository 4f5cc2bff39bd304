"""Settings: one frozen object per process, and the only reader of the environment and of TOML.

A value comes from the first of: a flag, an `UNDERPASS_…` variable, the TOML file, the default.
Each field's description says its unit and its effect; docs/reference/settings.md is made from them.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from underpass.core.errors import ConfigError

PREFIX = "UNDERPASS_"


def _home(variable: str, fallback: str) -> Path:
    """A folder of the XDG base directory specification."""
    base = os.environ.get(variable, "")
    return (Path(base) if base.startswith("/") else Path.home() / fallback) / "underpass"


def default_data_dir() -> Path:
    """Where a hub keeps its data when nothing else is said."""
    return _home("XDG_DATA_HOME", ".local/share")


def default_config_dir() -> Path:
    """Where this user's sign-in is kept."""
    return _home("XDG_CONFIG_HOME", ".config")


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
            return cls(**given, _file=from_file)  # type: ignore[call-arg]
        except ValidationError as error:
            raise cls._explain(error, given, from_file, file) from None

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
        if name in flags:
            source = f"the flag --{name.replace('_', '-')}"
        elif name in from_file and (PREFIX + name.upper()) not in os.environ:
            source = f"{name} in {file}"
        else:
            source = f"the variable {PREFIX}{name.upper()}"
        return ConfigError(
            f"The setting '{name}' is wrong: {what[:1].lower()}{what[1:]}.", hint=f"Mend {source}."
        )


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
    sign_in_attempts: int = Field(
        10,
        ge=1,
        description="Wrong passwords in 15 minutes, per name and per address, before the next "
        "try has to wait.",
    )
    max_body_bytes: int = Field(
        64 << 20, ge=1024, description="Largest body of a gateway request, in bytes."
    )
    max_api_body_bytes: int = Field(
        4 << 20, ge=1024, description="Largest body of a request to `/api`, in bytes."
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
        return self

    @property
    def database(self) -> str:
        """The database URL in use. It may hold a password: never show it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.expanduser().absolute() / 'underpass.db'}"


class AgentConfig(_Settings):
    """What the agent and the command line need to find and trust a hub."""

    hub: str | None = Field(None, description="The hub's address, `https://hub.example.org`.")
    key: SecretStr | None = Field(None, description="A key of yours (`up_…`).")
    ca_file: Path | None = Field(
        None, description="PEM file with an authority to trust besides the system's."
    )
    https_proxy: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("https_proxy", "all_proxy"),
        description="Proxy for `https` and `wss`, with its user and password where it needs them.",
    )
    http_proxy: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("http_proxy", "all_proxy"),
        description="Proxy for `http` and `ws`.",
    )
    no_proxy: str = Field(
        "",
        validation_alias=AliasChoices("no_proxy"),
        description="Hosts that are reached without a proxy, separated by commas.",
    )
    slurm_job_id: str | None = Field(
        None, validation_alias="SLURM_JOB_ID", description="Set by Slurm inside a job."
    )

    @field_validator("key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        """A key as it is sent: files and copies leave blanks and line ends around it."""
        if key is None:
            return None
        text = key.get_secret_value().strip()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("a key is one word of letters, digits, '_' and '-'")
        return SecretStr(text) if text else None

    @classmethod
    def of_this_user(cls, **flags: Any) -> Self:
        """Flags, then the environment, then the sign-in that `underpass login` stored."""
        file = credentials_file()
        return cls.load(flags, file if file.exists() else None)


def environment() -> dict[str, str]:
    """The process's variables as they are: for what takes proxy settings or starts a child."""
    return dict(os.environ)


def credentials_file() -> Path:
    """Where `underpass login` keeps the hub's address and the key, with mode 0600."""
    return default_config_dir() / "credentials.toml"


def read_toml(file: Path) -> dict[str, Any]:
    """A TOML file as a dict. Raises ConfigError."""
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(
            f"The settings file {file} cannot be read: {error.strerror}.",
            hint="Check its path and its permissions.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {file} is not TOML: {error}.") from None


def hub_config_file(flag: Path | None) -> Path | None:
    """The hub's settings file: the flag, `UNDERPASS_CONFIG`, or /etc/underpass/hub.toml if there."""
    if flag is not None:
        return flag
    named = os.environ.get(PREFIX + "CONFIG")
    if named:
        return Path(named)
    usual = Path("/etc/underpass/hub.toml")
    return usual if usual.exists() else None


def reference() -> str:
    """docs/reference/settings.md, made from the fields."""
    lines = [
        "# Settings",
        "",
        "Made from `src/underpass/config.py` by `scripts/gen.py`; edit the descriptions there.",
        "A value comes from the first of: a flag, a variable, the TOML file, the default.",
    ]
    for kind, title, file in (
        (HubConfig, "The hub", "`--config FILE`, `UNDERPASS_CONFIG`, or `/etc/underpass/hub.toml`"),
        (AgentConfig, "The agent and the command line", "`~/.config/underpass/credentials.toml`"),
    ):
        lines += ["", f"## {title}", "", f"File: {file}.", ""]
        lines += ["| setting | variable | default | effect |", "|---|---|---|---|"]
        for name, field in kind.model_fields.items():
            alias = field.validation_alias
            choices = alias.choices if isinstance(alias, AliasChoices) else [alias or PREFIX + name]
            variables = ", ".join(f"`{str(one).upper()}`" for one in choices)
            default = "the user's data folder" if field.default_factory else _shown(field.default)
            text = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{name}` | {variables} | {default} | {text} |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return "none" if value in (None, "") else f"`{value}`"
