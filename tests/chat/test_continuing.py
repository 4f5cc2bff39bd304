"""How servers are asked to go on with an answer."""

import pytest

from underpass.chat.continuing import IN_WORDS, as_continuation, check_continuable
from underpass.core.errors import Conflict, InvalidRequest
from underpass.core.states import MessageStatus
from underpass.store import MessageRecord

BODY = {
    "model": "gpu/m",
    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "half an"}],
}


def test_llama_cpp_continues_the_last_message() -> None:
    """As it is; it may not think first, which it refuses together with this."""
    asked = as_continuation(BODY, "llama.cpp")
    assert asked == {**BODY, "chat_template_kwargs": {"enable_thinking": False}}


def test_vllm_has_a_field_for_it() -> None:
    """And refuses to begin a new message at the same time; other template options stay."""
    body = {**BODY, "chat_template_kwargs": {"tone": "dry", "enable_thinking": True}}
    asked = as_continuation(body, "vllm")
    assert asked["messages"] == BODY["messages"]
    assert asked["continue_final_message"] is True
    assert asked["add_generation_prompt"] is False
    assert asked["chat_template_kwargs"] == {"tone": "dry", "enable_thinking": False}
    sglang = as_continuation(BODY, "sglang")
    assert sglang["continue_final_message"] is True
    assert "add_generation_prompt" not in sglang


@pytest.mark.parametrize("kind", ["ollama", "tgi", "anything", None])
def test_others_are_asked_in_words(kind: str | None) -> None:
    """They would close the last message, or refuse it."""
    asked = as_continuation(BODY, kind)
    assert asked["messages"][:-1] == BODY["messages"]
    assert asked["messages"][-1] == {"role": "user", "content": IN_WORDS}
    assert set(asked) == {"model", "messages"}
    assert len(BODY["messages"]) == 2


def answer(
    status: str, content: str = "half", role: str = "assistant", **more: str
) -> MessageRecord:
    """A message to be continued."""
    return MessageRecord(
        id="msg_1",
        chat_id="cht_1",
        role=role,
        content=content,
        status=MessageStatus(status),
        created_at=1.0,
        **more,  # type: ignore[arg-type]
    )


def test_what_can_be_continued() -> None:
    """Whatever ended early and has text."""
    for status in ("stopped", "interrupted", "failed"):
        check_continuable(answer(status))
    check_continuable(answer("complete", finish_reason="length"))


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        (answer("streaming"), Conflict, "answer_in_progress"),
        (answer("waiting"), Conflict, "answer_in_progress"),
        (answer("complete", finish_reason="stop"), InvalidRequest, "not_continuable"),
        (answer("stopped", content=" "), InvalidRequest, "not_continuable"),
        (answer("stopped", role="user"), InvalidRequest, "not_continuable"),
    ],
)
def test_what_cannot(message: MessageRecord, kind: type[Exception], code: str) -> None:
    """Each with its code and what to do."""
    with pytest.raises(kind) as caught:
        check_continuable(message)
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert caught.value.hint  # type: ignore[attr-defined]
