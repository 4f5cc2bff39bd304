"""The column types."""

import pytest

from underpass.store import Store, UserRecord
from underpass.store.tables import clean_text


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [("plain", "plain"), ("a\x00b", "a\ufffdb"), ("x\ud800y", "x\ufffdy"), ("🚇", "🚇")],
)
def test_text_that_no_database_takes_is_mended(dirty: str, clean: str) -> None:
    """NUL and lone surrogates become U+FFFD, everything else stays."""
    assert clean_text(dirty) == clean


async def test_strange_text_reaches_both_databases(store: Store) -> None:
    """What a person or a model produces can always be stored."""
    name = "tab\t nul\x00 surrogate\udfff emoji🚇"
    await store.users.add(UserRecord(id="usr_1", name="a", display_name=name, created_at=1.0))
    found = (await store.users.get("usr_1")).display_name
    assert found == "tab\t nul\ufffd surrogate\ufffd emoji🚇"
