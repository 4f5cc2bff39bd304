"""Secrets at rest."""

import stat
from pathlib import Path

import pytest

from underpass.core.errors import ConfigError, StorageError
from underpass.providers.sealing import EndpointSecrets, SealBroken, Sealer, load_keys

SECRETS = EndpointSecrets("sk-planted", (("x-team", "planted-too"),))
OLD, NEW = b"\1" * 32, b"\2" * 32


def test_there_and_back() -> None:
    """What is stored shows nothing, differs each time, and opens again."""
    sealer = Sealer((OLD,))
    sealed = sealer.seal(SECRETS, "prv_1", "https://a.b")
    assert sealer.open(sealed, "prv_1", "https://a.b") == SECRETS
    assert sealed != sealer.seal(SECRETS, "prv_1", "https://a.b")
    assert "planted" not in sealed
    assert "planted" not in repr(SECRETS)


@pytest.mark.parametrize(
    ("provider_id", "origin"), [("prv_2", "https://a.b"), ("prv_1", "https://evil.example")]
)
def test_a_sealed_key_cannot_be_moved(provider_id: str, origin: str) -> None:
    """Who can write to the database can send nobody's key to an address of their own."""
    sealer = Sealer((OLD,))
    sealed = sealer.seal(SECRETS, "prv_1", "https://a.b")
    with pytest.raises(SealBroken):
        sealer.open(sealed, provider_id, origin)


@pytest.mark.parametrize("sealed", ["", "x", "x.y", "a.b.c", "é.AAAA"])
def test_what_is_no_sealed_text(sealed: str) -> None:
    """One error, whatever stands there."""
    with pytest.raises(SealBroken):
        Sealer((OLD,)).open(sealed, "prv_1", "https://a.b")


def test_rotation() -> None:
    """A new first key opens what the old one sealed, and says that it should be sealed anew."""
    sealed = Sealer((OLD,)).seal(SECRETS, "prv_1", "https://a.b")
    both = Sealer((NEW, OLD))
    assert both.is_outdated(sealed)
    anew = both.seal(both.open(sealed, "prv_1", "https://a.b"), "prv_1", "https://a.b")
    assert not both.is_outdated(anew)
    assert Sealer((NEW,)).open(anew, "prv_1", "https://a.b") == SECRETS
    with pytest.raises(SealBroken):
        Sealer((NEW,)).open(sealed, "prv_1", "https://a.b")


def test_the_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Once; the next start finds the same key."""
    path = tmp_path / "data" / "secret.key"
    keys = load_keys(path)
    assert load_keys(path) == keys
    assert len(keys[0]) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The hub says how to mend it."""
    path = tmp_path / "secret.key"
    path.write_text("ab" * 32)
    path.chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        load_keys(path)
    assert "chmod 600" in caught.value.sentence()


@pytest.mark.parametrize("text", ["", "zz" * 32, "ab" * 16, "ab" * 32 + "\nshort"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    """Never overwritten: it may be the only copy of something."""
    path = tmp_path / "secret.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        load_keys(path)
    assert "ab" * 16 not in caught.value.sentence()
    assert path.read_text() == text


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Named, with the setting that helps."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be"):
        load_keys(tmp_path / "file" / "secret.key")
