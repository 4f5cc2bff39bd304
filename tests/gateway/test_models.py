"""What a list item says."""

from dataclasses import replace

import pytest

from tests.fakes.registry import ANN, tunnel
from underpass.core.errors import ModelAmbiguous, TunnelStopped
from underpass.gateway import models
from underpass.registry.live import ModelView, Registry


def test_a_model_carries_what_its_server_says() -> None:
    """Modalities where known; Anthropic's names for the same beside OpenAI's."""
    registry = Registry()
    view = replace(tunnel("gpu"), models=(ModelView("m", 8192, "vllm", ("text", "image")),))
    registry.put_provider(view)
    [item] = models.listing(registry, ANN, with_stopped=False)["data"]
    assert item == {
        "id": "gpu/m",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "ann",
        "status": "running",
        "max_model_len": 8192,
        "modalities": ["text", "image"],
        "type": "model",
        "display_name": "gpu/m",
        "created_at": "2023-11-14T22:13:20.000Z",
    }
    assert models.one(registry, ANN, "m") == item


def test_a_stopped_model_can_be_looked_at_by_its_id() -> None:
    """With its status; by its bare name it gets the error that says what to do."""
    registry = Registry()
    registry.put_provider(tunnel("gpu", "m", status="stopped"))
    assert models.one(registry, ANN, "gpu/m")["status"] == "stopped"
    assert models.listing(registry, ANN, with_stopped=False)["data"] == []
    with pytest.raises(TunnelStopped):
        models.one(registry, ANN, "m")


def test_one_model_of_a_server_without_a_list() -> None:
    """What can be used can be looked at, and what is ambiguous is so here too."""
    registry = Registry()
    registry.put_provider(tunnel("gpu"))
    assert models.one(registry, ANN, "gpu/any")["id"] == "gpu/any"
    registry.put_provider(tunnel("a", "m"))
    registry.put_provider(tunnel("b", "m"))
    with pytest.raises(ModelAmbiguous):
        models.one(registry, ANN, "m")
