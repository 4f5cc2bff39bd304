"""Names fit into model ids and URLs, and a bad one is answered with one that would do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.core.errors import InvalidRequest
from underpass.core.names import checked_name, close_matches, is_valid_name, suggest_name


@pytest.mark.parametrize("name", ["box", "gpu-17", "a", "0", "a.b_c-d", "a" * 63])
def test_good_names(name: str) -> None:
    """Lower-case letters, digits and . _ - in up to 63 places."""
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "a/b", "a:b", "a b", "ä", "a" * 64, "a\n"])
def test_bad_names(name: str) -> None:
    """What would break a model id is refused, with a name that would do."""
    with pytest.raises(InvalidRequest) as refused:
        checked_name(name)
    assert refused.value.code == "name_invalid"


@given(st.text(max_size=200), st.sets(st.sampled_from(["session", "a", "a-2", "box"])))
def test_a_suggestion_is_always_valid_and_free(text: str, taken: set[str]) -> None:
    """Any text at all leads to a name that can be used."""
    name = suggest_name(text, taken)
    assert is_valid_name(name)
    assert name not in taken


def test_a_suggestion_counts_up() -> None:
    """A host that is known already gets a number."""
    assert suggest_name("GPU-17.cluster", ["gpu-17.cluster"]) == "gpu-17.cluster-2"


def test_close_matches_ignore_case() -> None:
    """A typing error leads to the right name."""
    assert close_matches("llama-3.1-8b", ["Llama-3.1-8B", "Mistral"]) == ["Llama-3.1-8B"]
    assert close_matches("zzz", ["Llama-3.1-8B"]) == []
