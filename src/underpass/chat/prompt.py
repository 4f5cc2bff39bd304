"""What is sent to the model: one branch of a chat, its system prompt and the settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from underpass.chat.files.parts import place, words
from underpass.core.errors import InvalidRequest

SYSTEM_PROMPT = "system_prompt"
"""The one setting of ours: a system message ahead of the branch. All others pass as they are."""
_OURS = ("model", "messages", "stream")


class Turn(Protocol):
    """The fields of a message that matter to a model."""

    @property
    def id(self) -> str: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def role(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def attachments(self) -> list[dict[str, Any]] | None: ...


def branch_of(turns: Iterable[Turn], leaf_id: str | None) -> list[Turn]:
    """The messages from the root down to `leaf_id`; empty for None."""
    by_id = {turn.id: turn for turn in turns}
    branch: list[Turn] = []
    next_id = leaf_id
    while next_id is not None and next_id in by_id:
        # Taken out, so that a damaged tree cannot send us round in circles.
        turn = by_id.pop(next_id)
        branch.append(turn)
        next_id = turn.parent_id
    branch.reverse()
    return branch


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for a field that is not the caller's to set."""
    for name in _OURS:
        if name in settings:
            raise InvalidRequest(
                f"The settings of a message cannot set '{name}'.",
                hint="Give the model beside the content, and leave the rest to the chat.",
            )
    if not isinstance(settings.get(SYSTEM_PROMPT, ""), str | None):
        raise InvalidRequest("The setting 'system_prompt' has to be text.")


def request_body(model: str, branch: Sequence[Turn], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The body of `chat/completions` that asks for the next answer of the branch.

    Files stand in it as placeholders (`files.parts`), which whoever asks has to fill.
    """
    fields = dict(settings)
    system = fields.pop(SYSTEM_PROMPT, None)
    options = fields.pop("stream_options", None)
    options = {"include_usage": True, **(options if isinstance(options, dict) else {})}
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for turn in branch:
        if not turn.content and not turn.attachments:
            continue  # an answer that failed before its first word
        last = messages[-1] if messages else None
        if last is not None and last["role"] == turn.role == "user":
            # Many chat templates insist that user and assistant take turns.
            last["content"] = _joined(last["content"], _content(turn))
        else:
            messages.append({"role": turn.role, "content": _content(turn)})
    return {
        **fields,
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": options,
    }


def _content(turn: Turn) -> Any:
    """Text; with files a list of parts: models answer best what is asked behind what it is about."""
    if not turn.attachments:
        return turn.content
    parts = [place(attachment) for attachment in turn.attachments]
    return [*parts, words(turn.content)] if turn.content else parts


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [
        part for one in (first, second) for part in ([words(one)] if isinstance(one, str) else one)
    ]
