"""docs/reference/settings.md, made from the fields and their descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from underpass.config.agent import AgentConfig, variables_of
from underpass.config.hub import HubConfig
from underpass.config.openid import OpenIdIssuer
from underpass.config.sources import PREFIX

Row = tuple[str, str, str, str]
"""A setting's name, its variables, its default, its effect."""


def hub_rows() -> Iterator[Row]:
    """The hub's settings."""
    for name, field in HubConfig.model_fields.items():
        default = _shown(field.default)
        if field.default_factory:
            default = "none" if name == "openid" else "the user's data folder"
        yield name, f"`{PREFIX}{name.upper()}`", default, field.description or ""


def openid_rows() -> Iterator[tuple[str, str, str]]:
    """Name, default and effect of each setting of one OpenID Connect issuer."""
    for name, field in OpenIdIssuer.model_fields.items():
        default = (
            "" if field.is_required() else _shown(field.get_default(call_default_factory=True))
        )
        yield name, default, field.description or ""


def agent_rows() -> Iterator[Row]:
    """Those of the agent and the command line."""
    for one in fields(AgentConfig):
        variables = ", ".join(f"`{name}`" for name in variables_of(one))
        yield one.name, variables, _shown(one.default), one.metadata["description"]


def reference() -> str:
    """The page."""
    lines = [
        "# Settings",
        "",
        "Made from `src/underpass/config/` by `scripts/gen.py`; edit the descriptions there.",
        "A value comes from the first of: a flag, a variable, the TOML file, the default.",
    ]
    for rows, title, file in (
        (
            hub_rows(),
            "The hub",
            "`--config FILE`, `UNDERPASS_CONFIG`, or `/etc/underpass/hub.toml`",
        ),
        (agent_rows(), "The agent and the command line", "`~/.config/underpass/credentials.toml`"),
    ):
        lines += ["", f"## {title}", "", f"File: {file}.", ""]
        lines += ["| setting | variable | default | effect |", "|---|---|---|---|"]
        for name, variables, default, effect in rows:
            text = effect.replace("|", "\\|")
            lines.append(f"| `{name}` | {variables} | {default} | {text} |")
        if title == "The hub":
            lines += _openid()
    return "\n".join(lines) + "\n"


def _openid() -> Iterator[str]:
    yield from ("", "### An OpenID Connect issuer", "")
    yield "A table `[openid.NAME]` for each; NAME stands in the address of the way back."
    yield from ("", "| setting | default | effect |", "|---|---|---|")
    for name, default, effect in openid_rows():
        yield f"| `{name}` | {default} | {effect} |"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        value = ", ".join(value)
    return "none" if value in (None, "", {}) else f"`{value}`"
