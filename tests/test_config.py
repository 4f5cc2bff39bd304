"""Settings: where a value comes from, and what a wrong one gets."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from underpass import config
from underpass.config import AgentConfig, HubConfig, reference
from underpass.config.in_force import in_force
from underpass.core.errors import ConfigError

ROOT = Path(__file__).parent.parent


def write(folder: Path, text: str) -> Path:
    file = folder / "hub.toml"
    file.write_text(text)
    return file


def test_a_flag_goes_before_a_variable_before_the_file_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In that order, for each setting by itself."""
    file = write(tmp_path, 'port = 1\nhost = "file"\nname = "file"\n')
    monkeypatch.setenv("UNDERPASS_PORT", "2")
    monkeypatch.setenv("UNDERPASS_HOST", "variable")
    settings = HubConfig.load({"port": 3, "host": None}, file)
    assert (settings.port, settings.host, settings.name) == (3, "variable", "file")
    assert settings.link_grace_s == 60


def test_each_value_is_known_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flag, the variable or the line of the file that it came from; secrets are not shown."""
    text = 'name = "Lab"\nport = 1\n[openid.campus]\nissuer = "https://id.example"\n'
    text += 'client_id = "a"\nclient_secret = "hush"\n'
    file = write(tmp_path, text)
    monkeypatch.setenv("UNDERPASS_DRAIN_S", "9")
    monkeypatch.setenv("UNDERPASS_PORT", "")
    monkeypatch.setenv("UNDERPASS_DATABASE_URL", "postgresql://u:hush@h/d")
    found = {one.name: one for one in in_force(HubConfig.load({"host": "::1"}, file))}
    assert (found["host"].value, found["host"].source) == ("::1", "the flag --host")
    assert found["drain_s"].source == "the variable UNDERPASS_DRAIN_S"
    assert found["name"].source == f"name in {file}"
    assert found["port"].source == f"port in {file}"
    assert found["keepalive_s"].is_default
    assert found["openid"].value == "campus"
    assert "hush" not in repr(found)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell script that leaves one out."""
    monkeypatch.setenv("UNDERPASS_PORT", "")
    assert HubConfig.load({}).port == 8080


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 'x'", ("port", "hub.toml")),
        ("prot = 1", ("prot", "hub.toml")),
        ("port = 99999", ("port", "hub.toml")),
        ("port = ", ("TOML",)),
        ("tls_key = 'k.pem'", ("tls_certificate", "tls_key")),
        ("public_url = 'hub.example.org'", ("public_url",)),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    """One line: which setting, what is wrong, where to mend it."""
    with pytest.raises(ConfigError) as caught:
        HubConfig.load({}, write(tmp_path, text))
    assert all(word in caught.value.sentence() for word in words)
    assert "\n" not in caught.value.message.strip() or "TOML" in caught.value.message


def test_where_a_wrong_value_came_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The flag, or the variable that hides what the file says."""
    with pytest.raises(ConfigError) as caught:
        HubConfig.load({"port": "x"})
    assert "--port" in caught.value.sentence()
    monkeypatch.setenv("UNDERPASS_PORT", "x")
    with pytest.raises(ConfigError) as caught:
        HubConfig.load({}, write(tmp_path, "port = 1"))
    assert "UNDERPASS_PORT" in caught.value.sentence()


def test_a_secret_is_never_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither in an error nor when settings are printed."""
    monkeypatch.setenv("UNDERPASS_PUBLIC_URL", "up_secret_in_the_wrong_place")
    with pytest.raises(ConfigError) as caught:
        HubConfig.load({})
    assert "up_secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    monkeypatch.delenv("UNDERPASS_PUBLIC_URL")
    settings = HubConfig.load({"database_url": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in repr(settings)
    assert settings.database == "postgresql://u:hunter2@h/d"


def test_settings_stay_as_they_are() -> None:
    """One object for the life of the process."""
    with pytest.raises(FrozenInstanceError):
        AgentConfig().hub = "x"  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        HubConfig.load({}).port = 1  # type: ignore[misc]


def test_the_database_is_in_the_data_folder(tmp_path: Path) -> None:
    """Unless another is named."""
    settings = HubConfig.load({"data_dir": tmp_path})
    assert settings.database == f"sqlite:///{tmp_path}/underpass.db"


def test_the_sign_in_of_this_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `underpass login` stored, below the environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert AgentConfig.of_this_user().hub is None
    file = config.credentials_file()
    file.parent.mkdir()
    file.write_text('hub = "https://stored"\nkey = "up_stored"\n')
    assert AgentConfig.of_this_user().hub == "https://stored"
    monkeypatch.setenv("UNDERPASS_HUB", "https://variable")
    settings = AgentConfig.of_this_user(hub=None)
    assert settings.hub == "https://variable"
    assert settings.key is not None
    assert settings.key.get_secret_value() == "up_stored"
    assert "up_stored" not in repr(settings)
    assert AgentConfig.of_this_user(hub="https://flag").hub == "https://flag"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_proxies_have_their_usual_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Either case, and a password in one is not shown."""
    monkeypatch.setenv(name, "http://u:hunter2@proxy:3128")
    settings = AgentConfig.of_this_user()
    assert settings.https_proxy is not None
    assert "hunter2" not in repr(settings)


def test_where_the_hubs_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The flag, then the variable; a file that is named has to be there."""
    monkeypatch.setenv("UNDERPASS_CONFIG", str(tmp_path / "variable.toml"))
    assert config.hub_config_file(tmp_path / "flag.toml") == tmp_path / "flag.toml"
    named = config.hub_config_file(None)
    assert named == tmp_path / "variable.toml"
    with pytest.raises(ConfigError, match="cannot be read"):
        HubConfig.load({}, named)


def test_every_setting_is_described() -> None:
    """Each field says its effect, and those with a unit end on it or name it."""
    for name, _, _, effect in [*reference.hub_rows(), *reference.agent_rows()]:
        assert effect, name
        if name.endswith("_s"):
            assert "second" in effect.lower(), name


def test_the_reference_is_fresh() -> None:
    """docs/reference/settings.md is what the code says; else run `make fix`."""
    page = ROOT / "docs" / "reference" / "settings.md"
    assert page.read_text() == reference.reference()


def test_a_key_is_one_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a file or a copy leaves around it goes; what no header can carry is said, unrepeated."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for text in ("up_secret\n", "up_secret\r\n", "  up_secret"):
        monkeypatch.setenv("UNDERPASS_KEY", text)
        found = AgentConfig.of_this_user().key
        assert found is not None
        assert found.get_secret_value() == "up_secret"
    for text in ("up_geheim\nX: y", "up_geheim x", "up_gehéim", "up_geheim\x7f"):
        monkeypatch.setenv("UNDERPASS_KEY", text)
        with pytest.raises(ConfigError) as caught:
            AgentConfig.of_this_user()
        assert "one word" in caught.value.sentence()
        assert "geh" not in caught.value.sentence()


@pytest.mark.parametrize(
    ("text", "words"), [("hubb = 'x'", "hubb in"), ("hub = 1", "hub in"), ("key = 'a b'", "key in")]
)
def test_a_stored_sign_in_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, words: str
) -> None:
    """The setting and the file that holds it are named."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = config.credentials_file()
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        AgentConfig.of_this_user()
    assert f"{words} {file}" in caught.value.sentence()


def test_a_flag_that_is_wrong_is_wrong_usage() -> None:
    """For the agent's settings as for the hub's."""
    for load in (
        lambda: HubConfig.load({"port": "x"}),
        lambda: AgentConfig.load({"key": "two words"}),
    ):
        with pytest.raises(ConfigError) as caught:
            load()
        assert caught.value.code == "flag_invalid"


GOOD = 'issuer = "https://id.example.org"\nclient_id = "hub"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[openid.campus]\nclient_id = "x"', ("openid.campus.issuer",)),
        ('[openid.campus]\nissuer = "http://id.example.org"\nclient_id = "x"', ("https://",)),
        (
            '[openid.campus]\nissuer = "https://u@id.org"\nclient_id = "x"',
            ("openid.campus.issuer",),
        ),
        (f"[openid.campus]\n{GOOD}isuer = 1", ("openid.campus.isuer",)),
        (f'[openid.campus]\n{GOOD}allowed_domains = ["*.org"]', ("allowed_domains",)),
        (f'[openid.campus]\n{GOOD}admin_groups = ["a"]', ("groups_claim",)),
        (f'[openid.campus]\n{GOOD}client_secret = "a"\nclient_secret_file = "b"', ("two ways",)),
        (f'[openid."Cam pus"]\n{GOOD}', ("cannot name an issuer",)),
        (f"[openid.a]\n{GOOD}[openid.b]\n{GOOD}", ("same issuer",)),
    ],
)
def test_an_issuer_that_is_wrongly_set(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """The whole name of the setting, and what is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        HubConfig.load({}, write(tmp_path, text))
    assert all(word in caught.value.sentence() for word in words), caught.value.sentence()


def test_an_issuers_secret_is_never_shown(tmp_path: Path) -> None:
    """Neither printed nor repeated in an error."""
    text = f'[openid.campus]\n{GOOD}client_secret = "geheim"\n'
    settings = HubConfig.load({}, write(tmp_path, text))
    assert "geheim" not in repr(settings)
    assert "geheim" not in settings.model_dump_json()
    with pytest.raises(ConfigError) as caught:
        HubConfig.load({}, write(tmp_path, text + "clock_skew_s = 'geheim'\n"))
    assert "geheim" not in caught.value.sentence()
