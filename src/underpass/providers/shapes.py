"""Custom providers in the API's shapes: one for those who manage them, one for those who use them."""

from __future__ import annotations

from typing import Any

from underpass.providers.custom import Custom
from underpass.registry import shapes
from underpass.registry.views import ProviderView


def used(view: ProviderView, prefix: str | None = None) -> dict[str, Any]:
    """What everybody who may use it sees."""
    return shapes.provider(view, prefix=prefix)


def managed(custom: Custom, prefix: str | None = None) -> dict[str, Any]:
    """The same with how it is reached. Of secrets only that they are there."""
    stored = custom.stored
    return used(custom.view(), prefix) | {
        "endpoint": {
            "base_url": stored.base_url,
            "has_key": stored.has_key,
            "header_names": list(stored.header_names),
            "has_ca": stored.ca_pem is not None,
            "model_allow": None if stored.model_allow is None else list(stored.model_allow),
        }
    }
