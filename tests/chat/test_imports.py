"""What an import takes, and what it refuses."""

import json
from typing import Any

import pytest

from underpass.chat import imports
from underpass.chat.exports import as_json, as_markdown, head
from underpass.chat.imports import from_json, from_markdown
from underpass.core.errors import AppError, InvalidRequest, TooLarge
from underpass.core.states import MessageStatus
from underpass.store import ChatRecord, MessageRecord

NOW = 1_800_000_000.0
CHAT = ChatRecord(
    id="cht_1",
    owner_id="usr_1",
    created_at=1_700_000_000.0,
    updated_at=1_700_000_100.0,
    title="About foxes",
    folder="Animals",
    is_pinned=True,
    head_id="m3",
    model="gpu/m",
    settings={"temperature": 0.5, "system_prompt": "Be kind."},
)


def message(name: str, parent: str | None, **fields: Any) -> MessageRecord:
    """A message of the chat."""
    number = int(name[1:])
    known = {"id": name, "chat_id": "cht_1", "parent_id": parent, "role": "user"}
    return MessageRecord(**{**known, "created_at": CHAT.created_at + number, **fields})


MESSAGES = [
    message("m1", None, content="Hi"),
    message(
        "m2",
        "m1",
        role="assistant",
        content="Half an",
        reasoning="hm",
        status=MessageStatus.STOPPED,
        model="gpu/m",
        tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{}"}}],
        usage={"completion_tokens": 3},
        timings={"first_token_s": 0.1, "tokens_per_s": 9.0, "duration_s": 1.0},
        finish_reason="length",
    ),
    message(
        "m3",
        "m1",
        role="assistant",
        content="Hello",
        error={"code": "x", "message": "y", "hint": None},
    ),
]


def document(*chats: Any, **more: Any) -> str:
    """A JSON export."""
    return json.dumps({**head(NOW), "chats": list(chats), **more})


def read(text: str) -> list[imports.Whole]:
    """As usr_2 imports it."""
    return from_json(text, owner_id="usr_2", now=NOW)


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    """One chat of an export."""
    return {"title": "T", "messages": list(messages), **more}


def test_json_round_trip() -> None:
    """The whole tree, with new ids, in the importer's name; a second export says the same."""
    exported = as_json(CHAT, MESSAGES)
    ((copy, messages),) = read(document(exported))
    assert copy.owner_id == "usr_2"
    assert copy.id != CHAT.id
    assert not {one.id for one in messages} & {one.id for one in MESSAGES}
    again = as_json(copy, messages)
    new_ids = {new.id: old.id for new, old in zip(messages, MESSAGES, strict=True)}
    for one in again["messages"]:
        one["id"] = new_ids[one["id"]]
        one["parent_id"] = new_ids.get(one["parent_id"])
    again["head_id"] = new_ids[again["head_id"]]
    assert again == exported


def test_markdown_round_trip() -> None:
    """One branch, word for word, and a second export is the same file."""
    branch = MESSAGES[:2]
    text = as_markdown(CHAT, branch)
    ((copy, messages),) = from_markdown(text, owner_id="usr_2", now=NOW)
    assert [one.content for one in messages] == ["Hi", "Half an"]
    assert messages[1].reasoning == "hm"
    assert messages[1].parent_id == messages[0].id
    assert copy.head_id == messages[1].id
    assert as_markdown(copy, messages) == text


def test_an_answer_that_was_being_written_is_stopped() -> None:
    """Nobody will write it on."""
    text = document(chat({"id": "a", "role": "assistant", "status": "streaming", "content": "So"}))
    ((_, (one,)),) = read(text)
    assert one.status is MessageStatus.STOPPED


def test_messages_keep_the_order_of_the_file() -> None:
    """Also where all were written in the same moment, or nobody knows when."""
    rows = [{"id": str(n), "role": "user", "content": str(n), "created_at": None} for n in range(9)]
    ((_, messages),) = read(document(chat(*rows)))
    in_order = sorted(messages, key=lambda one: (one.created_at, one.id))
    assert [one.content for one in in_order] == [str(n) for n in range(9)]


M = {"id": "a", "role": "user", "content": "x"}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "null",
            "3",
            '"x"',
            "{}",
            '{"format": "other", "version": 1, "chats": []}',
        ),
        *("[" * 100_000, '{"a":' * 100_000, '{"chats": [' + "[" * 100_000, "\ufeff", "\x00"),
        document(version=2),
        document(chats=None),
        document(chats={}),
        document()[:-1],
        document() + document(),
        document(3),
        document({}),
        document({"messages": {}}),
        document(chat(3)),
        document(chat({**M, "id": None})),
        document(chat({**M, "id": 3})),
        document(chat(M, M)),
        document(chat({**M, "role": "oracle"})),
        document(chat({**M, "role": None})),
        document(chat({**M, "role": ["user"]})),
        document(chat({**M, "status": "dreaming"})),
        document(chat({**M, "status": {}})),
        document(chat({**M, "content": ["x"]})),
        document(chat({**M, "parent_id": "b"})),
        document(chat({**M, "parent_id": 3})),
        document(chat({**M, "parent_id": "a"})),
        document(chat({**M, "parent_id": "b"}, {**M, "id": "b", "parent_id": "a"})),
        document(chat(settings={"messages": []})),
        document(chat(settings={"system_prompt": 3})),
        document(chat(settings={"x": 1e308 * 10})),
        document(chat(settings={"x": float("nan")})),
        document(chat(settings={"x": 10**30})),
        document(chat(M)).replace('"x"', "1e999"),
        document(chat(M)).replace('"x"', "9" * 5_000),
    ],
)
def test_what_is_refused(text: str) -> None:
    """One sentence with a code; nothing else comes of it."""
    with pytest.raises(InvalidRequest) as caught:
        read(text)
    assert caught.value.code == "import_unreadable"


@pytest.mark.parametrize(
    "text",
    [
        *("", "# Notes", "<!-- underpass:message {} -->\n## You\n\nhi\n"),
        *("<!-- underpass:chat {} -->", "<!-- underpass:chat [1] -->", "<!-- underpass:chat -->"),
        '<!-- underpass:chat {"version": 1} -->\n# T\n\n<!-- underpass:message {"role": "x"} -->',
        '<!-- underpass:chat {"version": 1} -->\n' * 2,
        '<!-- underpass:chat {"version": 1} -->\n<!-- underpass:message nonsense -->\n',
    ],
)
def test_what_is_refused_of_markdown(text: str) -> None:
    """The same."""
    with pytest.raises(InvalidRequest) as caught:
        from_markdown(text, owner_id="usr_2", now=NOW)
    assert caught.value.code == "import_unreadable"


def deep(levels: int) -> Any:
    """A value in a value in a value."""
    value: Any = "x"
    for _ in range(levels):
        value = {"y": value}
    return value


def test_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chats, messages, text, and what stands beside the text are bounded."""
    monkeypatch.setattr(imports, "MAX_CHATS", 3)
    monkeypatch.setattr(imports, "MAX_MESSAGES", 3)
    monkeypatch.setattr(imports, "MAX_TEXT_CHARS", 10)
    monkeypatch.setattr(imports, "MAX_EXTRA_CHARS", 100)
    rows = [{**M, "id": str(n)} for n in range(4)]
    for text in (
        document(*[chat()] * 4),
        document(chat(*rows[:2]), chat(*rows[2:])),
        document(chat({**M, "content": "x" * 11})),
        document(chat({**M, "reasoning": "x" * 11})),
        document(chat({**M, "usage": {"x": "y" * 100}})),
        document(chat({**M, "tool_calls": [{"x": "y" * 100}]})),
    ):
        with pytest.raises(TooLarge):
            read(text)
    with pytest.raises(AppError, match="nested too deep"):
        read(document(chat({**M, "usage": deep(50)})))


def test_strange_values_are_made_plain() -> None:
    """What the API could not give out again is left away, cut or mended."""
    strange = {
        **M,
        "created_at": "9999-12-31T23:59:59+00:00",
        "model": "m" * 9_999,
        "timings": {"first_token_s": "soon", "tokens_per_s": True, "duration_s": 2, "z": 1},
        "error": {"code": 3, "message": ["x"], "hint": "y" * 9_999},
        "tool_calls": [3, {"function": {"name": "\ud800"}}],
        "usage": [1],
        "finish_reason": 7,
        "provider": {"id": "prv_stranger"},
        "provider_id": "prv_stranger",
        "run_id": "run_1",
        "attachments": [{"id": "fil_stranger"}],
        "unknown": {},
    }
    ((copy, (one,)),) = read(
        document(chat(strange, title="t" * 999, folder=3, is_pinned=1, created_at=7, head_id=[]))
    )
    assert len(copy.title) == 200
    assert (copy.folder, copy.is_pinned, copy.head_id) == (None, False, None)
    assert one.created_at == copy.created_at == NOW
    assert len(one.model or "") == 500
    assert one.timings == {"first_token_s": None, "tokens_per_s": None, "duration_s": 2.0}
    assert one.error == {"code": "unknown", "message": "", "hint": "y" * 2_000}
    assert one.tool_calls == [{"function": {"name": "\ufffd"}}]
    assert (one.usage, one.finish_reason) == (None, None)
    assert (one.provider, one.provider_id, one.run_id, one.attachments) == (None,) * 4


def test_a_long_chain_is_no_recursion() -> None:
    """Ten thousand messages, each under the one before."""
    rows = [{**M, "id": str(n), "parent_id": str(n - 1) if n else None} for n in range(10_000)]
    ((_, messages),) = read(document(chat(*rows)))
    assert len(messages) == 10_000
    assert messages[-1].parent_id == messages[-2].id
