"""Where settings come from: the environment, TOML files, the user's folders."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

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


def credentials_file() -> Path:
    """Where `underpass login` keeps the hub's address and the key, with mode 0600."""
    return default_config_dir() / "credentials.toml"


def environment() -> dict[str, str]:
    """The process's variables as they are: for what takes proxy settings or starts a child."""
    return dict(os.environ)


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


def wrong(name: str, what: str, source: str, *, is_flag: bool = False) -> ConfigError:
    """The error for a value that a setting cannot have; it never repeats the value."""
    return ConfigError(
        f"The setting '{name}' is wrong: {what[:1].lower()}{what[1:]}.",
        hint=f"Mend {source}.",
        code="flag_invalid" if is_flag else None,
    )


def flag_of(name: str) -> str:
    """How the flag of a setting is called in such an error."""
    return f"the flag --{name.replace('_', '-')}"
