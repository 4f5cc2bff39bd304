"""Looks at a model server: is it there, who is it, what does it serve, does it answer.

Only reads and asks; what a look means is `readiness.judge`. A probe never takes long: silence for
2 s is an answer too. The one-token question is asked where one token is cheap and nothing is
loaded by asking: not of Ollama or LM Studio, which list what is installed, and not of a server
with several models.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from underpass.agent.connect import Upstream
from underpass.agent.http1 import BadAnswer
from underpass.agent.ownership import PortOfAnotherUser
from underpass.agent.readiness import Failure, Look, Reply, Server, list_of_models

LOOK_TIMEOUT_S = 2.0
# Long compilations and warm-ups happen on the first request; silence means they go on.
FIRST_TOKEN_TIMEOUT_S = 120.0
MAX_BODY_BYTES = 4 * 1024 * 1024

_BY_OWNER = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama.cpp",
    "library": "ollama",
    "organization_owner": "lmstudio",
    "underpass": "underpass-guide",
}
# Where each kind tells its version, and under which name.
_VERSION_ROUTES = {
    "vllm": ("/version", "version"),
    "llama.cpp": ("/props", "build_info"),
    "ollama": ("/api/version", "version"),
    "tgi": ("/info", "version"),
}
_HEALTH_ROUTES = dict.fromkeys(("vllm", "sglang", "llama.cpp", "tgi"), "/health")
_LOADS_WHEN_ASKED = frozenset({"ollama", "lmstudio"})


class Prober:
    """Looks at one server; remembers who it is until it has gone away."""

    def __init__(self, upstream: Upstream, key: str | None = None) -> None:
        self._upstream = upstream
        self._headers = [] if key is None else [("Authorization", f"Bearer {key}")]
        self._server: Server | None = None
        self._props: Any = None

    async def look(self) -> Look:
        """The list of models and the server's own word on its health; never raises."""
        models = await self.get("/v1/models")
        if not models.is_ok:
            if models.failure is not None:
                self._server = self._props = None
            return Look(models, server=self._server)
        if self._server is None:
            self._server = await self._detect(models)
        kind = self._server.kind
        health = await self.get(_HEALTH_ROUTES[kind]) if kind in _HEALTH_ROUTES else None
        window, modalities = _from_props(self._props)
        return Look(
            models,
            health=health,
            server=self._server,
            needs_answer=_is_one_token_cheap(kind, models),
            window=window,
            modalities=modalities,
        )

    async def first_token(self, model: str) -> Reply:
        """The answer to the shortest question; never raises."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 1,
            "stream": False,
        }
        return await self._ask(
            "POST", "/v1/chat/completions", timeout_s=FIRST_TOKEN_TIMEOUT_S, json_body=body
        )

    async def get(self, path: str) -> Reply:
        """One GET within the probe's patience; never raises."""
        return await self._ask("GET", path, timeout_s=LOOK_TIMEOUT_S)

    async def text(self, path: str) -> str:
        """The text of one GET within the probe's patience; nothing where there is none. Never raises."""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                status, answer = await self._upstream.fetch(
                    "GET", path, headers=self._headers, max_bytes=MAX_BODY_BYTES
                )
        except (PortOfAnotherUser, TimeoutError, OSError, BadAnswer):
            return ""
        return answer.decode("utf-8", "replace") if status == 200 else ""

    async def _ask(
        self, method: str, path: str, *, timeout_s: float, json_body: Any = None
    ) -> Reply:
        body = b"" if json_body is None else json.dumps(json_body).encode()
        headers = [*self._headers, ("Accept", "application/json")]
        if body:
            headers.append(("Content-Type", "application/json"))
        try:
            async with asyncio.timeout(timeout_s):
                status, answer = await self._upstream.fetch(
                    method, path, headers=headers, body=body, max_bytes=MAX_BODY_BYTES
                )
        except PortOfAnotherUser as error:
            return Reply(failure=Failure.STRANGER, detail=error.message)
        except TimeoutError:
            return Reply(failure=Failure.SILENT)
        except (OSError, BadAnswer) as error:
            return Reply(failure=_failure(error))
        return Reply(status, _parsed(answer))

    async def _detect(self, models: Reply) -> Server:
        """Who answers, by its list first, by the routes that only it has otherwise."""
        kind = _kind_by_owner(models)
        if kind is not None:
            return Server(kind, await self._version(kind))
        ollama, vllm, llama, studio, tgi = await asyncio.gather(
            *(
                self.get(path)
                for path in ("/api/version", "/version", "/props", "/api/v1/models", "/info")
            )
        )
        if version := _field(ollama, "version"):
            return Server("ollama", version)
        if version := _field(vllm, "version"):
            return Server("vllm", version)
        if version := _field(llama, "build_info"):
            self._props = llama.body
            return Server("llama.cpp", version)
        if studio.is_ok and isinstance(studio.body, dict) and "models" in studio.body:
            return Server("lmstudio")
        if _field(tgi, "model_id"):
            return Server("tgi", _field(tgi, "version"))
        return Server("openai-compatible")

    async def _version(self, kind: str) -> str | None:
        if kind not in _VERSION_ROUTES:
            return None
        path, name = _VERSION_ROUTES[kind]
        reply = await self.get(path)
        if kind == "llama.cpp":
            self._props = reply.body if reply.is_ok else None
        return _field(reply, name)


def _kind_by_owner(models: Reply) -> str | None:
    data = models.body.get("data") if isinstance(models.body, dict) else None
    first = data[0] if isinstance(data, list) and data else None
    owner = first.get("owned_by") if isinstance(first, dict) else None
    return _BY_OWNER.get(owner) if isinstance(owner, str) else None


def _is_one_token_cheap(kind: str, models: Reply) -> bool:
    listed = list_of_models(models, Look(models)) or ()
    if kind in _LOADS_WHEN_ASKED or not listed:
        return False
    if kind == "vllm":
        return True  # LoRA adapters are listed too; the first is the base model
    return len(listed) == 1


def _from_props(props: Any) -> tuple[int | None, tuple[str, ...] | None]:
    """llama.cpp's context window and modalities."""
    if not isinstance(props, dict):
        return None, None
    settings = props.get("default_generation_settings")
    window = settings.get("n_ctx") if isinstance(settings, dict) else None
    seen = props.get("modalities")
    modalities: tuple[str, ...] | None = None
    if isinstance(seen, dict):
        more = [word for word, name in (("image", "vision"), ("audio", "audio")) if seen.get(name)]
        modalities = ("text", *more)
    return (window if isinstance(window, int) and window > 0 else None), modalities


def _field(reply: Reply, name: str) -> str | None:
    if not reply.is_ok or not isinstance(reply.body, dict):
        return None
    value = reply.body.get(name)
    return value[:120] if isinstance(value, str) and value else None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _failure(error: Exception) -> Failure:
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        return Failure.REFUSED
    return Failure.BROKEN
