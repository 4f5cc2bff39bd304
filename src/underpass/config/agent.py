"""What the agent and the command line have to know, read without pydantic.

An agent sits beside a model server in somebody's job, often a hundred of them on a cluster: the
12 MB and the quarter of a second that pydantic-settings takes there buy seven plain settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from underpass.config.sources import PREFIX, credentials_file, flag_of, read_toml, wrong
from underpass.core.secret import Secret


def _setting(
    description: str,
    *variables: str,
    kind: Callable[[str], Any] = str,
    default: str | None = None,
) -> Any:
    """A field with its description. `variables`: not `UNDERPASS_NAME`, but these; `kind` makes the
    value from its text."""
    about = {"description": description, "variables": variables, "kind": kind}
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """What the agent and the command line need to find and trust a hub."""

    hub: str | None = _setting("The hub's address, `https://hub.example.org`.")
    key: Secret | None = _setting("A key of yours (`up_…`).", kind=Secret)
    ca_file: Path | None = _setting(
        "PEM file with an authority to trust besides the system's.", kind=Path
    )
    https_proxy: Secret | None = _setting(
        "Proxy for `https` and `wss`, with its user and password where it needs them.",
        *("HTTPS_PROXY", "ALL_PROXY"),
        kind=Secret,
    )
    http_proxy: Secret | None = _setting(
        "Proxy for `http` and `ws`.", *("HTTP_PROXY", "ALL_PROXY"), kind=Secret
    )
    no_proxy: str = _setting(
        "Hosts that are reached without a proxy, separated by commas.", "NO_PROXY", default=""
    )
    slurm_job_id: str | None = _setting("Set by Slurm inside a job.", "SLURM_JOB_ID")

    @classmethod
    def of_this_user(cls, **flags: Any) -> AgentConfig:
        """Flags, then the environment, then the sign-in that `underpass login` stored.

        Raises ConfigError, which names the setting and where its value came from.
        """
        file = credentials_file()
        return cls.load(flags, file if file.exists() else None)

    @classmethod
    def load(cls, flags: Mapping[str, Any], file: Path | None = None) -> AgentConfig:
        """The settings of this process. A flag that is None was not given. Raises ConfigError."""
        from_file = read_toml(file) if file is not None else {}
        known = {one.name: one for one in fields(cls)}
        for name in from_file:
            if name not in known:
                raise wrong(name, "there is no such setting", f"{name} in {file}")
        values = {}
        for name, one in known.items():
            value, source = _first(one, flags, from_file, file)
            if value is not None:
                is_flag = flags.get(name) is not None
                values[name] = _checked(one, value, source, is_flag=is_flag)
        return cls(**{name: value for name, value in values.items() if value is not None})


def variables_of(one: Field[Any]) -> tuple[str, ...]:
    """The variables that a setting is read from, the first one that is set counts."""
    named: tuple[str, ...] = one.metadata["variables"]
    return named or (PREFIX + one.name.upper(),)


def _first(
    one: Field[Any], flags: Mapping[str, Any], from_file: Mapping[str, Any], file: Path | None
) -> tuple[Any, str]:
    """A setting's value and where it stood; None where nobody gave one."""
    if flags.get(one.name) is not None:
        return flags[one.name], flag_of(one.name)
    for variable in variables_of(one):
        for spelling in (variable.lower(), variable):  # in lower case as proxies are often named
            if os.environ.get(spelling):
                return os.environ[spelling], f"the variable {variable}"
    return from_file.get(one.name), f"{one.name} in {file}"


def _checked(one: Field[Any], value: Any, source: str, *, is_flag: bool) -> Any:
    """The value in its setting's type. Raises ConfigError."""
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str):
        raise wrong(one.name, "it has to be a text", source, is_flag=is_flag)
    if one.name == "key":
        # As it is sent: files and copies leave blanks and line ends around it.
        value = value.strip()
        if not value.isascii() or not value.isprintable() or " " in value:
            what = "a key is one word of letters, digits, '_' and '-'"
            raise wrong(one.name, what, source, is_flag=is_flag)
    return one.metadata["kind"](value) if value else None
