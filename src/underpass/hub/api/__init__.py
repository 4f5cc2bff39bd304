"""The REST API: one router per resource, each a thin file.

Each file exports `router: APIRouter` whose paths start at the resource (`/sessions/{session_id}`);
the app puts `/api` in front. Errors are raised as AppError and become problem documents.
Dependencies are in `underpass.hub.services`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

RESOURCES = (
    *(
        "auth",
        "openid",
        "me",
        "two_step",
        "preferences",
        "users",
        "groups",
        "limits",
        "keys",
        "events",
        "usage",
    ),
    *("audit", "sessions", "templates", "clusters", "tunnels", "providers", "tools", "admin"),
    *("transfer", "chats", "shares", "presets", "runs", "files", "forward"),
)


def routers() -> list[APIRouter]:
    """The router of each resource, in the order of the OpenAPI document."""
    return [import_module(f"underpass.hub.api.{name}").router for name in RESOURCES]
