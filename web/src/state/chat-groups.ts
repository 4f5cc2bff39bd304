import type { ChatSummary, Folder } from '../api/types';
import { dayGroup } from '../words';

/** One part of the sidebar's list. */
export interface ChatGroup {
  readonly key: string;
  readonly title: string;
  readonly kind: 'pinned' | 'folder' | 'day';
  /** How many there are at the hub; more than `chats` where not all are read. */
  readonly count: number;
  readonly chats: readonly ChatSummary[];
}

export const newestFirst = (a: ChatSummary, b: ChatSummary): number => b.updated_at.localeCompare(a.updated_at);
const byTitle = (a: string, b: string): number => a.localeCompare(b, undefined, { sensitivity: 'base', numeric: true });

/** Names of all folders: those that the hub told and those of chats that moved since. */
export function folderNames(folders: readonly Folder[], chats: readonly ChatSummary[]): readonly string[] {
  const told = folders.filter(({ chats: count }) => count > 0).map(({ name }) => name);
  const used = chats.flatMap(({ folder }) => (folder === null ? [] : [folder]));
  return [...new Set([...told, ...used])].sort(byTitle);
}

/**
 * The sidebar's order: what is pinned, folders by name, the rest by the day of the last message. A pinned
 * chat stands there alone; archived ones are not here at all.
 */
export function groupChats(all: readonly ChatSummary[], folders: readonly Folder[], now: number): readonly ChatGroup[] {
  const shown = all.filter((chat) => !chat.is_archived).sort(newestFirst);
  const pinned = shown.filter((chat) => chat.is_pinned);
  const loose = shown.filter((chat) => !chat.is_pinned);
  const days = new Map<string, ChatSummary[]>();
  for (const chat of loose.filter(({ folder }) => folder === null)) {
    const name = dayGroup(chat.updated_at, now);
    days.set(name, [...(days.get(name) ?? []), chat]);
  }
  const inFolders = folderNames(folders, loose).map((name): ChatGroup => {
    const chats = loose.filter((chat) => chat.folder === name);
    const told = folders.find((folder) => folder.name === name)?.chats ?? 0;
    return { key: `folder:${name}`, title: name, kind: 'folder', count: Math.max(told, chats.length), chats };
  });
  return [
    ...(pinned.length === 0 ? [] : [{ key: 'pinned', title: 'Pinned', kind: 'pinned' as const, count: pinned.length, chats: pinned }]),
    ...inFolders,
    ...[...days].map(([title, chats]): ChatGroup => ({ key: `day:${title}`, title, kind: 'day', count: chats.length, chats })),
  ];
}

export function archived(all: readonly ChatSummary[]): readonly ChatSummary[] {
  return all.filter((chat) => chat.is_archived).sort(newestFirst);
}
