/** What can be done with a chat as a whole. Each change is on the page at once and taken back if the hub refuses. */
import { signal } from '@preact/signals';
import { toTrouble } from '../api/errors';
import { library, type ChatChange } from '../api/library';
import type { ChatSummary, Trouble } from '../api/types';
import { go, path } from '../router';
import { folders } from './chat-list';
import { chatIdOf } from './conversations';
import { expectGone, isBack } from './gone';
import { dropChat, putChat, world } from './store';
import { removeWithUndo } from './undo';

/** The chat whose title is being written in the list. */
export const renaming = signal<string | null>(null);
/** What last went wrong with a chat, by its id: its own row says so. */
export const chatTroubles = signal<ReadonlyMap<string, Trouble>>(new Map());

function noteTrouble(id: string, trouble: Trouble | null): void {
  const next = new Map(chatTroubles.peek());
  if (trouble === null) next.delete(id);
  else next.set(id, trouble);
  chatTroubles.value = next;
}

export const forgetTrouble = (id: string): void => noteTrouble(id, null);

async function change(chat: ChatSummary, fields: ChatChange): Promise<void> {
  noteTrouble(chat.id, null);
  putChat({ ...chat, ...fields });
  try {
    putChat(await library.change(chat.id, fields));
    if ('folder' in fields || 'is_archived' in fields) folders.value = (await library.folders()).items;
  } catch (error) {
    const known = world.peek().chats.get(chat.id);
    if (known !== undefined) putChat({ ...known, ...before(chat, fields) });
    noteTrouble(chat.id, toTrouble(error));
  }
}

/** The fields of a change as they were. */
function before(chat: ChatSummary, fields: ChatChange): ChatChange {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, chat[name as keyof ChatChange]]));
}

export async function renameChat(chat: ChatSummary, title: string): Promise<void> {
  renaming.value = null;
  const words = title.trim();
  if (words !== '' && words !== chat.title) await change(chat, { title: words });
}

export const pinChat = (chat: ChatSummary): Promise<void> => change(chat, { is_pinned: !chat.is_pinned });
export const moveChat = (chat: ChatSummary, folder: string | null): Promise<void> => change(chat, { folder });

/** An archived chat is no longer pinned: the two places would contradict each other. */
export const archiveChat = (chat: ChatSummary): Promise<void> =>
  change(chat, chat.is_archived ? { is_archived: false } : { is_archived: true, ...(chat.is_pinned ? { is_pinned: false } : {}) });

export function removeChat(chat: ChatSummary): void {
  removeWithUndo(chat.id, 'Chat deleted.', async (keepalive) => {
    expectGone(chat.id);
    await library.remove(chat.id, keepalive);
    dropChat(chat.id);
  });
  if (chatIdOf(path.peek()) === chat.id) go('/', { replace: true });
}

/** Has a chat back that another page deleted; throws what the hub says when it is too late. */
export async function restoreChat(id: string): Promise<void> {
  putChat(await library.restore(id));
  isBack(id);
}
