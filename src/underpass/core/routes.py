"""The one list of a model server's routes that can be reached through Underpass (SPEC §5).

The gateway checks it at the hub and the agent checks it again inside the session, so neither
a bug in one nor a hub in wrong hands opens the rest of a model server: its admin routes, its
metrics, its other files.

Paths are compared as they stand on the wire. A path with an escape (`%`), a doubled slash, a
dot segment or a parameter part is none of these, whatever it would decode to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class ModelPlace(Enum):
    """Where a request names its model."""

    JSON_BODY = "json"
    MULTIPART_BODY = "multipart"
    NONE = "none"
    """Nowhere: the hub knows by other means (the id of a response, or the whole list)."""


@dataclass(frozen=True, slots=True)
class Route:
    """One entry: `name` is stable and appears in metrics; `pattern` matches the whole path."""

    name: str
    method: str
    pattern: re.Pattern[str]
    model_place: ModelPlace


# Ids that servers hand out (`resp_…`) and ids of models (`org/name:tag`) in a path.
_ID = r"[A-Za-z0-9_.-]{1,256}"
_MODEL_ID = r"[A-Za-z0-9_@+:-][A-Za-z0-9_.@+:-]*(?:/[A-Za-z0-9_@+:-][A-Za-z0-9_.@+:-]*)*"

_JSON_POSTS = (
    "chat/completions",
    "completions",
    "embeddings",
    "responses",
    "messages",
    "messages/count_tokens",
    "rerank",
    "score",
    "audio/speech",
)
_MULTIPART_POSTS = ("audio/transcriptions", "audio/translations")
# Servers keep these outside /v1 (vLLM, SGLang, llama.cpp); some offer both spellings.
_ROOT_POSTS = ("rerank", "score", "tokenize", "detokenize")


def _route(name: str, method: str, pattern: str, place: ModelPlace) -> Route:
    return Route(name, method, re.compile(pattern), place)


ROUTES: tuple[Route, ...] = (
    _route("models", "GET", r"/v1/models", ModelPlace.NONE),
    _route("model", "GET", rf"/v1/models/{_MODEL_ID}", ModelPlace.NONE),
    *(_route(p, "POST", rf"/v1/{p}", ModelPlace.JSON_BODY) for p in _JSON_POSTS),
    *(_route(p, "POST", rf"/v1/{p}", ModelPlace.MULTIPART_BODY) for p in _MULTIPART_POSTS),
    _route("responses.get", "GET", rf"/v1/responses/(?P<id>{_ID})", ModelPlace.NONE),
    _route("responses.cancel", "POST", rf"/v1/responses/(?P<id>{_ID})/cancel", ModelPlace.NONE),
    *(_route(p, "POST", rf"/v1/{p}", ModelPlace.JSON_BODY) for p in ("tokenize", "detokenize")),
    *(_route(p, "POST", rf"/{p}", ModelPlace.JSON_BODY) for p in _ROOT_POSTS),
)


def match(method: str, raw_path: str) -> Route | None:
    """The route that `method` and `raw_path` (without the query) are, or None.

    Exact on purpose: no trailing slash, no other case, no decoding.
    """
    if ".." in raw_path or "//" in raw_path:
        return None
    for route in ROUTES:
        if route.method == method and route.pattern.fullmatch(raw_path):
            return route
    return None
