"""Each tool's settings are well-formed and have address, model and key in their places."""

import ast
import json
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from underpass.tools import TOOLS, Facts

FACTS = Facts("https://hub.example.org", "box/org/Llama:8b", context=8192, key="up_secret")


@pytest.mark.parametrize("name", TOOLS)
def test_everything_is_filled_in(name: str) -> None:
    """The address and the key; the model too, but for the tool that fetches the list."""
    settings = TOOLS[name].settings(FACTS)
    assert "https://hub.example.org" in settings
    assert "up_secret" in settings
    assert name == "open-webui" or "box/org/Llama:8b" in settings
    assert "up_YOUR_KEY" in TOOLS[name].settings(Facts("https://h", "m"))


@pytest.mark.parametrize("name", ["openai-python", "langchain"])
def test_python_compiles(name: str) -> None:
    """Python that can be pasted."""
    compile(TOOLS[name].settings(FACTS), name, "exec")


def test_curl_is_one_command() -> None:
    """With a JSON body, whatever is in the model's name."""
    words = shlex.split(TOOLS["curl"].settings(Facts("https://h", "it's/m", key="k")))
    assert json.loads(words[words.index("-d") + 1])["model"] == "it's/m"


@pytest.mark.parametrize("model", ["box/$(touch ran)", "box/m;touch${IFS}ran", "it's/a m"])
@pytest.mark.parametrize("name", ["curl", "aider", "claude-code"])
def test_a_shell_takes_the_models_name_as_a_word(name: str, model: str, tmp_path: Path) -> None:
    """Whoever shares an endpoint names its models: a name is never a command to who pastes it."""
    settings = TOOLS[name].settings(Facts("https://h", model, key="k"))
    tools = 'say() { printf "%s\\n" "$@"; }; curl() { say "$@"; }; aider() { say "$@"; }'
    script = f'{tools}\nclaude() {{ say "$ANTHROPIC_MODEL"; }}\n{settings}'
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert model in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_codex_is_toml() -> None:
    """`wire_api` is "responses": it takes no other."""
    found = tomllib.loads(TOOLS["codex"].settings(FACTS))
    provider = found["model_providers"]["underpass"]
    assert provider["wire_api"] == "responses"
    assert provider["base_url"] == "https://hub.example.org/v1"
    assert found["model_context_window"] == 8192


@pytest.mark.parametrize(
    "model", [FACTS.model, "box/a: b #c", 'box/"it\'s"\\n', "- {x}", "yes", "7"]
)
def test_continue_is_yaml(model: str) -> None:
    """One model of OpenAI's kind, whatever its name holds, with the real window."""
    facts = Facts(FACTS.hub, model, context=8192, key="up_secret")
    (found,) = yaml.safe_load(TOOLS["continue"].settings(facts))["models"]
    assert (found["name"], found["model"], found["provider"]) == (model, model, "openai")
    assert (found["apiBase"], found["apiKey"]) == ("https://hub.example.org/v1", "up_secret")
    assert found["defaultCompletionOptions"] == {"contextLength": 8192}
    assert found["roles"] == ["chat", "edit", "apply"]


ODD = ["\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ufeff", "\uffff", "\t", "😀", "\\u0041"]


@pytest.mark.parametrize("odd", ODD)
def test_any_character_passes_in_every_language(odd: str) -> None:
    """An endpoint's owner chooses a model's name; what one language forbids another takes."""
    facts = Facts(FACTS.hub, f"box/a{odd}b", context=8192)
    (found,) = yaml.safe_load(TOOLS["continue"].settings(facts))["models"]
    assert found["model"] == facts.model
    assert tomllib.loads(TOOLS["codex"].settings(facts))["model"] == facts.model
    tree = ast.parse(TOOLS["openai-python"].settings(facts))
    said = [one.value for one in ast.walk(tree) if isinstance(one, ast.Constant)]
    assert facts.model in said


def test_claude_code_adds_the_path_itself() -> None:
    """The address stands there without /v1, and no other key is preferred."""
    settings = TOOLS["claude-code"].settings(FACTS)
    assert "ANTHROPIC_BASE_URL=https://hub.example.org\n" in settings
    assert 'ANTHROPIC_API_KEY=""' in settings


def test_editors_are_json() -> None:
    """Zed gets the base, VS Code the whole URL; both the real window."""
    zed = json.loads(TOOLS["zed"].settings(FACTS).partition("\n\n//")[0])
    provider = zed["language_models"]["openai_compatible"]["Underpass"]
    assert provider["api_url"] == "https://hub.example.org/v1"
    assert provider["available_models"][0]["max_tokens"] == 8192
    code = json.loads(TOOLS["vscode"].settings(FACTS))[0]["models"][0]
    assert code["url"] == "https://hub.example.org/v1/chat/completions"
    assert code["maxInputTokens"] + code["maxOutputTokens"] == 8192


def test_aider_names_the_provider_first() -> None:
    """It strips the first `openai/`, so that ids may hold slashes."""
    assert "--model openai/box/org/Llama:8b" in TOOLS["aider"].settings(FACTS)


def test_cline_is_told_the_window() -> None:
    """It cannot ask for it: the real one stands there to be typed."""
    lines = TOOLS["cline"].settings(FACTS).splitlines()
    assert any(line.split() == ["Context", "Window", "Size", "8192"] for line in lines)
