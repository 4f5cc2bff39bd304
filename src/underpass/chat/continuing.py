"""Going on with an answer that ended early, in the same message: who may, and how it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from underpass.core.errors import Conflict, InvalidRequest
from underpass.core.states import UNFINISHED, MessageStatus
from underpass.store import MessageRecord

IN_WORDS = (
    "Your answer above was cut off. Go on exactly where it stopped: begin with the very next "
    "characters, repeat nothing, and add no introduction."
)
_EARLY = (MessageStatus.STOPPED, MessageStatus.INTERRUPTED, MessageStatus.FAILED)


def check_continuable(message: MessageRecord) -> None:
    """Raises Conflict (`answer_in_progress`) or InvalidRequest (`not_continuable`)."""
    if message.status in UNFINISHED:
        raise in_progress(message)
    if message.role != "assistant":
        raise InvalidRequest(
            "Only an answer can be continued.",
            code="not_continuable",
            hint="Ask again to get an answer to this message.",
        )
    if message.status not in _EARLY and message.finish_reason != "length":
        raise InvalidRequest(
            "This answer came to its end by itself.",
            code="not_continuable",
            hint="Ask for more in a new message.",
        )
    if not message.content.strip():
        raise InvalidRequest(
            "There is no text in this answer to go on with.",
            code="not_continuable",
            hint="Ask again to get a whole answer.",
        )


def in_progress(message: MessageRecord) -> Conflict:
    """What somebody is told who wants to go on with an answer that a run is writing."""
    return Conflict(
        "This answer is still being written.",
        code="answer_in_progress",
        hint="Wait for it or stop it.",
        run_id=message.run_id,
    )


def as_continuation(body: Mapping[str, Any], server_kind: str | None) -> dict[str, Any]:
    """The body, whose last message is the answer so far, as this kind of server goes on with it.

    llama.cpp continues a last message that is the assistant's, unless it is to think first; vLLM
    and SGLang have a field for it. All others are asked in words.
    """
    asked = dict(body)
    if server_kind not in ("llama.cpp", "vllm", "sglang"):
        return {**asked, "messages": [*asked["messages"], {"role": "user", "content": IN_WORDS}]}
    # It has thought already. llama.cpp refuses to do both, and others would take the text for
    # thoughts. Templates that know no such word ignore it.
    options = asked.get("chat_template_kwargs")
    options = options if isinstance(options, Mapping) else {}
    asked["chat_template_kwargs"] = {**options, "enable_thinking": False}
    if server_kind != "llama.cpp":
        asked["continue_final_message"] = True
    if server_kind == "vllm":
        asked["add_generation_prompt"] = False  # vLLM refuses both at once
    return asked
