"""The order file of a hub-launched session."""

import json
import stat
from pathlib import Path

import pytest

from underpass.agent.spec import AgentSpec, read_secret
from underpass.core.errors import ConfigError


def spec(**more: object) -> AgentSpec:
    """A small but complete order."""
    fields: dict[str, object] = {
        "hub": "https://hub.example.org",
        "token_file": "/run/token",
        "session_id": "ses_1",
        "target": "{port}",
    }
    return AgentSpec(**{**fields, **more})  # type: ignore[arg-type]


def test_save_and_load(tmp_path: Path) -> None:
    """What was saved is loaded, and nobody else can read the file."""
    order = spec(command=("vllm", "serve", "--port", "{port}"), env={"A": "b"}, upstream_key="k")
    order.save(tmp_path / "spec.json")
    assert AgentSpec.load(tmp_path / "spec.json") == order
    assert stat.S_IMODE((tmp_path / "spec.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["spec.json"]


def test_a_newer_hub_may_say_more(tmp_path: Path) -> None:
    """Fields that this agent does not know are left alone."""
    spec().save(tmp_path / "spec.json")
    document = json.loads((tmp_path / "spec.json").read_text())
    document["colour"] = "blue"
    assert AgentSpec.from_document(json.dumps(document), source="x") == spec()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """It may hold a key: the refusal says the command that mends it."""
    spec().save(tmp_path / "spec.json")
    (tmp_path / "spec.json").chmod(mode)
    with pytest.raises(ConfigError, match="other users") as caught:
        AgentSpec.load(tmp_path / "spec.json")
    assert "chmod 600" in caught.value.sentence()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "not valid JSON"),
        ("[]", "another version"),
        ('{"format": 99}', "another version"),
        ('{"format": 1, "hub": "h"}', "lacks token_file, session_id, target"),
        (
            '{"format":1,"hub":"h","token_file":"t","session_id":"s","target":"8","command":"x"}',
            "`command`",
        ),
        (
            '{"format":1,"hub":"h","token_file":"t","session_id":"s","target":"8","env":{"a":1}}',
            "`env`",
        ),
    ],
)
def test_a_bad_file(text: str, fault: str) -> None:
    """One sentence names the file and the fault."""
    with pytest.raises(ConfigError, match=fault):
        AgentSpec.from_document(text, source="/x/spec.json")


def test_secrets(tmp_path: Path) -> None:
    """A secret's file holds one word; anything else is refused without being shown."""
    file = tmp_path / "key"
    file.write_text("geheim\n")
    file.chmod(0o600)
    assert read_secret(file, what="key") == "geheim"
    file.write_text("two geheim\n")
    with pytest.raises(ConfigError) as caught:
        read_secret(file, what="key")
    assert "geheim" not in caught.value.sentence()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(tmp_path / "none", what="key")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not text"):
        read_secret(file, what="key")
