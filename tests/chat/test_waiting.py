"""Why an answer waits: each case with its code and its words."""

from dataclasses import replace

import pytest

from tests.fakes.registry import tunnel
from underpass.chat.waiting import estimate_s, waiting_out
from underpass.core.states import SessionStatus
from underpass.store import SessionEventRecord, SessionRecord

SESSION = SessionRecord(
    id="ses_gpu", owner_id="usr_ann", name="gpu", created_at=1.0, cluster_id="c"
)


def timeline(*events: tuple[float, str]) -> list[SessionEventRecord]:
    """A session's events."""
    return [SessionEventRecord("ses_gpu", n, at, kind, "") for n, (at, kind) in enumerate(events)]


@pytest.mark.parametrize(
    ("status", "reason", "session", "code", "message"),
    [
        (
            "stopped",
            "The session is starting; its tunnel opens by itself.",
            {"status": "queued", "status_reason": "Waiting in the queue: Resources"},
            "session_queued",
            "The session gpu is queued. Waiting in the queue: Resources",
        ),
        (
            "stopped",
            "",
            {"status": "starting", "status_reason": "The job runs; its agent is dialling in."},
            "session_starting",
            "The session gpu is starting. The job runs; its agent is dialling in.",
        ),
        (
            "stopped",
            "x",
            {"status": "stopped", "end_message": "Its time was up. Start it again."},
            "session_ended",
            "The session gpu has ended. Its time was up. Start it again.",
        ),
        (
            "stopped",
            "",
            {"status": "stopping", "status_reason": "Stopping."},
            "session_stopping",
            "The session gpu is stopping. Stopping.",
        ),
        (
            "stopped",
            "",
            {"status": "running"},
            "tunnel_stopped",
            "The tunnel of gpu is stopped. Start it, or restart its session.",
        ),
        (
            "loading",
            "Loading weights, 63 %.",
            {"status": "starting"},
            "model_loading",
            "The model server of gpu is loading its model. Loading weights, 63 %.",
        ),
        (
            "starting",
            "",
            {"status": "running"},
            "server_starting",
            "The model server of gpu is starting.",
        ),
        (
            "unreachable",
            "The tunnel from node7 dropped; reconnecting.",
            {"status": "running"},
            "unreachable",
            "The model server of gpu does not answer. The tunnel from node7 dropped; reconnecting.",
        ),
        (
            "running",
            "",
            {"status": "running"},
            "not_connected",
            "The agent of gpu is not connected; it is dialling again.",
        ),
    ],
)
def test_each_case(
    status: str, reason: str, session: dict[str, str], code: str, message: str
) -> None:
    """What is the matter, in one or two sentences that name the place."""
    fields = {**session, "status": SessionStatus(session["status"])}
    record = replace(SESSION, **fields)  # type: ignore[arg-type]
    told = waiting_out(tunnel("gpu", "m", status=status, reason=reason), record, now=0.0)
    assert (told["code"], told["message"]) == (code, message)
    assert (told["provider_id"], told["provider_name"]) == ("prv_ann_gpu", "gpu")
    assert told["session_id"] == "ses_gpu"


def test_what_can_be_restarted() -> None:
    """An ended session of a cluster; not one of an agent, nor one that is on its way."""
    ended = replace(SESSION, status=SessionStatus.FAILED)
    cases = [
        (ended, True),
        (replace(ended, is_attached=True), False),
        (replace(ended, cluster_id=None), False),
        (replace(SESSION, status=SessionStatus.QUEUED), False),
        (None, False),
    ]
    for session, can_restart in cases:
        told = waiting_out(tunnel("gpu", "m", status="stopped"), session, now=0.0)
        assert told["can_restart"] is can_restart


def test_the_estimate_is_how_long_it_took_before() -> None:
    """Counted from where it is now; unknown the first time, and once it takes longer."""
    before = [(100.0, "starting"), (220.0, "running"), (500.0, "ended"), (600.0, "queued")]
    assert estimate_s(timeline(*before), now=610.0) is None
    now_starting = timeline(*before, (620.0, "starting"))
    assert estimate_s(now_starting, now=650.0) == 90.0
    assert estimate_s(now_starting, now=800.0) is None
    assert estimate_s(timeline((1.0, "starting")), now=2.0) is None
    loading = tunnel("gpu", "m", status="loading")
    assert waiting_out(loading, SESSION, now_starting, now=650.0)["estimate_s"] == 90.0
    queued = waiting_out(tunnel("gpu", "m", status="stopped"), SESSION, now_starting, now=650.0)
    assert queued["estimate_s"] is None


def test_a_message_that_woke_a_session_says_so() -> None:
    """It starts by itself only because its owner chose that, and whoever waits sees why."""
    session = replace(SESSION, status=SessionStatus.QUEUED, spec={"woken": True})
    found = waiting_out(tunnel("gpu", "m", status="stopped"), session, now=1.0)
    assert found["code"] == "session_queued"
    assert found["message"].startswith(
        "The session gpu had stopped because nobody used it; a message woke it."
    )
