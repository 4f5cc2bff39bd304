"""What a look at a model server means. Pure: replies in, a readiness out, one table.

what the look saw                        before it ran      after it ran
nothing listens                          starting           unreachable
listens, says nothing                    loading            running, unreachable after 3 looks
503, or /health says 503                 loading            loading
wants a key, is no OpenAI server, 5xx    loading            unreachable
lists no model                           loading            loading
lists models, first answer missing       loading            (not asked again)
lists models, answers                    running            running
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from underpass.core.states import ProviderStatus

SILENT_LOOKS_UNTIL_UNREACHABLE = 3


class Failure(Enum):
    """Why a look got no HTTP answer."""

    REFUSED = "refused"
    SILENT = "silent"
    BROKEN = "broken"
    STRANGER = "stranger"
    """The listener belongs to another user of the machine."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One probe's answer: either `status` and the parsed `body` (None if not JSON), or a failure."""

    status: int = 0
    body: Any = None
    failure: Failure | None = None
    detail: str = ""
    """For STRANGER: the sentence that names the owner."""

    @property
    def is_ok(self) -> bool:
        """A 2xx answer."""
        return self.failure is None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Server:
    """Which program answers, as far as it tells."""

    kind: str
    version: str | None = None

    def __str__(self) -> str:
        return f"{TITLES.get(self.kind, self.kind)} {self.version or ''}".rstrip()


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the server's list."""

    id: str
    max_model_len: int | None = None
    owned_by: str | None = None
    modalities: tuple[str, ...] | None = None

    def as_message(self) -> dict[str, Any]:
        """For the control message `tunnel.readiness`."""
        return {
            "id": self.id,
            "max_model_len": self.max_model_len,
            "owned_by": self.owned_by,
            "modalities": None if self.modalities is None else list(self.modalities),
        }


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that one look at a server brought."""

    models: Reply
    health: Reply | None = None
    """The server's own readiness route, where it is known to have one."""
    answer: Reply | None = None
    """A one-token answer, where it was asked for."""
    server: Server | None = None
    needs_answer: bool = False
    """Whether `running` takes a one-token answer: it is cheap on this server."""
    window: int | None = None
    """The context window, where the server tells it elsewhere than in its list."""
    modalities: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the hub is told; `has_run` and `silent_looks` are the memory of the table."""

    state: ProviderStatus
    reason: str
    server: Server | None = None
    models: tuple[Model, ...] = ()
    has_run: bool = False
    silent_looks: int = 0

    def says_the_same(self, other: Readiness | None) -> bool:
        """Whether the hub would learn nothing new."""
        return other is not None and replace(self, silent_looks=0, has_run=False) == replace(
            other, silent_looks=0, has_run=False
        )

    def as_message(self, tunnel_id: str) -> dict[str, Any]:
        """The control message `tunnel.readiness`."""
        server = self.server and {"kind": self.server.kind, "version": self.server.version}
        return {
            "type": "tunnel.readiness",
            "tunnel_id": tunnel_id,
            "state": str(self.state),
            "reason": self.reason,
            "server": server,
            "models": [model.as_message() for model in self.models],
        }


TITLES = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "llama.cpp": "llama.cpp",
    "ollama": "Ollama",
    "lmstudio": "LM Studio",
    "tgi": "TGI",
    "underpass-guide": "Underpass guide",
    "openai-compatible": "OpenAI-compatible server",
}

_P = ProviderStatus


def judge(before: Readiness | None, look: Look, place: str, serves: str | None = None) -> Readiness:
    """The readiness after this look. `place` is the target, for the sentence.

    `serves` names the one model of a server whose list is no use, which stands in the list's place.
    """
    old = before or Readiness(_P.STARTING, "")
    state, reason, models = _verdict(old, look, place, serves)
    is_silent = look.models.failure is Failure.SILENT
    return Readiness(
        state=state,
        reason=reason,
        server=look.server or old.server,
        # A server that is away keeps its last list: it is what the user will get back.
        models=models if models is not None else old.models,
        has_run=old.has_run or state is _P.RUNNING,
        silent_looks=old.silent_looks + 1 if is_silent else 0,
    )


def _verdict(
    old: Readiness, look: Look, place: str, serves: str | None
) -> tuple[ProviderStatus, str, tuple[Model, ...] | None]:
    failing = _P.UNREACHABLE if old.has_run else _P.LOADING
    reply = look.models
    if reply.failure is not None:
        return (*_without_answer(old, reply, place), None)
    if reply.status == 503:
        return _P.LOADING, _loading_words(reply), None
    if reply.status in (401, 403):
        return failing, f"{place} wants a key: start with --upstream-key-file.", None
    if reply.status >= 500:
        return failing, f"{place} answers with an error ({reply.status}).", None
    listed = list_of_models(reply, look)
    if listed is None:
        answered = f"GET /v1/models: {reply.status}"
        return failing, f"{place} is not an OpenAI-compatible server ({answered}).", None
    if serves is not None:
        listed = tuple(one for one in listed if one.id == serves) or (Model(serves),)
    if look.health is not None and look.health.status == 503:
        return _P.LOADING, _loading_words(look.health), listed
    if not listed:
        return _P.LOADING, _no_model_words(look.server), listed
    return (*_with_models(old, look), listed)


def _without_answer(old: Readiness, reply: Reply, place: str) -> tuple[ProviderStatus, str]:
    if reply.failure is Failure.STRANGER:
        return (_P.UNREACHABLE if old.has_run else _P.STARTING), reply.detail
    if reply.failure is Failure.REFUSED:
        if old.has_run:
            return _P.UNREACHABLE, f"Nothing listens on {place} any more."
        return _P.STARTING, f"Nothing listens on {place} yet."
    if not old.has_run:
        return _P.LOADING, f"{place} listens and says nothing yet."
    if reply.failure is Failure.BROKEN:
        return _P.UNREACHABLE, f"{place} closes connections without an answer."
    # A saturated engine misses deadlines: that alone is no failure.
    if old.state is _P.RUNNING and old.silent_looks + 1 < SILENT_LOOKS_UNTIL_UNREACHABLE:
        return _P.RUNNING, old.reason
    return _P.UNREACHABLE, f"{place} does not answer any more."


def _with_models(old: Readiness, look: Look) -> tuple[ProviderStatus, str]:
    if look.answer is None:
        if look.needs_answer and old.state is not _P.RUNNING:
            return _P.LOADING, "The model is warming up: waiting for its first token."
        return _P.RUNNING, "Ready."
    if look.answer.failure is not None:
        return _P.LOADING, "The model is warming up: no first token yet."
    status = look.answer.status
    if status in (401, 403):
        return _P.LOADING, "The server wants a key: start with --upstream-key-file."
    # It was asked to chat: a server for embeddings, or one without a chat template, says no
    # at once, and is ready for what it can do.
    if status < 500 or status == 501:
        return _P.RUNNING, "Ready."
    return _P.LOADING, f"The first token failed ({status}); trying again."


def wants_answer(now: Readiness, look: Look) -> bool:
    """Whether only the one-token answer is missing to call it running."""
    return (
        now.state is _P.LOADING
        and look.needs_answer
        and look.answer is None
        and look.models.is_ok
        and (look.health is None or look.health.status != 503)
        and bool(now.models)
    )


def list_of_models(reply: Reply, look: Look) -> tuple[Model, ...] | None:
    """The models in an answer of GET /v1/models, or None if it is no such answer."""
    if not reply.is_ok or not isinstance(reply.body, dict):
        return None
    data = reply.body.get("data")
    if data is None and reply.body.get("object") == "list":
        data = []  # Ollama without any model
    if not isinstance(data, list):
        return None
    models = [_model(entry, look) for entry in data if isinstance(entry, dict)]
    return tuple(model for model in models if model is not None)


def _model(entry: dict[str, Any], look: Look) -> Model | None:
    name = entry.get("id")
    if not isinstance(name, str) or not name or len(name) > 512:
        return None
    length = entry.get("max_model_len")
    meta = entry.get("meta")
    if not isinstance(length, int):
        trained = meta.get("n_ctx_train") if isinstance(meta, dict) else None
        length = look.window or (trained if isinstance(trained, int) else None)
    owner = entry.get("owned_by")
    return Model(name, length, owner if isinstance(owner, str) else None, look.modalities)


def _loading_words(reply: Reply) -> str:
    """The server's own word on its loading where it is short and plain, or ours."""
    body = reply.body if isinstance(reply.body, dict) else {}
    error = body.get("error")
    said = error.get("message") if isinstance(error, dict) else None
    if isinstance(said, str) and 0 < len(said) <= 80 and said.isprintable():
        return f"{said.rstrip('.')}."
    return "The server is loading its model."


def _no_model_words(server: Server | None) -> str:
    if server is not None and server.kind == "ollama":
        return "Ollama has no model yet: `ollama pull llama3.2` gets one."
    return "The server lists no model yet."
