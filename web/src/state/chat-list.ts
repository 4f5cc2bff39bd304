import { batch, effect, signal } from '@preact/signals';
import { toTrouble } from '../api/errors';
import { library, type ListOptions } from '../api/library';
import type { ChatSummary, Folder, Trouble } from '../api/types';
import { snapshots, world } from './store';

/** Chats of one reading of a list. */
const PAGE = 100;

export const listTrouble = signal<Trouble | null>(null);
export const folders = signal<readonly Folder[]>([]);
/** Where the recent chats go on; null at their end. */
export const older = signal<string | null>(null);
export const isReadingOlder = signal(false);

type Chats = ReadonlyMap<string, ChatSummary>;

/** Lists that somebody has opened, by a name: read again after each new connection. */
const opened = new Map<string, ListOptions>([['recent', { archived: 'false', limit: PAGE }]]);

/**
 * The chats after lists were read. What the feed said while they were read (`now` differs from
 * `before`) is newer than they are, deletes as well.
 */
export function mergeLists(before: Chats, now: Chats, items: readonly ChatSummary[]): Chats {
  const merged = new Map(items.map((chat) => [chat.id, chat]));
  for (const [id, chat] of now) if (before.get(id) !== chat) merged.set(id, chat);
  for (const id of before.keys()) if (!now.has(id)) merged.delete(id);
  return merged;
}

/** Reads every opened list and the folders; the feed keeps them current afterwards. */
export async function readLists(): Promise<void> {
  const before = world.peek().chats;
  try {
    const reading = [...opened].map(async ([name, options]) => ({ name, page: await library.list(options) }));
    const [pages, found] = await Promise.all([Promise.all(reading), library.folders()]);
    batch(() => {
      const items = pages.flatMap(({ page }) => page.items);
      world.value = { ...world.peek(), chats: mergeLists(before, world.peek().chats, items) };
      older.value = pages.find(({ name }) => name === 'recent')?.page.next ?? null;
      folders.value = found.items;
      listTrouble.value = null;
    });
  } catch (error) {
    listTrouble.value = toTrouble(error);
  }
}

/** Reads how many chats are in each folder. */
export async function readFolders(): Promise<void> {
  try {
    folders.value = (await library.folders()).items;
  } catch (error) {
    listTrouble.value = toTrouble(error);
  }
}

function add(items: readonly ChatSummary[]): void {
  world.value = { ...world.peek(), chats: new Map([...world.peek().chats, ...items.map((chat) => [chat.id, chat] as const)]) };
}

/** Opens a list that is not read at the start, and keeps it read. */
export async function openList(name: string, options: ListOptions): Promise<void> {
  if (opened.has(name)) return;
  opened.set(name, { limit: PAGE, ...options });
  try {
    add((await library.list({ limit: PAGE, ...options })).items);
  } catch (error) {
    opened.delete(name);
    listTrouble.value = toTrouble(error);
  }
}

export async function readOlder(): Promise<void> {
  const after = older.peek();
  if (after === null || isReadingOlder.peek()) return;
  isReadingOlder.value = true;
  try {
    const page = await library.list({ archived: 'false', limit: PAGE, after });
    batch(() => {
      add(page.items);
      older.value = page.next;
    });
  } catch (error) {
    listTrouble.value = toTrouble(error);
  } finally {
    isReadingOlder.value = false;
  }
}

export function startChatList(): void {
  effect(() => {
    if (snapshots.value > 0) void readLists();
  });
}
