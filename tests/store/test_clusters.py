"""Clusters in the store."""

from underpass.store import ClusterRecord, Store, UserRecord


async def test_one_sees_ones_own_and_the_hubs(store: Store, alice: UserRecord) -> None:
    """A stranger's cluster is not in the list."""
    await store.users.add(UserRecord(id="usr_2", name="bob", display_name="", created_at=1.0))
    local = ClusterRecord(id="cls_1", name="local", kind="local", created_at=1.0)
    mine = ClusterRecord(
        id="cls_2",
        name="hpc",
        kind="slurm",
        created_at=2.0,
        owner_id=alice.id,
        token_hash="h",
        capabilities={"gpus": ["a100"]},
    )
    theirs = ClusterRecord(id="cls_3", name="hpc", kind="slurm", created_at=3.0, owner_id="usr_2")
    for one in (local, mine, theirs):
        await store.clusters.add(one)
    assert (await store.clusters.list_visible(alice.id)).items == (mine, local)
    assert await store.clusters.all() == (local, mine, theirs)
    assert await store.clusters.by_token_hash("h") == mine
    assert await store.clusters.find_by_name(None, "local") == local
    assert await store.clusters.find_by_name(alice.id, "hpc") == mine
    assert await store.clusters.find_by_name(alice.id, "local") is None
