"""The shapes that the API and the web share."""

from tests.fakes.registry import tunnel
from underpass.chat.shapes import chat_out, message_out, provider_out, run_out
from underpass.core.states import MessageStatus
from underpass.store import ChatRecord, MessageRecord, RunRecord


def test_chat() -> None:
    """A chat without its messages; times in ISO 8601."""
    chat = ChatRecord(id="cht_1", owner_id="usr_1", created_at=0.0, updated_at=1.5, title="T")
    assert chat_out(chat) == {
        "id": "cht_1",
        "title": "T",
        "folder": None,
        "is_pinned": False,
        "is_archived": False,
        "is_temporary": False,
        "is_shared": False,
        "head_id": None,
        "model": None,
        "settings": {},
        "created_at": "1970-01-01T00:00:00.000Z",
        "updated_at": "1970-01-01T00:00:01.500Z",
    }


def test_message() -> None:
    """Every member is there, with null where there is nothing."""
    message = MessageRecord(id="msg_1", chat_id="cht_1", role="user", created_at=0.0, content="hi")
    out = message_out(message)
    assert set(out) == {
        *("id", "chat_id", "parent_id", "role", "content", "reasoning", "tool_calls", "status"),
        *("run_id", "model", "provider", "error", "usage", "timings", "finish_reason"),
        *("continued_chars", "created_at", "attachments", "waiting"),
    }
    assert (out["content"], out["status"], out["error"]) == ("hi", "complete", None)


def test_run_has_no_content() -> None:
    """Ids, status and times."""
    run = RunRecord(
        id="run_1",
        chat_id="cht_1",
        message_id="msg_1",
        owner_id="usr_1",
        model="p/m",
        request_id="req_1",
        started_at=0.0,
        heartbeat_at=0.0,
        status=MessageStatus.STREAMING,
    )
    assert run_out(run)["status"] == "streaming"
    assert "owner_id" not in run_out(run)


def test_provider() -> None:
    """Where an answer was made."""
    assert provider_out(tunnel("gpu", "m")) == {
        "id": "prv_ann_gpu",
        "name": "gpu",
        "session_name": "gpu",
        "host": "node7",
    }
