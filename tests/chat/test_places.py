"""Where a model is, and why it went away."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.chats import ChatRig, open_rig
from tests.fakes.registry import ANN, BOB, custom, tunnel
from underpass.chat import places as places_module
from underpass.chat.places import Places
from underpass.core.errors import InvalidRequest, ModelNotFound
from underpass.core.states import SessionStatus
from underpass.registry.views import ModelView
from underpass.store import SessionRecord


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


@pytest.fixture
def places(rig: ChatRig) -> Places:
    """Those of the rig."""
    return rig.chats.runs.places


async def test_the_full_id(rig: ChatRig, places: Places) -> None:
    """However it was asked for; another owner's with the owner's name."""
    rig.registry.put_provider(custom("lab", "x", owner=BOB, everyone=True))
    rig.registry.put_provider(tunnel("off", "y", status="stopped"))
    for spelling, full in (("m", "gpu/m"), ("x", "bob:lab/x"), ("y", "off/y"), ("off/y", "off/y")):
        assert (await places.find(ANN, spelling)).model == full
    assert (await places.find(ANN, "m")).waiting is None
    with pytest.raises(ModelNotFound):
        await places.find(BOB, "off/y")
    with pytest.raises(InvalidRequest) as caught:
        await places.find(ANN, None)
    assert caught.value.code == "model_missing"


async def test_who_takes_pictures(rig: ChatRig, places: Places) -> None:
    """Whoever says so, and whoever says nothing."""
    for modalities, takes in ((None, True), (("text",), False), (("text", "image"), True)):
        view = replace(tunnel("gpu"), models=(ModelView("m", modalities=modalities),))
        rig.registry.put_provider(view)
        assert (await places.find(ANN, "gpu/m")).takes_images is takes


async def test_the_sessions_own_word_on_its_end(
    rig: ChatRig, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes a moment after the tunnel's, and says more."""
    view = tunnel("gpu", "m", status="stopped", reason="The tunnel is stopped.")
    rig.registry.put_provider(view)
    session = SessionRecord(id="ses_gpu", owner_id=ANN.user_id, name="gpu", created_at=1.0)
    await rig.store.sessions.add(replace(session, status=SessionStatus.RUNNING))
    monkeypatch.setattr(places_module, "NEWS_S", 0.05)
    assert await places.why_gone(ANN, view.id) == "The tunnel is stopped."
    await rig.store.sessions.update(
        "ses_gpu", status=SessionStatus.STOPPED, end_message="Its time was up. Start it again."
    )
    assert await places.why_gone(ANN, view.id) == "Its time was up. Start it again."
    assert (await places.find(ANN, "gpu/m")).waiting == {
        "code": "session_ended",
        "message": "The session gpu has ended. Its time was up. Start it again.",
        "provider_id": view.id,
        "provider_name": "gpu",
        "session_id": "ses_gpu",
        "estimate_s": None,
        "can_restart": False,
    }
    assert await places.why_gone(BOB, view.id) == ""
    rig.registry.put_provider(tunnel("gpu", "m"))
    assert await places.why_gone(ANN, view.id) == ""
