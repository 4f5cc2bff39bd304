import type { ChatChange } from '../api/library';
import type { ChatSummary } from '../api/types';

export type Changes = ReadonlyMap<string, readonly ChatChange[]>;
type Chats = ReadonlyMap<string, ChatSummary>;

export function withChange(all: Changes, id: string, change: ChatChange): Changes {
  return new Map([...all, [id, [...(all.get(id) ?? []), change]]]);
}

/** Without this very change: the hub has answered it. */
export function withoutChange(all: Changes, id: string, change: ChatChange): Changes {
  const left = (all.get(id) ?? []).filter((one) => one !== change);
  const next = new Map(all);
  if (left.length === 0) next.delete(id);
  else next.set(id, left);
  return next;
}

/** What the hub said, and over it what it has not answered: an older word of the hub moves nothing back meanwhile. */
export function withChanges(chats: Chats, changes: Changes): Chats {
  if (changes.size === 0) return chats;
  const next = new Map(chats);
  for (const [id, all] of changes) {
    const chat = next.get(id);
    if (chat !== undefined) next.set(id, Object.assign({}, chat, ...all) as ChatSummary);
  }
  return next;
}
