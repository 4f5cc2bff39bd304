"""What each tool wants to be told, as its own documentation has it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

USUAL_CONTEXT = 32_768
USUAL_OUTPUT = 4_096
NO_MODEL = "PROVIDER/MODEL"
"""Stands where a model's id goes while there is none."""
PLACEHOLDER = "up_YOUR_KEY"
"""Stands where the key goes: a page or a person puts one there."""

# Left as they are by JSON's writer; TOML forbids some, YAML takes some for the end of a line.
_NOT_EVERYWHERE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is filled in."""

    hub: str
    """The hub's address, without a slash at the end."""
    model: str
    context: int | None = None
    """The model's window in tokens, where it is known."""
    key: str | None = None
    """A key's secret; None for a placeholder."""

    @property
    def base_url(self) -> str:
        """What OpenAI's clients call the base URL."""
        return f"{self.hub}/v1"

    @property
    def secret(self) -> str:
        """The key, or what stands in its place."""
        return self.key or PLACEHOLDER

    @property
    def window(self) -> int:
        """The context window, or a careful guess."""
        return self.context or USUAL_CONTEXT


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: where its settings go, and what they are."""

    title: str
    where: str
    settings: Callable[[Facts], str]
    language: str = ""
    """What the text is written in, as code blocks name it; empty for words."""


def _openai_python(facts: Facts) -> str:
    return f"""from openai import OpenAI

client = OpenAI(
    base_url={_text(facts.base_url)},
    api_key={_text(facts.secret)},
)
answer = client.chat.completions.create(
    model={_text(facts.model)},
    messages=[{{"role": "user", "content": "Hello"}}],
)
print(answer.choices[0].message.content)"""


def _curl(facts: Facts) -> str:
    body = {
        "model": facts.model,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }
    data = json.dumps(body).replace("'", "'\\''")
    return f"""curl -N {facts.base_url}/chat/completions \\
  -H "Authorization: Bearer {facts.secret}" \\
  -H "Content-Type: application/json" \\
  -d '{data}'"""


def _langchain(facts: Facts) -> str:
    return f"""from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url={_text(facts.base_url)},
    api_key={_text(facts.secret)},
    model={_text(facts.model)},
)
print(model.invoke("Hello").content)
# Embeddings: OpenAIEmbeddings(..., check_embedding_ctx_length=False)"""


def _aider(facts: Facts) -> str:
    model = shlex.quote(f"openai/{facts.model}")
    return f"""export OPENAI_API_BASE={facts.base_url}
export OPENAI_API_KEY={facts.secret}
aider --model {model}"""


def _continue(facts: Facts) -> str:
    return f"""models:
  - name: {_text(facts.model)}
    provider: openai
    model: {_text(facts.model)}
    apiBase: {facts.base_url}
    apiKey: {facts.secret}
    defaultCompletionOptions:
      contextLength: {facts.window}
    roles: [chat, edit, apply]"""


def _cline(facts: Facts) -> str:
    # It knows nothing of a model that it has no list of: the window is typed by hand.
    return f"""Settings, API Configuration:
  API Provider          OpenAI Compatible
  Base URL              {facts.base_url}
  OpenAI API Key        {facts.secret}
  Model ID              {facts.model}
  Context Window Size   {facts.window}
  Max Output Tokens     {_output(facts)}"""


def _claude_code(facts: Facts) -> str:
    # Without /v1: it adds the path itself. The empty key keeps it from preferring another one.
    model = shlex.quote(facts.model)
    return f"""export ANTHROPIC_BASE_URL={facts.hub}
export ANTHROPIC_AUTH_TOKEN={facts.secret}
export ANTHROPIC_API_KEY=""
export ANTHROPIC_MODEL={model}
export ANTHROPIC_DEFAULT_OPUS_MODEL={model}
export ANTHROPIC_DEFAULT_SONNET_MODEL={model}
export ANTHROPIC_DEFAULT_HAIKU_MODEL={model}
claude"""


def _codex(facts: Facts) -> str:
    return f"""model = {_text(facts.model)}
model_provider = "underpass"
model_context_window = {facts.window}

[model_providers.underpass]
name = "Underpass"
base_url = {_text(facts.base_url)}
env_key = "UNDERPASS_KEY"
wire_api = "responses"

# and in the shell:  export UNDERPASS_KEY={facts.secret}"""


def _zed(facts: Facts) -> str:
    model = {
        "name": facts.model,
        "display_name": facts.model,
        "max_tokens": facts.window,
        "max_output_tokens": _output(facts),
        "capabilities": {"tools": True, "images": False},
    }
    provider = {"api_url": facts.base_url, "available_models": [model]}
    settings = _json({"language_models": {"openai_compatible": {"Underpass": provider}}})
    return f"{settings}\n\n// and in the shell:  export UNDERPASS_API_KEY={facts.secret}"


def _vscode(facts: Facts) -> str:
    model = {
        "id": facts.model,
        "name": facts.model,
        # The whole URL, and not the base.
        "url": f"{facts.base_url}/chat/completions",
        "toolCalling": True,
        "vision": False,
        "maxInputTokens": max(1, facts.window - _output(facts)),
        "maxOutputTokens": _output(facts),
    }
    entry = {
        "name": "Underpass",
        "vendor": "customendpoint",
        "apiType": "chat-completions",
        "apiKey": facts.secret,
        "models": [model],
    }
    return _json([entry])


def _open_webui(facts: Facts) -> str:
    return f"""Admin Panel, Settings, Connections, OpenAI API, Add connection:
  URL    {facts.base_url}
  Key    {facts.secret}
or in its environment:
  OPENAI_API_BASE_URL={facts.base_url}
  OPENAI_API_KEY={facts.secret}
  ENABLE_OLLAMA_API=false"""


TOOLS: dict[str, Tool] = {
    "openai-python": Tool("OpenAI's Python client", "a Python file", _openai_python, "python"),
    "curl": Tool("curl", "a shell", _curl, "bash"),
    "langchain": Tool(
        "LangChain", "a Python file (pip install langchain-openai)", _langchain, "python"
    ),
    "aider": Tool("aider", "a shell", _aider, "bash"),
    "continue": Tool("Continue", "~/.continue/config.yaml", _continue, "yaml"),
    "cline": Tool("Cline", "its settings in the editor", _cline),
    "claude-code": Tool(
        "Claude Code", "a shell (its server must offer /v1/messages)", _claude_code, "bash"
    ),
    "codex": Tool(
        "Codex", "~/.codex/config.toml (its server must offer /v1/responses)", _codex, "toml"
    ),
    "zed": Tool("Zed", "settings.json", _zed, "json"),
    "vscode": Tool("VS Code", "chatLanguageModels.json", _vscode, "json"),
    "open-webui": Tool("Open WebUI", "its admin pages", _open_webui),
}


def _output(facts: Facts) -> int:
    return min(USUAL_OUTPUT, max(1, facts.window // 2))


def _text(value: str) -> str:
    """A quoted text that JSON, TOML, YAML and Python read alike."""
    quoted = json.dumps(value, ensure_ascii=False)
    return _NOT_EVERYWHERE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
