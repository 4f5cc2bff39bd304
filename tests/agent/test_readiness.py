"""What a look means: the table, row by row."""

from dataclasses import replace
from typing import Any

import pytest

from underpass.agent.readiness import (
    Failure,
    Look,
    Model,
    Readiness,
    Reply,
    Server,
    judge,
    wants_answer,
)
from underpass.core.states import ProviderStatus as P

LIST = Reply(200, {"object": "list", "data": [{"id": "m", "owned_by": "vllm", "max_model_len": 9}]})
NEW = None
RAN = Readiness(P.RUNNING, "Ready.", Server("vllm", "0.32"), (Model("m"),), has_run=True)
GONE = replace(RAN, state=P.UNREACHABLE)


def failed(failure: Failure) -> Look:
    """A look that got no answer."""
    return Look(Reply(failure=failure, detail="It belongs to bob, not to you."))


@pytest.mark.parametrize(
    ("before", "look", "state"),
    [
        (NEW, failed(Failure.REFUSED), P.STARTING),
        (RAN, failed(Failure.REFUSED), P.UNREACHABLE),
        (GONE, failed(Failure.REFUSED), P.UNREACHABLE),
        (NEW, failed(Failure.SILENT), P.LOADING),
        (NEW, failed(Failure.BROKEN), P.LOADING),
        (RAN, failed(Failure.BROKEN), P.UNREACHABLE),
        (NEW, failed(Failure.STRANGER), P.STARTING),
        (RAN, failed(Failure.STRANGER), P.UNREACHABLE),
        (NEW, Look(Reply(503)), P.LOADING),
        (RAN, Look(Reply(503)), P.LOADING),
        (GONE, Look(Reply(503)), P.LOADING),
        (NEW, Look(Reply(401)), P.LOADING),
        (RAN, Look(Reply(401)), P.UNREACHABLE),
        (NEW, Look(Reply(500)), P.LOADING),
        (RAN, Look(Reply(500)), P.UNREACHABLE),
        (NEW, Look(Reply(404)), P.LOADING),
        (RAN, Look(Reply(404)), P.UNREACHABLE),
        (NEW, Look(Reply(200, "<html>")), P.LOADING),
        (NEW, Look(Reply(200, {"data": []})), P.LOADING),
        (NEW, Look(LIST, health=Reply(503)), P.LOADING),
        (NEW, Look(LIST), P.RUNNING),
        (NEW, Look(LIST, health=Reply(200)), P.RUNNING),
        (NEW, Look(LIST, needs_answer=True), P.LOADING),
        (RAN, Look(LIST, needs_answer=True), P.RUNNING),
        (GONE, Look(LIST, needs_answer=True), P.LOADING),
        (NEW, Look(LIST, needs_answer=True, answer=Reply(200)), P.RUNNING),
        (NEW, Look(LIST, needs_answer=True, answer=Reply(400)), P.RUNNING),
        (NEW, Look(LIST, needs_answer=True, answer=Reply(404)), P.RUNNING),
        (NEW, Look(LIST, needs_answer=True, answer=Reply(501)), P.RUNNING),
        (NEW, Look(LIST, needs_answer=True, answer=Reply(500)), P.LOADING),
        (NEW, Look(LIST, needs_answer=True, answer=Reply(503)), P.LOADING),
        (NEW, Look(LIST, needs_answer=True, answer=Reply(401)), P.LOADING),
        (NEW, Look(LIST, needs_answer=True, answer=Reply(failure=Failure.SILENT)), P.LOADING),
    ],
)
def test_the_table(before: Readiness | None, look: Look, state: P) -> None:
    """Each row of the module's table; every verdict has one sentence."""
    now = judge(before, look, "127.0.0.1:8000")
    assert now.state is state
    assert now.reason.endswith(".")
    assert now.has_run is (before is not None or state is P.RUNNING)


def test_a_busy_server_may_be_silent_twice() -> None:
    """A saturated engine misses deadlines: only the third silence in a row counts."""
    now = RAN
    states = []
    for _ in range(3):
        now = judge(now, failed(Failure.SILENT), "x")
        states.append(now.state)
    assert states == [P.RUNNING, P.RUNNING, P.UNREACHABLE]
    once = judge(RAN, failed(Failure.SILENT), "x")
    assert judge(once, Look(LIST), "x").silent_looks == 0


def test_a_server_that_is_away_keeps_its_list() -> None:
    """The last models stay, greyed, while it is away."""
    assert judge(RAN, failed(Failure.REFUSED), "x").models == RAN.models
    assert judge(RAN, Look(Reply(503)), "x").server == RAN.server


def test_whether_only_the_answer_is_missing() -> None:
    """The one-token question is asked when everything else is there, and only then."""
    for look, wanted in [
        (Look(LIST, needs_answer=True), True),
        (Look(LIST, needs_answer=True, health=Reply(503)), False),
        (Look(LIST), False),
        (Look(Reply(503), needs_answer=True), False),
        (Look(LIST, needs_answer=True, answer=Reply(500)), False),
    ]:
        assert wants_answer(judge(None, look, "x"), look) is wanted


@pytest.mark.parametrize(
    ("entry", "look", "model"),
    [
        (
            {"id": "m", "max_model_len": 32768, "owned_by": "vllm"},
            {},
            Model("m", 32768, "vllm"),
        ),
        (
            {"id": "m", "meta": {"n_ctx_train": 8192}},
            {"window": 4096, "modalities": ("text", "image")},
            Model("m", 4096, None, ("text", "image")),
        ),
        ({"id": "m", "meta": {"n_ctx_train": 8192}}, {}, Model("m", 8192)),
        ({"id": "m", "max_model_len": "many", "meta": None, "owned_by": 3}, {}, Model("m")),
        ({"id": 3}, {}, None),
        ({"id": "x" * 600}, {}, None),
        ("m", {}, None),
    ],
)
def test_entries_of_a_list(entry: Any, look: dict[str, Any], model: Model | None) -> None:
    """The real window wins over the trained one; what is no entry is left out."""
    now = judge(None, Look(Reply(200, {"data": [entry]}), **look), "x")
    assert now.models == ((model,) if model else ())


def test_a_model_that_is_known_stands_for_a_list_that_is_no_use() -> None:
    """An empty list, or one of other models; what the list says of it is kept."""
    empty = Look(Reply(200, {"data": []}), needs_answer=True)
    before = judge(NEW, empty, "here", "/m/mine")
    assert (before.state, before.models) == (P.LOADING, (Model("/m/mine"),))
    after = judge(before, replace(empty, answer=Reply(200)), "here", "/m/mine")
    assert (after.state, after.models) == (P.RUNNING, (Model("/m/mine"),))
    assert judge(NEW, Look(LIST), "here", "other").models == (Model("other"),)
    assert judge(NEW, Look(LIST), "here", "m").models[0].max_model_len == 9
    assert judge(NEW, Look(Reply(503)), "here", "m").state is P.LOADING


def test_words() -> None:
    """The reason says what to do, and takes a server's own short words."""
    loading = Reply(503, {"error": {"message": "Loading model", "code": 503}})
    assert judge(None, Look(loading), "x").reason == "Loading model."
    assert "--upstream-key-file" in judge(None, Look(Reply(401)), "x").reason
    ollama = Look(Reply(200, {"object": "list", "data": None}), server=Server("ollama"))
    assert "ollama pull" in judge(None, ollama, "x").reason
    long = Reply(503, {"error": {"message": "x" * 500}})
    assert judge(None, Look(long), "x").reason == "The server is loading its model."
    assert str(Server("vllm", "0.32")) == "vLLM 0.32"
    assert str(Server("lmstudio")) == "LM Studio"


def test_the_message_to_the_hub() -> None:
    """The shape of `tunnel.readiness`, and that nothing new is not said twice."""
    now = judge(None, Look(LIST, server=Server("vllm", "0.32")), "x")
    assert now.as_message("tun_1") == {
        "type": "tunnel.readiness",
        "tunnel_id": "tun_1",
        "state": "running",
        "reason": "Ready.",
        "server": {"kind": "vllm", "version": "0.32"},
        "models": [{"id": "m", "max_model_len": 9, "owned_by": "vllm", "modalities": None}],
    }
    assert now.says_the_same(replace(now, silent_looks=2))
    assert not now.says_the_same(replace(now, models=()))
    assert not now.says_the_same(None)
