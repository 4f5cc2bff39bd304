import { describe, expect, it } from 'vitest';
import { applyFeedEvent, emptyWorld, readFeedEvent } from './feed';
import { chat, cluster, provider, session, tunnel } from './samples';

const raw = (event: string, data: unknown) => ({ id: '', event, data: JSON.stringify(data) });
const snapshot = { sessions: [session()], tunnels: [tunnel()], providers: [provider()], clusters: [cluster()], position: 0 };
const known = applyFeedEvent(emptyWorld, { kind: 'snapshot', snapshot });

describe('readFeedEvent', () => {
  it('reads the snapshot, changes and a call to read all again', () => {
    expect(readFeedEvent(raw('snapshot', snapshot))).toEqual({ kind: 'snapshot', snapshot });
    expect(readFeedEvent(raw('provider', { op: 'upsert', item: { id: 'x' } }))).toEqual({ kind: 'provider', op: 'upsert', item: { id: 'x' } });
    expect(readFeedEvent(raw('session', { op: 'resync' }))).toEqual({ kind: 'resync' });
  });

  it('passes over kinds it does not know and data it cannot read', () => {
    expect(readFeedEvent(raw('run', { op: 'upsert', item: { id: 'x' } }))).toBeNull();
    expect(readFeedEvent({ id: '', event: 'provider', data: '{' })).toBeNull();
  });
});

describe('applyFeedEvent', () => {
  it('replaces all by a snapshot, but keeps the chats, which come beside it', () => {
    const chats = new Map([['cht_1', chat()]]);
    const world = applyFeedEvent({ ...known, chats }, { kind: 'snapshot', snapshot: { sessions: [], tunnels: [], providers: [], clusters: [], position: 1 } });
    expect([world.sessions.size, world.providers.size, world.chats.size, world.isKnown]).toEqual([0, 0, 1, true]);
  });

  it('merges an upsert into what is known, and adds what is new', () => {
    const changed = applyFeedEvent(known, { kind: 'provider', op: 'upsert', item: provider({ status: 'stopped', status_reason: 'walltime' }) });
    expect(changed.providers.get('prv_1')).toMatchObject({ status: 'stopped', name: 'box' });
    expect(known.providers.get('prv_1')?.status).toBe('running');
    expect(changed.sessions).toBe(known.sessions);
    const added = applyFeedEvent(known, { kind: 'session', op: 'upsert', item: session({ id: 'ses_2' }) });
    expect([...added.sessions.keys()]).toEqual(['ses_1', 'ses_2']);
  });

  it('follows a cluster that goes away and comes back', () => {
    const gone = applyFeedEvent(known, { kind: 'cluster', op: 'upsert', item: cluster({ status: 'offline' }) });
    expect([known.clusters.get('cls_1')?.status, gone.clusters.get('cls_1')?.status]).toEqual(['online', 'offline']);
  });

  it('deletes, and is the same world when there was nothing to delete', () => {
    expect(applyFeedEvent(known, { kind: 'tunnel', op: 'delete', item: { id: 'tun_1' } }).tunnels.size).toBe(0);
    expect(applyFeedEvent(known, { kind: 'tunnel', op: 'delete', item: { id: 'none' } })).toBe(known);
  });
});
