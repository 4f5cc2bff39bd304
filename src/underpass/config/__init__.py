"""Settings: one frozen object per process, and the only reader of the environment and of TOML.

A value comes from the first of: a flag, an `UNDERPASS_…` variable, the TOML file, the default.

    sources    the environment, TOML files, folders, and how a wrong value is said
    agent      AgentConfig, a plain dataclass: an agent must stay small (docs/decisions/0007)
    hub        HubConfig, on pydantic; loaded when a name of it is asked for
    reference  docs/reference/settings.md
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from underpass.config.agent import AgentConfig
from underpass.config.sources import (
    credentials_file,
    default_config_dir,
    default_data_dir,
    environment,
    read_toml,
)

if TYPE_CHECKING:
    from underpass.config.hub import HubConfig, hub_config_file

__all__ = [
    "AgentConfig",
    "HubConfig",
    "credentials_file",
    "default_config_dir",
    "default_data_dir",
    "environment",
    "hub_config_file",
    "read_toml",
]

_OF_HUB = {"HubConfig", "hub_config_file"}


def __getattr__(name: str) -> Any:
    """What belongs to a hub, with the packages that only a hub has."""
    if name in _OF_HUB:
        return getattr(import_module("underpass.config.hub"), name)
    raise AttributeError(name)
