import type { ChatSummary, Cluster, Provider, Session, Snapshot, Tunnel } from '../api/types';
import type { SseEvent } from '../stream/sse';
import type { MessageNews } from './news';

/** The last known state of everything that the hub pushes. Replaced, never changed in place. */
export interface World {
  readonly sessions: ReadonlyMap<string, Session>;
  readonly tunnels: ReadonlyMap<string, Tunnel>;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly chats: ReadonlyMap<string, ChatSummary>;
  /** False until the first snapshot: an empty list may still be a list not yet read. */
  readonly isKnown: boolean;
}

export const emptyWorld: World = {
  sessions: new Map(),
  tunnels: new Map(),
  providers: new Map(),
  clusters: new Map(),
  chats: new Map(),
  isKnown: false,
};

export type FeedEvent =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'session' | 'tunnel' | 'provider' | 'cluster' | 'chat'; readonly op: 'upsert' | 'delete'; readonly item: { readonly id: string } }
  | { readonly kind: 'message'; readonly news: MessageNews }
  /** This page fell behind: ask for everything again. */
  | { readonly kind: 'resync' };

const MAPS = { session: 'sessions', tunnel: 'tunnels', provider: 'providers', cluster: 'clusters', chat: 'chats' } as const;

export function readFeedEvent(event: SseEvent): FeedEvent | null {
  let data: Readonly<Record<string, unknown>>;
  try {
    data = JSON.parse(event.data) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
  if (event.event === 'resync' || data['op'] === 'resync') return { kind: 'resync' };
  if (event.event === 'snapshot') return { kind: 'snapshot', snapshot: data as unknown as Snapshot };
  if (event.event === 'message') return { kind: 'message', news: (data['item'] ?? data) as MessageNews };
  if (!(event.event in MAPS)) return null;
  const op = data['op'] === 'delete' ? 'delete' : 'upsert';
  return { kind: event.event as keyof typeof MAPS, op, item: data['item'] as { readonly id: string } };
}

const byId = <T extends { readonly id: string }>(items: readonly T[] | undefined): ReadonlyMap<string, T> =>
  new Map((items ?? []).map((item) => [item.id, item]));

/** The world after an event. The same object when nothing changed. */
export function applyFeedEvent(world: World, event: FeedEvent): World {
  if (event.kind === 'resync' || event.kind === 'message') return world;
  if (event.kind === 'snapshot') {
    const { sessions, tunnels, providers, clusters } = event.snapshot;
    return { ...world, sessions: byId(sessions), tunnels: byId(tunnels), providers: byId(providers), clusters: byId(clusters), isKnown: true };
  }
  const name = MAPS[event.kind];
  const map = new Map<string, { readonly id: string }>(world[name]);
  if (event.op === 'delete') {
    if (!map.delete(event.item.id)) return world;
  } else {
    map.set(event.item.id, { ...map.get(event.item.id), ...event.item });
  }
  return { ...world, [name]: map };
}
