"""Templates: a person's choices become a command, or an error that names the parameter."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.clusters.base import Software
from underpass.clusters.template import Habits, Launch, launch, load, read, seconds_of
from underpass.core.errors import ConfigError, InvalidRequest

TEMPLATES = load()


def start(template: str, **params: Any) -> Launch:
    return launch(TEMPLATES[template], params)


def test_the_shipped_templates_are_there_and_say_what_they_need() -> None:
    """Each names its program, and how to get it."""
    shipped = ["custom", "demo", "llama.cpp", "ollama", "sglang", "tgi", "transformers", "vllm"]
    assert sorted(TEMPLATES) == shipped
    for name, program in (("llama.cpp", "llama-server"), ("ollama", "ollama"), ("vllm", "vllm")):
        assert TEMPLATES[name].program == program
        assert TEMPLATES[name].install_hint


def test_a_server_that_can_listens_on_a_unix_socket_with_a_key_of_its_own() -> None:
    """llama.cpp and vLLM: a socket, and a key that stands on no command line."""
    llama = start("llama.cpp", model="/models/Llama 3.gguf", context=4096)
    assert llama.target == "{socket}"
    assert llama.command[:5] == (
        "llama-server",
        "--model",
        "/models/Llama 3.gguf",
        "--alias",
        "Llama 3",
    )
    assert llama.command[-2:] == ("--ctx-size", "4096")
    assert llama.files == ("/models/Llama 3.gguf",)
    assert llama.has_key
    vllm = start("vllm", model="org/Model-8B")
    assert vllm.env["VLLM_API_KEY"] == "{key}"
    assert vllm.target == "{socket}"
    assert not any("{key}" in word for word in (*llama.command, *vllm.command))


@pytest.mark.parametrize("name", ["sglang", "tgi", "transformers"])
def test_a_server_without_sockets_is_bound_to_loopback_and_a_held_port(name: str) -> None:
    """Never to all addresses, and never to a default port that a second one would share."""
    found = start(name, model="org/Model-8B")
    words = list(found.command)
    assert found.target == "{port}"
    assert words[words.index("--port") + 1] == "{port}"
    host = "--hostname" if name == "tgi" else "--host"
    assert words[words.index(host) + 1] == "127.0.0.1"


@pytest.mark.parametrize("name", ["vllm", "sglang", "tgi", "transformers"])
def test_offline_is_a_switch(name: str) -> None:
    """Chosen, also as a word of the command line, it sets what the libraries read; else nothing."""
    for chosen in (True, "true"):
        assert start(name, model="m", offline=chosen).env["HF_HUB_OFFLINE"] == "1"
    for not_chosen in ({}, {"offline": False}, {"offline": "false"}):
        assert "HF_HUB_OFFLINE" not in start(name, model="m", **not_chosen).env
    own = start(name, model="m", offline=True, env={"HF_HUB_OFFLINE": "0"})
    assert own.env["HF_HUB_OFFLINE"] == "0"


def test_a_server_whose_list_is_no_use_is_not_asked_for_it() -> None:
    """Its one model is known from the start; all other servers list theirs."""
    assert start("transformers", model="/m/a b").serves == "/m/a b"
    assert start("vllm", model="org/m").serves is None


def test_transformers_finds_the_cache_that_it_insists_on(tmp_path: Path) -> None:
    """Made before it starts, where the environment says; its words reach it as they were typed."""
    program = tmp_path / "transformers"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    words = start("transformers", model="/m/it's $HOME; a model", device="cuda").command
    for variables, cache in (
        ({"HF_HOME": str(tmp_path / "home")}, tmp_path / "home" / "hub"),
        ({"HF_HUB_CACHE": str(tmp_path / "hub")}, tmp_path / "hub"),
        ({"HOME": str(tmp_path)}, tmp_path / ".cache" / "huggingface" / "hub"),
    ):
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[:2] == ["serve", "/m/it's $HOME; a model"]
        assert done.stdout.splitlines()[-2:] == ["--device", "cuda"]
        assert cache.is_dir()


def test_what_a_command_runs_in_is_chosen_with_any_template() -> None:
    """An image, modules, a virtual environment; and what only schedulers look at."""
    chosen = {"image": "/i/v.sif", "modules": "cuda/12.4 gcc", "venv": "/v"}
    found = start("vllm", model="m", gpus=2, gpu_type="a100", qos="long", **chosen)
    assert found.software == Software("/i/v.sif", ("cuda/12.4", "gcc"), "/v")
    assert not found.software.is_plain
    assert (found.resources.gpu_type, found.resources.qos) == ("a100", "long")
    assert start("vllm", model="m").software.is_plain


def test_ollama_listens_on_a_held_port() -> None:
    """It knows no Unix socket: 127.0.0.1 and the port that the agent holds."""
    found = start("ollama", env={"OLLAMA_MODELS": "/scratch/m"})
    assert found.target == "{port}"
    assert found.env["OLLAMA_HOST"] == "127.0.0.1:{port}"
    assert found.env["OLLAMA_MODELS"] == "/scratch/m"


def test_a_custom_command_is_split_and_not_run_by_a_shell() -> None:
    """Quotes group words; nothing else means anything. The target is what the command names."""
    found = start("custom", command="serve --port {port} --name 'a b' $HOME;ls", args=["*", "`x`"])
    assert found.command == ("serve", "--port", "{port}", "--name", "a b", "$HOME;ls", "*", "`x`")
    assert found.target == "{port}"
    assert start("custom", command="serve {socket}").target == "{socket}"
    assert start("custom", program="/opt/serve", target="8000").target == "127.0.0.1:8000"
    assert start("custom", command="m {model} {port}", model="a b").command[1] == "a b"


def test_a_shell_runs_only_where_it_is_asked_for() -> None:
    """`shell` hands the line over as it is."""
    found = start("custom", command="exec x | y {port}", shell=True)
    assert found.command == ("/bin/sh", "-c", "exec x | y {port}")


@pytest.mark.parametrize(
    ("template", "params", "param"),
    [
        ("llama.cpp", {}, "model"),
        ("llama.cpp", {"model": "/m", "context": "many"}, "context"),
        ("llama.cpp", {"model": "/m\0"}, "model"),
        ("vllm", {"model": "m", "gpus": -1}, "gpus"),
        ("vllm", {"model": "m", "moddel": "x"}, "moddel"),
        ("vllm", {"model": "m", "time": "soon"}, "time"),
        ("vllm", {"model": "m", "env": {"A=B": "x"}}, "env"),
        ("vllm", {"model": "m", "env": {"UNDERPASS_KEY": "x"}}, "env"),
        ("vllm", {"model": "m", "env": ["A"]}, "env"),
        ("vllm", {"model": ["m"]}, "model"),
        ("custom", {}, "command"),
        ("custom", {"command": ""}, "command"),
        ("custom", {"command": "serve"}, "target"),
        ("custom", {"command": "serve 'x"}, "command"),
        ("custom", {"command": "serve", "target": "10.0.0.1:80"}, "target"),
        ("custom", {"command": "serve {port}", "shell": "yes"}, "shell"),
        ("custom", {"program": "serve", "target": "8000", "shell": True}, "shell"),
        ("custom", {"command": "serve {port}", "args": 3}, "args"),
    ],
)
def test_a_wrong_choice_names_its_parameter(
    template: str, params: dict[str, Any], param: str
) -> None:
    """Nothing is guessed: the error says which one, and what is meant."""
    with pytest.raises(InvalidRequest) as caught:
        start(template, **params)
    assert caught.value.fields["param"] == param


@given(st.text(max_size=60).filter(lambda text: "\0" not in text and text != ""))
def test_hostile_values_stay_one_word(value: str) -> None:
    """Spaces, quotes, braces, newlines, unicode: what a person typed is one argument, as typed."""
    found = start("vllm", model=value, args=[value])
    assert found.command[2] == value
    assert found.command[-1] == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("4:00:00", 14400), ("1-12:00:00", 129600), ("30:00", 1800), ("90m", 5400), ("4h", 14400)],
)
def test_times_are_read_as_schedulers_write_them(text: str, seconds: int) -> None:
    """Hours, days, and a number with its unit."""
    assert seconds_of(text) == seconds


def test_a_site_adds_and_overrides_templates(tmp_path: Path) -> None:
    """A file of the same name wins; a new one is added; a wrong one is named."""
    (tmp_path / "a.toml").write_text(
        'name = "demo"\ntitle = "Ours"\ndescription = ""\ncommand = ["x", "{port}"]\ntarget="{port}"'
    )
    (tmp_path / "b.toml").write_text('name = "new"\ntitle = "N"\ndescription = ""\n')
    found = load(tmp_path)
    assert found["demo"].title == "Ours"
    assert "new" in found
    for text in ('name = "x"', "name =", 'name="x"\ntitle=""\ndescription=""\ncommand=["{nope}"]'):
        with pytest.raises(ConfigError, match="the-file"):
            read(text, source="the-file")


def test_habits_are_what_was_chosen() -> None:
    """Nothing by itself; waking is for what stops when unused."""
    assert start("demo").habits == Habits()
    assert start("demo", idle="30m", wake=True).habits == Habits(idle_s=1800, wakes=True)
    for wrong in ({"wake": True}, {"idle": "soon"}):
        with pytest.raises(InvalidRequest) as caught:
            start("demo", **wrong)
        assert caught.value.fields["param"] in wrong


def test_vllm_on_many_machines() -> None:
    """Each runs a part under its own rank, with all GPUs; only the first has the socket's requests."""
    found = start("vllm", model="org/Big-400B", nodes=2, gpus=4, args="--enable-lora")
    assert found.resources.nodes == 2
    words = " ".join(found.command)
    assert "--tensor-parallel-size 4 --pipeline-parallel-size 2 --enable-lora" in words
    assert words.endswith("--nnodes 2 --node-rank 0 --master-addr {master}")
    assert found.others[:3] == found.command[:3]
    assert found.others[-7:] == (
        *("--nnodes", "2", "--node-rank", "{rank}", "--master-addr", "{master}"),
        "--headless",
    )
    assert not any("{key}" in word for word in (*found.command, *found.others))


def test_one_machine_is_as_it_was() -> None:
    """No word of many; several GPUs share the model unless it is said otherwise."""
    one = start("vllm", model="org/M", gpus=2)
    assert one.others == ()
    assert "--nnodes" not in one.command
    assert one.command[-2:] == ("--tensor-parallel-size", "2")
    chosen = start("vllm", model="org/M", gpus=4, tensor_parallel=2).command
    assert chosen[chosen.index("--tensor-parallel-size") + 1] == "2"
    assert "--tensor-parallel-size" not in start("vllm", model="org/M", gpus=1).command


def test_what_spans_one_machine_says_so() -> None:
    """A template without words for further ones; one's own command may do as it likes."""
    with pytest.raises(InvalidRequest, match="runs on one machine"):
        start("llama.cpp", model="/m.gguf", nodes=2)
    assert start("custom", command="serve {port}", nodes=2).resources.nodes == 2
