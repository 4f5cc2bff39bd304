"""The audit trail in the store."""

from underpass.store import AuditRecord, Store, UserRecord


async def test_the_trail_outlives_who_is_in_it(store: Store, alice: UserRecord) -> None:
    """Deleting a user deletes nothing of what they did."""
    entry = AuditRecord(
        id="aud_1", at=1.0, action="key.create", actor_id=alice.id, detail={"scopes": ["read"]}
    )
    failed = AuditRecord(id="aud_2", at=2.0, action="sign_in.failed", address="::1")
    await store.audit.add(entry)
    await store.audit.add(failed)
    await store.users.remove(alice.id)
    assert (await store.audit.list()).items == (failed, entry)
    assert (await store.audit.list(actor_id=alice.id)).items == (entry,)
    first = await store.audit.list(limit=1)
    assert first.items == (failed,)
    assert (await store.audit.list(after=first.next)).items == (entry,)
