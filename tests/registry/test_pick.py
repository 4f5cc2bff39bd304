"""Which provider a model name means, and what is said when it means none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.registry import ANN, BOB, custom, tunnel
from underpass.core.errors import (
    AppError,
    ModelAmbiguous,
    ModelLoading,
    ModelNotFound,
    TunnelStopped,
)
from underpass.core.principal import Principal
from underpass.core.states import ProviderStatus
from underpass.registry.pick import Pick, find, listed_ids, pick, pick_listed, provider_name
from underpass.registry.views import ProviderView


def choose(model: str, *providers: ProviderView) -> tuple[str, str]:
    """(id of the provider, name upstream) that ann gets for `model`."""
    found = pick(model, providers, caller_name="ann")
    assert isinstance(found, Pick)
    return found.provider.id, found.upstream_model


@pytest.mark.parametrize("model", ["qwen", "org/qwen", "qwen2.5:7b", "hf.co/org/qwen:Q4_K_M"])
def test_all_three_spellings_reach_the_same_model(model: str) -> None:
    """PROVIDER/MODEL, OWNER:PROVIDER/MODEL and the bare MODEL, whatever the model's id holds."""
    view = tunnel("gpu", model, "other")
    for spelling in (f"gpu/{model}", f"ann:gpu/{model}", model):
        assert choose(spelling, view) == (view.id, model)


def test_a_bare_name_that_two_have_is_ambiguous() -> None:
    """Two running providers with the model: 400 model_ambiguous with the full ids of both."""
    with pytest.raises(ModelAmbiguous) as caught:
        choose("qwen", tunnel("a", "qwen"), tunnel("b", "qwen"))
    assert caught.value.fields["candidates"] == ["a/qwen", "b/qwen"]
    assert "'a/qwen' or 'b/qwen'" in caught.value.sentence()


@pytest.mark.parametrize("status", ["stopped", "loading", "starting", "unreachable"])
def test_only_running_providers_make_a_name_ambiguous(status: str) -> None:
    """A model that runs once and lies stopped or loading elsewhere is not ambiguous."""
    running = tunnel("b", "qwen")
    assert choose("qwen", tunnel("a", "qwen", status=status), running) == (running.id, "qwen")


def test_the_callers_own_provider_is_meant_when_names_clash() -> None:
    """`api/m` is one's own `api`; the other owner's is reached by the full form."""
    own, other = tunnel("api", "m"), custom("api", "m", owner=BOB, everyone=True)
    assert choose("api/m", own, other) == (own.id, "m")
    assert choose("bob:api/m", own, other) == (other.id, "m")
    assert choose("ann:api/m", own, other) == (own.id, "m")


def test_two_foreign_providers_of_one_name_are_ambiguous() -> None:
    """Nobody's own: the caller has to say whose."""
    eve = custom("api", "m", owner=Principal("usr_eve", "eve"), everyone=True)
    with pytest.raises(ModelAmbiguous) as caught:
        choose("api/m", custom("api", "m", owner=BOB, everyone=True), eve)
    assert caught.value.fields["candidates"] == ["bob:api/m", "eve:api/m"]


def test_a_listed_full_id_wins_over_a_bare_one() -> None:
    """`a/b` is model b of provider a, although provider x has a model whose id is `a/b`."""
    a, x = tunnel("a", "b"), tunnel("x", "a/b")
    assert choose("a/b", a, x) == (a.id, "b")
    assert choose("x/a/b", a, x) == (x.id, "a/b")


def test_a_stopped_provider_does_not_catch_another_ones_models() -> None:
    """A stopped provider called `meta` must not swallow the bare id `meta/llama` that runs."""
    running = tunnel("gpu", "meta/llama")
    assert choose("meta/llama", tunnel("meta", status="stopped"), running) == (
        running.id,
        "meta/llama",
    )


def test_an_unknown_model_names_close_ones() -> None:
    """A typo in either form gets the full id of what was probably meant."""
    views = [tunnel("gpu", "qwen2.5-7b", "llama-3"), tunnel("cpu", "phi-4")]
    for wrong in ("qwen2.5-8b", "gpu/qwen2.5-8b"):
        with pytest.raises(ModelNotFound) as caught:
            choose(wrong, *views)
        assert caught.value.fields["candidates"][0] == "gpu/qwen2.5-7b"
        assert "Did you mean 'gpu/qwen2.5-7b'" in caught.value.sentence()
    with pytest.raises(ModelNotFound) as caught:
        choose("zzzzzzzzzzzz", *views)
    assert "GET /v1/models" in caught.value.sentence()
    with pytest.raises(ModelNotFound) as caught:
        choose("anything")
    assert "no models yet" in caught.value.sentence()


@pytest.mark.parametrize("model", ["gpu/qwen", "qwen", "gpu/not-in-the-last-list"])
def test_a_stopped_tunnel_says_what_to_do(model: str) -> None:
    """503 tunnel_stopped: restart the session and its tunnel."""
    with pytest.raises(TunnelStopped) as caught:
        choose(model, tunnel("gpu", "qwen", status="stopped"))
    assert caught.value.http_status == 503
    assert "restart the session and its tunnel" in caught.value.sentence()


@pytest.mark.parametrize("status", ["starting", "loading"])
def test_a_loading_server_says_when_to_ask_again(status: str) -> None:
    """503 model_loading with Retry-After, also while the models are not known yet."""
    with pytest.raises(ModelLoading) as caught:
        choose("gpu/qwen", tunnel("gpu", status=status, reason="Loading weights, 40 %."))
    assert caught.value.retry_after_s
    assert "Loading weights, 40 %." in caught.value.sentence()


@pytest.mark.parametrize("status", ["stopped", "starting", "loading", "unreachable", "running"])
def test_where_a_request_would_go(status: str) -> None:
    """Found whatever the status; a model that never was is not, and two of one name are said."""
    view = tunnel("gpu", "qwen", status=status)
    for spelling in ("gpu/qwen", "ann:gpu/qwen", "qwen"):
        assert find(spelling, [view], caller_name="ann") == Pick(view, "qwen")
    with pytest.raises(ModelNotFound):
        find("box/qwen", [view], caller_name="ann")
    with pytest.raises(ModelAmbiguous):
        find("qwen", [view, tunnel("box", "qwen", status=status)], caller_name="ann")


def test_an_unreachable_server_is_tried() -> None:
    """The agent knows better than our last news whether the server is back."""
    view = tunnel("gpu", "qwen", status="unreachable")
    assert choose("gpu/qwen", view) == (view.id, "qwen")


def test_a_server_that_lists_nothing_takes_any_name() -> None:
    """Some servers have no list of models: what stands behind the provider's name is passed."""
    view = tunnel("gpu")
    assert choose("gpu/some/model:x", view) == (view.id, "some/model:x")
    with pytest.raises(ModelNotFound):
        choose("gpu/", view)


NAMES = st.sampled_from(["a", "b", "a.b"])
OWNERS = st.sampled_from([ANN, BOB])
MODELS = st.lists(st.sampled_from(["m", "a/m", "b:a/m", "ann:a/m", "a"]), unique=True)


@given(
    st.lists(
        st.tuples(
            NAMES,
            OWNERS,
            MODELS,
        ),
        max_size=5,
        unique_by=lambda one: (one[0], one[1].user_name),
    )
)
def test_every_listed_id_means_itself(parts: list[tuple[str, Principal, list[str]]]) -> None:
    """Whatever /v1/models lists can be sent back and reaches exactly that model, or is ambiguous."""
    views = [custom(name, *models, owner=owner, everyone=True) for name, owner, models in parts]
    for full, view, model in listed_ids(views, caller_name="ann"):
        try:
            found = pick(full, views, caller_name="ann")
        except ModelAmbiguous as error:
            assert full in error.fields["candidates"]
        else:
            assert (found.provider.id, found.upstream_model) == (view.id, model.id)


@given(
    st.lists(
        st.tuples(
            NAMES,
            OWNERS,
            MODELS,
            st.sampled_from(list(ProviderStatus)),
        ),
        max_size=5,
        unique_by=lambda one: (one[0], one[1].user_name),
    ),
    st.sampled_from(
        ["m", "a/m", "b/m", "a.b/a/m", "ann:a/m", "bob:a/m", "a/", "/m", "", "bob:b/a"]
    ),
)
def test_the_short_way_decides_as_the_long_one(
    parts: list[tuple[str, Principal, list[str], ProviderStatus]], model: str
) -> None:
    """Among those of the name alone, where one lists it: the same provider, or the same error."""
    views = [
        replace(custom(name, *models, owner=owner, everyone=True), status=status)
        for name, owner, models, status in parts
    ]
    named = [view for view in views if view.name == provider_name(model)]
    try:
        short = pick_listed(model, named, caller_name="ann")
    except AppError as error:
        with pytest.raises(type(error)) as caught:
            pick(model, views, caller_name="ann")
        assert caught.value.fields == error.fields
    else:
        assert short is None or short == pick(model, views, caller_name="ann")
        is_listed = any(full == model for full, _, _ in listed_ids(views, caller_name="ann"))
        assert short is not None or not is_listed
