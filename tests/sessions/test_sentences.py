"""What is said about an end."""

import pytest

from underpass.core.states import EndReason, SessionStatus
from underpass.sessions.sentences import end_sentence, end_status


@pytest.mark.parametrize("reason", list(EndReason))
@pytest.mark.parametrize("is_attached", [False, True])
def test_every_end_says_what_happened_and_what_to_do(reason: EndReason, is_attached: bool) -> None:
    """Two sentences at least; the last tells the next step."""
    text = end_sentence(reason, is_attached=is_attached)
    assert text.count(".") >= 2 or ";" in text
    assert any(
        word in text for word in ("again", "Restart", "restart", "start", "Start", "underpass")
    )


def test_ends_that_were_meant_are_no_failures() -> None:
    """`stopped` for user, walltime, idle, cancelled and a clean exit; `failed` for the rest."""
    meant = {EndReason.USER, EndReason.WALLTIME, EndReason.IDLE, EndReason.CANCELLED}
    for reason in EndReason:
        expected = SessionStatus.STOPPED if reason in meant else SessionStatus.FAILED
        assert end_status(reason, 1) is expected
    assert end_status(EndReason.SERVER_EXITED, 0) is SessionStatus.STOPPED


def test_the_last_words_are_quoted_and_bounded() -> None:
    """The server's last line helps, and a long one is cut."""
    text = end_sentence(
        EndReason.SERVER_EXITED, is_attached=False, exit_code=3, last_line="e" * 1000
    )
    assert "exit code 3" in text
    assert len(text) < 400


def test_an_agent_s_own_words_are_taken() -> None:
    """They know more than the table."""
    text = end_sentence(EndReason.SERVER_EXITED, is_attached=True, said="vllm ended with code 1")
    assert text.startswith("vllm ended with code 1. ")


def test_the_next_step_is_told_once() -> None:
    """Also when the agent has told it already, with its own word of what happened."""
    step = "Start it again, with more time if it needs more."
    said = f"The job reached its time limit. {step}"
    assert end_sentence(EndReason.WALLTIME, is_attached=False, said=said) == said
