"""The settings that a hub runs with, each with where it came from, fit to be shown to an admin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from underpass.config.hub import HubConfig

DEFAULT = "the default"
HIDDEN = "set, and not shown"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its value in words, where that came from, and what it does."""

    name: str
    value: str
    source: str
    effect: str
    is_default: bool


def in_force(config: HubConfig) -> Iterator[Setting]:
    """All of them, in the order of the reference page. Secrets are never in it."""
    for name, field in HubConfig.model_fields.items():
        source = config.sources.get(name, DEFAULT)
        yield Setting(
            name=name,
            value=_words(getattr(config, name)),
            source=source,
            effect=field.description or "",
            is_default=source == DEFAULT,
        )


def _words(value: Any) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, dict):
        # Of an issuer only the name: its table holds a client's secret.
        return ", ".join(value) or "none"
    return "none" if value in (None, "") else str(value)
