import { effect, signal } from '@preact/signals';
import { go, path, place } from '../router';
import { chosen } from './choice';
import { Conversation } from './conversation';
import { hearMessageNews } from './news';
import { feedBegan, returns, snapshots } from './store';

/** Chats stay open behind the one in view: going back to one is instant, and its run goes on. */
const KEPT = 20;
const open = new Map<string, Conversation>();

/** The conversation that the chat page shows. */
export const current = signal(new Conversation(null));

export function chatIdOf(pathname: string): string | null {
  return /^\/chat\/([^/]+)$/.exec(pathname)?.[1] ?? null;
}

function conversationFor(chatId: string): Conversation {
  const known = open.get(chatId) ?? new Conversation(chatId);
  open.delete(chatId);
  open.set(chatId, known);
  for (const [id, one] of open) {
    if (open.size <= KEPT) break;
    if (id === chatId || one.isBusy) continue;
    one.close();
    open.delete(id);
  }
  return known;
}

/** A chat that was just made at the hub goes on in the conversation that made it. */
export function adopt(conversation: Conversation): void {
  const id = conversation.chatId.peek();
  if (id !== null) open.set(id, conversation);
}

export function closeAll(): void {
  for (const one of open.values()) one.close();
  open.clear();
  current.value = new Conversation(null);
}

function show(pathname: string): void {
  const chatId = chatIdOf(pathname);
  if (pathname !== '/' && chatId === null) return;
  const before = current.peek();
  if (chatId === null) {
    if (before.chatId.peek() === null && before.path.peek().length === 0) return;
    current.value = new Conversation(null);
    chosen.value = null;
    return;
  }
  if (before.chatId.peek() === chatId) return;
  const next = conversationFor(chatId);
  current.value = next;
  chosen.value = next.model.peek();
  void next.load();
}

/** `?at=ID` asks for one message of the chat; the address forgets it once it is shown. */
function showWanted(url: URL): void {
  const wanted = url.searchParams.get('at');
  const conversation = current.value;
  if (wanted === null || conversation.loading.value !== 'ready' || conversation.chatId.peek() !== chatIdOf(url.pathname)) return;
  conversation.reveal(wanted);
  go(url.pathname, { replace: true });
}

/** Follows the address, and what other pages do to the chats that are open here. */
export function startConversations(): void {
  effect(() => show(path.value));
  effect(() => showWanted(place.value));
  // In the very turn in which a chat is read: until then a message of it would go to another model.
  effect(() => {
    const model = current.value.model.value;
    if (model !== null && chosen.peek() === null) chosen.value = model;
  });
  hearMessageNews((news) => open.get(news.chat_id)?.hear(news));
  // After a new connection or a new sign-in, what the feed did not carry is read again.
  let seen = 0;
  effect(() => {
    const now = snapshots.value + returns.value;
    if (now > 1 && now !== seen) void current.peek().load();
    seen = now;
  });
  // A page reads its chat while the feed begins: neither waits for the other.
  effect(() => {
    const one = current.value;
    if (one.loading.value === 'ready' && feedBegan.value !== null) one.catchUpWith(feedBegan.value);
  });
}
