import { batch, computed, effect, signal } from '@preact/signals';
import { refusals } from '../api/client';
import { auth } from '../api/hub';
import type { Account, ChatSummary, Provider, Session, Tunnel } from '../api/types';
import { place } from '../router';
import { EventSubscription, type SourceState } from '../stream/source';
import { withChanges, type Changes } from './chat-changes';
import { askedTrouble, issuers, issuerTrouble } from './doors';
import { applyFeedEvent, emptyWorld, readFeedEvent } from './feed';
import { noteGone } from './gone';
import { tellMessageNews } from './news';
import { readStored, writeStored } from './stored';

/** The one store: what the hub last said, and how the connection to it is. */
export const world = signal(emptyWorld);
export const account = signal<Account | null>(null);
export const connection = signal<SourceState>('connecting');
/**
 * How the page stands: finding out who is there, signed in or not, or the hub does not answer. `expired`
 * is somebody who was signed in until just now: the page stays as it is, below a sign-in.
 */
export const standing = signal<'asking' | 'in' | 'out' | 'setup' | 'away' | 'expired'>('asking');
/** Counts the snapshots: each begins a new connection, and what the feed does not carry is read again. */
export const snapshots = signal(0);
/** Where the feed began, once it has: see `Snapshot.position`. */
export const feedBegan = signal<number | null>(null);
/** Counts the times that somebody came back after their sign-in had expired. */
export const returns = signal(0);

/** Rows hidden while their delete can still be undone. */
export const hidden = signal<ReadonlySet<string>>(new Set());

/** Changes of chats on their way to the hub, by chat, the last one last. */
export const changing = signal<Changes>(new Map());

const newestFirst = <T extends { readonly created_at: string }>(items: Iterable<T>): T[] =>
  [...items].sort((a, b) => b.created_at.localeCompare(a.created_at));

export const sessions = computed<readonly Session[]>(() =>
  newestFirst(world.value.sessions.values()).filter(({ id }) => !hidden.value.has(id)),
);
export const providers = computed<readonly Provider[]>(() =>
  [...world.value.providers.values()].sort((a, b) => a.name.localeCompare(b.name)),
);
/** The chats as the page shows them: with what was changed here and the hub has not taken yet. */
export const chatsById = computed<ReadonlyMap<string, ChatSummary>>(() => withChanges(world.value.chats, changing.value));
export const chats = computed<readonly ChatSummary[]>(() =>
  [...chatsById.value.values()]
    .filter(({ id }) => !hidden.value.has(id))
    .sort((a, b) => b.updated_at.localeCompare(a.updated_at)),
);

export function tunnelsOf(sessionId: string): readonly Tunnel[] {
  const mine = [...world.value.tunnels.values()].filter((tunnel) => tunnel.session_id === sessionId);
  return mine.length > 0 ? mine : (world.value.sessions.get(sessionId)?.tunnels ?? []);
}

export function providerOfSession(sessionId: string): Provider | null {
  return providers.value.find((provider) => provider.session?.id === sessionId) ?? null;
}

export function putSession(session: Session): void {
  world.value = applyFeedEvent(world.peek(), { kind: 'session', op: 'upsert', item: session });
}

export function putTunnel(tunnel: Tunnel): void {
  world.value = applyFeedEvent(world.peek(), { kind: 'tunnel', op: 'upsert', item: tunnel });
}

/** A temporary chat is in no list, so it is not kept here either. */
export function putChat(chat: ChatSummary): void {
  if (chat.is_temporary) return;
  const { id, title, model, folder, is_pinned, is_archived, is_temporary, is_shared, head_id, match, created_at, updated_at } = chat;
  const item: ChatSummary = {
    id, title, model, folder, is_pinned, is_archived, is_temporary, is_shared, head_id, match, created_at, updated_at,
  };
  world.value = applyFeedEvent(world.peek(), { kind: 'chat', op: 'upsert', item });
}

export function dropChat(id: string): void {
  world.value = applyFeedEvent(world.peek(), { kind: 'chat', op: 'delete', item: { id } });
}

let feed: EventSubscription | null = null;

function openFeed(): void {
  feed?.close();
  feed = new EventSubscription('/api/events', {
    onState(state) {
      connection.value = state;
    },
    onRefused(error) {
      if (error.status === 401) expire();
    },
    onEvent(raw) {
      const event = readFeedEvent(raw);
      if (event === null) return true;
      if (event.kind === 'resync') {
        // A new connection begins with a snapshot.
        setTimeout(openFeed, 0);
        return false;
      }
      batch(() => {
        world.value = applyFeedEvent(world.peek(), event);
        if (event.kind === 'snapshot') {
          snapshots.value += 1;
          feedBegan.value ??= event.snapshot.position;
        }
        if (event.kind === 'chat' && event.op === 'delete') noteGone(event.item.id);
        if (event.kind === 'message') tellMessageNews(event.news);
      });
      return true;
    },
  });
}

/** A page that nobody looks at gives its connection back: browsers allow a hub only six of them. */
const HIDDEN_MS = 60_000;
let hiddenTimer: ReturnType<typeof setTimeout> | undefined;

function followVisibility(): void {
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiddenTimer);
    if (document.visibilityState === 'hidden') {
      hiddenTimer = setTimeout(closeFeed, HIDDEN_MS);
    } else if (feed === null && standing.peek() === 'in') {
      openFeed();
    }
  });
}

function closeFeed(): void {
  feed?.close();
  feed = null;
}

/** Whether somebody was signed in here when the page was last open: then nothing waits for the answer. */
const WAS_IN = 'underpass.was-in';

/** Finds out who is there, and opens the feed for somebody who is signed in. */
export async function enter(): Promise<void> {
  standing.value = 'asking';
  const wasIn = readStored(WAS_IN) !== null;
  if (wasIn) openFeed();
  const early = wasIn ? auth.me().catch(() => null) : null;
  try {
    const state = await auth.state(askedTrouble(place.peek()));
    issuers.value = state.issuers;
    issuerTrouble.value = state.trouble;
    if (!state.signed_in) {
      closeFeed();
      writeStored(WAS_IN, null);
      standing.value = state.needs_setup ? 'setup' : 'out';
      return;
    }
    account.value = (await early) ?? (await auth.me());
    standing.value = 'in';
    writeStored(WAS_IN, 'yes');
    if (feed === null) openFeed();
  } catch {
    closeFeed();
    standing.value = 'away';
  }
}

/** A cookie that expired: all stays in its place, and a sign-in opens above it. */
function expire(): void {
  closeFeed();
  if (standing.peek() === 'in') standing.value = 'expired';
}

/** Goes on where the sign-in had expired; somebody else than before begins anew. */
export async function comeBack(): Promise<void> {
  const me = await auth.me();
  if (me.id !== account.peek()?.id) {
    window.location.replace('/');
    return;
  }
  batch(() => {
    account.value = me;
    standing.value = 'in';
    returns.value += 1;
  });
  openFeed();
}

export async function leave(): Promise<void> {
  await auth.signOut();
  closeFeed();
  writeStored(WAS_IN, null);
  batch(() => {
    world.value = emptyWorld;
    account.value = null;
    feedBegan.value = null;
    standing.value = 'out';
  });
}

export function startStore(): void {
  followVisibility();
  effect(() => {
    if (refusals.value > 0) expire();
  });
  void enter();
}
