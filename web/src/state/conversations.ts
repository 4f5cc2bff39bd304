import { effect, signal } from '@preact/signals';
import { path } from '../router';
import { chosen } from './choice';
import { Conversation } from './conversation';
import { world } from './store';

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
  void next.load().then(() => {
    if (current.peek() === next && chosen.peek() === null) chosen.value = next.model.peek();
  });
}

/** Follows the address, and reads a chat anew when another page has changed it. */
export function startConversations(): void {
  effect(() => show(path.value));
  const seen = new Map<string, string>();
  effect(() => {
    for (const [id, conversation] of open) {
      const updated = world.value.chats.get(id)?.updated_at;
      const before = seen.get(id);
      if (updated === undefined) continue;
      seen.set(id, updated);
      if (before !== undefined && before !== updated && !conversation.isBusy) void conversation.load();
    }
  });
}
