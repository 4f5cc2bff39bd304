"""Presets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.chats import ChatRig, open_rig
from tests.fakes.registry import ANN, BOB
from underpass.chat import presets
from underpass.core.errors import AppError, Conflict, InvalidRequest, NotFound, TooLarge, TooMany


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def test_a_presets_life(rig: ChatRig) -> None:
    """Made, listed, changed in part, deleted."""
    made = await rig.chats.presets.create(
        ANN, name=" Dry  tone ", system_prompt="Be dry.", settings={"temperature": 0}, model="g/m"
    )
    assert made["name"] == "Dry tone"
    assert (await rig.chats.presets.list(ANN))["items"] == [made]
    changed = await rig.chats.presets.update(
        ANN, made["id"], {"system_prompt": None, "model": None}
    )
    assert changed == {**made, "system_prompt": "", "model": None}
    renamed = await rig.chats.presets.update(ANN, made["id"], {"name": "Other"})
    assert renamed["settings"] == {"temperature": 0}
    await rig.chats.presets.delete(ANN, made["id"])
    assert (await rig.chats.presets.list(ANN))["items"] == []


async def test_each_users_own(rig: ChatRig) -> None:
    """Names clash with one's own only; strangers meet nothing."""
    made = await rig.chats.presets.create(ANN, name="Dry")
    await rig.chats.presets.create(BOB, name="Dry")
    other = await rig.chats.presets.create(ANN, name="Wet")
    for verb in (
        rig.chats.presets.create(ANN, name="Dry"),
        rig.chats.presets.update(ANN, other["id"], {"name": "Dry"}),
    ):
        with pytest.raises(Conflict) as caught:
            await verb
        assert caught.value.code == "name_taken"
    for verb_ in (
        rig.chats.presets.get(BOB, made["id"]),
        rig.chats.presets.update(BOB, made["id"], {"name": "x"}),
        rig.chats.presets.delete(BOB, made["id"]),
    ):
        with pytest.raises(NotFound, match="There is no preset"):
            await verb_
    assert (await rig.chats.presets.get(ANN, made["id"]))["name"] == "Dry"


async def test_what_no_chat_could_use_is_refused(
    rig: ChatRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that are not the caller's to set, no name, too much, too many."""
    cases: list[tuple[dict[str, object], type[AppError]]] = [
        ({"name": " "}, InvalidRequest),
        ({"name": "x", "settings": {"messages": []}}, InvalidRequest),
        ({"name": "x", "settings": {"system_prompt": "y"}}, InvalidRequest),
        ({"name": "x", "system_prompt": "y" * 70_000}, TooLarge),
        ({"name": "x" * 201}, TooLarge),
    ]
    for fields, kind in cases:
        with pytest.raises(kind):
            await rig.chats.presets.create(ANN, **fields)  # type: ignore[arg-type]
    monkeypatch.setattr(presets, "MAX_PRESETS", 0)
    with pytest.raises(TooMany):
        await rig.chats.presets.create(ANN, name="x")
