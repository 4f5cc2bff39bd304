"""Asks an endpoint for its models: what a check on saving and the look from time to time do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from underpass.core.ids import new_id
from underpass.providers import faults
from underpass.providers.endpoint import Endpoint
from underpass.providers.faults import EndpointFault, Fault
from underpass.registry.views import is_offered
from underpass.tunnel.link import OpenHead, StreamKind

LOOK_TIMEOUT_S = 15.0
MAX_LIST_BYTES = 4 << 20
MAX_MODELS = 2000
MAX_MODEL_ID_CHARS = 512
MAX_WINDOW = 1 << 53
"""In tokens; beyond it a browser counts wrong."""

_WINDOW_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length")

NO_LIST = Fault(
    "models_missing",
    "has no list of models under its base URL",
    "Check the base URL, which most often ends with /v1; or name the models yourself.",
)
_REFUSED_KEY = Fault("key_refused", "refuses the key", "Check the key.")
_NO_KEY = Fault("key_refused", "wants a key", "Give one.")
_NOT_OPENAI = Fault(
    "not_openai",
    "does not answer as an OpenAI-compatible server",
    "Check the base URL, which most often ends with /v1.",
)
_TOO_LARGE = Fault(
    "answer_too_large",
    f"sends more than {MAX_LIST_BYTES >> 20} MiB in the place of a list of models",
    "Check the base URL.",
)


async def look(endpoint: Endpoint, *, has_key: bool) -> list[dict[str, Any]]:
    """The models that the endpoint lists. Raises EndpointFault."""
    head = OpenHead(
        kind=StreamKind.HTTP,
        tunnel="",
        request_id=new_id("req"),
        method="GET",
        path="/v1/models",
        headers=(("accept", "application/json"), ("accept-encoding", "identity")),
    )
    stream = await endpoint.open(head)
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            answer = await stream.response()
            if answer.status != 200:
                raise EndpointFault(_refusal(answer.status, has_key=has_key))
            taken = bytearray()
            while data := await stream.read():
                taken += data
                if len(taken) > MAX_LIST_BYTES:
                    raise EndpointFault(_TOO_LARGE)
    except TimeoutError:
        raise EndpointFault(faults.SILENT) from None
    finally:
        stream.cancel("complete")
    return _models(bytes(taken))


def chosen(models: Sequence[dict[str, Any]], allow: Sequence[str] | None) -> list[dict[str, Any]]:
    """Those of the listed models that the provider may offer.

    A name (not a pattern) on the allow-list is offered whether or not the endpoint lists it:
    there are servers that list nothing.
    """
    if allow is None:
        return list(models)
    listed = {model["id"] for model in models}
    kept = [model for model in models if is_offered(model["id"], allow)]
    more = [entry for entry in allow if not set(entry) & set("*?[") and entry not in listed]
    return [*kept, *(_model(entry) for entry in more)]


def _refusal(status: int, *, has_key: bool) -> Fault:
    if status in (401, 403):
        return _REFUSED_KEY if has_key else _NO_KEY
    if status in (404, 405):
        return NO_LIST
    return Fault(
        "endpoint_fails", f"answers {status} when asked for its models", "Look at its own log."
    )


def _models(answer: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        raise EndpointFault(_NOT_OPENAI) from None
    listed = document.get("data") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise EndpointFault(_NOT_OPENAI)
    found = [
        _model(one["id"], one)
        for one in listed[:MAX_MODELS]
        if isinstance(one, dict) and isinstance(one.get("id"), str) and one["id"]
    ]
    return list({model["id"]: model for model in found}.values())


def _model(name: str, said: dict[str, Any] | None = None) -> dict[str, Any]:
    said = said or {}
    windows = [said.get(field) for field in _WINDOW_NAMES]
    owner = said.get("owned_by")
    return {
        "id": name[:MAX_MODEL_ID_CHARS],
        "max_model_len": next(
            (one for one in windows if type(one) is int and 0 < one <= MAX_WINDOW), None
        ),
        "owned_by": owner[:100] if isinstance(owner, str) and owner else None,
        "modalities": None,
    }
