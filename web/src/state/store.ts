import { batch, computed, effect, signal } from '@preact/signals';
import { chats as chatsApi, auth } from '../api/hub';
import { refusals } from '../api/client';
import { toTrouble } from '../api/errors';
import type { Account, ChatSummary, Provider, Session, Trouble, Tunnel } from '../api/types';
import { EventSubscription, type SourceState } from '../stream/source';
import { applyFeedEvent, emptyWorld, readFeedEvent } from './feed';

/** The one store: what the hub last said, and how the connection to it is. */
export const world = signal(emptyWorld);
export const account = signal<Account | null>(null);
export const connection = signal<SourceState>('connecting');
/** How the page stands: finding out who is there, signed in or not, or the hub does not answer. */
export const standing = signal<'asking' | 'in' | 'out' | 'setup' | 'away'>('asking');
export const chatsTrouble = signal<Trouble | null>(null);

/** Rows hidden while their delete can still be undone. */
export const hidden = signal<ReadonlySet<string>>(new Set());

const newestFirst = <T extends { readonly created_at: string }>(items: Iterable<T>): T[] =>
  [...items].sort((a, b) => b.created_at.localeCompare(a.created_at));

export const sessions = computed<readonly Session[]>(() =>
  newestFirst(world.value.sessions.values()).filter(({ id }) => !hidden.value.has(id)),
);
export const providers = computed<readonly Provider[]>(() =>
  [...world.value.providers.values()].sort((a, b) => a.name.localeCompare(b.name)),
);
export const chats = computed<readonly ChatSummary[]>(() =>
  [...world.value.chats.values()]
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

export function putChat(chat: ChatSummary): void {
  const { id, title, model, created_at, updated_at } = chat;
  const item: ChatSummary = { id, title, model, created_at, updated_at };
  world.value = applyFeedEvent(world.peek(), { kind: 'chat', op: 'upsert', item });
}

export function dropChat(id: string): void {
  world.value = applyFeedEvent(world.peek(), { kind: 'chat', op: 'delete', item: { id } });
}

/** Reads the list of chats; the feed keeps it current afterwards. */
export async function loadChats(): Promise<void> {
  try {
    const page = await chatsApi.list();
    batch(() => {
      world.value = { ...world.peek(), chats: new Map(page.items.map((chat) => [chat.id, chat])) };
      chatsTrouble.value = null;
    });
  } catch (error) {
    chatsTrouble.value = toTrouble(error);
  }
}

let feed: EventSubscription | null = null;

function openFeed(): void {
  feed?.close();
  feed = new EventSubscription('/api/events', {
    onState(state) {
      connection.value = state;
    },
    onRefused(error) {
      if (error.status === 401) standing.value = 'out';
    },
    onEvent(raw) {
      const event = readFeedEvent(raw);
      if (event === null) return true;
      if (event.kind === 'resync') {
        // A new connection begins with a snapshot; the list of chats is read beside it.
        setTimeout(openFeed, 0);
        return false;
      }
      world.value = applyFeedEvent(world.peek(), event);
      if (event.kind === 'snapshot') void loadChats();
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

/** Finds out who is there, and opens the feed for somebody who is signed in. */
export async function enter(): Promise<void> {
  standing.value = 'asking';
  try {
    const state = await auth.state();
    if (!state.signed_in) {
      standing.value = state.needs_setup ? 'setup' : 'out';
      return;
    }
    account.value = await auth.me();
    standing.value = 'in';
    openFeed();
  } catch {
    standing.value = 'away';
  }
}

export async function leave(): Promise<void> {
  await auth.signOut();
  closeFeed();
  batch(() => {
    world.value = emptyWorld;
    account.value = null;
    standing.value = 'out';
  });
}

export function startStore(): void {
  followVisibility();
  effect(() => {
    // A cookie that expired: say so by showing the sign-in page, once.
    if (refusals.value > 0 && standing.peek() === 'in') {
      closeFeed();
      standing.value = 'out';
    }
  });
  void enter();
}
